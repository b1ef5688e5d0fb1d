"""PostgreSQL's tables and columns, from its catalog."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from fastman_tasks.databases.overview import Column, Index, Overview, TableSize

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
_INDEXES = """SELECT i.relname, x.indisunique, pg_get_expr(x.indpred, x.indrelid),
        ARRAY(SELECT coalesce(a.attname::text, pg_get_indexdef(x.indexrelid, n, true))
            FROM generate_series(1, x.indnkeyatts) n
            LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[n - 1] ORDER BY n),
        ARRAY(SELECT (x.indoption[n - 1] & 1) = 1 FROM generate_series(1, x.indnkeyatts) n)
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = coalesce(:schema, current_schema()) AND c.relname = :name AND NOT x.indisprimary"""
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


def indexes(connection: Connection, schema: str | None, name: str) -> Iterator[Index]:
    """Yields the indexes of the table ``name`` but that of its primary key."""
    found = connection.execute(text(_INDEXES), {"schema": schema, "name": name})
    for index, is_unique, where, parts, descending in found:
        yield Index(index, tuple(parts), is_unique, tuple(descending), where)
