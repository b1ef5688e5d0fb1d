"""SQLite's own backup: of a file in use, too, and what is in its write-ahead log."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from fastman_tasks.databases import urls
from fastman_tasks.databases.database import Database
from fastman_tasks.errors import BackupFailed, UsageError

# Seconds to wait for another process that writes.
_PATIENCE = 10.0


def write(database: Database, file: Path) -> None:
    """See ``backups.write``."""
    source = _file(database)
    try:
        with closing(_open(source)) as live, closing(sqlite3.connect(file)) as copy:
            live.backup(copy)
    except sqlite3.Error as error:
        raise BackupFailed(f"{source.name} cannot be backed up: {error}") from error


def restore(database: Database, file: Path, _lock_timeout: float) -> None:
    """See ``backups.restore``."""
    target = _file(database)
    try:
        with closing(_open(file)) as copy:
            damage = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            if damage != "ok":
                raise BackupFailed(f"{file} is damaged: {damage}. Nothing was changed.")
            with closing(sqlite3.connect(target, timeout=_PATIENCE)) as live:
                copy.backup(live)
    except sqlite3.Error as error:
        raise BackupFailed(f"{file} cannot be restored: {error}. The database is as it was.") from error


def _open(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=_PATIENCE)


def _file(database: Database) -> Path:
    file = urls.sqlite_file(database.url)
    if file is None:
        raise UsageError("A SQLite database in memory has no file: it cannot be backed up.")
    return file
