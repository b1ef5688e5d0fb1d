"""SQLite's tables and columns, from its pragmas."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from fastman_tasks.databases.overview import Column, Index, Overview, TableSize
from fastman_tasks.databases.sql import tokens
from fastman_tasks.databases.sql.virtual_tables import is_shadow, is_virtual

_TABLES = (
    "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1"
)
_TABLE_INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :name AND sql IS NOT NULL"
_INDEXES = "SELECT tbl_name, name FROM sqlite_master WHERE type = 'index'"
_SIZE = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
# In order; a generated column is hidden, and so is one of a virtual table's own.
_COLUMNS = (
    'SELECT name, type, "notnull", dflt_value, hidden FROM pragma_table_xinfo(:name) WHERE hidden <> 1 ORDER BY cid'
)


def read(connection: Connection) -> Overview:
    """Returns the database with its tables."""
    version = connection.exec_driver_sql("SELECT sqlite_version()").scalar_one()
    found = [tuple(row) for row in connection.exec_driver_sql(_TABLES)]
    virtual = [name for name, sql in found if is_virtual(sql)]
    # What a virtual table keeps its content in is a part of it.
    names = [name for name, _ in found if not is_shadow(name, virtual)]
    indexes: dict[str, list[str]] = {name: [] for name in names}
    for table, index in connection.exec_driver_sql(_INDEXES):
        indexes.setdefault(table, []).append(index)
    sizes = _sizes(connection)
    for name, _ in found:
        if name not in indexes and sizes:
            owner = name.rpartition("_")[0]
            sizes[owner] = sizes.get(owner, 0) + sizes.get(name, 0)
    tables = [
        TableSize(
            name,
            size=sizes.get(name),
            indexes=len(indexes[name]),
            index_size=sum(sizes.get(each, 0) for each in indexes[name]) if sizes else None,
        )
        for name in names
    ]
    return Overview(f"SQLite {version}", connection.exec_driver_sql(_SIZE).scalar_one(), tuple(tables))


def columns(connection: Connection, _schema: str | None, name: str) -> Iterator[Column]:
    """Yields the columns of the table ``name``, in their order."""
    for column, type, required, default, hidden in connection.execute(text(_COLUMNS), {"name": name}):
        yield Column(column, type, not required, default, "generated" if hidden else "")


def indexes(connection: Connection, _schema: str | None, name: str) -> Iterator[Index]:
    """Yields the indexes of the table ``name`` that have a statement of their own."""
    for index, sql in connection.execute(text(_TABLE_INDEXES), {"name": name}):
        found = tokens.tokens(sql)
        words = [each.word for each in found]
        start = words.index("(", words.index("ON"))
        end = tokens.end_of_group(found, start)
        parts = tokens.split(found[start + 1 : end])
        descending = tuple(part[-1].word == "DESC" for part in parts)
        parts = [part[:-1] if part[-1].word in ("ASC", "DESC") else part for part in parts]
        columns = tuple(part[0].name if len(part) == 1 else tokens.excerpt(sql, part) for part in parts)
        where = tokens.excerpt(sql, found[end + 2 :]) if "WHERE" in words[end + 1 :] else None
        yield Index(index, columns, "UNIQUE" in words[:start], descending, where)


def _sizes(connection: Connection) -> dict[str, int]:
    """The bytes of each table and index; nothing where SQLite was compiled without dbstat."""
    try:
        rows = connection.exec_driver_sql("SELECT name, sum(pgsize) FROM dbstat GROUP BY 1").all()
    except DBAPIError:
        return {}
    return {str(name): int(size) for name, size in rows}
