"""Listeners for every connection while an env.py or a seeder runs, whichever engine it comes from.

The engine of a foreign env.py can only be reached through events on ``Engine``. Nothing is done twice: whatever the
engine's own listeners have already done is left as it is.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL, Dialect

from fastman_tasks.databases import connecting, transactions, urls
from fastman_tasks.databases.failures import connection_failure
from fastman_tasks.databases.transactions import driver_connection, is_implicit
from fastman_tasks.errors import DatabaseUnavailable


def require_folder(file: Path) -> None:
    """Raises DatabaseUnavailable if the folder of a SQLite file does not exist."""
    if not file.parent.is_dir():
        raise DatabaseUnavailable(f"The folder of the SQLite file {file} does not exist. Create {file.parent}.")


@contextmanager
def watch_connections(
    connect_timeout: float, *, reading: bool, migrating: bool = False, copies: Path | None = None
) -> Iterator[None]:
    """Watch every connection that any engine opens in this block, a foreign env.py's too.

    A connection that fails, or takes longer than ``connect_timeout`` seconds, raises DatabaseUnavailable. While
    ``reading``, a SQLite file that does not exist is read as an empty database, as opening it would create it. SQLite's
    transactions include DDL; while ``migrating`` they do not enforce foreign keys. With ``copies``, a folder, a copy of
    each SQLite file is created there and opened instead.
    """
    engines: set[Engine] = set()

    def connect(dialect: Dialect, record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        for listener in dialect.dispatch.do_connect:
            # The application may have its own, to fetch a token, say. The first connection is used.
            if listener.__module__ != __name__:
                made = listener(dialect, record, arguments, options)
                if made is not None:
                    return made
        if dialect.name == "sqlite" and arguments[0] != ":memory:":
            if copies is not None:
                copy = _copy(arguments[0], options, copies)
                return dialect.connect(str(copy), *arguments[1:], **{**options, "uri": False})
            file = urls.uri_file(arguments[0]) if options.get("uri") else Path(arguments[0])
            if reading and file is not None and not file.exists():
                return dialect.connect(":memory:", *arguments[1:], **{**options, "uri": False})
            if file is not None and not options.get("uri"):
                require_folder(file)
        try:
            return connecting.connect(dialect, record, arguments, options, connect_timeout)
        except Exception as error:
            # Drivers raise all kinds of errors here: DBAPI errors, OSError, asyncpg's own classes.
            raise DatabaseUnavailable(connection_failure(dialect, arguments, options, error)) from error

    def begin(*arguments: Any) -> tuple[str, Any]:
        # One listener per block: a generated env.py opens its connection inside the block that runs env.py.
        return transactions.begin(*arguments)

    def note(connection: Connection) -> None:
        engines.add(connection.engine)

    with ExitStack() as stack:
        stack.enter_context(listen(("do_connect", connect), ("engine_connect", note)))
        stack.enter_context(listen(("before_cursor_execute", begin), retval=True))
        if migrating:
            # Within a transaction, which a listener of the engine's own may have begun, the pragma does nothing.
            stack.enter_context(listen(("begin", ignore_foreign_keys), insert=True))
            stack.enter_context(listen(("begin", transactions.begin_implicit)))
        try:
            yield
        finally:
            # The application's own engine may keep connections in a pool, for the next run of env.py: it must neither
            # write to a stand-in or a copy, nor can it make use of what belongs to an event loop that is closed.
            for engine in engines:
                if engine.dialect.is_async:
                    engine.dispose(close=False)
                elif engine.dialect.name == "sqlite" and engine.url.database not in (None, "", ":memory:"):
                    engine.dispose()


@contextmanager
def created(url: URL) -> Iterator[Callable[[Connection], None]]:
    """Be quick with a SQLite file that is made in this block: SQLite waits for the disk once, at the end, and not after
    each transaction. Call what this gives with a new connection to ``url`` before its first transaction.

    A machine that crashes meanwhile may leave the file unusable, with nothing in it that was there before. If it is
    there already, nothing is done. Whoever calls this holds the migration lock.
    """
    file = urls.sqlite_file(url)
    if file is None or file.exists() or url.get_driver_name() not in ("pysqlite", "aiosqlite"):
        yield lambda connection: None
        return

    def hasten(connection: Connection) -> None:
        if connection.dialect.name != "sqlite" or driver_connection(connection).in_transaction:
            return
        with closing(connection.connection.cursor()) as cursor:
            cursor.execute("PRAGMA database_list")
            opened = next((name for _, schema, name in cursor.fetchall() if schema == "main"), "")
            # An env.py may connect to another one; what it attaches keeps its safety in any case.
            if opened and Path(opened).resolve() == file.resolve():
                cursor.execute("PRAGMA main.synchronous=OFF")

    try:
        yield hasten
    finally:
        if file.exists():
            _write_through(file)


def _write_through(file: Path) -> None:
    """Wait until all of a SQLite file is on the disk: a commit waits for the whole file, whoever has written it."""
    # If another process has it locked, it is that one's commit that waits; what env.py encrypts only its driver can
    # read, and the system writes it in its own time.
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version={version}")
        # Where env.py has chosen a write-ahead log, it is the log that the commit has waited for.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def is_copy(connection: Connection, copies: Path) -> bool:
    """Whether a connection to SQLite only writes to the folder ``copies``, or to memory."""
    with closing(connection.connection.cursor()) as cursor:
        cursor.execute("PRAGMA database_list")
        return all(not file or Path(file).is_relative_to(copies) for _, _, file in cursor.fetchall())


def _copy(name: str, options: dict[str, Any], copies: Path) -> Path:
    """Returns the copy in ``copies`` of the SQLite file that is connected to with ``options``, created on first use;
    empty if there is no such file."""
    uri = bool(options.get("uri"))
    name = name if uri else str(Path(name).resolve())
    copy = copies / hashlib.sha256(name.encode()).hexdigest()
    if not copy.exists() and (uri or Path(name).exists()):
        with closing(sqlite3.connect(name, uri=uri, timeout=options.get("timeout", 5.0))) as original:
            # Another process may have it locked, for which backup() itself would wait without an end.
            original.execute("BEGIN")
            original.execute("SELECT 1 FROM sqlite_master").fetchone()
            with closing(sqlite3.connect(copy)) as made:
                original.backup(made)
    return copy


def ignore_foreign_keys(connection: Connection) -> None:
    """Turn foreign keys off before a migration: SQLite alters a table by replacing it, and dropping the old one would
    delete what refers to it.

    Source: sqlite.org/lang_altertable.html, "Making other kinds of table schema changes".
    """
    if connection.dialect.name != "sqlite":
        return
    driver, implicit = driver_connection(connection), is_implicit(connection)
    if implicit:
        driver.autocommit = True
    with closing(connection.connection.cursor()) as cursor:
        cursor.execute("PRAGMA foreign_keys=OFF")
    if implicit:
        driver.autocommit = False


@contextmanager
def forbid_connections(when: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Refuse every statement and connection in this block while ``when`` is true, also for an engine that a migration
    creates or imports. They raise DatabaseUnavailable."""

    def refuse(*_arguments: Any) -> None:
        if when():
            raise DatabaseUnavailable("No statement can be sent to the database here.")

    with listen(("do_connect", refuse), ("before_cursor_execute", refuse)):
        yield


@contextmanager
def listen(*listeners: tuple[str, Callable[..., Any]], **how: bool) -> Iterator[None]:
    """Call each listener for its event of ``Engine``, on every engine, in this block. ``how`` goes to SQLAlchemy's
    ``event.listen``: with ``insert`` before existing listeners, with ``retval`` to change what is executed."""
    for name, listener in listeners:
        event.listen(Engine, name, listener, **how)
    try:
        yield
    finally:
        for name, listener in listeners:
            event.remove(Engine, name, listener)
