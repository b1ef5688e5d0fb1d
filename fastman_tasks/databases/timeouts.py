"""How long a migration waits for the locks of tables, and how long a statement may take."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from fastman_tasks.databases.outages import is_busy


def limiter(lock: float, statement: float) -> Callable[[Connection], None] | None:
    """Returns a function that sets the limits, in seconds (0: none), on a connection; None if there are no limits.

    They apply to the session, so that a migration can change them (``SET lock_timeout = …``).
    """
    if not lock and not statement:
        return None

    def prepare(connection: Connection) -> None:
        statements = []
        if connection.dialect.name == "postgresql":
            statements = [
                f"SET lock_timeout = {round(lock * 1000)}",
                f"SET statement_timeout = {round(statement * 1000)}",
            ]
        elif connection.dialect.name in ("mysql", "mariadb"):
            if lock:
                statements.append(f"SET SESSION lock_wait_timeout = {math.ceil(lock)}")
            if statement and getattr(connection.dialect, "is_mariadb", False):
                statements.append(f"SET SESSION max_statement_time = {statement:g}")
        elif connection.dialect.name == "sqlite" and lock:
            # Not through SQLAlchemy, for which it would begin a transaction.
            with closing(connection.connection.cursor()) as cursor:
                cursor.execute(f"PRAGMA busy_timeout = {round(lock * 1000)}")
        begun = connection.in_transaction()
        for each in statements:
            connection.exec_driver_sql(each)
        if not begun:
            # A transaction left open here would be taken for the caller's own, and never committed.
            connection.commit()

    return prepare


def is_lock_timeout(error: BaseException) -> bool:
    """Whether the database gave up waiting for a lock (PostgreSQL's 55P03, MySQL's 1205, SQLite's of its file)."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return False
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    return state == "55P03" or (bool(error.orig.args) and error.orig.args[0] == 1205) or is_busy(error)
