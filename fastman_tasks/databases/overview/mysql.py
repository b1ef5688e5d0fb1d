"""MySQL's and MariaDB's tables and columns, from information_schema."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, text

from fastman_tasks.databases.overview import Column, Index, Overview, TableSize

_TABLES = """SELECT t.table_name, t.table_rows, t.data_length, t.index_length,
        (SELECT count(DISTINCT s.index_name) FROM information_schema.statistics s
            WHERE s.table_schema = t.table_schema AND s.table_name = t.table_name)
    FROM information_schema.tables t WHERE t.table_schema = database() AND t.table_type LIKE '%BASE TABLE'"""
_COLUMNS = """SELECT column_name, column_type, is_nullable, column_default, extra FROM information_schema.columns
    WHERE table_schema = coalesce(:schema, database()) AND table_name = :name ORDER BY ordinal_position"""
# Only MySQL has the column for expressions.
_INDEXES = """SELECT * FROM information_schema.statistics WHERE table_schema = coalesce(:schema, database())
    AND table_name = :name AND index_name <> 'PRIMARY' ORDER BY index_name, seq_in_index"""


def read(connection: Connection) -> Overview:
    """Returns the database with its tables."""
    version = str(connection.exec_driver_sql("SELECT version()").scalar_one())
    name = "MariaDB" if "mariadb" in version.lower() else "MySQL"
    tables = [
        TableSize(str(table), rows, size=size, indexes=count, index_size=index_size)
        for table, rows, size, index_size, count in connection.execute(text(_TABLES))
    ]
    total = sum(int(each.size or 0) + int(each.index_size or 0) for each in tables)
    by_name = sorted(tables, key=lambda each: each.name)
    return Overview(f"{name} {version.partition('-')[0]}", total, tuple(by_name))


def columns(connection: Connection, schema: str | None, name: str) -> Iterator[Column]:
    """Yields the columns of the table ``name``, in their order."""
    for column, type, nullable, default, extra in connection.execute(text(_COLUMNS), {"schema": schema, "name": name}):
        # MariaDB says of a column that may be NULL that this is its default.
        value = None if default is None or default == "NULL" else str(default)
        yield Column(str(column), _text(type), nullable == "YES", value, str(extra or "").lower())


def indexes(connection: Connection, schema: str | None, name: str) -> Iterator[Index]:
    """Yields the indexes of the table ``name`` but that of its primary key."""
    found = connection.execute(text(_INDEXES), {"schema": schema, "name": name}).mappings()
    parts = [{key.lower(): value for key, value in row.items()} for row in found]
    for index, several in itertools.groupby(parts, lambda part: str(part["index_name"])):
        of = list(several)
        yield Index(
            index,
            tuple(map(_part, of)),
            not int(of[0]["non_unique"]),
            tuple(each["collation"] == "D" for each in of),
        )


def _part(row: dict[str, Any]) -> str:
    text = str(row["column_name"] or f"({row.get('expression')})")
    return f"{text}({row['sub_part']})" if row["sub_part"] else text


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
