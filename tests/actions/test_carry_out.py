"""What happens between the question and the lock, and what an observer raises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from command import Sandbox
from fastman_tasks import actions
from fastman_tasks.consent import Risk
from fastman_tasks.errors import ConsentMissing, MigrationRefused, UsageError
from fastman_tasks.plans import Observer, Step, StepResult
from servers import Server, execute, tables
from services import opened


@pytest.fixture(params=["sqlite", "postgresql+psycopg"])
def url(request: pytest.FixtureRequest, project: Sandbox) -> str:
    """A new database of a project with three migrations, of which each makes a table, and the third leaves it empty."""
    project.add_environment()
    project.add_migration("1_a", "1", None, 'op.execute("CREATE TABLE a (id INT)")', 'op.drop_table("a")')
    project.add_migration("2_b", "2", "1", 'op.execute("CREATE TABLE b (id INT)")', 'op.drop_table("b")')
    project.add_migration("3_c", "3", "2", 'op.execute("CREATE TABLE c (id INT)")', 'op.drop_table("c")')
    project.write("database/seeders/user_seeder.py", "class UserSeeder:\n    def run(self, db):\n        pass\n")
    if request.param == "sqlite":
        return f"sqlite:///{project.root}/shop.db"
    server: Server = request.getfixturevalue("postgresql")
    return server.fresh(request.param)


def meanwhile(project: Sandbox, url: str, action: Callable[..., object], **options: object) -> Callable[[Risk], None]:
    """A consent that is given after another one has carried out ``action``."""

    def consent(_risk: Risk) -> None:
        with opened(project, DATABASE_URL=url) as other:
            action(other, consent=lambda risk: None, **options)

    return consent


def test_rolled_back_while_migrate_asks(project: Sandbox, url: str) -> None:
    """What the planned migrations build on is gone: they are not applied without it."""
    with opened(project, DATABASE_URL=url) as here:
        actions.migrate(here, to="2")
        with pytest.raises(MigrationRefused, match="Another process migrated this database in the meantime"):
            actions.migrate(here, consent=meanwhile(project, url, actions.rollback))
    assert execute(url, "SELECT version_num FROM alembic_version") == [("1",)]
    assert tables(url) == {"a", "alembic_version"}


def filled(url: str, rows: int, table: str = "c") -> Callable[[Risk], None]:
    """A consent that is given after ``rows`` have come."""
    return lambda _risk: [execute(url, f"INSERT INTO {table} VALUES (1)") for _ in range(rows)] and None


def test_rows_that_came_while_rollback_asks(project: Sandbox, url: str) -> None:
    """Nobody has agreed to lose them: the new numbers are told, and the command that agrees. A few more are no more."""
    with opened(project, DATABASE_URL=url, ENVIRONMENT="production") as here:
        actions.migrate(here, consent=lambda risk: None)
        with pytest.raises(ConsentMissing) as refused:
            actions.rollback(here, consent=filled(url, 1))
        assert str(refused.value) == (
            "More data would be lost now than was confirmed:\n  c: 1 row (confirmed: 0 rows)\nNothing was changed."
        )
        assert str(refused.value.next) == f"inv migrate.rollback --steps=1 --confirm={here.database.name}"
        assert refused.value.report is not None
        assert [loss.rows for loss in refused.value.report.losses] == [1]
        with pytest.raises(ConsentMissing, match=r"c: 20 rows .confirmed: 1 row."):
            actions.rollback(here, consent=filled(url, 19))
        assert "c" in tables(url)
        actions.rollback(here, consent=filled(url, 2))
    assert tables(url) == {"a", "b", "alembic_version"}


def test_what_another_process_has_made(project: Sandbox, url: str) -> None:
    """A table that this run would have made is there, with rows: dropping it again is another loss."""
    project.add_migration("4_away", "4", "3", 'op.drop_table("c")', "pass")

    def agree(_risk: Risk) -> None:
        with opened(project, DATABASE_URL=url) as other:
            actions.migrate(other, to="3")
        execute(url, "INSERT INTO c VALUES (1)")

    with opened(project, DATABASE_URL=url, ENVIRONMENT="production") as here:
        with pytest.raises(ConsentMissing, match=r"c: 1 row .confirmed: nothing"):
            actions.migrate(here, consent=agree)
        assert [revision.id for revision in here.migrator.pending()] == ["4"]
    with opened(project, DATABASE_URL=url) as here:
        # Where nobody has to agree, nothing was agreed to.
        assert len(actions.migrate(here, consent=filled(url, 5)).in_state("done")) == 1


def test_an_open_project_reads_the_database_again(project: Sandbox, url: str) -> None:
    """Each action starts from what the database is then, not from what was read before."""
    with opened(project, DATABASE_URL=url) as here:
        assert len(here.migrator.pending()) == 3
        with opened(project, DATABASE_URL=url) as other:
            actions.migrate(other)
        assert actions.migrate(here).steps == ()
        with opened(project, DATABASE_URL=url) as other:
            actions.rollback(other, steps=2, consent=lambda risk: None)
        assert [result.step.id for result in actions.migrate(here).in_state("done")] == ["2", "3"]


def test_two_open_projects(project: Sandbox, tmp_path: Path) -> None:
    """An action is in its own project's folder, whichever was opened last; afterwards all is as it was."""
    other = Sandbox(tmp_path / "other")
    before = Path.cwd()
    for each in (project, other):
        each.add_environment()
        each.add_migration("1_a", "1", None, "open('here', 'w').close()")
    with opened(project) as first, opened(other) as second:
        actions.migrate(first)
        assert Path.cwd() == other.root
        actions.migrate(second)
    assert Path.cwd() == before
    assert (project.root / "here").exists()
    assert (other.root / "here").exists()


class Broken(Observer):
    """Raises ``error`` where it is told of the second ``step``."""

    def __init__(self, method: str, error: BaseException) -> None:
        self.method, self.error, self.left = method, error, 2

    def _count(self, method: str) -> None:
        self.left -= method == self.method
        if not self.left:
            raise self.error

    def step_started(self, step: Step) -> None:
        self._count("started")

    def step_finished(self, result: StepResult) -> None:
        self._count("finished")


@pytest.mark.parametrize("error", [ValueError("mine"), UsageError("mine"), SystemExit(7), BrokenPipeError(32, "mine")])
@pytest.mark.parametrize(("method", "applied"), [("started", 1), ("finished", 2)])
def test_what_an_observer_raises(project: Sandbox, url: str, method: str, applied: int, error: BaseException) -> None:
    """It ends the action and comes out as it is: no migration and no env.py is blamed. The lock is free afterwards."""
    with opened(project, DATABASE_URL=url, FASTMAN_LOCK_TIMEOUT="0") as here:
        with pytest.raises(type(error)) as raised:
            actions.migrate(here, observer=Broken(method, error))
        assert raised.value is error
        assert len(here.migrator.pending()) == 3 - applied
        assert len(actions.migrate(here, seed=True).in_state("done")) == 3 - applied + 1
        observer = Broken(method, error)
        observer.left = 1
        with pytest.raises(type(error)) as raised:
            actions.seed(here, observer=observer)
        assert raised.value is error
        assert len(actions.seed(here).in_state("done")) == 1


def test_a_target_without_a_name(project: Sandbox, url: str) -> None:
    """An empty text is no revision, and nobody's assertion fails."""
    with opened(project, DATABASE_URL=url) as here:
        for action in (actions.migrate, actions.rollback):
            with pytest.raises(UsageError, match="--to= does not match a revision"):
                action(here, to="", consent=lambda risk: None)


def test_a_consent_that_says_no(project: Sandbox, url: str) -> None:
    """False is no agreement, though a consent refuses by raising."""
    with opened(project, DATABASE_URL=url) as here:
        actions.migrate(here)
        with pytest.raises(ConsentMissing, match="nothing was changed"):
            actions.rollback(here, consent=lambda risk: False)
        assert here.migrator.pending() == ()
