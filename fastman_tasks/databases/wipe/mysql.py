"""Empty the database of a connection to MySQL or MariaDB."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from fastman_tasks.databases.wipe import Thing, Wipe, without_kept
from fastman_tasks.errors import UsageError

_ALL = """
    SELECT CASE table_type WHEN 'VIEW' THEN 'view' WHEN 'SEQUENCE' THEN 'sequence' ELSE 'table' END, table_name
        FROM information_schema.tables WHERE table_schema = database()
    UNION ALL SELECT lower(routine_type), routine_name FROM information_schema.routines
        WHERE routine_schema = database()
    UNION ALL SELECT 'event', event_name FROM information_schema.events WHERE event_schema = database()"""
# A view can be dropped without its table, and a table's triggers go with it.
_ORDER = ("event", "view", "table", "sequence", "procedure", "function")


def find(connection: Connection, schemas: Collection[str], keep: Collection[str]) -> Wipe:
    """See ``wipe.find``."""
    if schemas:
        raise UsageError("--schemas is for PostgreSQL; here each database is one.")
    things = [
        Thing(kind, name, "`{}`".format(name.replace("`", "``"))) for kind, name in connection.exec_driver_sql(_ALL)
    ]
    # A package or another kind that a newer server may have stays.
    known = sorted((each for each in things if each.kind in _ORDER), key=lambda thing: _ORDER.index(thing.kind))
    left = without_kept(tuple(known), keep)
    drops = [f"DROP {thing.kind.upper()} {thing.sql}" for thing in left]
    statements = ("SET foreign_key_checks = 0", *drops, "SET foreign_key_checks = 1") if left else ()
    return Wipe(left, statements, "this database commits each DDL statement separately")
