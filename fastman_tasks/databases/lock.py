"""The migration lock: one process at a time on one database, seen by other processes and hosts."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import filelock
from filelock import FileLock, Timeout, UnixFileLock

from fastman_tasks.databases import urls
from fastman_tasks.databases.database import Database
from fastman_tasks.databases.hooks import require_folder
from fastman_tasks.databases.server_locks import MySQLLock, PostgreSQLLock
from fastman_tasks.errors import LockLost, LockTimeout, UsageError

# Before 4.0, and on Windows, filelock removes the file by itself. Removed twice, it would be another holder's.
_KEEPS_FILE = issubclass(FileLock, UnixFileLock) and int(filelock.__version__.partition(".")[0]) >= 4
# A blocking lock would hang for ever with CREATE INDEX CONCURRENTLY, which waits for every other transaction.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


class Lock(Protocol):
    """A lock that can be tried."""

    def acquire(self) -> bool:
        """Acquire the lock without waiting; returns False if another process has it. Raises LockLost if the connection
        to ask for it with has ended."""

    def confirm(self, what: str) -> None:
        """Raises LockLost, which says that this process stopped before ``what``, if it does not have the lock any
        more."""

    def holder(self) -> str | None:
        """Returns who has the lock, if the server knows."""

    def release(self) -> None:
        """Release the lock. In a forked child, and if it was lost, this does nothing."""

    def leave_to_parent(self) -> None:
        """Forget, in a forked child, what holds the lock: it is the parent's, and is released when the parent ends."""


# A hook for forks cannot be removed again, so there is one for all locks.
_held: weakref.WeakSet[Lock] = weakref.WeakSet()


def _leave_to_parent() -> None:
    for lock in _held:
        lock.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


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
    _held.add(lock)
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
        _held.discard(lock)


def for_database(database: Database, version_table: str, schema: str | None) -> Lock | None:
    """The lock for the migrations of ``database`` that ``version_table`` in ``schema`` records.

    Returns None for a SQLite database in memory and for a database without such locks.
    """
    backend = database.url.get_backend_name()
    name = ".".join(part for part in ("fastman-tasks", schema, version_table) if part)
    if backend == "postgresql":
        return PostgreSQLLock(database, name)
    if backend in ("mysql", "mariadb"):
        # GET_LOCK is the whole server's, and takes 64 characters.
        return MySQLLock(database, f"{database.url.database}.{name}")
    file = urls.sqlite_file(database.url)
    return _FileLock(file) if file is not None else None


class _FileLock:
    def __init__(self, file: Path) -> None:
        require_folder(file)
        real = _first_link(file.resolve())
        self._file = real.with_name(f"{real.name}.lock")
        self._lock = FileLock(self._file)
        self._identity: tuple[int, int] | None = None
        self._owner = 0

    def acquire(self) -> bool:
        try:
            self._lock.acquire(timeout=0)
            self._identity, self._owner = _identity(self._file), os.getpid()
        except Timeout:
            return False
        except OSError as error:
            raise UsageError(
                f"The lock file {self._file} cannot be written: {error.strerror}. "
                "SQLite writes files there too; make the folder writable."
            ) from error
        return True

    def confirm(self, what: str) -> None:
        if _identity(self._file) == self._identity:
            return
        raise LockLost(
            f"The lock file {self._file} was removed or replaced while it was locked. Another process may have the "
            f"lock now, so this one stopped before {what}."
        )

    def holder(self) -> str | None:
        return None

    def release(self) -> None:
        if self._owner not in (0, os.getpid()):
            return
        # While it is still held: whoever has the old file open notices, once it gets the lock, that the file has no
        # name any more, and opens the new one (filelock, from 3.21 on).
        if self._lock.is_locked and _KEEPS_FILE:
            with suppress(OSError):
                self._file.unlink()
        self._lock.release()

    def leave_to_parent(self) -> None:
        # Before 4.0 filelock does not do so itself.
        for descriptor in Path("/dev/fd").iterdir() if self._lock.is_locked else ():
            with suppress(OSError):
                found = os.fstat(int(descriptor.name))
                if (found.st_dev, found.st_ino) == self._identity:
                    os.close(int(descriptor.name))


def _first_link(file: Path) -> Path:
    """Returns the first name of ``file`` in its folder: all its names there have one lock."""
    if not file.exists() or file.stat().st_nlink == 1:
        return file
    return min((each for each in file.parent.iterdir() if _identity(each) == _identity(file)), default=file)


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        # Not what a symbolic link leads to, which may be in another folder.
        found = file.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
