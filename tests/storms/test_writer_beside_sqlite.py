"""SQLite while another process writes: an application that goes on working during a deploy."""

from __future__ import annotations

import random
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import services
from command import Sandbox
from fastman_tasks.errors import MigrationFailed
from fastman_tasks.migrating import executor
from processes import ROUNDS, Running, chance
from recipes import RECIPE
from servers import execute
from walk import write_env, write_ini

# What SQLite does is the same on every version.
pytestmark = pytest.mark.thorough

DRIVERS = ["sqlite", "sqlite+aiosqlite"]
MODES = ["WAL", "DELETE"]
CHANGES = """
rows = op.get_bind().execute(sa.text("SELECT id FROM tags ORDER BY id"))
for row in rows:
    op.get_bind().execute(sa.text("UPDATE tags SET name = name || '.' WHERE id = :id"), {{"id": row[0]}})
op.create_table("t{number}", sa.Column("a", sa.Integer))
"""
HURRIED = {"FASTMAN_DDL_LOCK_TIMEOUT": "100ms"}


def shop(project: Sandbox, driver: str, mode: str, engine: str = "ours") -> Path:
    """A project with two migrations and a seeder that read before they write; gives its file, which has rows. With
    "recipe" or "autocommit" the engine is env.py's own, and begins transactions that read."""
    file = project.root / "shop.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.execute("CREATE TABLE noise (n INTEGER)")
        connection.execute("CREATE TABLE tags (id INTEGER PRIMARY KEY, name TEXT)")
        connection.execute("INSERT INTO tags (name) VALUES ('a'), ('b'), ('c')")
        connection.commit()
    project.write(".env", f"DATABASE_URL={driver}:///{file}")
    folder = "database/migrations/versions"
    if engine != "ours":
        folder = "migrations/versions"
        target, make = ("engine.sync_engine", "create_async_engine") if "aio" in driver else ("engine", "create_engine")
        arguments = "" if engine == "recipe" else ', connect_args={"autocommit": False}'
        head = f"engine = {make}(config.get_main_option('sqlalchemy.url'){arguments})"
        head += RECIPE.format(target=target, begin="BEGIN") if engine == "recipe" else ""
        write_ini(project)
        write_env(project, driver, head=head, engine="engine")
    else:
        project.add_environment()
    for number, after in ((1, None), (2, "1a")):
        up, down = CHANGES.format(number=number), f'op.drop_table("t{number}")'
        project.add_migration(f"{number}_changes", f"{number}a", after, up, down, folder=folder)
    seeder = """
        from sqlalchemy import text


        class TagSeeder:
            def run(self, db):
                names = db.execute(text("SELECT name FROM tags")).scalars().all()
                for name in names:
                    db.execute(text("INSERT INTO tags (name) VALUES (:name)"), {"name": name})
    """
    project.write("database/seeders/tag_seeder.py", seeder)
    return file


@contextmanager
def writer(file: Path, pauses: random.Random) -> Iterator[list[int]]:
    """Write small transactions to ``file`` all the time; yields the numbers that were committed."""
    stop, committed = threading.Event(), list[int]()

    def write() -> None:
        with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as connection:
            while not stop.is_set():
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("INSERT INTO noise VALUES (?)", (len(committed),))
                time.sleep(pauses.uniform(0, 0.004))
                connection.execute("COMMIT")
                committed.append(len(committed))
                time.sleep(pauses.uniform(0, 0.002))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield committed
    finally:
        stop.set()
        thread.join()


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("driver", "mode", "engine"),
    [
        ("sqlite", "WAL", "ours"),
        ("sqlite", "WAL", "recipe"),
        ("sqlite", "DELETE", "recipe"),
        ("sqlite+aiosqlite", "WAL", "recipe"),
        ("sqlite+aiosqlite", "DELETE", "ours"),
        *((("sqlite", "WAL", "autocommit"),) if sys.version_info >= (3, 12) else ()),
    ],
)
def test_a_writer_all_the_time(tmp_path: Path, driver: str, mode: str, engine: str) -> None:
    """Migrating, seeding and rolling back take turns with it: none fails, and nothing of either is lost."""
    pauses = chance()
    for number in range(ROUNDS):
        project = Sandbox(tmp_path / f"my shop {number}")
        file = shop(project, driver, mode, engine)
        with writer(file, pauses) as committed:
            said = project.inv("database.migrate", "database.seed", "migrate.rollback", "--force", "migrate.status")
        assert "1 applied, 1 pending." in said.stdout
        url = f"sqlite:///{file}"
        assert execute(url, "SELECT name FROM tags") == [("a..",), ("b..",), ("c..",)] * 2
        assert execute(url, "SELECT count(*) FROM noise") == [(len(committed),)]


@contextmanager
def held(file: Path, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    """Another process is within a transaction that writes."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(begin)
        yield
        connection.execute("ROLLBACK")


WRITING = (
    "Another process is writing to the database (or a second connection of this one). When it has finished, run the "
    "same command again.\n"
)


@pytest.mark.parametrize("engine", ["ours", "recipe"])
@pytest.mark.parametrize("mode", MODES)
def test_reading_needs_no_turn(project: Sandbox, mode: str, engine: str) -> None:
    """What only reads is not kept waiting by a transaction that writes, and begins none."""
    file = shop(project, "sqlite", mode, engine)
    project.inv("database.migrate", "--to=1a")
    with held(file):
        project.write(".env", f"DATABASE_URL=sqlite:///{file}?timeout=0.1")
        said = project.inv("migrate.status", "database.migrate", "--pretend")
    assert "1 applied, 1 pending." in said.stdout
    assert "CREATE TABLE t2" in said.stdout


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_seeder_that_does_not_get_its_turn(project: Sandbox, driver: str) -> None:
    """It waits as long as the URL says, names the reason, and is right the next time."""
    file = shop(project, driver, "WAL")
    project.inv("database.migrate")
    with held(file):
        failed = project.inv("database.seed", env={"DATABASE_URL": f"{driver}:///{file}?timeout=0.1"}, code=1)
    assert "TagSeeder failed: database/seeders/tag_seeder.py: database is locked\n" in failed.stderr
    assert failed.stderr.endswith(f"All changes were rolled back.\n{WRITING}")
    assert "3 created" in project.inv("database.seed").stdout


def test_a_migration_that_gets_its_turn_later(project: Sandbox) -> None:
    """It gives way, says so, and succeeds once the file is free; FASTMAN_DDL_LOCK_TIMEOUT is how long it waits."""
    file = shop(project, "sqlite", "WAL")
    project.inv("database.migrate", "--to=1a")
    with held(file):
        run = Running(project, "database.migrate", env=HURRIED)
        run.read_until("2_changes: a lock was not free; rolled back, retrying in 1 s")
    assert "1 migration applied." in run.finish().stdout


@pytest.mark.parametrize("mode", MODES)
def test_a_migration_that_reads_while_another_process_writes(project: Sandbox, mode: str) -> None:
    """SQLite does not let it wait while it reads: it gives way, the other one can commit, and the next try waits."""
    file = shop(project, "sqlite", mode)
    project.inv("database.migrate", "--to=1a")
    with closing(sqlite3.connect(file, isolation_level=None, timeout=0.5)) as other:
        other.execute("BEGIN IMMEDIATE")
        run = Running(project, "database.migrate")
        run.read_until("2_changes: a lock was not free; rolled back, retrying in 1 s")
        other.execute("INSERT INTO noise VALUES (1)")
        other.execute("COMMIT")
        other.execute("BEGIN IMMEDIATE")
        time.sleep(1.5)
        other.execute("COMMIT")
    said = run.finish().stdout
    assert "retrying in 3 s" not in said
    assert "1 migration applied." in said
    assert execute(f"sqlite:///{file}", "SELECT name FROM tags") == [("a..",), ("b..",), ("c..",)]


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_migration_that_does_not_get_its_turn(
    project: Sandbox, monkeypatch: pytest.MonkeyPatch, driver: str, back: bool
) -> None:
    """The file is not what is to be corrected; the next command is the same one."""
    monkeypatch.setattr(executor, "PAUSES", (0.01,))
    file = shop(project, driver, "WAL")
    project.inv("database.migrate", *([] if back else ["--to=1a"]))
    with (
        services.opened(project, DATABASE_URL=f"{driver}:///{file}", **HURRIED) as opened,
        held(file),
        pytest.raises(MigrationFailed, match="database is locked") as failed,
    ):
        services.rollback(opened) if back else services.migrate(opened)
    assert str(failed.value).endswith(f"Remaining:\n  2_changes\n{WRITING}".rstrip())
    assert str(failed.value.next) == f"inv {'migrate.rollback --steps=1' if back else 'database.migrate'}"


def test_a_file_that_cannot_even_be_read(project: Sandbox) -> None:
    """One that another process has for itself, as VACUUM does."""
    file = shop(project, "sqlite", "DELETE")
    with held(file, "BEGIN EXCLUSIVE"):
        failed = project.inv("migrate.status", env={"DATABASE_URL": f"sqlite:///{file}?timeout=0.1"}, code=1)
    assert failed.stderr.endswith(f": database is locked\n{WRITING}")
