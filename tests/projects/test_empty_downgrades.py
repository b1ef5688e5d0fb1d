"""A data migration whose ``downgrade()`` is empty is ordinary: it stops a rollback, and there is a way past it."""

from __future__ import annotations

from typing import Any

import pytest

from command import Sandbox
from servers import Server
from walk import contents, read_everything, read_states, write_env, write_ini

VERSIONS = "migrations/versions"


def write_shop(project: Sandbox, url: str = "sqlite:///shop.db", down: str = "pass") -> None:
    """Three migrations, the second of which only changes data and has ``down`` for its downgrade()."""
    write_ini(project, url)
    write_env(project, url)
    project.add_migration(
        "1a1a_create_users",
        "1a1a",
        None,
        'op.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(50))")\n'
        "op.execute(\"INSERT INTO users VALUES (1, 'ann')\")",
        'op.drop_table("users")',
        folder=VERSIONS,
    )
    project.add_migration(
        "2b2b_upper_case", "2b2b", "1a1a", 'op.execute("UPDATE users SET name = upper(name)")', down, folder=VERSIONS
    )
    project.add_migration(
        "3c3c_create_tags",
        "3c3c",
        "2b2b",
        'op.execute("CREATE TABLE tags (id INTEGER)")',
        'op.drop_table("tags")',
        folder=VERSIONS,
    )


def state(project: Sandbox) -> Any:
    """The database and the files."""
    return read_everything(project, "sqlite:///shop.db"), contents(project)


@pytest.mark.parametrize(
    ("command", "down"),
    [(("migrate.rollback", "--steps=2"), "pass"), (("migrate.reset",), '"""Lower case is gone."""\n...')],
    ids=["rollback", "reset"],
)
def test_it_is_refused(project: Sandbox, command: tuple[str, ...], down: str) -> None:
    """Without the flag nothing is done, with or without --force; the refusal names the migration and the flag."""
    write_shop(project, down=down)
    project.inv("database.migrate")
    before = state(project)
    for flags in ((), ("--force",)):
        refused = project.inv(*command, *flags, code=1)
        assert "2b2b_upper_case" in refused.stderr
        assert "3c3c_create_tags" not in refused.stderr
        assert "--accept-empty" in refused.stderr
        assert state(project) == before


@pytest.mark.parametrize(
    ("driver", "command", "back"),
    [
        ("sqlite", ("migrate.rollback", "--steps=2"), "1a1a"),
        ("postgresql+asyncpg", ("migrate.rollback", "--to=1a1a"), "1a1a"),
        ("sqlite", ("migrate.reset",), "base"),
    ],
    ids=["steps", "to", "reset"],
)
def test_it_is_passed(
    request: pytest.FixtureRequest, project: Sandbox, driver: str, command: tuple[str, ...], back: str
) -> None:
    """With --accept-empty it counts as rolled back, as under plain alembic, and is named: nothing was undone."""
    url = "sqlite:///shop.db"
    if driver != "sqlite":
        server: Server = request.getfixturevalue("postgresql")
        url = server.fresh(driver)
    write_shop(project, url)
    project.alembic("upgrade", "head")
    project.alembic("downgrade", back)
    expected = read_everything(project, url)
    project.alembic("upgrade", "head")

    said = project.inv(*command, "--accept-empty", "--force").stdout

    assert read_everything(project, url) == expected
    # In the plan, in the list of what was done, and in what says that there was nothing to undo.
    assert said.count("2b2b_upper_case") > said.count("3c3c_create_tags") >= 2


def test_it_costs_the_consent_of_a_loss(project: Sandbox) -> None:
    """On a protected database --force is not enough, as where a table is dropped: the name is asked for."""
    write_shop(project)
    (project.root / VERSIONS / "3c3c_create_tags.py").unlink()
    production = {"ENVIRONMENT": "production"}
    project.inv("database.migrate", "--force", env=production)
    before = state(project)
    refused = project.inv("migrate.rollback", "--accept-empty", "--force", env=production, code=5)
    assert "--accept-empty" in refused.stderr
    assert "--confirm=shop.db" in refused.stderr
    assert state(project) == before
    # The flag is no consent in itself.
    assert "--accept-empty" in project.inv("migrate.rollback", "--accept-empty", code=5).stderr
    assert state(project) == before

    said = project.inv(
        "migrate.rollback", "--accept-empty", "--confirm=shop.db", "migrate.status", "--json", env=production
    )

    assert read_states(said) == {"1a1a": "applied", "2b2b": "pending"}


@pytest.mark.parametrize("down", ['raise NotImplementedError("no way back")', "del op"])
def test_it_is_for_empty_ones_alone(project: Sandbox, down: str) -> None:
    """One that refuses, and one that is missing, stop the rollback as before: plain alembic cannot pass them."""
    write_shop(project, down=down)
    if down == "del op":
        project.replace(f"{VERSIONS}/2b2b_upper_case.py", "def downgrade():", "def not_downgrade():")
    project.inv("database.migrate")
    before = state(project)
    for command in (("migrate.rollback", "--steps=2"), ("migrate.reset",)):
        refused = project.inv(*command, "--accept-empty", "--force", code=1)
        assert "2b2b_upper_case" in refused.stderr
        assert state(project) == before
    assert project.run("alembic", "downgrade", "base", code=None).code != 0


def test_it_changes_nothing_where_nothing_is_empty(project: Sandbox) -> None:
    """The flag is allowed where no downgrade() is empty, and nothing is said of any then."""
    write_shop(project)
    project.inv("database.migrate")
    said = project.inv("migrate.rollback", "--accept-empty", "--force").stdout
    assert "1 migration rolled back." in said
    assert said.count("3c3c_create_tags") == 2
    assert "2b2b" not in said


def test_it_says_that_there_is_nothing_to_undo(project: Sandbox) -> None:
    """The refusal names the docstring that makes an empty one reversible; with it nothing is asked for or listed."""
    write_shop(project)
    project.inv("database.migrate")
    assert '"""Nothing to undo."""' in project.inv("migrate.reset", code=1).stderr
    project.replace(f"{VERSIONS}/2b2b_upper_case.py", "    pass", '    """Nothing to undo: case does not matter."""')
    production = {"ENVIRONMENT": "production"}
    said = project.inv("migrate.rollback", "--steps=2", "--force", env=production).stdout
    assert "2 migrations rolled back." in said
    assert "Passed without undoing anything" not in said and "analysed" not in said
    project.alembic("upgrade", "head")
    project.alembic("downgrade", "1a1a")
