"""Error messages for failed connections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine import URL, Dialect
from sqlalchemy.exc import DatabaseError, InvalidRequestError, NoSuchModuleError

from fastman_tasks.databases import urls
from fastman_tasks.databases.outages import LOST, advise, is_lost
from fastman_tasks.errors import DatabaseUnavailable, FastmanError, SettingsError
from fastman_tasks.sources import describe_error

# Module that is missing -> what to install.
_PACKAGES = {
    "psycopg": "fastman-tasks[postgresql]",
    "psycopg2": "psycopg2-binary",
    "asyncpg": "fastman-tasks[async]",
    "aiosqlite": "fastman-tasks[async]",
    "pymysql": "fastman-tasks[mysql]",
    "MySQLdb": "mysqlclient",
}


@contextmanager
def driver_errors(url: URL | None) -> Iterator[None]:
    """Turn a library's error in this block into one of ours: for a missing driver or dialect with the package to
    install, for a file that is not a SQLite database, and for a URL that is not async if env.py is.

    ``url`` is the database that an engine is most likely created for; a foreign env.py may use a different one.
    Raises DatabaseUnavailable and SettingsError.
    """
    try:
        yield
    except DatabaseError as error:
        if url is None or "not a database" not in str(error.orig):
            raise
        raise DatabaseUnavailable(
            f"{urls.mask(url)} is not a SQLite database. Move the file away, or correct DATABASE_URL."
        ) from error
    except InvalidRequestError as error:
        if url is None or "async driver" not in str(error):
            raise
        raise SettingsError(
            f"env.py uses an async engine, and {urls.mask(url)} is not an async URL. Set DATABASE_URL to one: "
            "sqlite+aiosqlite:///app.db, postgresql+asyncpg://…"
        ) from error
    except (NoSuchModuleError, ImportError, ValueError) as error:
        if (needs := _needs_greenlet(url, error)) is not None:
            raise needs from error
        if not isinstance(error, NoSuchModuleError | ModuleNotFoundError):
            raise
        wanted = url is not None and _breaks_on(url, error)
        which = f" ({urls.mask(url)})" if url is not None and wanted else ""
        if isinstance(error, NoSuchModuleError):
            name = str(error).rpartition(":")[2]
            if name == "driver":
                raise SettingsError(
                    "sqlalchemy.url is still the placeholder that alembic init wrote. "
                    "Set DATABASE_URL, or replace it with the database's URL."
                ) from error
            raise SettingsError(f"Unknown database {name!r}{which}; use sqlite, postgresql or mysql.") from error
        package = _PACKAGES.get(error.name or "", error.name if wanted else None)
        if package is None:
            raise
        raise DatabaseUnavailable(
            f'The driver {error.name} is not installed{which}. Install it: pip install "{package}"'
        ) from error


@contextmanager
def preparing(url: URL) -> Iterator[None]:
    """Turn an error that ends a connection to ``url`` in this block, where it has just been opened, into
    DatabaseUnavailable."""
    try:
        yield
    except FastmanError:
        raise
    except Exception as error:
        if advice := advise(error):
            raise DatabaseUnavailable(f"Cannot use {urls.mask(url)}: {describe_error(error)}\n{advice[0]}") from error
        raise


def _needs_greenlet(url: URL | None, error: Exception) -> DatabaseUnavailable | None:
    """Returns the error to raise if greenlet is missing, which SQLAlchemy reports in three ways; None otherwise. A
    missing driver of ``url`` comes first: its package installs greenlet too."""
    lacking = isinstance(error, ModuleNotFoundError) and error.name == "greenlet"
    if not lacking and not re.search(r"greenlet' ?\s*library is|greenlet library is required", str(error)):
        return None
    driver = "SQLAlchemy's asyncio"
    if url is not None and url.get_dialect().is_async:
        try:
            url.get_dialect().import_dbapi()
        except ModuleNotFoundError as own:
            if own.name != "greenlet":
                package = _PACKAGES.get(own.name or "", own.name)
                return DatabaseUnavailable(
                    f'The driver {own.name} is not installed ({urls.mask(url)}). Install it: pip install "{package}"'
                )
        driver = url.get_driver_name()
    return DatabaseUnavailable(f"{driver} needs greenlet, which is not installed: pip install 'sqlalchemy[asyncio]'")


def _breaks_on(url: URL, error: Exception) -> bool:
    """Whether ``error`` is about the driver of ``url``."""
    try:
        url.get_dialect().import_dbapi()
    except (NoSuchModuleError, ModuleNotFoundError) as own:
        return str(own) == str(error)
    return False


def connection_failure(dialect: Dialect, arguments: list[Any], options: dict[str, Any], error: Exception) -> str:
    """Returns why a connection with the driver's ``arguments`` and ``options`` failed, and what to do."""
    reason = " ".join(str(error.args[-1] if error.args else error).split()) or type(error).__name__
    # libpq's own advice; ours follows.
    reason = reason.partition(" Is the server running")[0]
    if reason == "TimeoutError":
        reason = "no answer in time"
    if dialect.name == "sqlite":
        return f"Cannot open the SQLite file {arguments[0]}: {reason}."
    # The password's rest, where an @ in it was not quoted.
    secret, _, host = (options.get("host") or "localhost").rpartition("@")
    if secret:
        reason = reason.replace(secret, "***")
    port = options.get("port")
    name = next((options[key] for key in ("dbname", "database", "db") if options.get(key)), None)
    where = f"{dialect.name} at {host}{f':{port}' if port else ''}, database {name or '(none named)'}"
    said = reason.lower()
    if secret:
        remedy = "In a URL, write an @ in the password as %40."
    elif re.search("access denied .*to database", said):
        remedy = "Grant the user rights on the database, or correct its name."
    elif "password" in said or "access denied" in said or "authentication" in said:
        remedy = "Check the user and the password."
    elif "permission denied" in said:
        remedy = "Grant the user permission to connect, or use another one."
    elif "does not exist" in said or "unknown database" in said:
        remedy = "Create the database, or correct its name."
    elif "too many" in said:
        remedy = "Wait until others have disconnected, then run the same command again."
    elif re.search(r"database system is|shutting down|shutdown in progress", said):
        remedy = "Wait until the server has started, then run the same command again."
    elif is_lost(error):
        remedy = LOST
    else:
        remedy = "Start the server, or correct its address."
    return f"Cannot connect to {where}: {reason.rstrip('.?! ')}. {remedy}"
