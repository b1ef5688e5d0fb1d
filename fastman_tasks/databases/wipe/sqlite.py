"""Empty the main database of a connection to SQLite."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from fastman_tasks.databases.sql.virtual_tables import is_shadow, is_virtual
from fastman_tasks.databases.wipe import Thing, Wipe, without_kept
from fastman_tasks.errors import UsageError

_ALL = """SELECT type, name, tbl_name, sql FROM sqlite_master
    WHERE type IN ('table', 'view', 'trigger') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"""
# A view or a trigger that speaks of a dropped table would break what comes after; a virtual table drops its own.
_ORDER = ("trigger", "view", "virtual table", "table")


def find(connection: Connection, schemas: Collection[str], keep: Collection[str]) -> Wipe:
    """See ``wipe.find``."""
    if schemas:
        raise UsageError("--schemas is for PostgreSQL; a SQLite file has none.")
    rows = [tuple(row) for row in connection.exec_driver_sql(_ALL)]
    virtual = {name for _, name, _, sql in rows if is_virtual(sql)}
    quote = connection.dialect.identifier_preparer.quote_identifier
    things = [
        Thing("virtual table" if name in virtual else kind, name, quote(name))
        for kind, name, table, _ in rows
        if not is_shadow(name, virtual) and not (kind == "trigger" and table in keep)
    ]
    left = without_kept(tuple(sorted(things, key=lambda thing: _ORDER.index(thing.kind))), keep)
    # The connection enforces no foreign keys.
    return Wipe(left, tuple(f"DROP {thing.kind.removeprefix('virtual ').upper()} {thing.sql}" for thing in left))
