"""SQLite's tables and columns, from its pragmas."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from fastman_tasks.databases.overview import Column, Overview, TableSize

_NAMES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1"
_INDEXES = "SELECT tbl_name, name FROM sqlite_master WHERE type = 'index'"
_SIZE = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
# In order; a generated column is hidden, and so is one of a virtual table's own.
_COLUMNS = (
    'SELECT name, type, "notnull", dflt_value, hidden FROM pragma_table_xinfo(:name) WHERE hidden <> 1 ORDER BY cid'
)


def read(connection: Connection) -> Overview:
    """Returns the database with its tables."""
    version = connection.exec_driver_sql("SELECT sqlite_version()").scalar_one()
    names = connection.exec_driver_sql(_NAMES).scalars().all()
    indexes: dict[str, list[str]] = {name: [] for name in names}
    for table, index in connection.exec_driver_sql(_INDEXES):
        indexes.setdefault(table, []).append(index)
    sizes = _sizes(connection)
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


def _sizes(connection: Connection) -> dict[str, int]:
    """The bytes of each table and index; nothing where SQLite was compiled without dbstat."""
    try:
        rows = connection.exec_driver_sql("SELECT name, sum(pgsize) FROM dbstat GROUP BY 1").all()
    except DBAPIError:
        return {}
    return {str(name): int(size) for name, size in rows}
