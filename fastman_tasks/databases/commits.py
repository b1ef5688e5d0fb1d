"""What became of a commit whose answer was lost, as another connection finds it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from functools import wraps
from typing import Any, Literal

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from fastman_tasks.databases.hooks import listen
from fastman_tasks.databases.timeouts import is_lock_timeout
from fastman_tasks.databases.transactions import driver_connection
from fastman_tasks.errors import DatabaseUnavailable

Outcome = Literal["committed", "rolled back", "unknown"]

#: White space and comments before a statement.
LEAD = r"(?:\s|--[^\n]*\n|/\*.*?\*/)*"
#: A COMMIT as text.
COMMIT = re.compile(LEAD + r"(commit|end)\b", re.I | re.S)
#: MySQL's statements "that cause an implicit commit"; temporary tables do not.
DDL = re.compile(
    LEAD + r"(?!\w+\s+temporary\b)(create|alter|drop|rename|truncate|comment|grant|revoke|lock|analyze|optimize)\b",
    re.I | re.S,
)

#: Seconds to wait for a server that is still committing, and between two questions.
PATIENCE, _PAUSE = 3.0, 0.1

#: PostgreSQL does not flush the commit of this transaction to its disk: the next one that it does flush takes this one
#: along. Local: it ends with the transaction, also behind a pooler.
POSTPONE_FLUSH = "SET LOCAL synchronous_commit = off"


def ends_transaction(statement: str, dialect: str) -> bool:
    """Whether ``statement`` commits what was written before it."""
    return bool(COMMIT.match(statement) or (dialect in ("mysql", "mariadb") and DDL.match(statement)))


def wait(
    is_over: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Wait until ``is_over``, for ``PATIENCE`` seconds at most; returns whether it is."""
    deadline = clock() + PATIENCE
    while not is_over():
        if clock() >= deadline:
            return False
        sleep(_PAUSE)
    return True


def commit(connection: Connection, on_failure: Callable[[Outcome], None]) -> None:
    """Commit the transaction of ``connection``. If that raises, ``on_failure`` is called first, with its outcome as
    far as it is known."""
    number = _transaction(connection)
    seen: list[Outcome] = []

    def look(context: ExceptionContext) -> None:
        # A signal: SQLAlchemy closes the connection next.
        if context.connection is connection and not isinstance(context.original_exception, Exception):
            seen.append(_sqlite_outcome(connection))

    try:
        with listen(("handle_error", look)) if connection.dialect.name == "sqlite" else nullcontext():
            connection.commit()
    except BaseException as error:
        # Until it is known: another signal may end the question.
        on_failure("unknown")
        on_failure(seen[-1] if seen else _outcome(connection, number, error))
        raise


def postpone_flush(connection: Connection, function: Callable[..., None]) -> Callable[..., None]:
    """Returns ``function``, run in a transaction whose commit PostgreSQL does not flush to its disk: the next one that
    it does flush takes this one along."""

    @wraps(function)
    def run(**arguments: Any) -> None:
        driver = driver_connection(connection)
        # psycopg prepares what it sends often, and has the server forget it with the next DDL: two messages more.
        prepares = getattr(driver, "prepare_threshold", None)
        if prepares is not None:
            driver.prepare_threshold = None
        try:
            connection.exec_driver_sql(POSTPONE_FLUSH)
        finally:
            if prepares is not None:
                driver.prepare_threshold = prepares
        function(**arguments)

    return run


def flush(connection: Connection) -> None:
    """Wait until PostgreSQL has flushed every commit to its disk."""
    if connection.dialect.name != "postgresql":
        return
    try:
        # A commit waits only if its transaction has written something, for which a number (txid_current) is not enough.
        # The message goes to the log that is flushed, and into no table.
        connection.execute(text("SELECT pg_logical_emit_message(true, 'fastman_tasks', 'flush')"))
        connection.commit()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        # Not allowed to, or read-only by now: the server flushes by itself, within a second.
        connection.rollback()


def _transaction(connection: Connection) -> int | None:
    """The number by which PostgreSQL remembers the transaction; None if it has written nothing, or elsewhere."""
    if connection.dialect.name != "postgresql":
        return None
    number: int | None = connection.scalar(text("SELECT txid_current_if_assigned()"))
    return number


def _outcome(connection: Connection, number: int | None, error: BaseException) -> Outcome:
    if isinstance(error, DBAPIError) and not error.connection_invalidated:
        # The server has answered: a deferred constraint, say.
        return "rolled back"
    if connection.dialect.name == "sqlite":
        return _sqlite_outcome(connection)
    if connection.dialect.name != "postgresql":
        return "unknown"
    # Without a number nothing was written.
    found = "unknown" if number else "rolled back"

    def is_over() -> bool:
        nonlocal found
        try:
            with connection.engine.connect() as other:
                found = other.scalar(text("SELECT txid_status(:number)"), {"number": number}) or "unknown"
        except (SQLAlchemyError, DatabaseUnavailable):
            # It may be restarting.
            return False
        return found != "in progress"

    wait(is_over if number else lambda: True)
    return _OUTCOMES.get(found, "unknown")


_OUTCOMES: dict[str, Outcome] = {"committed": "committed", "aborted": "rolled back", "rolled back": "rolled back"}


def _sqlite_outcome(connection: Connection) -> Outcome:
    """It is this process that commits, and a signal comes before or after that."""
    try:
        with closing(connection.connection.cursor()) as cursor:
            # With aiosqlite the commit may still be in its queue; this is behind it.
            cursor.execute("SELECT 1")
    except (SQLAlchemyError, connection.dialect.loaded_dbapi.Error):
        return "unknown"
    driver: Any = connection.connection.driver_connection
    return "rolled back" if driver.in_transaction else "committed"


def is_changing(connection: Connection, table: str, schema: str | None) -> bool:
    """Whether another connection has changed ``table``, or made it, in a transaction that has not ended."""
    quote = connection.dialect.identifier_preparer
    name = quote.quote(table) if schema is None else f"{quote.quote_schema(schema)}.{quote.quote(table)}"
    if connection.dialect.name == "postgresql":
        return bool(connection.scalar(text(_POSTGRESQL), {"name": name}))
    if connection.dialect.name not in ("mysql", "mariadb") or not inspect(connection).has_table(table, schema):
        return False
    connection.exec_driver_sql("SET SESSION innodb_lock_wait_timeout = 1")
    try:
        connection.exec_driver_sql(f"SELECT * FROM {name} LOCK IN SHARE MODE").all()
    except DBAPIError as error:
        if not is_lock_timeout(error):
            raise
        return True
    finally:
        connection.exec_driver_sql("SET SESSION innodb_lock_wait_timeout = DEFAULT")
    return False


# A table that is not committed has a lock, and no name.
_POSTGRESQL = """
SELECT EXISTS (
    SELECT FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation
    WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND CASE WHEN to_regclass(:name) IS NULL THEN c.oid IS NULL AND l.mode = 'AccessExclusiveLock'
        ELSE l.relation = to_regclass(:name) AND l.mode IN ('RowExclusiveLock', 'AccessExclusiveLock') END
)
"""
