"""A pooler before PostgreSQL, such as PgBouncer: in transaction mode each transaction may get another session."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.engine import Dialect
from sqlalchemy.util import await_only

from fastman_tasks.databases.transactions import driver_connection

#: Where a connection's ``info`` says that it leads to a pooler.
POOLED = "fastman_tasks.pooled"
#: What asyncpg needs behind one, where no prepared statement outlives its transaction.
UNNAMED_STATEMENTS = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": lambda: ""}
_QUERY = "SELECT pg_backend_pid()"
# With others at work a connection may happen to get the session again that it has had.
_ROUNDS = 10


def adapt(dialect: Dialect, connection: Any, info: dict[Any, Any]) -> None:
    """Note in ``info`` whether a connection of the driver leads to a pooler, which a new one is then adapted to."""
    info[POOLED] = is_pooled(dialect, connection)
    if info[POOLED] and dialect.driver in ("psycopg", "psycopg_async"):
        dialect.get_driver_connection(connection).prepare_threshold = None


def is_pooled(dialect: Dialect, connection: Any) -> bool:
    """Whether a connection of the driver leads to a pooler: what it was told at first about its server session, to
    cancel a statement with, is not what the server says. False for other databases and unknown drivers."""
    driver: Any = dialect.get_driver_connection(connection)
    announced = _announced(dialect, driver)
    if announced is None:
        return False
    if dialect.driver == "asyncpg":
        return bool(announced != await_only(driver.fetchval(_QUERY)))
    # Without a transaction of its own, it is one message.
    is_idle, before = driver.info.transaction_status == 0, connection.autocommit
    if is_idle:
        connection.autocommit = True
    with closing(connection.cursor()) as cursor:
        cursor.execute(_QUERY)
        (answer,) = cursor.fetchone()
    if is_idle:
        connection.autocommit = before
    return bool(announced != answer)


def may_be_pooled(connection: Connection) -> bool:
    """Whether ``connection`` leads to a pooler, whoever has opened it; True if its driver does not tell."""
    return _announced(connection.dialect, driver_connection(connection)) != server_process(connection)


def shares_sessions(one: Callable[[], int], other: Callable[[], int]) -> bool:
    """Whether two connections in autocommit do not have a session each. Each function returns the server process that
    its connection has for a transaction of its own."""
    ours: set[int] = set()
    theirs: set[int] = set()
    for _ in range(_ROUNDS):
        # Twice each: a pooler that has two sessions take turns shows it to one, any other one to the next.
        ours |= {one(), one()}
        theirs |= {other(), other()}
        if len(ours) > 1 or len(theirs) > 1 or ours == theirs:
            return True
    return False


def server_process(connection: Connection) -> int:
    """Returns the number of the server process that ``connection`` has now."""
    found: int = connection.execute(text(_QUERY)).scalar_one()
    return found


def _announced(dialect: Dialect, driver: Any) -> int | None:
    """The server process that the driver was told when it connected; None if it does not say."""
    if dialect.driver == "asyncpg":
        return int(driver.get_server_pid())
    return int(driver.info.backend_pid) if dialect.driver in _WITH_INFO else None


_WITH_INFO = ("psycopg", "psycopg_async", "psycopg2")
