"""How long a migration waits for the locks of tables, and how long a statement may take."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing

from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError

from fastman_tasks.databases.outages import is_busy
from fastman_tasks.databases.pooler import POOLED, adapt


def limiter(lock: float, statement: float) -> Callable[[Connection], None] | None:
    """Returns a function that sets the limits, in seconds (0: none), on a connection; None if there are no limits.

    They apply to the session, so that a migration can change them (``SET lock_timeout = …``); behind a pooler, to each
    transaction.
    """
    if not lock and not statement:
        return None

    def prepare(connection: Connection) -> None:
        statements, scope = [], "SESSION"
        if POOLED not in connection.info:
            # The engine has a way of its own to connect.
            adapt(connection.dialect, connection.connection.dbapi_connection, connection.info)
        if connection.info[POOLED]:
            # It would stay there for whoever gets the pooler's session next.
            scope = "LOCAL"
        if connection.dialect.name == "postgresql":
            statements = [
                f"SET {scope} lock_timeout = {round(lock * 1000)}",
                f"SET {scope} statement_timeout = {round(statement * 1000)}",
            ]
        elif connection.dialect.name in ("mysql", "mariadb"):
            if lock:
                statements.append(f"SET SESSION lock_wait_timeout = {math.ceil(lock)}")
            if statement and getattr(connection.dialect, "is_mariadb", False):
                statements.append(f"SET SESSION max_statement_time = {statement:g}")
        elif connection.dialect.name == "sqlite" and lock:
            statements = [f"PRAGMA busy_timeout = {round(lock * 1000)}"]

        def send(connection: Connection) -> None:
            # Not through SQLAlchemy, which may be about to begin a transaction.
            with closing(connection.connection.cursor()) as cursor:
                for each in statements:
                    cursor.execute(each)

        if scope == "LOCAL":
            event.listen(connection, "begin", send)
            if not connection.in_transaction():
                return
        begun = connection.in_transaction()
        send(connection)
        if not begun:
            # A transaction left open here would be taken for the caller's own, and never committed.
            connection.connection.commit()

    return prepare


def is_lock_timeout(error: BaseException) -> bool:
    """Whether the database gave up waiting for a lock (PostgreSQL's 55P03, MySQL's 1205, SQLite's of its file)."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return False
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    return state == "55P03" or (bool(error.orig.args) and error.orig.args[0] == 1205) or is_busy(error)
