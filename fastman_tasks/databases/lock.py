"""The migration lock: one process at a time on one database, seen by other processes and hosts."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import filelock
from filelock import FileLock, Timeout, UnixFileLock
from sqlalchemy import Connection, text

from fastman_tasks.databases import urls
from fastman_tasks.databases.database import Database, HeldConnection
from fastman_tasks.databases.hooks import require_folder
from fastman_tasks.errors import LockTimeout, UsageError

# Before 4.0, and on Windows, filelock removes the file by itself. Removed twice, it would be another holder's.
_KEEPS_FILE = issubclass(FileLock, UnixFileLock) and int(filelock.__version__.partition(".")[0]) >= 4
# A blocking lock would hang for ever with CREATE INDEX CONCURRENTLY, which waits for every other transaction.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


class Lock(Protocol):
    """A lock that can be tried."""

    def acquire(self) -> bool:
        """Acquire the lock without waiting; returns False if another process has it."""

    def holder(self) -> str | None:
        """Returns who has the lock, if the server knows."""

    def release(self) -> None:
        """Release the lock."""


@contextmanager
def hold(
    lock: Lock,
    timeout: float,
    on_wait: Callable[[str | None], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[float]:
    """Hold ``lock`` in this block; yields the seconds that another process held it first.

    ``on_wait`` is called once with the holder when the lock is not free. Raises LockTimeout after ``timeout`` seconds.
    """
    started, pause, waited = clock(), _FIRST_PAUSE, 0.0
    try:
        if not lock.acquire():
            on_wait(lock.holder())
            while not lock.acquire():
                left = timeout - (clock() - started)
                if left <= 0:
                    raise LockTimeout(
                        f"Another process has held the migration lock for more than {timeout:g} s"
                        f"{f' ({who})' if (who := lock.holder()) else ''}. Nothing was changed. "
                        "Run the command again when it has finished, or raise FASTMAN_LOCK_TIMEOUT."
                    )
                sleep(min(pause, left))
                pause = min(pause * 1.5, _LONGEST_PAUSE)
            waited = clock() - started
        yield waited
    finally:
        lock.release()


def for_database(database: Database, version_table: str, schema: str | None) -> Lock | None:
    """The lock for the migrations of ``database`` that ``version_table`` in ``schema`` records.

    Returns None for a SQLite database in memory and for a database without such locks.
    """
    backend = database.url.get_backend_name()
    name = ".".join(part for part in ("fastman-tasks", schema, version_table) if part)
    if backend == "postgresql":
        return _PostgreSQLLock(database, name)
    if backend in ("mysql", "mariadb"):
        # GET_LOCK is the whole server's, and takes 64 characters.
        return _MySQLLock(database, f"{database.url.database}.{name}")
    file = urls.sqlite_file(database.url)
    return _FileLock(file) if file is not None else None


class _FileLock:
    def __init__(self, file: Path) -> None:
        require_folder(file)
        real = file.resolve()
        self._lock = FileLock(real.with_name(f"{real.name}.lock"))

    def acquire(self) -> bool:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        except OSError as error:
            raise UsageError(
                f"The lock file {self._lock.lock_file} cannot be written: {error.strerror}. "
                "SQLite writes files there too; make the folder writable."
            ) from error
        return True

    def holder(self) -> str | None:
        return None

    def release(self) -> None:
        # While it is still held: whoever has the old file open notices, once it gets the lock, that the file has no
        # name any more, and opens the new one (filelock, from 3.21 on).
        if self._lock.is_locked and _KEEPS_FILE:
            with suppress(OSError):
                Path(self._lock.lock_file).unlink()
        self._lock.release()


class _ServerLock:
    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._digest = hashlib.sha256(name.encode()).digest()
        self._connection: HeldConnection | None = None

    def acquire(self) -> bool:
        if self._connection is None:
            self._connection = self._database.hold()
            self._connection.run(self._introduce)
        return self._connection.run(self._try)

    def holder(self) -> str | None:
        return self._connection.run(self._holder) if self._connection else None

    def release(self) -> None:
        # The server frees the lock with its connection.
        if self._connection is not None:
            self._connection.close()

    def _introduce(self, connection: Connection) -> None:
        """Let the server's lists of connections say who this is."""

    def _try(self, connection: Connection) -> bool:
        raise NotImplementedError

    def _holder(self, connection: Connection) -> str | None:
        raise NotImplementedError


class _PostgreSQLLock(_ServerLock):
    @property
    def _key(self) -> int:
        return int.from_bytes(self._digest[:8], "big", signed=True)

    def _introduce(self, connection: Connection) -> None:
        who = f"fastman-tasks, process {os.getpid()} on {socket.gethostname()}"[:63]
        connection.execute(text("SELECT set_config('application_name', :who, false)"), {"who": who})

    def _try(self, connection: Connection) -> bool:
        return bool(connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": self._key}))

    def _holder(self, connection: Connection) -> str | None:
        row = connection.execute(
            text(
                "SELECT a.application_name, a.usename, a.client_addr, a.pid FROM pg_locks l "
                "JOIN pg_stat_activity a ON a.pid = l.pid JOIN pg_database d ON d.oid = l.database "
                "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND d.datname = current_database() "
                "AND ((l.classid::bigint << 32) | l.objid::bigint) = :key"
            ),
            {"key": self._key},
        ).first()
        if row is None:
            return None
        name, user, address, pid = row
        return f"{name or 'a connection'}, user {user}, from {address or 'this machine'}, server process {pid}"


class _MySQLLock(_ServerLock):
    @property
    def _name(self) -> str:
        return f"fastman-tasks.{self._digest.hex()[:40]}"

    def _try(self, connection: Connection) -> bool:
        return bool(connection.scalar(text("SELECT GET_LOCK(:name, 0)"), {"name": self._name}))

    def _holder(self, connection: Connection) -> str | None:
        row = connection.execute(
            text("SELECT id, user, host FROM information_schema.processlist WHERE id = IS_USED_LOCK(:name)"),
            {"name": self._name},
        ).first()
        return f"user {row[1]}, from {row[2]}, connection {row[0]}" if row else None
