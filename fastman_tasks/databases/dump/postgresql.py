"""A database of PostgreSQL, from its catalogs, in the order of its dependencies.

Names are written as the connection's search_path needs them, which is that of the migrations.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, TypeAlias

from sqlalchemy import Connection

from fastman_tasks.databases.dump import Dump
from fastman_tasks.databases.dump.order import Part, sort
from fastman_tasks.databases.dump.postgresql_left_out import LEFT_OUT
from fastman_tasks.databases.dump.postgresql_parts import ALIASES, DEPENDS, OWNED, PARTS, POSITIONS, TABLES
from fastman_tasks.databases.dump.rows import insert
from fastman_tasks.databases.verbatim import execute

# The catalog, and the id in it.
_Key: TypeAlias = tuple[Any, ...]
_ROWS, _POSITION = 20, 30
_MANNER = """SELECT set_config(name, value, true) FROM (VALUES ('datestyle', 'ISO'), ('intervalstyle', 'postgres'),
    ('timezone', 'UTC'), ('bytea_output', 'hex'), ('extra_float_digits', '1')) s (name, value)"""


def read(connection: Connection, without: Collection[str]) -> Dump:
    """See ``dump.read``."""

    def rows(query: str) -> list[Any]:
        return [tuple(row) for row in execute(connection, query)]

    # Until the transaction ends: values are not to be written in the manner of this user or server.
    execute(connection, _MANNER)
    parts: dict[_Key, Part] = {}
    left_out = {("pg_class", id) for id, table in rows(OWNED) if table in without}
    for query in PARTS:
        for catalog, id, kind, rank, name, sql, table in rows(query):
            if table not in without and (catalog, id) not in left_out:
                key = (catalog, id, kind)
                known = parts[key].statements if key in parts else ()
                parts[key] = Part(key, rank, name, (*known, sql))
    aliases = {(catalog, id): (other, of) for catalog, id, other, of in rows(ALIASES)}
    depends: list[tuple[object, object]] = []
    for catalog, id, kind, other, of in rows(DEPENDS):
        depends.append(((*_resolve((catalog, id), aliases, kind), kind), (*_resolve((other, of), aliases), "")))
    for id, table, label, columns, key, is_always in rows(TABLES):
        if label not in without:
            found = tuple(_rows(connection, table, columns, key, is_always))
            parts["rows", id] = Part(("rows", id), _ROWS, table, found)
            depends.append((("rows", id), ("pg_class", id, "")))
    for id, name, sequence, last, needs in rows(POSITIONS):
        if ("pg_class", id) in left_out:
            continue
        sql = f"SELECT setval({sequence}, {last})"
        parts["position", id] = Part(("position", id), _POSITION, name, (sql,))
        depends.append((("position", id), (*_resolve(("pg_class", needs), aliases), "")))
        depends.append((("position", id), ("pg_class", id, "owned")))
    ordered = sort(parts.values(), depends)
    return Dump(tuple(sql for part in ordered for sql in part.statements), tuple(row[0] for row in rows(LEFT_OUT)))


def _resolve(key: _Key, aliases: dict[_Key, _Key], kind: str = "") -> _Key:
    """What ``key`` is a part of, such as the table of a default; itself if it is none."""
    while not kind and key in aliases:
        key = aliases[key]
    return key


def _rows(
    connection: Connection, table: str, columns: list[str], key: list[str] | None, is_always: bool
) -> Iterator[str]:
    if not columns:
        return iter(())
    literals = ", ".join(f"quote_nullable({column}::text)" for column in columns)
    order = ", ".join(key or [f"{column}::text" for column in columns])
    found = execute(connection, f"SELECT {literals} FROM ONLY {table} ORDER BY {order}")
    return insert(table, columns, found, " OVERRIDING SYSTEM VALUE" if is_always else "")
