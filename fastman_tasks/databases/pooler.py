"""A pooler before PostgreSQL, such as PgBouncer: in transaction mode each transaction may get another session."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Dialect
from sqlalchemy.util import await_only

#: Where a connection's ``info`` says that it leads to a pooler.
POOLED = "fastman_tasks.pooled"
#: What asyncpg needs behind one, where no prepared statement outlives its transaction.
UNNAMED_STATEMENTS = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": lambda: ""}
_QUERY = "SELECT pg_backend_pid()"


def is_pooled(dialect: Dialect, connection: Any) -> bool:
    """Whether a new connection of the driver leads to a pooler: what it was told at first about its server session, to
    cancel a statement with, is not what the server says. False for other databases and unknown drivers."""
    driver_connection: Any = dialect.get_driver_connection(connection)
    if dialect.driver == "asyncpg":
        return bool(driver_connection.get_server_pid() != await_only(driver_connection.fetchval(_QUERY)))
    if dialect.driver not in ("psycopg", "psycopg_async", "psycopg2"):
        return False
    before, connection.autocommit = connection.autocommit, True
    cursor = connection.cursor()
    cursor.execute(_QUERY)
    (answer,) = cursor.fetchone()
    cursor.close()
    connection.autocommit = before
    return bool(driver_connection.info.backend_pid != answer)
