"""One database: its engine, and work done on a connection to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine, create_engine, pool
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from fastman_tasks.databases import places, urls
from fastman_tasks.databases.failures import driver_errors, preparing
from fastman_tasks.databases.hooks import watch_connections
from fastman_tasks.databases.transactions import commits_each_statement
from fastman_tasks.errors import DatabaseUnavailable

T = TypeVar("T")


class Database:
    """The database at ``url``, which comes from ``source`` (".env", "alembic.ini", …). ``run`` and ``hold`` connect,
    within ``connect_timeout`` seconds.

    They connect as ``engine`` does, which leads there, whatever the URL alone would lead to. SQLite's file is what the
    URL says.
    """

    def __init__(self, url: URL, source: str = "", engine: Engine | None = None, connect_timeout: float = 10.0) -> None:
        self.url = url
        self.source = source
        self._connect_timeout = connect_timeout
        self._own = engine if url.get_backend_name() != "sqlite" else None

    @property
    def name(self) -> str:
        """Its name on the server, or the name of its file."""
        file = urls.sqlite_file(self.url)
        return file.name if file is not None else self.url.database or "memory"

    @property
    def exists(self) -> bool:
        """False for a SQLite file that does not exist; True if only connecting can tell."""
        file = urls.sqlite_file(self.url)
        return file is None or file.exists()

    def locate(self) -> Database:
        """Returns the database that a connection really leads to. Raises DatabaseUnavailable if it cannot connect."""
        if self.url.get_backend_name() == "sqlite":
            return self
        return self.run(lambda connection: Database(places.find(connection)[0], self.source, connection.engine))

    def run(self, work: Callable[[Connection], T]) -> T:
        """Call ``work`` with a connection and return what it returns; also under an async URL.

        Raises DatabaseUnavailable if it cannot connect, and whatever ``work`` raises.
        """
        engine = self._engine()
        with watch_connections(self._connect_timeout, reading=False), driver_errors(self.url):
            if engine.dialect.is_async:
                from fastman_tasks.databases import async_connection

                return async_connection.run(engine, partial(_run, work))
            with self._connected(engine) as connection:
                return _run(work, connection)

    def hold(self) -> HeldConnection:
        """Returns a connection in autocommit that stays open until it is closed. Raises DatabaseUnavailable."""
        engine = self._engine()
        with watch_connections(self._connect_timeout, reading=False), driver_errors(self.url):
            if engine.dialect.is_async:
                from fastman_tasks.databases import async_connection

                return async_connection.HeldConnection(engine, _leave_pool)
            connection = self._connected(engine.execution_options(isolation_level="AUTOCOMMIT"))
            _leave_pool(connection)
            return _Held(connection)

    def _engine(self) -> Engine:
        if self._own is not None:
            return self._own
        with driver_errors(self.url):
            if self.url.get_dialect().is_async:
                from fastman_tasks.databases import async_connection

                return async_connection.create(self.url)
            # Nothing is to be rolled back when it is closed, and a server that is silent would not say so. It is kept:
            # what it asks the server on its first connection, such as its version, is not asked again.
            self._own = create_engine(self.url, poolclass=pool.NullPool, pool_reset_on_return=None)
            return self._own

    def _connected(self, engine: Engine) -> Connection:
        try:
            with preparing(self.url):
                return engine.connect()
        except DBAPIError as error:
            # Of a creator: whatever SQLAlchemy calls itself raises DatabaseUnavailable.
            raise DatabaseUnavailable(f"Cannot connect to {urls.mask(self.url)}: {error.orig}") from error


def _run(work: Callable[[Connection], T], connection: Connection) -> T:
    level = connection.default_isolation_level
    if level is not None and commits_each_statement(connection):
        connection.execution_options(isolation_level=level)
    return work(connection)


def _leave_pool(connection: Connection) -> None:
    """Have ``connection`` closed at its end, so that the server releases its locks, and leave the pool of an env.py as
    many as it has. Nothing is reset before, for which the server would have to answer."""
    connection.detach()


class HeldConnection(Protocol):
    """One connection in autocommit that stays open."""

    def run(self, work: Callable[[Connection], T]) -> T:
        """Call ``work`` with the connection and return what it returns."""

    def close(self) -> None:
        """Close the connection; the server releases its locks."""


@dataclass
class _Held:
    connection: Connection

    def run(self, work: Callable[[Connection], T]) -> T:
        return work(self.connection)

    def close(self) -> None:
        self.connection.close()
