"""A SQLite file that a run makes is waited for once, at its end; one that was there keeps its safety."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from command import Init, Sandbox

FULL, OFF = 2, 0
ASK = 'print("synchronous", op.get_bind().exec_driver_sql("PRAGMA main.synchronous").scalar())'


def add_two(project: Sandbox, second: str = ASK) -> None:
    """Two migrations that tell how safe the connection is."""
    project.add_migration("1_one", "1a", None, f'op.create_table("one", sa.Column("id", sa.Integer))\n{ASK}')
    project.add_migration("2_two", "2b", "1a", second)


def asked(text: str) -> list[int]:
    """What the migrations have told."""
    return [int(line.split()[1]) for line in text.splitlines() if line.startswith("synchronous")]


def is_whole(project: Sandbox, name: str = "app.db") -> bool:
    """Whether the file can be read, and has the table."""
    with closing(sqlite3.connect(project.root / name)) as connection:
        found = connection.execute("PRAGMA integrity_check").fetchall()
        return found == [("ok",)] and connection.execute("SELECT count(*) FROM one").fetchone() == (0,)


@pytest.mark.parametrize("driver", ["sqlite", "sqlite+aiosqlite"])
def test_a_file_that_the_run_makes(project: Sandbox, driver: str) -> None:
    """The next run finds it there."""
    project.write(".env", f"DATABASE_URL={driver}:///app.db\n")
    project.add_environment()
    add_two(project)
    assert asked(project.inv("database.migrate").stdout) == [OFF, OFF]
    assert is_whole(project)
    project.add_migration("3_three", "3c", "2b", ASK)
    assert asked(project.inv("database.migrate").stdout) == [FULL]


@pytest.mark.parametrize("content", ["", "CREATE TABLE other (id INTEGER)", "PRAGMA journal_mode=WAL"])
def test_a_file_that_is_there(project: Sandbox, content: str) -> None:
    """Even an empty one: it may be in use."""
    project.add_environment()
    add_two(project)
    with closing(sqlite3.connect(project.root / "app.db")) as connection:
        connection.execute(content)
    (project.root / "app.db").touch()
    assert asked(project.inv("database.migrate").stdout) == [FULL, FULL]


def test_without_the_lock(project: Sandbox) -> None:
    """Another process may be making the same file."""
    project.write(".env", "FASTMAN_LOCK=off\n")
    project.add_environment()
    add_two(project)
    assert asked(project.inv("database.migrate").stdout) == [FULL, FULL]


def test_a_migration_that_fails(project: Sandbox) -> None:
    """What was applied before it stays, and the file has its safety back."""
    project.add_environment()
    add_two(project, f"{ASK}\nraise RuntimeError")
    assert asked(project.inv("database.migrate", code=1).stdout) == [OFF, OFF]
    assert is_whole(project)
    project.add_migration("2_two", "2b", "1a", ASK)
    assert asked(project.inv("database.migrate").stdout) == [FULL]


@pytest.mark.parametrize("head", ["connection.exec_driver_sql('PRAGMA journal_mode=WAL')", "pass"])
def test_an_env_py_of_another_kind(project: Sandbox, alembic_init: Init, head: str) -> None:
    """Its write-ahead log is written back to the file; what it begins before configure() is left alone."""
    alembic_init(project, "sqlite:///app.db")
    project.replace(
        "migrations/env.py",
        "        context.configure(",
        f"        {head}\n        connection.commit()\n        context.configure(",
    )
    project.add_migration(
        "1_one", "1a", None, f'op.create_table("one", sa.Column("id", sa.Integer))\n{ASK}', folder="migrations/versions"
    )
    assert asked(project.inv("database.migrate").stdout) == [OFF]
    assert is_whole(project)
    log = project.root / "app.db-wal"
    assert not log.exists() or not log.stat().st_size
