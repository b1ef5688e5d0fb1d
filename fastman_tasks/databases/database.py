"""One database: its engine, and work done on a connection to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine, create_engine, pool
from sqlalchemy.engine import URL

from fastman_tasks.databases import urls
from fastman_tasks.databases.failures import driver_errors
from fastman_tasks.databases.hooks import watch_connections

T = TypeVar("T")


class Database:
    """The database at ``url``, which comes from ``source`` (".env", "alembic.ini", …). ``run`` and ``hold`` connect,
    within ``connect_timeout`` seconds."""

    def __init__(self, url: URL, source: str = "", connect_timeout: float = 10.0) -> None:
        self.url = url
        self.source = source
        self._connect_timeout = connect_timeout

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

    def run(self, work: Callable[[Connection], T]) -> T:
        """Call ``work`` with a connection and return what it returns; also under an async URL.

        Raises DatabaseUnavailable if it cannot connect, and whatever ``work`` raises.
        """
        with watch_connections(self._connect_timeout, reading=False), driver_errors(self.url):
            if self._is_async:
                from fastman_tasks.databases import async_connection

                return async_connection.run(self.url, work)
            with self._engine().connect() as connection:
                return work(connection)

    def hold(self) -> HeldConnection:
        """Returns a connection in autocommit that stays open until it is closed. Raises DatabaseUnavailable."""
        with watch_connections(self._connect_timeout, reading=False), driver_errors(self.url):
            if self._is_async:
                from fastman_tasks.databases import async_connection

                return async_connection.HeldConnection(self.url)
            # Nothing is to be rolled back when it is closed, and a server that is silent would not say so.
            engine = create_engine(self.url, poolclass=pool.NullPool, pool_reset_on_return=None)
            return _Held(engine.execution_options(isolation_level="AUTOCOMMIT").connect())

    @property
    def _is_async(self) -> bool:
        return self.url.get_dialect().is_async

    def _engine(self) -> Engine:
        return create_engine(self.url, poolclass=pool.NullPool)


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
