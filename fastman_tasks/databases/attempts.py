"""The connections that are attempted: also one that fails tells which server it was to, and as whom."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, create_engine, event, pool
from sqlalchemy.engine import URL, Dialect

from fastman_tasks.databases import hooks
from fastman_tasks.databases.database import Database

# What the drivers call the database, and the user's password.
_NAMES, _PASSWORDS = ("dbname", "database", "db"), ("password", "passwd")


@dataclass(frozen=True)
class Attempt:
    """What a driver was to connect with: its ``dialect``, and its ``arguments`` and ``options``."""

    dialect: Dialect
    arguments: tuple[Any, ...]
    options: dict[str, Any]

    @property
    def name(self) -> str | None:
        """The database's name; None if only the driver knows it."""
        return next((str(self.options[key]) for key in _NAMES if self.options.get(key)), None)

    @property
    def url(self) -> URL:
        """The URL of the database, as far as the options tell."""
        host, port = self.options.get("host"), self.options.get("port")
        return URL.create(
            f"{self.dialect.name}+{self.dialect.driver}",
            username=self.options.get("user"),
            password=next((str(self.options[key]) for key in _PASSWORDS if self.options.get(key)), None),
            host=host if isinstance(host, str) else None,
            port=int(str(port)) if str(port or "").isdigit() else None,
            database=self.name,
        )

    def engine(self, name: str | None) -> Engine:
        """Returns an engine that connects as this does, but to the database ``name`` of the server, or to none."""
        key = next((key for key in _NAMES if key in self.options), "dbname" if self._is_libpq else "database")
        options = {each: value for each, value in self.options.items() if each not in _NAMES}
        if name is not None:
            options[key] = name

        def connect(_dialect: Dialect, _record: Any, arguments: list[Any], found: dict[str, Any]) -> None:
            arguments[:] = self.arguments
            found.clear()
            found.update(options)

        engine = _create(self.url.set(database=name))
        event.listen(engine, "do_connect", connect, insert=True)
        return engine

    @property
    def _is_libpq(self) -> bool:
        return self.dialect.driver.startswith("psycopg")


@contextmanager
def note_attempts() -> Iterator[list[Attempt]]:
    """Yields a list to which each connection is added that any engine attempts in this block. An engine with a
    ``creator`` of its own is not noticed."""
    found: list[Attempt] = []

    def note(dialect: Dialect, _record: Any, arguments: list[Any], options: dict[str, Any]) -> None:
        found.append(Attempt(dialect, tuple(arguments), dict(options)))

    with hooks.listen(("do_connect", note)):
        yield found


def find(database: Database) -> Attempt | None:
    """Returns how ``database`` is connected to; None if its engine has a ``creator`` of its own. Raises
    DatabaseUnavailable if it cannot be."""
    with note_attempts() as found:
        database.run(lambda connection: None)
    return found[-1] if found else None


def _create(url: URL) -> Engine:
    if url.get_dialect().is_async:
        from fastman_tasks.databases import async_connection

        return async_connection.create(url)
    return create_engine(url, poolclass=pool.NullPool, pool_reset_on_return=None)
