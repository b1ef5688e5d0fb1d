"""A whole database as a file, and back: SQLite by itself, PostgreSQL, MySQL and MariaDB by their own programs."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from fastman_tasks.databases import urls
from fastman_tasks.databases.backends import choose
from fastman_tasks.databases.database import Database
from fastman_tasks.errors import BackupFailed, UsageError
from fastman_tasks.text import printable

#: How the name of one that is being written ends.
TEMPORARY = ".tmp"
_SIGNATURES = {"sqlite": (b"SQLite format 3\0",), "postgresql": (b"PGDMP",), "mysql": (b"-- My", b"-- Maria", b"/*M!")}


def ending(database: Database) -> str:
    """Returns how the names of its backups end. Raises UsageError if it cannot be backed up."""
    return str(_backend(database).ENDING)


def write(database: Database, file: Path) -> None:
    """Write everything in ``database`` to the new ``file``, which only this user can read.

    Raises BackupFailed or ProgramFailed; then there is no such file.
    """
    temporary = None
    try:
        # Of a name of its own: one that a killed process has left is not in the way.
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=TEMPORARY, dir=file.parent)
        os.close(descriptor)
        temporary = Path(name)
        _backend(database).write(database, temporary)
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        _rename(temporary, file)
    except OSError as error:
        raise BackupFailed(f"{file} cannot be written: {error.strerror}.") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()


def _rename(old: Path, new: Path) -> None:
    try:
        # A link, unlike a rename, does not replace what is there.
        os.link(old, new)
    except FileExistsError:
        raise
    except OSError:
        # Memory sticks and some network folders have no links.
        if new.exists():
            raise
        old.rename(new)


def restore(database: Database, file: Path, lock_timeout: float = 0.0) -> None:
    """Put what is in ``file`` in place of everything in ``database``, which waits ``lock_timeout`` seconds for the lock
    of a table (0: no limit).

    On PostgreSQL and SQLite it is as it was if that fails. Raises BackupFailed or ProgramFailed.
    """
    _backend(database).restore(database, file, lock_timeout)


def require_backup(database: Database, file: Path) -> None:
    """Raises UsageError if ``file`` is no backup of such a database, or is the database."""
    try:
        own = urls.sqlite_file(database.url)
        if own is not None and own.exists() and own.samefile(file):
            raise UsageError(f"{printable(str(file))} is the database itself. Nothing was changed.")
        with file.open("rb") as opened:
            first = opened.read(16)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from error
    backend = database.url.get_backend_name().replace("mariadb", "mysql")
    if not first.startswith(_SIGNATURES.get(backend, ())):
        of = next((name for name, each in _SIGNATURES.items() if first.startswith(each)), None)
        what = f"a backup of {of}" if of else "not a backup"
        raise UsageError(f"{printable(str(file))} is {what}; this database is {backend}. Nothing was changed.")


def _backend(database: Database) -> ModuleType:
    return choose(__name__, database.url.get_backend_name(), "be backed up")
