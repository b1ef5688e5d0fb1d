"""PostgreSQL's tables and columns, from its catalog."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from fastman_tasks.databases.overview import Column, Overview, TableSize

# The rows of a table that was never analyzed are not known: -1, or 0 before version 14.
_TABLES = """SELECT CASE WHEN n.nspname = current_schema() THEN c.relname ELSE n.nspname || '.' || c.relname END,
        nullif(greatest(c.reltuples, 0), 0)::bigint, pg_table_size(c.oid), pg_indexes_size(c.oid),
        (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1"""
_COLUMNS = """SELECT a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
        pg_get_expr(d.adbin, d.adrelid), a.attidentity::text, a.attgenerated::text
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE n.nspname = coalesce(:schema, current_schema()) AND c.relname = :name AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum"""
_IDENTITIES = {"a": "identity, always", "d": "identity"}


def read(connection: Connection) -> Overview:
    """Returns the database with its tables."""
    version = connection.exec_driver_sql("SHOW server_version").scalar_one()
    size = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
    tables = [
        TableSize(name, rows, size=size, indexes=count, index_size=index_size)
        for name, rows, size, index_size, count in connection.exec_driver_sql(_TABLES)
    ]
    return Overview(f"PostgreSQL {version.split()[0]}", size, tuple(tables))


def columns(connection: Connection, schema: str | None, name: str) -> Iterator[Column]:
    """Yields the columns of the table ``name``, in their order."""
    for row in connection.execute(text(_COLUMNS), {"schema": schema, "name": name}):
        column, type, nullable, default, identity, generated = row
        note = _IDENTITIES.get(identity, "generated" if generated else "")
        yield Column(column, type, nullable, default, note)
