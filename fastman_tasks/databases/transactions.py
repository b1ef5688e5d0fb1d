"""SQLite's transactions: they hold DDL and savepoints too, and those of a run that writes wait for their turn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import wraps
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError


@contextmanager
def reading(connection: Connection) -> Iterator[None]:
    """What is read through ``connection`` in this block leaves no transaction open where there was none."""
    was_in_one = connection.in_transaction()
    yield
    if not was_in_one and connection.in_transaction():
        connection.rollback()


def begin_immediately(connection: Connection) -> None:
    """Let each transaction of this connection to SQLite begin as a writing one (BEGIN IMMEDIATE).

    It waits until no other process writes. One that has read first cannot wait: if another process has written since,
    its first write fails at once.
    """
    if connection.dialect.name == "sqlite":
        connection.info[_WRITES] = True


def begin(
    connection: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
) -> tuple[str, Any]:
    """Begin SQLite's transactions, as Python's driver commits around DDL and savepoints. Returns what to execute, for
    an event listener with ``retval``: the engine's own BEGIN, too, is immediate.

    Before a transaction's first statement, not when SQLAlchemy begins it: the engine may have a listener that does so.
    Source: SQLAlchemy's documentation of pysqlite, on transactional DDL and savepoints.
    """
    if connection.dialect.name == "sqlite":
        if _DEFERRED.fullmatch(statement) and connection.info.get(_WRITES):
            statement = IMMEDIATE
        elif not _OUTSIDE.match(statement):
            _begin(connection)
    return statement, parameters


def ensure_begun(connection: Connection) -> None:
    """Begin the transaction on SQLite, if it has not been yet, for what is sent through the driver's own cursor."""
    if connection.dialect.name == "sqlite":
        if not connection.in_transaction():
            connection.begin()
        _begin(connection)


def begun(connection: Connection, function: Callable[..., None]) -> Callable[..., None]:
    """Returns ``function``, run in a transaction that has begun on SQLite before it reads anything: while a query's
    rows are being read, SQLite begins none that writes beside another, and does not wait for it either."""

    @wraps(function)
    def run(**arguments: Any) -> None:
        ensure_begun(connection)
        function(**arguments)

    return run


def _begin(connection: Connection) -> None:
    transaction = connection.get_transaction()
    # What was ended by a COMMIT as text is not begun again behind the back of who sent it.
    if transaction is None or connection.info.get(_BEGUN) is transaction:
        return
    # Not inside autocommit_block().
    autocommit = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
    if not autocommit and not driver_connection(connection).in_transaction:
        _execute(connection, IMMEDIATE if connection.info.get(_WRITES) else "BEGIN")
    connection.info[_BEGUN] = transaction


def begin_implicit(connection: Connection) -> None:
    """With Python's autocommit=False (3.12 and later) the driver is always within a transaction, which it has begun
    as a reading one: begin it again where it writes."""
    if connection.info.get(_WRITES) and is_implicit(connection):
        _execute(connection, "COMMIT")
        _execute(connection, IMMEDIATE)


def is_implicit(connection: Connection) -> bool:
    """Whether the driver itself keeps its connection within a transaction."""
    return getattr(driver_connection(connection), "autocommit", None) is False


def commits_each_statement(connection: Connection) -> bool:
    """Whether the engine, of an env.py, connects in autocommit."""
    driver: Any = driver_connection(connection)
    if (ask := getattr(driver, "get_autocommit", None)) is not None:
        return bool(ask())
    return (
        connection.dialect.name != "sqlite" and getattr(connection.connection.dbapi_connection, "autocommit", 0) is True
    )


def driver_connection(connection: Connection) -> Any:
    """The driver's own connection; sqlite3's and aiosqlite's both have ``in_transaction``."""
    # One that was detached from its pool does not tell itself.
    return connection.dialect.get_driver_connection(connection.connection.dbapi_connection)  # type: ignore[arg-type]


def _execute(connection: Connection, statement: str) -> None:
    dbapi: Any = connection.dialect.loaded_dbapi
    with closing(connection.connection.cursor()) as cursor:
        try:
            cursor.execute(statement)
        except dbapi.OperationalError as error:
            # What SQLAlchemy executes itself is wrapped in this, too.
            raise OperationalError(statement, None, error) from error


# Where a connection's info has the transaction that was begun last, and whether it is to write.
_BEGUN, _WRITES = "fastman_tasks.begun", "fastman_tasks.writes"
#: What begins a transaction that waits its turn.
IMMEDIATE = "BEGIN IMMEDIATE"
_DEFERRED = re.compile(r"\s*BEGIN(\s+DEFERRED)?(\s+TRANSACTION)?\s*;?\s*", re.IGNORECASE)
# What begins a transaction itself, what SQLite ignores or refuses within one, and what would only keep others waiting:
# a migration's own second connection among them.
_OUTSIDE = re.compile(r"\s*(BEGIN|PRAGMA|VACUUM|ATTACH|DETACH|SELECT)\b", re.IGNORECASE)
