"""The names of a database's tables."""

from __future__ import annotations

from sqlalchemy import Connection, inspect

#: The table of our own, beside the version table.
HISTORY_TABLE = "fastman_history"


def list_tables(connection: Connection) -> tuple[str, ...]:
    """Returns the names of all tables, sorted. On PostgreSQL it is those of every schema that is not the server's own,
    qualified unless it is the first of search_path. Only reads."""
    inspector = inspect(connection)
    if connection.dialect.name != "postgresql":
        return tuple(sorted(inspector.get_table_names()))
    first = connection.exec_driver_sql("SELECT current_schema()").scalar()
    schemas = [each for each in inspector.get_schema_names() if each != "information_schema"]
    names = [
        name if schema == first else f"{schema}.{name}"
        for schema in schemas
        if not schema.startswith("pg_")
        for name in inspector.get_table_names(schema)
    ]
    return tuple(sorted(names))
