"""One database: its engine, work done on a connection to it, and what to say when there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, pool
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.exc import DatabaseError, InvalidRequestError, NoSuchModuleError

from fastman_tasks import urls
from fastman_tasks.errors import DatabaseUnavailable, SettingsError

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
            if self._is_async:
                from fastman_tasks import async_connection

                return async_connection.run(self.url, work)
            with self._engine().connect() as connection:
                return work(connection)

    def hold(self) -> HeldConnection:
        """A connection in autocommit that stays open until it is closed. Raises DatabaseUnavailable."""
        with connecting(reading=False), driver_errors(self.url):
            if self._is_async:
                from fastman_tasks import async_connection

                return async_connection.HeldConnection(self.url)
            return _Held(self._engine().execution_options(isolation_level="AUTOCOMMIT").connect())

    @property
    def _is_async(self) -> bool:
        return self.url.get_dialect().is_async

    def _engine(self) -> Engine:
        return create_engine(self.url, poolclass=pool.NullPool)


class HeldConnection(Protocol):
    """One connection in autocommit, kept open while others work."""

    def run(self, work: Callable[[Connection], T]) -> T:
        """Call ``work`` with the connection and return what it returns."""

    def close(self) -> None:
        """Close the connection, and with it all that the server keeps for it."""


@dataclass
class _Held:
    connection: Connection

    def run(self, work: Callable[[Connection], T]) -> T:
        return work(self.connection)

    def close(self) -> None:
        self.connection.close()


def _begin(connection: Connection) -> None:
    """Begin SQLite's transactions here, so that they hold DDL and savepoints too; Python's driver commits around them.

    Source: SQLAlchemy's documentation of pysqlite, on transactional DDL and savepoints.
    """
    # autocommit_block() means what it says.
    autocommit = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
    if connection.dialect.name == "sqlite" and not autocommit:
        connection.exec_driver_sql("BEGIN")


def _begin_migration(connection: Connection) -> None:
    """Begin as ``_begin`` does, with foreign keys off: SQLite alters a table by replacing it, and dropping the old one
    would delete what refers to it. Within a transaction the pragma does nothing.

    Source: sqlite.org/lang_altertable.html, "Making other kinds of table schema changes".
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    _begin(connection)


def require_folder(file: Path) -> None:
    """Raises DatabaseUnavailable where the folder of a SQLite file does not exist."""
    if not file.parent.is_dir():
        raise DatabaseUnavailable(f"The folder of the SQLite file {file} does not exist. Create {file.parent}.")


@contextmanager
def connecting(*, reading: bool, migrating: bool = False) -> Iterator[None]:
    """Watch every connection that any engine opens in this block, a foreign env.py's too.

    A connection that fails raises DatabaseUnavailable. While ``reading``, a SQLite file that is not there reads as an
    empty database: opening it would create it. SQLite's transactions hold DDL too.
    """
    begin = _begin_migration if migrating else _begin
    # A generated env.py opens its connection within the block that runs it; that one counts.
    nested = any(event.contains(Engine, "begin", each) for each in (_begin, _begin_migration))
    stand_ins: list[tuple[Any, bool]] = []

    def connect(dialect: Dialect, record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        if dialect.name == "sqlite" and not options.get("uri") and arguments[0] != ":memory:":
            file = Path(arguments[0])
            if reading and not file.exists():
                stand_ins.append((record, dialect.is_async))
                stand_in = dialect.connect(":memory:", *arguments[1:], **options)
                stand_in.isolation_level = None
                return stand_in
            require_folder(file)
        try:
            connection = dialect.connect(*arguments, **options)
        except Exception as error:
            # Drivers raise what they like here: DBAPI errors, OSError, asyncpg's own classes.
            raise DatabaseUnavailable(_failure(dialect, arguments, options, error)) from error
        if dialect.name == "sqlite":
            connection.isolation_level = None
        return connection

    event.listen(Engine, "do_connect", connect)
    if not nested:
        event.listen(Engine, "begin", begin)
    try:
        yield
    finally:
        event.remove(Engine, "do_connect", connect)
        if not nested:
            event.remove(Engine, "begin", begin)
        for record, is_async in stand_ins:
            # The application's own engine may keep it in a pool, where the next command would write to it. An async
            # one can only be closed within its event loop: a soft invalidation closes it when it is next asked for.
            record.invalidate(soft=is_async)


@contextmanager
def untouched(when: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Let nothing be sent to any database in this block, while ``when`` is true: not through an engine that a
    migration makes or imports either. What tries to fails."""

    def refuse(*_arguments: Any) -> None:
        if when():
            raise DatabaseUnavailable("Nothing is sent to the database here.")

    for name in ("do_connect", "before_cursor_execute"):
        event.listen(Engine, name, refuse)
    try:
        yield
    finally:
        for name in ("do_connect", "before_cursor_execute"):
            event.remove(Engine, name, refuse)


@contextmanager
def driver_errors(url: URL | None) -> Iterator[None]:
    """Name the package to install when an engine's driver, or the database's dialect, is missing; the file that is no
    SQLite database; and what is wrong with a URL that is not async for an env.py that is.

    ``url`` is the database that an engine is most likely wanted for; a foreign env.py may have one of its own.
    """
    try:
        yield
    except DatabaseError as error:
        if url is None or "not a database" not in str(error.orig):
            raise
        raise DatabaseUnavailable(
            f"{urls.masked(url)} is no SQLite database. Move the file away, or correct DATABASE_URL."
        ) from error
    except InvalidRequestError as error:
        if url is None or "async driver" not in str(error):
            raise
        raise SettingsError(
            f"env.py connects with async code, and {urls.masked(url)} is not async. Set DATABASE_URL to an async one: "
            "sqlite+aiosqlite:///app.db, postgresql+asyncpg://…"
        ) from error
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
    elif "permission denied" in said:
        remedy = "Grant the user the right to connect, or choose another one."
    elif "does not exist" in said or "unknown database" in said:
        remedy = "Create the database, or correct its name."
    else:
        remedy = "Start the server, or correct its address."
    return f"Cannot connect to {where}: {reason.rstrip('.?! ')}. {remedy}"
