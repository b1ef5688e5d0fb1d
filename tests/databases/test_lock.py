"""The migration lock is confirmed while it is held: whoever has lost it stops, and says so."""

from __future__ import annotations

import re
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from command import Sandbox
from fastman_tasks import actions
from fastman_tasks.actions.carry_out import hold_lock
from fastman_tasks.databases.lock import for_database
from fastman_tasks.errors import LockLost
from fastman_tasks.plans import Observer, StepResult
from fastman_tasks.project import Project
from processes import Running, wait_for
from servers import Server, execute
from services import agree, migrate, opened

# What the server does is the same on every version.
pytestmark = pytest.mark.thorough

DRIVERS = ["sqlite", "postgresql+psycopg", "postgresql+asyncpg", "mysql+pymysql"]
STEPS = ("1_a", "2_b", "3_c")


@pytest.fixture(params=DRIVERS)
def url(request: pytest.FixtureRequest, project: Sandbox) -> str:
    """A new database of a project with three migrations and a seeder that adds a row in each run."""
    project.add_environment()
    for before, name in zip((None, *STEPS), STEPS, strict=False):
        table = f'op.create_table("{name}", sa.Column("id", sa.Integer))'
        project.add_migration(name, name, before, table, f'op.drop_table("{name}")')
    seeder = "import sqlalchemy as sa\nclass {}Seeder:\n    def run(self, db):\n        db.execute(sa.text({!r}))\n"
    for name in ("One", "Two"):
        project.write(f"database/seeders/{name.lower()}.py", seeder.format(name, 'INSERT INTO "1_a" VALUES (1)'))
        if "mysql" in request.param:
            project.replace(f"database/seeders/{name.lower()}.py", '"1_a"', "1_a")
    if request.param == "sqlite":
        return f"sqlite:///{project.root}/shop.db"
    server: Server = request.getfixturevalue("mariadb" if request.param.startswith("mysql") else "postgresql")
    return server.fresh(request.param)


def end_lock(project: Project, url: str) -> None:
    """End what holds the lock, as an administrator or an idle timeout does."""
    lock = for_database(project.database, "alembic_version", "public" if "postgresql" in url else database_name(url))
    assert lock is not None
    if url.startswith("sqlite"):
        Path(f"{project.database.url.database}.lock").unlink()
        return
    assert not lock.acquire()
    number = re.search(r"(?:process|connection) (\d+)$", lock.holder() or "")
    assert number is not None
    execute(url, f"SELECT pg_terminate_backend({number[1]})" if "postgresql" in url else f"KILL {number[1]}")
    # Until then the lock is ours.
    wait_for(lambda: lock.holder() is None)
    lock.release()


def database_name(url: str) -> str | None:
    """The schema that a MySQL database is for the version table."""
    return url.rpartition("/")[2] if "mysql" in url else None


class Ends(Observer):
    """Ends the lock when the step ``at`` has finished."""

    def __init__(self, project: Project, url: str, at: str) -> None:
        self._end, self._at = lambda: end_lock(project, url), at

    def step_finished(self, result: StepResult) -> None:
        if result.step.name == self._at and result.state == "done":
            self._end()


@pytest.mark.parametrize("at", [1, 2])
def test_a_lost_lock_stops_before_the_next_migration(project: Sandbox, url: str, at: int) -> None:
    """Whatever had finished is applied, nothing more, in either direction."""
    with opened(project, DATABASE_URL=url) as here:
        with pytest.raises(LockLost, match=f"so this one stopped before {STEPS[at]}") as lost:
            actions.migrate(here, observer=Ends(here, url, STEPS[at - 1]))
        assert (lost.value.code, str(lost.value.next)) == (4, "inv database.migrate")
        assert lost.value.report is not None
        assert [result.step.name for result in lost.value.report.steps] == list(STEPS[:at])
        here.migrator.forget_state()
        assert [each.id for each in here.migrator.pending()] == list(STEPS[at:])

        migrate(here)
        with pytest.raises(LockLost, match=f"stopped before {STEPS[2 - at]}") as lost:
            actions.reset(here, consent=agree, observer=Ends(here, url, STEPS[3 - at]))
        # The same command again could roll back more than was asked for.
        assert lost.value.next is None
        here.migrator.forget_state()
        assert [each.id for each in here.migrator.pending()] == list(STEPS[3 - at :])


@pytest.mark.parametrize("commit_each", [False, True])
def test_a_lost_lock_stops_before_the_commit_of_a_seed(project: Sandbox, url: str, commit_each: bool) -> None:
    """Another process may seed the same rows meanwhile."""
    with opened(project, DATABASE_URL=url) as here:
        migrate(here)
        with pytest.raises(LockLost, match="so this one stopped before the commit") as lost:
            actions.seed(here, observer=Ends(here, url, "OneSeeder"), commit_each=commit_each)
        assert (lost.value.code, str(lost.value.next).split()[:2]) == (4, ["inv", "database.seed"])
        rows = execute(url, "SELECT id FROM 1_a" if "mysql" in url else 'SELECT id FROM "1_a"')
        kept = "Committed (--commit-each): OneSeeder." if commit_each else "All changes were rolled back."
        assert kept in str(lost.value)
        assert len(rows) == commit_each
        assert len(actions.seed(here).in_state("done")) == 2


def test_a_lock_that_is_lost_at_the_end(
    project: Sandbox, url: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A run that has finished has not failed because its lock cannot be released."""
    with opened(project, DATABASE_URL=url) as here:
        assert len(actions.migrate(here, observer=Ends(here, url, STEPS[-1])).in_state("done")) == 3
    assert capfd.readouterr() == ("", "")
    assert caplog.messages == []


@pytest.mark.parametrize("driver", DRIVERS[1:])
def test_the_session_outlives_idle_timeouts(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> None:
    """The lock's session is idle for as long as a migration runs; the server ends another one that is."""
    server: Server = request.getfixturevalue("mariadb" if driver.startswith("mysql") else "postgresql")
    url = server.fresh(driver)
    if driver.startswith("mysql"):
        limit = "SET GLOBAL wait_timeout = "
        least = "1"
        number, listed = "CONNECTION_ID()", "information_schema.processlist WHERE id"
    else:
        limit = f"ALTER ROLE fastman IN DATABASE {url.rpartition('/')[2]} SET idle_session_timeout = "
        least = "'200ms'"
        number, listed = "pg_backend_pid()", "pg_stat_activity WHERE pid"
    execute(server.admin, limit + least)
    try:
        with opened(project, DATABASE_URL=url) as here, hold_lock(here, Observer()) as confirm:
            other = here.database.hold()
            session = other.run(lambda connection: connection.exec_driver_sql(f"SELECT {number}").scalar())
            wait_for(lambda: not execute(server.admin, f"SELECT 1 FROM {listed} = {session}"))
            confirm("anything")
            with suppress(DBAPIError, OSError):
                other.close()
    finally:
        execute(server.admin, f"{limit} DEFAULT")


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_forked_child_does_not_keep_the_lock(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> None:
    """A seeder may leave one behind: the lock is released with the process that has acquired it, even if killed."""
    url = f"{driver}:///{project.root}/shop.db"
    if driver != "sqlite":
        url = request.getfixturevalue("mariadb" if driver.startswith("mysql") else "postgresql").fresh(driver)
    project.write(".env", f"DATABASE_URL={url}")
    project.add_environment()
    project.add_migration("1_a", "1a", None, 'op.execute("CREATE TABLE a (x INT)")')
    project.inv("database.migrate")
    seeder = """
        import os, pathlib, time

        class UserSeeder:
            def run(self, db):
                if not pathlib.Path("child").exists() and os.fork() == 0:
                    pathlib.Path("child").write_text(str(os.getpid()))
                    while not pathlib.Path("go").exists():
                        time.sleep(0.01)
                    os._exit(0)
                while not pathlib.Path("second").exists():
                    time.sleep(0.01)
    """
    project.write("database/seeders/user_seeder.py", seeder)
    first = Running(project, "database.seed")
    wait_for(project.root / "child")
    first.send(signal.SIGKILL)
    (project.root / "second").touch()
    try:
        assert "DONE" in project.inv("database.seed", env={"FASTMAN_LOCK_TIMEOUT": "2s"}).stdout
    finally:
        (project.root / "go").touch()
        first.kill()
