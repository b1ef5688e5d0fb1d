"""migrate.heads, history and show: they tell where migrations stand, and change nothing."""

from __future__ import annotations

import json

import pytest

from command import Sandbox
from servers import Server, free_port, tables

CREATE = "op.create_table('users', sa.Column('id', sa.Integer, primary_key=True))"
ADD = "with op.batch_alter_table('users') as users:\n    users.add_column(sa.Column('{0}', sa.Text))"
DROP = "with op.batch_alter_table('users') as users:\n    users.drop_column('{0}')"


@pytest.fixture
def branches(project: Sandbox) -> Sandbox:
    """A migration, and two that follow it."""
    project.add_environment()
    project.add_migration("create_users", "a1", None, CREATE, "op.drop_table('users')")
    for name in ("email", "name"):
        project.add_migration(f"add_{name}", f"b_{name}", "a1", ADD.format(name), DROP.format(name))
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    return project


def test_heads_and_history(branches: Sandbox) -> None:
    """What is applied, what is the newest, and what each of them follows; no file is created for it."""
    branches.run("invoke", "database.migrate", "--to=b_name")
    before = branches.files()
    shown = branches.run("invoke", "migrate.heads").stdout.splitlines()
    assert shown[0] == "sqlite:///shop.db (development, from .env)"
    assert sorted(" ".join(line.split()) for line in shown[2:]) == [
        "applied add_name b_name (head)",
        "pending add_email b_email (head)",
    ]
    history = branches.run("invoke", "migrate.history").stdout.splitlines()[2:]
    assert " ".join(history[-1].split()) == "applied create_users a1"
    assert {" ".join(line.split()[3:]) for line in history[:-1]} == {"(head) after a1"}
    newest = branches.run("invoke", "migrate.history", "--limit=2").stdout.splitlines()[2:]
    assert [line.split() for line in newest] == [line.split() for line in history[:2]]
    steps = json.loads(branches.run("invoke", "migrate.history", "--json").stdout)["steps"]
    assert [step["revision"] for step in steps][-1] == "a1" and len(steps) == 3
    assert "--limit=0 is not valid" in branches.run("invoke", "migrate.history", "--limit=0", code=2).stderr
    assert branches.files() == before


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+psycopg", "mariadb+pymysql"])
def test_show(branches: Sandbox, request: pytest.FixtureRequest, driver: str) -> None:
    """Its file, neighbours, state, and the SQL of both directions, wherever the database stands."""
    if driver != "sqlite":
        server: Server = request.getfixturevalue(driver.partition("+")[0])
        branches.write(".env", f"DATABASE_URL={server.fresh(driver)}")
    for state in ("pending", "applied"):
        shown = branches.run("invoke", "migrate.show", "add_email").stdout
        lines = [" ".join(line.split()) for line in shown.splitlines()]
        assert "file database/migrations/versions/add_email.py" in lines
        assert {"revision b_email (head)", "message add email", "after a1", f"state {state}"} <= set(lines)
        up, down = shown.partition("-- upgrade")[2].split("-- downgrade")
        assert "ADD COLUMN email TEXT" in up and "name" not in up
        assert "DROP COLUMN email" in down or "CREATE TABLE _alembic_tmp_users" in down
        if state == "pending":
            assert not (branches.root / "shop.db").exists()
            branches.run("invoke", "database.migrate", "--to=heads")
    answer = json.loads(branches.run("invoke", "migrate.show", "a1", "--json").stdout)
    assert [(step["action"], step["state"], len(step["sql"]) > 0) for step in answer["steps"]] == [
        ("apply", "applied", True),
        ("roll back", "planned", True),
    ]


def test_an_unknown_revision(branches: Sandbox) -> None:
    """The nearest one is named; several are not guessed from."""
    told = branches.run("invoke", "migrate.show", "add_emial", code=2).stderr
    assert "Did you mean:\n  add_email  b_email" in told
    for command in ("show", "stamp"):
        empty = branches.run("invoke", f"migrate.{command}", "", code=2).stderr
        assert empty == "Which revision? inv migrate.status lists them.\n"
    assert "heads means 2 revisions" in branches.run("invoke", "migrate.show", "heads", code=2).stderr


def test_a_migration_that_needs_rows(branches: Sandbox) -> None:
    """What it would do is shown as far as it goes, with the reason."""
    branches.replace("database/migrations/versions/add_email.py", "with op", "op.get_bind().execute(1)\n    with op")
    shown = branches.run("invoke", "migrate.show", "add_email").stdout
    assert "-- Not all of it can be shown: add_email fails" in shown


def test_an_application_that_makes_its_first_tables_itself(branches: Sandbox) -> None:
    """Its migrations cannot be replayed: on SQLite all but the SQL is shown, and stamping says so in one line."""
    branches.replace("database/migrations/versions/create_users.py", CREATE, "op.execute('DELETE FROM made_elsewhere')")
    shown = branches.run("invoke", "migrate.show", "add_email").stdout
    assert "revision  b_email (head)" in shown
    assert shown.count("the migrations before it cannot be replayed: create_users failed: ") == 2
    told = branches.run("invoke", "migrate.stamp", "a1", code=5).stdout
    assert "\nWhether the database looks like that is not known: create_users failed: " in told and "u000a" not in told


def test_merge(branches: Sandbox) -> None:
    """One file that revises both heads, and is found by plain alembic; without a database, too."""
    branches.write(".env", f"DATABASE_URL=postgresql+psycopg://u:p@127.0.0.1:{free_port()}/shop")
    before = branches.files()
    assert branches.run("invoke", "migrate.merge", "--pretend").stdout.count("add_") == 2
    assert branches.files() == before
    told = branches.run("invoke", "migrate.merge", "-m", "email and name").stdout
    (new,) = branches.files() - before
    assert f"Created {new}" in told and new.endswith("_email_and_name.py")
    branches.write(".env", "DATABASE_URL=sqlite:///shop.db")
    assert len(branches.alembic("heads").stdout.splitlines()) == 1
    assert branches.run("invoke", "migrate.merge").stdout.endswith("There is one head; nothing to merge.\n")
    branches.run("invoke", "database.migrate", "migrate.reset", "--force", "database.migrate")
    assert tables(f"sqlite:///{branches.root}/shop.db") == {"users", "alembic_version"}
