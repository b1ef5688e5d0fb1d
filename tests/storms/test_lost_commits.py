"""A COMMIT whose answer is lost, or that a signal meets: what is reported is what another connection finds."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable

import pytest

from command import Sandbox
from fastman_tasks import actions
from fastman_tasks.actions.baseline import baseline
from fastman_tasks.errors import FastmanError, MigrationFailed
from fastman_tasks.making.request import Request
from fastman_tasks.plans import Observer, Report, Step, StepResult
from fastman_tasks.project import Project
from processes import Running, wait_for
from proxy import Failure, Proxy, proxy
from servers import Server, execute, tables
from services import agree, opened
from walk import write_env, write_ini

# What the server does is the same on every version.
pytestmark = pytest.mark.thorough

SEEDER = """
import sqlalchemy as sa


class {name}Seeder:
    def run(self, db):
        db.execute(sa.text("INSERT INTO {table} VALUES (1)"))
"""
TRUNCATES = """
        db.execute(sa.text("TRUNCATE b"))
        db.execute(sa.text("INSERT INTO b VALUES (1)"))
"""
MODELS = """
import sqlalchemy as sa

metadata = sa.MetaData()
sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True))
"""
UP = 'op.execute("CREATE TABLE {0} (id INT)")\nop.execute("INSERT INTO {0} VALUES (0)")'
COMMITS = {"postgresql": b"COMMIT", "mysql": b"\x03COMMIT"}


def fill(project: Sandbox, folder: str = "database/migrations/versions") -> None:
    """Two migrations, of which each makes a table with a row, and a seeder for each table."""
    for number, table, after in (("1", "a", None), ("2", "b", "1")):
        name = f"{number}_{table}"
        project.add_migration(name, number, after, UP.format(table), f'op.execute("DROP TABLE {table}")', folder=folder)
        project.write(f"database/seeders/{table}_seeder.py", SEEDER.format(name=table.upper(), table=table))


@pytest.fixture(params=["postgresql+psycopg", "postgresql+asyncpg", "mysql+pymysql"])
def url(request: pytest.FixtureRequest) -> str:
    """A new database."""
    driver: str = request.param
    server: Server = request.getfixturevalue("postgresql" if driver.startswith("postgresql") else "mariadb")
    return server.fresh(driver)


class Fails(Observer):
    """Lets the next COMMIT fail once ``step`` has started."""

    def __init__(self, between: Proxy, url: str, failure: Failure, step: str) -> None:
        self._fail = lambda: between.fail(failure, COMMITS[url.partition("+")[0]])
        self._step = step

    def step_started(self, step: Step) -> None:
        if step.name == self._step:
            self._fail()


def port(url: str) -> int:
    """The port in ``url``."""
    return int(url.rpartition(":")[2].partition("/")[0])


def failed(project: Project, action: Callable[..., Report], observer: Observer, **options: object) -> FastmanError:
    """The error of ``action``."""
    with pytest.raises(FastmanError) as raised:
        action(project, consent=agree, observer=observer, **options)
    return raised.value


def reported(error: FastmanError) -> dict[str, str]:
    """The state of each step in the report of a failure."""
    assert error.report is not None
    return {result.step.name: result.state for result in error.report.steps}


def applied(url: str) -> int:
    """How many migrations are applied, by the version table and by what they have made."""
    found = tables(url)
    versions = execute(url, "SELECT version_num FROM alembic_version") if "alembic_version" in found else []
    number = int(versions[0][0]) if versions else 0
    assert found & {"a", "b"} == set("ab"[:number]) or "mysql" in url
    return number


@pytest.mark.parametrize("failure", ["swallow", "cut"])
@pytest.mark.parametrize("nth", [1, 2])
def test_migrations(project: Sandbox, url: str, failure: Failure, nth: int) -> None:
    """The version table tells what became of a migration, also the first, which has made that table itself."""
    project.add_environment()
    fill(project)
    names = ("1_a", "2_b")[:nth]
    with proxy(port(url)) as between, opened(project, DATABASE_URL=between.url(url)) as here:
        error = failed(here, actions.migrate, Fails(between, url, failure, names[-1]))
        assert between.failed.is_set()
        now = applied(url)
        assert now == (nth if failure == "swallow" else nth - 1)
        assert reported(error) == {name: "done" if int(name[0]) <= now else "failed" for name in names}
        assert ("It was committed all the same." in str(error)) == (failure == "swallow")
        assert f"{now} applied now." in str(error)
        if now == nth:
            error = failed(here, actions.rollback, Fails(between, url, failure, names[-1]))
            assert applied(url) == nth - 1
            assert reported(error) == {names[-1]: "done"}
            assert f"\n{nth - 1} applied now." in str(error)


@pytest.mark.parametrize("failure", ["swallow", "cut"])
@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg"])
def test_all_in_one_transaction(project: Sandbox, postgresql: Server, driver: str, failure: Failure) -> None:
    """Also where env.py commits all migrations at once, and no one has finished before."""
    url = postgresql.fresh(driver)
    write_ini(project)
    write_env(project, url, options=", transaction_per_migration=False")
    fill(project, "migrations/versions")
    with proxy(port(url)) as between, opened(project, DATABASE_URL=between.url(url)) as here:
        error = failed(here, actions.migrate, Fails(between, url, failure, "2_b"))
        assert between.failed.is_set()
        state = "done" if failure == "swallow" else "failed"
        assert applied(url) == (2 if failure == "swallow" else 0)
        assert reported(error) == {"1_a": state, "2_b": state}
        assert str(error).startswith("The commit failed: ")


@pytest.mark.parametrize("failure", ["swallow", "cut"])
@pytest.mark.parametrize("commit_each", [False, True])
def test_seeders(project: Sandbox, url: str, failure: Failure, commit_each: bool) -> None:
    """PostgreSQL remembers what became of a transaction; elsewhere nobody knows, and the report says so."""
    project.add_environment()
    fill(project)
    with proxy(port(url)) as between, opened(project, DATABASE_URL=between.url(url)) as here:
        actions.migrate(here)
        error = failed(here, actions.seed, Fails(between, url, failure, "ASeeder"), commit_each=commit_each)
        assert between.failed.is_set()
        kept = failure == "swallow"
        rows = [execute(url, f"SELECT count(*) FROM {table}")[0][0] - 1 for table in "ab"]
        assert rows == [kept, kept and not commit_each]
        if "mysql" in url:
            state = "unknown"
            assert "rolled back" not in str(error)
            assert "The outcome is unknown" in str(error)
        else:
            state = "done" if kept else "failed" if commit_each else "rolled back"
            assert ("It was committed all the same." in str(error)) == kept
        assert reported(error) == dict.fromkeys(["ASeeder"] if commit_each else ["ASeeder", "BSeeder"], state)


def test_lost_when_all_is_committed(project: Sandbox, mariadb: Server) -> None:
    """With --commit-each nothing is open after the last seeder: a connection that is lost then fails nothing."""
    url = mariadb.fresh("mysql+pymysql")
    project.add_environment()
    fill(project)

    class Cuts(Observer):
        def step_finished(self, result: StepResult) -> None:
            if result.step.name == "BSeeder":
                between.fail("cut", b"ROLLBACK")

    with proxy(port(url)) as between, opened(project, DATABASE_URL=between.url(url)) as here:
        actions.migrate(here)
        report = actions.seed(here, commit_each=True, observer=Cuts())
        assert between.failed.wait(5)
    assert [result.state for result in report.steps] == ["done", "done"]
    assert [len(execute(url, f"SELECT * FROM {table}")) for table in "ab"] == [2, 2]


@pytest.mark.parametrize("at", [b"TRUNCATE", b"INSERT INTO b"])
def test_a_seeder_that_commits_by_itself(project: Sandbox, mariadb: Server, at: bytes) -> None:
    """MariaDB commits at a TRUNCATE: after it, or while it is not answered, nobody can say that all was rolled back."""
    url = mariadb.fresh("mysql+pymysql")
    project.add_environment()
    fill(project)
    project.write("database/seeders/a_seeder.py", SEEDER.format(name="A", table="a") + TRUNCATES)
    with proxy(port(url)) as between, opened(project, DATABASE_URL=between.url(url)) as here:
        actions.migrate(here)
        between.fail("swallow", at)
        error = failed(here, actions.seed, Observer())
        assert between.failed.is_set()
        assert len(execute(url, "SELECT * FROM a")) == 2
        assert "All changes were rolled back" not in str(error)
        assert "may have been committed" in str(error)
        assert "done" not in reported(error).values()


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg", "mysql+pymysql"])
@pytest.mark.parametrize("command", ["make.migration", "migrate.stamp"])
def test_stamps(request: pytest.FixtureRequest, project: Sandbox, driver: str, command: str) -> None:
    """The version table tells it, and the file of a baseline stays only if the database may have its revision."""
    server: Server = request.getfixturevalue("mariadb" if "mysql" in driver else "postgresql")
    project.add_environment()
    versions = project.root / "database/migrations/versions"
    if command == "migrate.stamp":
        project.add_migration("1_a", "1", None)
    else:
        project.write("models.py", MODELS)

    def run(here: Project) -> None:
        if command == "migrate.stamp":
            actions.stamp(here, "heads", consent=agree)
        else:
            written = here.migration_writer
            options = Request.of("initial", baseline=True)
            baseline(here, "initial", lambda: written.write(options), consent=agree, observer=Observer())

    with proxy(server.port) as between:
        urls = [server.fresh(driver) for _ in range(4)]
        for url in urls:
            execute(url, "CREATE TABLE users (id INT PRIMARY KEY)")
        with opened(project, DATABASE_URL=between.url(urls[0])) as here:
            run(here)
        # The last one: where scratch databases are allowed, others are of them.
        sent = max(at for at, message in enumerate(between.seen) if b"INSERT INTO alembic_version" in message)
        commit = COMMITS[driver.partition("+")[0]]
        nth = sum(commit in message for message in between.seen[:sent]) + 1
        if command == "make.migration":
            shutil.rmtree(versions, ignore_errors=True)
            versions.mkdir()

        for failure, url in zip(("swallow", "cut", "stop"), urls[1:], strict=True):
            with opened(project, DATABASE_URL=between.url(url)) as here:
                between.all_connections = failure == "stop"
                between.fail("swallow" if failure == "swallow" else "cut", commit, nth=nth)
                if failure == "stop":
                    between.refuse()
                with pytest.raises(MigrationFailed) as raised:
                    run(here)
                assert between.failed.is_set()
            found = execute(url, "SELECT version_num FROM alembic_version") if "alembic_version" in tables(url) else []
            assert len(found) == (failure == "swallow")
            state = {"swallow": "done", "cut": "failed", "stop": "unknown"}[failure]
            assert set(reported(raised.value).values()) == {state}
            said = {
                "done": "It was committed all the same.",
                "failed": "All changes were rolled back.",
                "unknown": "The outcome is unknown.",
            }
            assert [text for text in said.values() if text in str(raised.value)] == [said[state]]
            if command == "make.migration":
                assert len(list(versions.glob("*.py"))) == (state != "failed")
                assert ("inv migrate.stamp " in str(raised.value)) == (state == "unknown")
                shutil.rmtree(versions, ignore_errors=True)
                versions.mkdir()


# Long enough for a signal to meet it; what {handles} a cancelled statement commits all the same.
SLOW_COMMIT = """
op.execute("CREATE TABLE slow (id INT)")
op.execute(
    "CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$ "
    "BEGIN BEGIN PERFORM pg_sleep(1); {handles} END; RETURN NULL; END $$"
)
op.execute(
    "CREATE CONSTRAINT TRIGGER pause AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED "
    "FOR EACH ROW EXECUTE FUNCTION pause()"
)
"""


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg"])
@pytest.mark.parametrize("command", ["database.migrate", "database.seed"])
@pytest.mark.parametrize("kept", [True, False])
def test_a_signal_at_the_commit(project: Sandbox, postgresql: Server, driver: str, command: str, kept: bool) -> None:
    """The driver cancels the commit, and the server may have gone too far: the report is what it has kept."""
    url = postgresql.fresh(driver)
    project.add_environment()
    handles = "EXCEPTION WHEN query_canceled THEN NULL;" if kept else ""
    project.add_migration("1_slow", "1", None, SLOW_COMMIT.format(handles=handles))
    if command == "database.seed":
        project.write("database/seeders/slow_seeder.py", SEEDER.format(name="Slow", table="slow"))
    else:
        project.add_migration("2_row", "2", "1", 'op.execute("INSERT INTO slow VALUES (1)")')
    project.inv("database.migrate", *(["--to=1"] if command == "database.migrate" else []), env={"DATABASE_URL": url})

    run = Running(project, command, "--json", env={"DATABASE_URL": url})
    wait_for(lambda: execute(url, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
    run.send(signal.SIGTERM)
    value = json.loads(run.finish(code=1).stdout)

    assert bool(execute(url, "SELECT * FROM slow")) == kept
    states = {each["name"]: each["state"] for each in value["steps"]}
    lost = {"SlowSeeder": "rolled back"} if command == "database.seed" else {"2_row": "failed"}
    assert states == (dict.fromkeys(states, "done") if kept else lost)
    assert ("It was committed all the same." in value["error"]["message"]) == kept
