"""databases.backups: SQLite's files, and where they are put."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from fastman_tasks.databases import backups
from fastman_tasks.databases.backups import sqlite
from fastman_tasks.databases.database import Database
from fastman_tasks.errors import BackupFailed, UsageError


def connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, isolation_level=None)


def make(file: Path, mode: str = "delete") -> Database:
    with closing(connect(file)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE t (id int)")
        connection.execute("INSERT INTO t VALUES (1)")
    return Database(make_url(f"sqlite:///{file}"))


def test_a_file_in_wal_mode(tmp_path: Path) -> None:
    """Its backup leaves no files beside it when it is restored, and the application's file keeps its mode."""
    database, file = make(tmp_path / "app.db", "wal"), tmp_path / "backups" / "b.db"
    file.parent.mkdir()
    backups.write(database, file)
    with closing(connect(tmp_path / "app.db")) as application:
        application.execute("INSERT INTO t VALUES (2)")
        backups.restore(database, file)
        assert application.execute("SELECT id FROM t").fetchall() == [(1,)]
        assert application.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert [each.name for each in file.parent.iterdir()] == ["b.db"]


def test_a_file_that_another_process_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for without end."""
    monkeypatch.setattr(sqlite, "_PATIENCE", 0.1)
    database, file = make(tmp_path / "app.db"), tmp_path / "b.db"
    backups.write(database, file)
    with closing(connect(tmp_path / "app.db")) as application:
        application.execute("INSERT INTO t VALUES (2)")
        application.execute("BEGIN")
        assert len(application.execute("SELECT id FROM t").fetchall()) == 2
        with pytest.raises(BackupFailed, match="another process has used it"):
            backups.restore(database, file)
        assert len(application.execute("SELECT id FROM t").fetchall()) == 2


def test_the_database_is_no_backup_of_itself(tmp_path: Path) -> None:
    database = make(tmp_path / "app.db")
    (tmp_path / "link.db").hardlink_to(tmp_path / "app.db")
    with pytest.raises(UsageError, match="is the database itself"):
        backups.require_backup(database, tmp_path / "link.db")


def test_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a memory stick; a file that is there stays also then, and nothing is left beside it."""

    def link(old: Path, new: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    database, file = make(tmp_path / "app.db"), tmp_path / "b.db"
    backups.write(database, file)
    written = file.read_bytes()
    with pytest.raises(BackupFailed):
        backups.write(database, file)
    assert file.read_bytes() == written
    assert sorted(each.name for each in tmp_path.iterdir()) == ["app.db", "b.db"]
