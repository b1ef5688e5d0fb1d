"""The database that cannot go on in the middle of a command: what is said, and that the next run succeeds."""

from __future__ import annotations

import pytest

import services
from command import TASKS, Result, Sandbox
from fastman_tasks import Observer, actions, force
from fastman_tasks.databases.database import Database
from fastman_tasks.databases.urls import parse
from fastman_tasks.errors import DatabaseUnavailable, FastmanError, MigrationFailed
from fastman_tasks.plans import Step
from ordinary import as_ordinary_user, unwritable
from proxy import proxy
from servers import Server, execute, tables

LOST = "The connection to the database was lost. When the server can be reached, run the same command again."
FULL = "The disk of the database is full. Free some space, then run the same command again."
SERVERS = ["postgresql+psycopg", "postgresql+asyncpg", "mysql+pymysql"]
COMMANDS = {
    "migrate": ["database.migrate"],
    "rollback": ["migrate.rollback", "--force"],
    "seed": ["database.seed"],
}


def server_of(request: pytest.FixtureRequest, driver: str) -> Server:
    """The server for ``driver``."""
    server: Server = request.getfixturevalue("postgresql" if driver.startswith("postgresql") else "mariadb")
    return server


def shop(project: Sandbox, url: str, failing: str, command: str) -> None:
    """A project in which the second migration, its way back, or the seeder executes ``failing``; what ``command`` needs
    to get there is applied."""
    project.add_environment()
    project.write(".env", f"DATABASE_URL={url}")
    project.add_migration("1_users", "1a", None, 'op.execute("CREATE TABLE users (name TEXT)")')
    project.inv("database.migrate")
    fails = f"op.execute({failing!r})"
    if command != "seed":
        ways = ("pass", fails) if command == "rollback" else (fails, "pass")
        project.add_migration("2_fails", "2b", "1a", *ways)
    if command == "rollback":
        project.inv("database.migrate")
    seeder = f"""
        from sqlalchemy import text


        class UserSeeder:
            def run(self, db):
                db.execute(text({failing!r}))
    """
    project.write("database/seeders/user_seeder.py", seeder)


def assert_told(failed: Result, remedy: str) -> None:
    """The remedy is the last thing that is said, but for the command."""
    said = [line for line in failed.stderr.splitlines() if not line.startswith("Next: ")]
    assert said[-1] == remedy, failed.stderr
    assert "Correct the file" not in failed.stderr


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("driver", SERVERS)
def test_a_connection_that_is_lost(request: pytest.FixtureRequest, project: Sandbox, driver: str, command: str) -> None:
    """By the network, in the middle of a statement; the same command does the work afterwards."""
    server = server_of(request, driver)
    url = server.fresh(driver)
    insert = "INSERT INTO users VALUES ('Ann')"
    shop(project, url, insert, command)
    with proxy(server.port) as between:
        between.fail("cut", b"INTO users")
        failed = project.inv(*COMMANDS[command], env={"DATABASE_URL": between.url(url)}, code=1)
        assert between.failed.wait(10)
    assert_told(failed, LOST)
    assert execute(url, "SELECT * FROM users") == []

    project.inv(*COMMANDS[command])
    assert execute(url, "SELECT * FROM users") == [("Ann",)]


@pytest.mark.parametrize(
    ("driver", "question"),
    [
        ("postgresql+psycopg", b"pg_catalog.version"),
        ("postgresql+asyncpg", b"pg_catalog.version"),
        ("mysql+pymysql", b"_isolation"),
    ],
)
def test_a_connection_that_is_lost_at_once(
    request: pytest.FixtureRequest, project: Sandbox, driver: str, question: bytes
) -> None:
    """SQLAlchemy asks the server a few things before it hands out a connection; and none is asked at the end."""
    server = server_of(request, driver)
    with proxy(server.port) as between:
        database = Database(parse(between.url(server.fresh(driver))))
        for use in (lambda: database.run(lambda connection: None), lambda: database.hold().close()):
            between.fail("cut", question)
            with pytest.raises(DatabaseUnavailable, match=r"Cannot use .*\*\*\*@127") as failed:
                use()
            assert between.failed.wait(10)
            assert str(failed.value).endswith(LOST)

        database.run(lambda connection: between.fail("cut", b""))
        # The farewell; it may arrive after the next connection's first message otherwise.
        assert between.failed.wait(10)
        held = database.hold()
        between.fail("cut", b"SET")
        held.close()
        assert not between.failed.is_set()


@pytest.mark.parametrize("driver", SERVERS)
def test_a_connection_that_is_lost_while_the_lock_connects(
    request: pytest.FixtureRequest, project: Sandbox, driver: str
) -> None:
    """Before the server has answered and afterwards: it is not a reason to migrate without the lock."""
    server = server_of(request, driver)
    greeting, locking = (b"fastman\0", b"GET_LOCK") if "mysql" in driver else (b"user\0fastman", b"advisory_lock")
    introduction = b"wait_timeout" if "mysql" in driver else b"application_name"
    project.add_environment()
    project.add_migration("1_users", "1a", None, 'op.execute("CREATE TABLE users (name TEXT)")')
    with proxy(server.port) as between:
        with services.opened(project, DATABASE_URL=between.url(server.fresh(driver))) as here:
            services.migrate(here)
        first = next(at for at, message in enumerate(between.seen) if locking in message)
        lock = sum(greeting in message for message in between.seen[:first])
        url = server.fresh(driver)
        for text, number in ((greeting, lock), (introduction, 1)):
            with services.opened(project, DATABASE_URL=between.url(url)) as here:
                between.fail("cut", text, nth=number)
                with pytest.raises(FastmanError) as failed:
                    services.migrate(here)
                assert between.failed.wait(10)
            assert "FASTMAN_LOCK" not in str(failed.value)
            if isinstance(failed.value, DatabaseUnavailable):
                assert str(failed.value).endswith(LOST)
            else:
                assert str(failed.value.next) == "inv database.migrate"
            assert isinstance(failed.value, DatabaseUnavailable) == (text == greeting)
    assert tables(url) == set()


@pytest.mark.parametrize(("driver", "command"), [("postgresql+psycopg", "migrate"), ("mysql+pymysql", "seed")])
def test_a_connection_that_the_server_ends(
    request: pytest.FixtureRequest, project: Sandbox, driver: str, command: str
) -> None:
    """An administrator, or a server that is shut down."""
    url = server_of(request, driver).fresh(driver)
    kill = "SELECT pg_terminate_backend(pg_backend_pid())"
    if driver.startswith("mysql"):
        kill = "BEGIN NOT ATOMIC EXECUTE IMMEDIATE CONCAT('KILL ', CONNECTION_ID()); END"
    shop(project, url, kill, command)
    assert_told(project.inv(*COMMANDS[command], code=1), LOST)


def test_a_server_that_does_not_come_back(project: Sandbox, postgresql: Server) -> None:
    """What is applied cannot be determined, and nothing is claimed of it; the remedy is the same."""
    url = postgresql.fresh("postgresql+psycopg")
    shop(project, url, "INSERT INTO users VALUES ('Ann')", "migrate")

    class Closing(Observer):
        def step_started(self, step: Step) -> None:
            between.close()

    with (
        proxy(postgresql.port) as between,
        services.opened(project, DATABASE_URL=between.url(url)) as opened,
        pytest.raises(MigrationFailed) as failed,
    ):
        actions.migrate(opened, consent=force, observer=Closing())
    assert "Could not determine what is applied now: Cannot connect to postgresql" in str(failed.value)
    assert str(failed.value).endswith(LOST)


FILLING = {
    # What a server whose disk is full says by itself; and MariaDB of a table that takes no more rows.
    "postgresql+psycopg": "DO $$ BEGIN RAISE disk_full USING MESSAGE = 'No space left on device'; END $$",
    "postgresql+asyncpg": "DO $$ BEGIN RAISE disk_full USING MESSAGE = 'No space left on device'; END $$",
    "mysql+pymysql": "INSERT INTO little SELECT seq FROM seq_1_to_900",
    "sqlite": "INSERT INTO users VALUES (hex(zeroblob(200000)))",
    "sqlite+aiosqlite": "INSERT INTO users VALUES (hex(zeroblob(200000)))",
}
# A SQLite file that may not grow is a disk that is full, to SQLite.
LIMIT = """
from sqlalchemy import Engine, event


@event.listens_for(Engine, "connect")
def limit(connection, record):
    if "sqlite" in type(connection).__module__:
        cursor = connection.cursor()
        cursor.execute("PRAGMA max_page_count = 20")
        cursor.close()
"""


@pytest.mark.parametrize(
    ("driver", "command"),
    [
        *(("sqlite", command) for command in COMMANDS),
        ("sqlite+aiosqlite", "migrate"),
        ("sqlite+aiosqlite", "seed"),
        ("postgresql+psycopg", "migrate"),
        ("postgresql+asyncpg", "seed"),
        ("mysql+pymysql", "rollback"),
        ("mysql+pymysql", "seed"),
    ],
)
def test_a_disk_that_is_full(request: pytest.FixtureRequest, project: Sandbox, driver: str, command: str) -> None:
    """The statement fails, the whole is rolled back, and nothing in the file is to be corrected."""
    if driver.startswith("sqlite"):
        url = f"{driver}:///{project.root}/shop.db"
        project.write("tasks.py", TASKS)
        with (project.root / "tasks.py").open("a", encoding="utf-8") as tasks:
            tasks.write(LIMIT)
    else:
        url = server_of(request, driver).fresh(driver)
    if driver == "mysql+pymysql":
        execute(url, "SET STATEMENT max_heap_table_size = 16384 FOR CREATE TABLE little (a CHAR(255)) ENGINE = MEMORY")
    shop(project, url, FILLING[driver], command)
    failed = project.inv(*COMMANDS[command], code=1)
    assert_told(failed, FULL)
    assert "may have been committed" not in failed.stderr
    assert execute(url, "SELECT * FROM users") == []


@pytest.mark.parametrize("command", ["migrate", "seed"])
def test_a_sqlite_file_that_cannot_be_written(project: Sandbox, command: str) -> None:
    """The file itself, in a folder that can be written."""
    shop(project, f"sqlite:///{project.root}/shop.db", "INSERT INTO users VALUES ('Ann')", command)
    with unwritable(project.root / "shop.db"):
        failed = as_ordinary_user(project, *COMMANDS[command])
    assert failed.code == 1
    assert_told(
        failed,
        "SQLite cannot write to its file or folder. Make both writable, then run the same command again.",
    )
