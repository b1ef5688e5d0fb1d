"""One migrator at a time: the lock that processes see of each other, on every kind of database."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest

from command import Init, Sandbox
from fastman_tasks.actions.carry_out import hold_lock
from fastman_tasks.databases.database import Database
from fastman_tasks.databases.lock import for_database, hold
from fastman_tasks.databases.urls import parse
from fastman_tasks.plans import Observer
from ordinary import as_ordinary_user, unwritable
from processes import ROUNDS, Running, wait_for
from servers import Server, execute, tables
from services import opened

# Whoever looks while the first is at work has less to do.
ENDS = (
    r"\n4 migrations applied\.\n",
    r"Nothing to migrate\.\n",
    r"Another process applied \d migrations? in the meantime\.\n",
)
DRIVERS = ["sqlite", "postgresql+psycopg", "mysql+pymysql"]
FreshUrl = Callable[[str], str]


@pytest.fixture
def fresh_url(request: pytest.FixtureRequest, project: Sandbox) -> FreshUrl:
    """Makes an empty database for a driver, names it in .env, and gives its URL."""

    def make(driver: str) -> str:
        if driver.startswith("sqlite"):
            (project.root / "shop.db").unlink(missing_ok=True)
            url = f"{driver}:///{project.root}/shop.db"
        else:
            server: Server = request.getfixturevalue("postgresql" if driver.startswith("postgresql") else "mariadb")
            url = server.fresh(driver)
        project.write(".env", f"DATABASE_URL={url}")
        return url

    return make


def add_four_migrations(project: Sandbox, folder: str = "database/migrations/versions") -> None:
    """Each notes in the table ran that it ran; the third builds an index as PostgreSQL does without locking."""
    note = 'op.execute("INSERT INTO ran VALUES ({})")'
    project.add_migration("1_ran", "1a", None, 'op.create_table("ran", sa.Column("number", sa.Integer))', folder=folder)
    project.add_migration(
        "2_log", "2b", "1a", f'op.execute("CREATE TABLE log (a INT)")\n{note.format(2)}', folder=folder
    )
    index = """
        if op.get_bind().dialect.name == "postgresql":
            with op.get_context().autocommit_block():
                op.create_index("log_a", "log", ["a"], postgresql_concurrently=True)
        else:
            op.create_index("log_a", "log", ["a"])
        op.execute("INSERT INTO ran VALUES (3)")
    """
    project.add_migration("3_index", "3c", "2b", index, folder=folder)
    project.add_migration(
        "4_more", "4d", "3c", f'op.execute("CREATE TABLE more (a INT)")\n{note.format(4)}', folder=folder
    )


def migrate_eight_times_at_once(project: Sandbox, url: str, *urls: str) -> None:
    """Every process ends well, and among them each migration ran once. ``urls`` are what each calls the database."""
    environments = [{"DATABASE_URL": each} for each in urls] or [{}] * 8
    running = [Running(project, "database.migrate", env=environment) for environment in environments]
    results = [each.finish() for each in running]

    done = [name for result in results for name in re.findall(r"^  (\S+) \.\.\..* DONE$", result.stdout, re.MULTILINE)]
    assert sorted(done) == ["1_ran", "2_log", "3_index", "4_more"]
    for result in results:
        there = [text for text in ENDS if re.search(text, result.stdout)]
        assert len(there) == 1, result.stdout
        assert not result.stderr
    assert sorted(execute(url, "SELECT number FROM ran")) == [(2,), (3,), (4,)]
    assert execute(url, "SELECT version_num FROM alembic_version") == [("4d",)]


@pytest.mark.thorough
@pytest.mark.parametrize("driver", DRIVERS)
def test_eight_at_once_on_a_fresh_database(project: Sandbox, fresh_url: FreshUrl, driver: str) -> None:
    """Eight replicas of a deploy: one migrates, the others wait and find nothing to do."""
    project.add_environment()
    add_four_migrations(project)
    for _ in range(ROUNDS):
        migrate_eight_times_at_once(project, fresh_url(driver))


@pytest.mark.thorough
@pytest.mark.parametrize(("driver", "template"), [("postgresql+asyncpg", None), ("postgresql+psycopg", "generic")])
def test_eight_at_once_async_and_foreign(
    project: Sandbox, fresh_url: FreshUrl, alembic_init: Init, driver: str, template: str | None
) -> None:
    """The same under an async URL, and with the env.py of alembic init."""
    url = fresh_url(driver)
    if template:
        alembic_init(project, template=template)
        add_four_migrations(project, "migrations/versions")
    else:
        project.add_environment()
        add_four_migrations(project)
    migrate_eight_times_at_once(project, url)


@pytest.mark.thorough
def test_eight_at_once_by_every_name_of_a_file(project: Sandbox, fresh_url: FreshUrl) -> None:
    """A path, a relative one, a URI, a symbolic and a hard link: it is one database, and one lock."""
    url = fresh_url("sqlite")
    project.add_environment()
    add_four_migrations(project)
    (project.root / "shop.db").touch()
    (project.root / "soft.db").symlink_to("shop.db")
    (project.root / "a hard.db").hardlink_to(project.root / "shop.db")
    (project.root / "data").mkdir()
    quoted = quote(str(project.root))
    migrate_eight_times_at_once(
        project,
        url,
        url,
        "sqlite:///shop.db",
        "sqlite:///data/../shop.db",
        "sqlite:///file:shop.db?uri=true",
        f"sqlite:///file:{quoted}/shop.db?uri=true&mode=rwc&timeout=5",
        f"sqlite+aiosqlite:///file://{quoted}/soft.db?uri=true",
        "sqlite:///soft.db",
        "sqlite:///file:a%20hard.db?uri=1",
    )


def add_a_migration_that_waits(project: Sandbox) -> None:
    """One that is quick, and one that goes on until the project has a file named go."""
    project.add_environment()
    project.add_migration("1_quick", "1a", None, 'op.execute("CREATE TABLE quick (a INT)")', 'op.drop_table("quick")')
    wait = """
        import pathlib, time
        op.execute("CREATE TABLE slow (a INT)")
        pathlib.Path("started").touch()
        while not pathlib.Path("go").exists():
            time.sleep(0.01)
    """
    project.add_migration("2_slow", "2b", "1a", wait, 'op.drop_table("slow")')
    project.write(
        "database/seeders/user_seeder.py",
        """
        class UserSeeder:
            def run(self, db):
                raise AssertionError("it runs beside a migration")
        """,
    )


@pytest.mark.parametrize("driver", DRIVERS)
def test_whoever_comes_second_waits_or_gives_up(project: Sandbox, fresh_url: FreshUrl, driver: str) -> None:
    """Each command gives up with code 4 after FASTMAN_LOCK_TIMEOUT and name the holder; a patient one waits, says
    so, and has nothing to do. Another database is nobody's business."""
    url = fresh_url(driver)
    add_a_migration_that_waits(project)
    holder = Running(project, "database.migrate")
    wait_for(project.root / "started")
    before = execute(url, "SELECT version_num FROM alembic_version")
    hurried = {"FASTMAN_LOCK_TIMEOUT": "300ms"}
    commands = (
        ["database.migrate"],
        ["database.seed"],
        ["migrate.rollback", "--force"],
        ["migrate.reset", "--force"],
    )
    if driver == "mysql+pymysql":
        commands = commands[:1]
    losers = [(command, Running(project, *command, env=hurried)) for command in commands]
    patient = Running(project, "database.migrate")

    for command, loser in losers:
        result = loser.finish(code=4)
        assert "Another process has the migration lock" in result.stdout, command
        assert "for more than 0.3 s" in result.stderr, command
        assert "Nothing was changed." in result.stderr, command
        assert "DONE" not in result.stdout, command
        if driver.startswith("postgresql"):
            assert f"fastman-tasks, process {holder.pid} on " in result.stderr, command
        elif driver.startswith("mysql"):
            assert re.search(r"\(user fastman, from 127\.0\.0\.1:\d+, connection \d+\)", result.stderr), command
    assert execute(url, "SELECT version_num FROM alembic_version") == before == [("1a",)]

    patient.read_until("waiting …")
    time.sleep(1)
    (project.root / "go").touch()
    assert "2 migrations applied." in holder.finish().stdout
    said = patient.finish().stdout
    waited = re.search(r"^Waited (\d+\.\d) s for the lock\.$", said, re.MULTILINE)
    assert waited and float(waited[1]) >= 1
    assert said.endswith("Another process applied 1 migration in the meantime.\n")


def test_the_lock_file_of_sqlite_is_removed(project: Sandbox) -> None:
    """It is there while it is held and gone afterwards; whoever waited with the old file open still takes turns."""
    database = Database(parse(f"sqlite:///{project.root}/shop.db"))
    (project.root / "shop.db").touch()
    file = project.root / "shop.db.lock"
    inside: list[int] = []
    most: list[int] = []

    def take_turns() -> None:
        for _ in range(60):
            lock = for_database(database, "alembic_version", None)
            assert lock is not None
            with hold(lock, 60, lambda holder: None, sleep=lambda seconds: time.sleep(0.0005)):
                inside.append(1)
                assert file.exists()
                most.append(len(inside))
                time.sleep(0.0002)
                inside.pop()

    threads = [threading.Thread(target=take_turns) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (240, 1)
    assert not file.exists()


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_holder_that_is_killed_frees_the_lock(project: Sandbox, fresh_url: FreshUrl, driver: str) -> None:
    """The next one need not wait, and the lock leaves nothing that anybody has to clean up."""
    fresh_url(driver)
    add_a_migration_that_waits(project)
    holder = Running(project, "database.migrate")
    wait_for(project.root / "started")
    assert holder.kill() == -signal.SIGKILL
    (project.root / "go").touch()

    done = project.inv("database.migrate", env={"FASTMAN_LOCK_TIMEOUT": "2s"}, code=1 if "mysql" in driver else 0)

    if "mysql" in driver:
        assert "Table 'slow' already exists" in done.stderr
    else:
        assert "1 migration applied." in done.stdout


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_lock_while_it_is_held_here(project: Sandbox, fresh_url: FreshUrl, driver: str) -> None:
    """Nothing to do takes no lock; FASTMAN_LOCK=off goes past it; pretending needs none; other databases are free."""
    url = fresh_url(driver)
    add_a_migration_that_waits(project)
    (project.root / "go").touch()
    hurried = {"FASTMAN_LOCK_TIMEOUT": "100ms"}
    with opened(project, DATABASE_URL=url) as here, hold_lock(here, Observer()):
        project.inv("database.migrate", env=hurried, code=4)
        pretended = project.inv("database.migrate", "--pretend", "migrate.status", "migrate.rollback", env=hurried)
        assert "Nothing was changed." in pretended.stdout
        assert "CREATE TABLE quick" in pretended.stdout

        past = project.inv("database.migrate", "database.migrate", "--seed", env={"FASTMAN_LOCK": "off"}, code=1)
        assert "2 migrations applied." in past.stdout
        assert "it runs beside a migration" in past.stderr, "the seeder was reached, without a lock"
        assert "Nothing to migrate." in project.inv("database.migrate", env=hurried).stdout

        other = fresh_url(driver) if driver != "sqlite" else f"sqlite:///{project.root}/other.db"
        assert "2 migrations applied." in project.inv("database.migrate", env={**hurried, "DATABASE_URL": other}).stdout


def test_the_lock_is_the_version_tables(project: Sandbox, alembic_init: Init, postgresql: Server) -> None:
    """Two projects with a version table each in one database do not keep each other waiting."""
    url = postgresql.fresh("postgresql+psycopg")
    project.write(".env", f"DATABASE_URL={url}")
    alembic_init(project)
    project.add_migration("1_one", "1a", None, 'op.execute("CREATE TABLE one (a INT)")', folder="migrations/versions")
    hurried = {"FASTMAN_LOCK_TIMEOUT": "100ms"}
    with opened(project, DATABASE_URL=url) as here, hold_lock(here, Observer()):
        project.inv("database.migrate", env=hurried, code=4)
        project.replace(
            "migrations/env.py", "connection=connection,", 'connection=connection, version_table="other_version",'
        )
        project.inv("database.migrate", env=hurried)
    assert tables(url) == {"one", "other_version"}


@pytest.mark.parametrize(
    ("driver", "number"),
    [
        ("sqlite", signal.SIGINT),
        ("postgresql+psycopg", signal.SIGTERM),
        ("postgresql+asyncpg", signal.SIGINT),
        ("postgresql+asyncpg", signal.SIGTERM),
        ("mysql+pymysql", signal.SIGTERM),
    ],
)
def test_a_signal_while_waiting(project: Sandbox, fresh_url: FreshUrl, driver: str, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end a waiter at once, with code 1."""
    url = fresh_url(driver)
    add_a_migration_that_waits(project)
    with opened(project, DATABASE_URL=url) as here, hold_lock(here, Observer()):
        waiter = Running(project, "database.migrate")
        waiter.read_until("waiting …")
        time.sleep(0.2)
        started = time.monotonic()
        waiter.send(number)
        assert waiter.finish(code=1).stderr.startswith("Interrupted.")
        assert time.monotonic() - started < 5


def test_a_folder_that_cannot_be_written(project: Sandbox) -> None:
    """SQLite's lock file goes beside the database; where it cannot, that is a usage error and nothing is touched."""
    add_a_migration_that_waits(project)
    (project.root / "data").mkdir()
    project.write(".env", "DATABASE_URL=sqlite:///data/shop.db")
    project.inv("database.migrate", "--to=1a")
    database = project.root / "data/shop.db"
    database.with_name("shop.db.lock").unlink(missing_ok=True)
    before = database.read_bytes()
    with unwritable(database.parent):
        refused = as_ordinary_user(project, "database.migrate")
        assert refused.code == 2
        assert "Nothing to migrate." in as_ordinary_user(project, "database.migrate", "--to=1a").stdout
    assert refused.stderr.startswith(f"The lock file {database}.lock cannot be written: Permission denied.")
    assert database.read_bytes() == before
    assert not (project.root / "started").exists()
