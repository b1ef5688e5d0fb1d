"""The names of a database's tables, and of our own among them."""

from __future__ import annotations

from sqlalchemy import Connection, inspect

import fastman_alembic
from fastman_tasks.plans import State

#: Our table, beside the version table.
HISTORY_TABLE = fastman_alembic.HISTORY_TABLE


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


def own_tables(state: State, *, version_table: bool = True) -> frozenset[str]:
    """Returns the names of the version table, unless without it, and of our history beside it: plain, and qualified
    where ``state`` has a schema. A project's schema, and its rows, are without them."""
    names = (state.version_table, HISTORY_TABLE) if version_table else (HISTORY_TABLE,)
    return frozenset(each for name in names for each in (name, ".".join(filter(None, (state.schema, name)))))
