"""One database: its engine, work done on a connection to it, and what to say when there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, pool
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.exc import NoSuchModuleError

from fastman_tasks import urls
from fastman_tasks.errors import DatabaseUnavailable, SettingsError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")

# Module that is missing -> what to install.
_PACKAGES = {
    "psycopg": "fastman-tasks[postgresql]",
    "psycopg2": "psycopg2-binary",
    "asyncpg": "fastman-tasks[async]",
    "aiosqlite": "fastman-tasks[async]",
    "greenlet": "fastman-tasks[async]",
    "pymysql": "fastman-tasks[mysql]",
    "MySQLdb": "mysqlclient",
}


class Database:
    """The database at ``url`` (an absolute path where it is a SQLite file). Nothing is opened before ``run``."""

    def __init__(self, url: URL) -> None:
        self.url = url

    @property
    def exists(self) -> bool:
        """False for a SQLite file that is not there; True where only connecting can tell."""
        file = urls.sqlite_file(self.url)
        return file is None or file.exists()

    def run(self, work: Callable[[Connection], T]) -> T:
        """Call ``work`` with a connection and return what it returns; also under an async URL.

        Raises DatabaseUnavailable when there is no connection, and whatever ``work`` raises.
        """
        with connecting(reading=False), driver_errors(self.url):
            if self.url.get_dialect().is_async:
                return asyncio.run(_run_async(self._async_engine, work))
            with self._engine.connect() as connection:
                return work(connection)

    @cached_property
    def _engine(self) -> Engine:
        engine = create_engine(self.url, poolclass=pool.NullPool)
        _transactional_sqlite(engine)
        return engine

    @cached_property
    def _async_engine(self) -> AsyncEngine:
        # Imported here: SQLAlchemy's asyncio needs greenlet, which only the extra async is sure to bring.
        import_module("greenlet")
        from sqlalchemy.ext.asyncio import create_async_engine

        # NullPool: an async connection cannot outlive the event loop of its own asyncio.run().
        engine = create_async_engine(self.url, poolclass=pool.NullPool)
        _transactional_sqlite(engine.sync_engine)
        return engine


async def _run_async(engine: AsyncEngine, work: Callable[[Connection], T]) -> T:
    async with engine.connect() as connection:
        return await connection.run_sync(work)


def _transactional_sqlite(engine: Engine) -> None:
    """Let SQLite's transactions hold DDL and savepoints too, which Python's driver otherwise commits around.

    Source: SQLAlchemy's documentation of pysqlite, "Serializable isolation / Savepoints / Transactional DDL".
    """
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def _leave_transactions_to_us(dbapi_connection: Any, _record: Any) -> None:
        dbapi_connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")


@contextmanager
def connecting(*, reading: bool) -> Iterator[None]:
    """Watch every connection that any engine opens in this block, a foreign env.py's too.

    A connection that fails raises DatabaseUnavailable. While ``reading``, a SQLite file that is not there reads as an
    empty database: opening it would create it.
    """
    stand_ins: list[tuple[Any, bool]] = []

    def connect(dialect: Dialect, record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        if dialect.name == "sqlite" and not options.get("uri") and arguments[0] != ":memory:":
            file = Path(arguments[0])
            if reading and not file.exists():
                stand_ins.append((record, dialect.is_async))
                return dialect.connect(":memory:", *arguments[1:], **options)
            if not file.parent.is_dir():
                raise DatabaseUnavailable(f"The folder of the SQLite file {file} does not exist. Create {file.parent}.")
        try:
            return dialect.connect(*arguments, **options)
        except Exception as error:
            # Drivers raise what they like here: DBAPI errors, OSError, asyncpg's own classes.
            raise DatabaseUnavailable(_failure(dialect, arguments, options, error)) from error

    event.listen(Engine, "do_connect", connect)
    try:
        yield
    finally:
        event.remove(Engine, "do_connect", connect)
        for record, is_async in stand_ins:
            # The application's own engine may keep it in a pool, where the next command would write to it. An async
            # one can only be closed within its event loop: a soft invalidation closes it when it is next asked for.
            record.invalidate(soft=is_async)


@contextmanager
def driver_errors(url: URL | None) -> Iterator[None]:
    """Name the package to install when an engine's driver, or the database's dialect, is missing.

    ``url`` is the database that an engine is most likely wanted for; a foreign env.py may have one of its own.
    """
    try:
        yield
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        wanted = url is not None and _breaks_on(url, error)
        which = f" ({urls.masked(url)})" if url is not None and wanted else ""
        if isinstance(error, NoSuchModuleError):
            name = str(error).rpartition(":")[2]
            raise SettingsError(f"Unknown database {name!r}{which}; use sqlite, postgresql or mysql.") from error
        package = _PACKAGES.get(error.name or "", error.name if wanted else None)
        if package is None:
            raise
        raise DatabaseUnavailable(
            f'The driver {error.name} is not installed{which}. Install it: pip install "{package}"'
        ) from error


def _breaks_on(url: URL, error: Exception) -> bool:
    """Whether it is the driver of ``url`` that ``error`` misses."""
    try:
        url.get_dialect().import_dbapi()
    except (NoSuchModuleError, ModuleNotFoundError) as own:
        return str(own) == str(error)
    return False


def _failure(dialect: Dialect, arguments: list[Any], options: dict[str, Any], error: Exception) -> str:
    reason = " ".join(str(error.args[-1] if error.args else error).split()) or type(error).__name__
    if dialect.name == "sqlite":
        return f"Cannot open the SQLite file {arguments[0]}: {reason}."
    host = options.get("host") or "localhost"
    port = options.get("port")
    name = next((options[key] for key in ("dbname", "database", "db") if options.get(key)), None)
    where = f"{dialect.name} at {host}{f':{port}' if port else ''}, database {name or '(none named)'}"
    said = reason.lower()
    if "password" in said or "access denied" in said or "authentication" in said:
        remedy = "Check the user and the password."
    elif "does not exist" in said or "unknown database" in said:
        remedy = "Create the database, or correct its name."
    else:
        remedy = "Start the server, or correct its address."
    return f"Cannot connect to {where}: {reason.rstrip('.')}. {remedy}"
