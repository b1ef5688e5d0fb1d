"""The network fails at each message in turn: what is reported is what another connection finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from command import Sandbox
from fastman_tasks import actions
from fastman_tasks.errors import FastmanError
from fastman_tasks.plans import Report
from fastman_tasks.project import Project
from processes import chance
from proxy import Failure, proxy
from servers import Server, execute, tables
from services import agree, opened

SEEDER = """
import sqlalchemy as sa


class {name}Seeder:
    def run(self, db):
        db.execute(sa.text("INSERT INTO {table} VALUES (1)"))
"""
UP = 'op.execute("CREATE TABLE {0} (id INT)")\nop.execute("INSERT INTO {0} VALUES (0)")'
DOWN = 'op.execute("DELETE FROM {0}")\nop.execute("DROP TABLE {0}")'
DRIVERS = ["postgresql+psycopg", "postgresql+asyncpg", "mysql+pymysql"]
ACTIONS: dict[str, tuple[Callable[..., Report], dict[str, Any]]] = {
    "migrate": (actions.migrate, {}),
    "rollback": (actions.rollback, {"steps": 2}),
    "seed": (actions.seed, {}),
    "seed, committing each": (actions.seed, {"commit_each": True}),
}
# More than any of them sends.
_MOST = 400


def fill(project: Sandbox) -> None:
    """Two migrations, of which each makes a table with a row, and a seeder for each table."""
    project.add_environment()
    for number, table, after in (("1", "a", None), ("2", "b", "1")):
        project.add_migration(f"{number}_{table}", number, after, UP.format(table), DOWN.format(table))
        project.write(f"database/seeders/{table}_seeder.py", SEEDER.format(name=table.upper(), table=table))


def applied(url: str) -> int:
    """How many migrations the version table has, and on PostgreSQL how many there are."""
    there = tables(url)
    versions = execute(url, "SELECT version_num FROM alembic_version") if "alembic_version" in there else []
    number = int(versions[0][0]) if versions else 0
    assert "mysql" in url or there & {"a", "b"} == set("ab"[:number]), "a migration and its record are one"
    return number


def kept(url: str, action: str) -> set[str]:
    """The steps of ``action`` that have been kept."""
    if action == "migrate":
        return set(("1_a", "2_b")[: applied(url)])
    if action == "rollback":
        return set(("1_a", "2_b")[applied(url) :])
    return {f"{table.upper()}Seeder" for table in "ab" if len(execute(url, f"SELECT * FROM {table}")) > 1}


def attempt(project: Project, action: str) -> tuple[dict[str, str], str]:
    """The state of each step that ``action`` reports, and what it says when it fails."""
    run, options = ACTIONS[action]
    try:
        report = run(project, consent=agree, **options)
    except FastmanError as error:
        steps = error.report.steps if error.report else ()
        return {each.step.name: each.state for each in steps}, str(error)
    return {each.step.name: each.state for each in report.steps}, ""


def check(url: str, action: str, states: dict[str, str], said: str, message: bytes) -> None:
    """Whatever is called done was kept, and nothing else; unknown is only a commit."""
    unknown = {name for name, state in states.items() if state == "unknown"}
    done = {name for name, state in states.items() if state == "done"}
    found = kept(url, action)
    seen = f"{message[:60]!r}: {states}, kept {found}\n{said}"
    assert done <= found <= done | unknown, seen
    assert not unknown or b"COMMIT" in message, seen
    assert ("The outcome is unknown" in said) == bool(unknown), seen
    if "All changes were rolled back" in said:
        assert not found, seen
    if "It was committed all the same" in said:
        assert b"COMMIT" in message, seen


def storm(project: Sandbox, server: Server, driver: str, action: str, failure: Failure, every: int, first: int) -> None:
    """Fail at the message ``first``, and at each that comes ``every`` messages later, until none is left."""
    fill(project)
    with proxy(server.port) as between, opened(project):
        for number in range(first, _MOST, every):
            url = server.fresh(driver)
            if action != "migrate":
                with opened(project, DATABASE_URL=url) as here:
                    actions.migrate(here)
            between.seen.clear()
            between.fail(failure, nth=number)
            with opened(project, DATABASE_URL=between.url(url)) as here:
                states, said = attempt(here, action)
            if len(between.seen) < number:
                assert number > every
                return
            check(url, action, states, said, between.seen[number - 1])
    raise AssertionError("it never came to an end")


@pytest.mark.exhaustive
@pytest.mark.parametrize("failure", ["cut", "swallow"])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("driver", DRIVERS)
def test_every_message(
    request: pytest.FixtureRequest, project: Sandbox, driver: str, action: str, failure: Failure
) -> None:
    """Each in turn."""
    server: Server = request.getfixturevalue("postgresql" if driver.startswith("postgresql") else "mariadb")
    storm(project, server, driver, action, failure, 1, 1)


@pytest.mark.thorough
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("driver", DRIVERS)
def test_some_messages(request: pytest.FixtureRequest, project: Sandbox, driver: str, action: str) -> None:
    """Every seventeenth, from one that is left to chance."""
    server: Server = request.getfixturevalue("postgresql" if driver.startswith("postgresql") else "mariadb")
    random = chance()
    failure: Failure = random.choice(["cut", "swallow"])
    storm(project, server, driver, action, failure, 17, random.randint(1, 17))
