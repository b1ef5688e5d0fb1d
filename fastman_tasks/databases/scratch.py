"""A database for a moment: empty, beside the project's own, and dropped afterwards."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from fastman_tasks.databases.admin import said
from fastman_tasks.databases.database import Database, HeldConnection
from fastman_tasks.databases.lock import Lock, for_database
from fastman_tasks.databases.server_locks import require_session
from fastman_tasks.errors import DatabaseUnavailable, SettingsError

_PREFIX = "fastman_scratch_"
_FILE = "scratch.db"
# Seconds.
_NEW = 60.0
# PostgreSQL's SQLSTATE; MySQL's "access denied" to a database, and for want of a privilege.
_FORBIDDEN = {"42501", 1044, 1227}


@contextmanager
def create(database: Database, server: URL | None = None) -> Iterator[Database]:
    """Create an empty database of the kind of ``database`` and yield it; it is dropped at the end of this block.

    For SQLite it is a file in a temporary folder. Otherwise it is on the same server, which need not have ``database``,
    or on that of ``server``, through the same driver. What an ended process left there is dropped too. Raises
    DatabaseUnavailable if the user may not create databases, SettingsError for a ``server`` of another kind, and
    UsageError if a pooler in transaction mode is before the server.
    """
    if server is not None:
        server = _require_kind(server, database.url)
    if database.url.get_backend_name() == "sqlite":
        with _temporary_file() as file:
            yield Database(database.url.set(database=str(file), query={}), "for a moment")
        return
    home, connection = _connect(Database(server, "from FASTMAN_SCRATCH_URL") if server is not None else database)
    try:
        require_session(home, connection)
        ending = _ending(database)
        made = connection.run(lambda connection: _create(connection, home.url, ending))
        try:
            yield Database(home.url.set(database=made), "for a moment")
        finally:
            connection = _alive(connection, home)
            connection.run(lambda connection: _drop(connection, made))
    finally:
        connection.close()


def _require_kind(server: URL, url: URL) -> URL:
    """``server`` with the driver of ``url``, which env.py has been written for. Raises SettingsError."""
    names = (each.get_backend_name() for each in (server, url))
    there, here = ("mysql" if name == "mariadb" else name for name in names)
    if there != here:
        raise SettingsError(
            f"FASTMAN_SCRATCH_URL is a {there} database, and the project's is {here}. The migrations can only be "
            "replayed in a database of the same kind."
        )
    return server.set(drivername=url.drivername)


@contextmanager
def _temporary_file() -> Iterator[Path]:
    """A file that does not exist yet, in a folder of its own; the folders of ended processes are removed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            # A new one may not be locked yet.
            if time.time() - folder.stat().st_mtime > _NEW:
                left = _file_lock(folder / _FILE)
                if left.acquire():
                    left.release()
                    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name:
        file = (Path(name) / _FILE).resolve()
        lock = _file_lock(file)
        lock.acquire()
        try:
            yield file
        finally:
            lock.release()


def _file_lock(file: Path) -> Lock:
    lock = for_database(Database(URL.create("sqlite", database=str(file))), "", None)
    assert lock is not None
    return lock


def _connect(home: Database) -> tuple[Database, HeldConnection]:
    """A connection to ``home``, or, if that does not exist, to the server that it would be on; and which it is."""
    try:
        return home, home.hold()
    except DatabaseUnavailable:
        always = Database(home.url.set(database="postgres" if home.url.get_backend_name() == "postgresql" else ""))
        with suppress(DatabaseUnavailable):
            return always, always.hold()
        raise


def _ending(database: Database) -> str:
    """What CREATE DATABASE ends with, so that tables have by default what they have in ``database``."""
    if database.url.get_backend_name() == "postgresql":
        return ""
    try:
        charset, collation = database.run(
            lambda connection: connection.execute(text("SELECT @@character_set_database, @@collation_database")).one()
        )
    except DatabaseUnavailable:
        # As it would be created.
        return " CHARACTER SET utf8mb4"
    return f" CHARACTER SET {charset} COLLATE {collation}"


def _create(connection: Connection, url: URL, ending: str) -> str:
    """Returns the name of the new database, which this session has locked: so others see whether it is in use."""
    # Locks are a database's on PostgreSQL: only who has locked it here can tell.
    home = hashlib.sha256((url.database or "").encode()).hexdigest()[:6]
    for name in _existing(connection, f"{_PREFIX}{home}_"):
        if _lock(connection, name):
            with suppress(DBAPIError):
                _drop(connection, name)
    name = f"{_PREFIX}{home}_{secrets.token_hex(6)}"
    _lock(connection, name)
    try:
        connection.exec_driver_sql(f"CREATE DATABASE {name}{ending}")
    except DBAPIError as error:
        if not _is_forbidden(error):
            raise DatabaseUnavailable(f"No scratch database can be created: {said(error)}") from error
        right = (
            f"ALTER ROLE {url.username} CREATEDB"
            if connection.dialect.name == "postgresql"
            else f"GRANT ALL ON `{_PREFIX}%`.* TO {url.username}".replace("_", "\\_")
        )
        raise DatabaseUnavailable(
            f"{url.username} may not create a database on {url.host or 'this server'}, and this needs one for a "
            f"moment. Allow it ({right}), or set FASTMAN_SCRATCH_URL to a database of another server."
        ) from error
    return name


def _is_forbidden(error: DBAPIError) -> bool:
    codes = [getattr(error.orig, name, None) for name in ("sqlstate", "pgcode")]
    return not _FORBIDDEN.isdisjoint([*codes, *(error.orig.args[:1] if error.orig else ())])


def _existing(connection: Connection, prefix: str) -> list[str]:
    query = (
        "SELECT datname FROM pg_database WHERE starts_with(datname, :prefix)"
        if connection.dialect.name == "postgresql"
        else "SELECT schema_name FROM information_schema.schemata WHERE left(schema_name, length(:prefix)) = :prefix"
    )
    return list(connection.scalars(text(query), {"prefix": prefix}))


def _lock(connection: Connection, name: str) -> bool:
    query = (
        "SELECT pg_try_advisory_lock(hashtextextended(:name, 0))"
        if connection.dialect.name == "postgresql"
        else "SELECT GET_LOCK(:name, 0)"
    )
    return bool(connection.scalar(text(query), {"name": name}))


def _drop(connection: Connection, name: str) -> None:
    # What is still connected to it has been forgotten by a migration or an env.py.
    force = connection.dialect.name == "postgresql" and (connection.dialect.server_version_info or ()) >= (13,)
    connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}{' WITH (FORCE)' if force else ''}")


def _alive(connection: HeldConnection, home: Database) -> HeldConnection:
    """``connection``, or another one if the server has ended it in the meantime."""
    try:
        connection.run(lambda connection: connection.exec_driver_sql("SELECT 1"))
        return connection
    except DBAPIError:
        with suppress(DBAPIError):
            connection.close()
        return home.hold()
