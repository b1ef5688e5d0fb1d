"""The database of a connection to MySQL or MariaDB, from SHOW CREATE."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Connection, text

from fastman_tasks.databases.dump import Dump
from fastman_tasks.databases.dump.order import Part, sort
from fastman_tasks.databases.dump.rows import insert
from fastman_tasks.databases.verbatim import execute

_TABLES = """SELECT table_name, CASE table_type WHEN 'VIEW' THEN 'view' WHEN 'SEQUENCE' THEN 'sequence' ELSE 'table' END
    FROM information_schema.tables WHERE table_schema = database()"""
_OTHERS = """SELECT routine_name, lower(routine_type), '' FROM information_schema.routines
        WHERE routine_schema = database()
    UNION ALL SELECT event_name, 'event', '' FROM information_schema.events WHERE event_schema = database()
    UNION ALL SELECT trigger_name, 'trigger', concat(event_object_table, '.', lpad(action_order, 4, '0'))
        FROM information_schema.triggers WHERE trigger_schema = database()"""
_COLUMNS = """SELECT column_name, data_type, column_key = 'PRI' FROM information_schema.columns
    WHERE table_schema = database() AND table_name = :table AND coalesce(generation_expression, '') = ''
    ORDER BY ordinal_position"""
# Which column of SHOW CREATE has the statement, if it is not the second one.
_RANKS = {"sequence": 0, "table": 1, "function": 3, "procedure": 3, "view": 4, "trigger": 5, "event": 6}
_PLACES = {"function": 2, "procedure": 2, "trigger": 2, "event": 3}
_ROWS = 2
# Whose it is, and what is so by default.
_DEFINER = re.compile(r" DEFINER\s*=\s*`(?:[^`]|``)*`@`(?:[^`]|``)*`| ALGORITHM=UNDEFINED| SQL SECURITY DEFINER")
_COUNTER = re.compile(r"(?<=\n\) )(ENGINE=\w+)\sAUTO_INCREMENT=\d+")
# A server, and whoever loads it, may have another time zone; it is theirs again afterwards.
_UTC = ("SET @fastman_zone = @@time_zone", "SET time_zone = '+00:00'")
_OWN_ZONE = "SET time_zone = @fastman_zone"
_BINARY = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"}
_GEOMETRY = {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"}
_GEOMETRY |= {"geometrycollection", "geomcollection"}
_NUMBERS = {"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year"}


def read(connection: Connection, without: Collection[str]) -> Dump:
    """See ``dump.read``."""
    own = str(connection.exec_driver_sql("SELECT database()").scalar_one())
    for each in _UTC:
        connection.exec_driver_sql(each)
    found = [(*map(_text, row), "") for row in connection.exec_driver_sql(_TABLES) if _text(row[0]) not in without]
    found += [tuple(map(_text, row)) for row in connection.exec_driver_sql(_OTHERS)]
    parts, depends = [], []
    views = [name for name, kind, _ in found if kind == "view"]
    for name, kind, place in found:
        sql = _create(connection, own, kind, name)
        parts.append(Part((kind, name), _RANKS[kind], place or name, (sql,)))
        if kind == "table":
            parts.append(Part(("rows", name), _ROWS, name, tuple(_rows(connection, name))))
        if kind == "view":
            depends += [(("view", name), ("view", other)) for other in views if _quote(other) in sql]
    statements = tuple(sql for part in sort(parts, depends) for sql in part.statements)
    if any("FOREIGN KEY" in sql for sql in statements):
        # Tables, and rows, may refer to each other.
        statements = ("SET foreign_key_checks = 0", *statements, "SET foreign_key_checks = 1")
    if any("` timestamp" in sql for sql in statements):
        statements = (*_UTC, *statements, _OWN_ZONE)
    connection.exec_driver_sql(_OWN_ZONE)
    return Dump(statements)


def _create(connection: Connection, database: str, kind: str, name: str) -> str:
    row = execute(connection, f"SHOW CREATE {kind.upper()} {_quote(name)}").one()
    sql = _text(row[_PLACES.get(kind, 1)]).replace(f"{_quote(database)}.", "")
    if kind == "table":
        return _COUNTER.sub(r"\1", sql)
    head, rest = sql[:400], sql[400:]
    return _DEFINER.sub("", head) + rest


def _rows(connection: Connection, table: str) -> Iterator[str]:
    columns = [tuple(row) for row in connection.execute(text(_COLUMNS), {"table": table})]
    names = [_quote(_text(name)) for name, _, _ in columns]
    key = [name for name, (_, _, is_key) in zip(names, columns, strict=True) if is_key]
    literals = ", ".join(_literal(name, _text(type)) for name, (_, type, _) in zip(names, columns, strict=True))
    query = f"SELECT {literals} FROM {_quote(table)} ORDER BY {', '.join(key or names)}"
    rows = execute(connection, query)
    return insert(_quote(table), names, (tuple(map(_text, row)) for row in rows))


def _literal(column: str, type: str) -> str:
    """An expression that yields the value of ``column`` as SQL."""
    if type in _BINARY | _GEOMETRY:
        return f"coalesce(if(length({column}) = 0, '''''', concat('0x', hex({column}))), 'NULL')"
    if type in _NUMBERS:
        return f"coalesce(cast({column} AS char), 'NULL')"
    if type in ("float", "double", "bit"):
        # As many digits as it takes; a float is shown with six by itself.
        return f"coalesce(cast({column} + {'0' if type == 'bit' else '0e0'} AS char), 'NULL')"
    return f"quote(convert({column} USING utf8mb4))"


def _quote(name: str) -> str:
    return "`{}`".format(name.replace("`", "``"))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
