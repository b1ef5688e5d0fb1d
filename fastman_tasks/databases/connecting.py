"""How a driver connects: for how long at most, and with what keeps the connection alive afterwards."""

from __future__ import annotations

import math
import os
from typing import Any

from sqlalchemy.engine import Dialect

from fastman_tasks.databases import pooler, sockets

# What each driver calls the limit; asyncpg takes fractions of a second.
_LIMITS = {
    "asyncpg": "timeout",
    "mysqlconnector": "connection_timeout",
    **dict.fromkeys(("psycopg", "psycopg_async", "psycopg2"), "connect_timeout"),
    **dict.fromkeys(("pymysql", "mysqldb", "aiomysql", "asyncmy", "mariadbconnector"), "connect_timeout"),
}


def connect(dialect: Dialect, record: Any, arguments: list[Any], options: dict[str, Any], limit: float) -> Any:
    """Returns a new connection of the driver, for the pool's ``record``. It is given up after ``limit`` seconds (0: the
    driver's own limit), unless ``options`` have one. Raises whatever the driver raises."""
    name = _LIMITS.get(dialect.driver)
    if name is None:
        return dialect.connect(*arguments, **options)
    limited = dict(options)
    if limit and not (dialect.name == "postgresql" and "PGCONNECT_TIMEOUT" in os.environ):
        limited.setdefault(name, limit if dialect.driver == "asyncpg" else math.ceil(limit))
    if dialect.driver == "asyncpg":
        # SQLAlchemy has its own.
        limited.setdefault("statement_cache_size", 0)
    # Its limit is over when the server accepts the connection, which may never greet.
    greets = dialect.driver == "pymysql" and "read_timeout" not in options
    if greets:
        limited["read_timeout"] = limited.get(name)
    made = dialect.connect(*arguments, **limited)
    try:
        pooler.adapt(dialect, made, record.info)
    except BaseException:
        made.close()
        raise
    if record.info[pooler.POOLED] and dialect.driver == "asyncpg":
        made.close()
        made = dialect.connect(*arguments, **{**pooler.UNNAMED_STATEMENTS, **limited})
    driver_connection: Any = dialect.get_driver_connection(made)
    if greets:
        driver_connection._read_timeout = None
    descriptor = sockets.descriptor(driver_connection)
    if descriptor is not None and not any(each.startswith(("keepalive", "tcp_user_timeout")) for each in options):
        sockets.keep_alive(descriptor)
    return made
