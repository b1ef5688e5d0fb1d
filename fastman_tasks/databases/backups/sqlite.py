"""SQLite's own backup: of a file in use, too, and what is in its write-ahead log."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from fastman_tasks.databases import urls
from fastman_tasks.databases.database import Database
from fastman_tasks.errors import BackupFailed, UsageError

#: How the names of such backups end.
ENDING = "db"
# Seconds to wait for another process that writes.
_PATIENCE = 10.0
_BUSY, _LOCKED = 5, 6
# Pages at a time: Ctrl-C is only seen in between.
_PAGES = 4096


def write(database: Database, file: Path) -> None:
    """See ``backups.write``."""
    source = _file(database)
    try:
        with closing(_open(source, is_in_use=True)) as live, closing(sqlite3.connect(file)) as copy:
            # Otherwise it would begin again whenever another process writes.
            live.execute("BEGIN")
            live.execute("SELECT count(*) FROM sqlite_master").fetchone()
            _copy(live, copy)
    except sqlite3.Error as error:
        raise BackupFailed(f"{source.name} cannot be backed up: {error}") from error


def restore(database: Database, file: Path, _lock_timeout: float) -> None:
    """See ``backups.restore``."""
    target = _file(database)
    try:
        with closing(_open(file, is_in_use=False)) as copy:
            damage = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            if damage != "ok":
                raise BackupFailed(f"{file} is damaged: {damage}. Nothing was changed.")
            with closing(sqlite3.connect(target, timeout=_PATIENCE)) as live:
                _copy(copy, live)
    except sqlite3.Error as error:
        raise BackupFailed(f"{file} cannot be restored: {error}. The database is as it was.") from error


def _copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    deadline = time.monotonic() + _PATIENCE

    def look(status: int, _remaining: int, _total: int) -> None:
        # sqlite3 by itself would wait without end.
        if status in (_BUSY, _LOCKED) and time.monotonic() > deadline:
            raise sqlite3.OperationalError(f"another process has used it for {_PATIENCE:.0f} seconds")

    source.backup(target, pages=_PAGES, progress=look)


def _open(file: Path, *, is_in_use: bool) -> sqlite3.Connection:
    # Reading one of WAL mode would leave files beside it, which only its application removes.
    alone = "" if is_in_use or file.with_name(f"{file.name}-wal").exists() else "&immutable=1"
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro{alone}", uri=True, timeout=_PATIENCE)


def _file(database: Database) -> Path:
    file = urls.sqlite_file(database.url)
    if file is None:
        raise UsageError("A SQLite database in memory has no file: it cannot be backed up.")
    return file
