"""migrate.stamp: what is recorded, what is said before, and who has to agree."""

from __future__ import annotations

import json

import pytest

from command import Sandbox
from servers import Server, execute, tables

# The parts that this combines have tests on the oldest versions.
pytestmark = pytest.mark.thorough

CREATE = "op.create_table('{0}', sa.Column('id', sa.Integer, primary_key=True))"


@pytest.fixture(params=["sqlite", pytest.param("postgresql+asyncpg", marks=pytest.mark.thorough), "mariadb+pymysql"])
def shop(project: Sandbox, request: pytest.FixtureRequest) -> tuple[Sandbox, str]:
    """A project with three migrations, two of which follow the first; and its database's URL."""
    project.add_environment()
    project.add_migration("create_users", "a1", None, CREATE.format("users"), "op.drop_table('users')")
    for name in ("pets", "toys"):
        project.add_migration(f"create_{name}", f"b_{name}", "a1", CREATE.format(name), f"op.drop_table('{name}')")
    url = "sqlite:///shop.db"
    if request.param != "sqlite":
        server: Server = request.getfixturevalue(str(request.param).partition("+")[0])
        url = server.fresh(str(request.param))
        server.allow_scratch()
    project.write(".env", f"DATABASE_URL={url}")
    return project, url if request.param != "sqlite" else f"sqlite:///{project.root}/shop.db"


def recorded(url: str) -> list[str]:
    """What the version table has."""
    return [name for (name,) in execute(url, "SELECT version_num FROM alembic_version ORDER BY 1")]


def test_it_records_and_runs_nothing(shop: tuple[Sandbox, str]) -> None:
    """Forward, to a branch beside it, to both, back, and to nothing; each is what plain alembic finds."""
    project, url = shop
    for revision, expected in (
        ("create_users", ["a1"]),
        ("b_pets", ["b_pets"]),
        ("heads", ["b_pets", "b_toys"]),
        ("a1", ["a1"]),
        ("base", []),
    ):
        project.run("invoke", "migrate.stamp", revision, "--force")
        assert recorded(url) == expected
        assert len(project.alembic("current").stdout.splitlines()) == len(expected)
    assert tables(url) == {"alembic_version"}
    assert "recorded already" in project.run("invoke", "migrate.stamp", "base", "--force").stdout


def test_it_says_what_is_missing_and_asks(shop: tuple[Sandbox, str]) -> None:
    """Tables that the database does not have are named; without consent nothing changes, nor with --pretend."""
    project, url = shop
    execute(url, "CREATE TABLE users (id INTEGER PRIMARY KEY)")
    refused = project.run("invoke", "migrate.stamp", "b_pets", code=5)
    assert "The database does not look like that:\n" in refused.stdout
    missing = [line for line in refused.stdout.splitlines() if line.endswith("is missing") and " table " in line]
    assert len(missing) == 1 and "pets" in missing[0]
    assert "To go ahead: inv migrate.stamp b_pets --force" in refused.stderr
    planned = project.run("invoke", "migrate.stamp", "b_pets", "--pretend").stdout
    assert "\n  record create_pets\n\nThe database does not look like that:\n" in planned and missing[0] in planned
    assert planned.endswith("\nNothing was changed.\n")
    assert "alembic_version" not in tables(url)


def test_a_revision_that_no_file_has(shop: tuple[Sandbox, str]) -> None:
    """It is recorded no more; what has been missing is said in the question."""
    project, url = shop
    project.run("invoke", "migrate.stamp", "a1", "--force")
    execute(url, "UPDATE alembic_version SET version_num = 'gone'")
    assert "instead of gone" in project.run("invoke", "migrate.stamp", "a1", code=5).stderr
    answer = json.loads(project.run("invoke", "migrate.stamp", "a1", "--force", "--json").stdout)
    assert [(step["action"], step["revision"], step["state"]) for step in answer["steps"]] == [("stamp", "a1", "done")]
    assert recorded(url) == ["a1"]


def test_a_protected_database_wants_its_name(shop: tuple[Sandbox, str]) -> None:
    """--force is not enough there."""
    project, url = shop
    project.write(".env", (project.root / ".env").read_text("utf-8") + "\nENVIRONMENT=production\n")
    refused = project.run("invoke", "migrate.stamp", "a1", "--force", code=5)
    name = url.rpartition("/")[2]
    assert (
        f"--force is not enough here: the database is protected. To go ahead: inv migrate.stamp a1 --confirm={name}"
        in (refused.stderr)
    )
    project.run("invoke", "migrate.stamp", "a1", f"--confirm={name}")
    assert recorded(url) == ["a1"]
