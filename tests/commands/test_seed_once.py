"""Seeders that run once: the history says whether they have."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from command import Result, Sandbox
from fastman_tasks.databases.tables import HISTORY_TABLE
from fastman_tasks.history.entries import History
from fastman_tasks.plans import Entry
from processes import Running
from seeds import SYNC, add_seeder, add_shop, new_url
from servers import all_tables, execute

# The parts that this combines have tests on the oldest versions.
pytestmark = pytest.mark.thorough

# A second run would violate the unique name.
ROLES = """
    class RoleSeeder:
        once = True

        def run(self, db):
            db.add(Role(name="admin"))
"""
USERS = """
    class UserSeeder:
        depends_on = ["RoleSeeder"]

        def run(self, db):
            assert db.query(Role).filter_by(name="admin").count()
            upsert(db, User, [{"email": "ada@x.org"}], key=["email"])
"""
# What history rows of seeders are to be compared by.
ROWS = "SELECT name, action, message FROM fastman_history WHERE kind = 'seeder' ORDER BY id"


@pytest.fixture
def url(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> str:
    """The URL of an empty database for ``driver``, of a project with the shop's models and migration."""
    add_shop(project)
    return new_url(request, project, driver)


@pytest.fixture
def shop(project: Sandbox) -> Sandbox:
    """The shop on SQLite, migrated, with a seeder that runs once and one that depends on it."""
    add_shop(project)
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    add_seeder(project, "role_seeder", ROLES)
    add_seeder(project, "user_seeder", USERS)
    project.inv("database.migrate")
    return project


def rows(shop: Sandbox) -> list[tuple[Any, ...]]:
    """What the history of the shop on SQLite says of seeders."""
    return execute(f"sqlite:///{shop.root}/shop.db", ROWS)


def lines(result: Result) -> list[tuple[str, str]]:
    """What each seeder's line says: its name with the rows or the note, and its last word. Days are left out."""
    found = re.findall(r"^  (\w+Seeder.*?) \.\.\.+ .*?(DONE|FAIL|SKIP)$", result.stdout, re.MULTILINE)
    return [(re.sub(r"\d{4}-\d\d-\d\d", "DAY", name), word) for name, word in found]


SKIPPED = ("RoleSeeder  ran on DAY", "SKIP")
AGAIN = ("RoleSeeder  ran on DAY; to run it again: --again", "SKIP")
ADMIN = ("RoleSeeder  roles: 1 created", "DONE")
NEW, KNOWN = (
    ("UserSeeder  users: 1 created", "DONE"),
    ("UserSeeder  users: 0 created, 1 unchanged", "DONE"),
)


@pytest.mark.parametrize("driver", [*SYNC, "postgresql+asyncpg"])
def test_it_runs_once(project: Sandbox, url: str, driver: str) -> None:
    """Those that depend on it do not mind. Its row dies with the run; a failure has one of its own."""
    add_seeder(project, "role_seeder", ROLES)
    add_seeder(
        project, "user_seeder", USERS + '            raise ValueError("postgresql://ada:sesame-open@db/shop broke")\n'
    )
    project.inv("database.migrate")

    project.inv("database.seed", code=1)
    assert execute(url, "SELECT name FROM roles") == [("guest",)]
    [(name, action, message)] = execute(url, ROWS)
    assert (name, action) == ("UserSeeder", "failed")
    assert message == "ValueError: postgresql://ada:***@db/shop broke"

    add_seeder(project, "user_seeder", USERS)
    assert lines(project.inv("database.seed")) == [ADMIN, NEW]
    assert execute(url, ROWS)[1:] == [("RoleSeeder", "apply", "once = 1"), ("UserSeeder", "apply", None)]
    done = json.loads(project.inv("database.seed", "--json").stdout)["steps"]
    assert [each["state"] for each in done] == ["skipped", "done"]
    assert re.fullmatch(r"ran on \d{4}-\d\d-\d\d", done[0]["note"])
    assert done[0]["history"]["message"] == "once = 1" and done[1]["history"] is None
    assert execute(url, "SELECT name FROM roles WHERE name = 'admin'") == [("admin",)]
    # Seeders run often: a text that is kept already is not kept again.
    assert execute(url, "SELECT count(*), count(source) FROM fastman_history WHERE kind = 'seeder'") == [(4, 3)]


def test_what_runs_it_again(shop: Sandbox) -> None:
    """Another version, or --again; not what else is in its file. What only lists or previews says the same."""
    listed = shop.inv("database.seed", "--list").stdout
    assert "skipped" not in listed
    assert lines(shop.inv("database.seed", "--pretend")) == [ADMIN, NEW]
    assert rows(shop) == []
    shop.inv("database.seed", "--commit-each")
    shop.replace("database/seeders/role_seeder.py", '"admin"', '"editor"')

    assert lines(shop.inv("database.seed", "--class=user")) == [SKIPPED, KNOWN]
    assert lines(shop.inv("database.seed", "--class=role,user", "--pretend")) == [AGAIN, KNOWN]
    known = len(rows(shop))
    listed = shop.inv("database.seed", "--list").stdout
    assert re.search(
        r"^  RoleSeeder  database/seeders/role_seeder.py:7  \(skipped: ran on \S+\)$", listed, re.MULTILINE
    )
    told = json.loads(shop.inv("database.seed", "--list", "--json").stdout)["steps"]
    assert [each["state"] for each in told] == ["skipped", "planned"]
    assert told[0]["note"].startswith("ran on ") and told[0]["history"]["name"] == "RoleSeeder"
    assert "skipped" not in shop.inv("database.seed", "--list", "--again").stdout
    # One that was not named is only there for its rows.
    assert lines(shop.inv("database.seed", "--class=user", "--again")) == [SKIPPED, KNOWN]
    assert lines(shop.inv("database.seed", "--class=role", "--again")) == [ADMIN]

    shop.replace("database/seeders/role_seeder.py", "once = True", "once = 2")
    shop.replace("database/seeders/role_seeder.py", '"editor"', '"owner"')
    assert lines(shop.inv("database.seed", "--class=role")) == [ADMIN]
    assert rows(shop)[-1] == ("RoleSeeder", "apply", "once = 2")
    assert lines(shop.inv("database.seed", "--class=role")) == [AGAIN]
    # As on a branch that is behind.
    shop.replace("database/seeders/role_seeder.py", "once = 2", "once = True")
    assert lines(shop.inv("database.seed", "--class=role")) == [AGAIN]
    assert len(rows(shop)) == known + 3

    # It has run before it was to run once.
    shop.replace("database/seeders/user_seeder.py", "class UserSeeder:", "class UserSeeder:\n    once = True")
    assert lines(shop.inv("database.seed")) == [SKIPPED, ("UserSeeder  ran on DAY", "SKIP")]
    assert shop.inv("database.seed").stdout.endswith("\n0 seeders ran, 2 skipped.\n")


def test_an_entry_point(shop: Sandbox) -> None:
    """What it calls is skipped as well, and --again reaches it."""
    calls = """
        class DatabaseSeeder:
            def run(self, db):
                self.call("UserSeeder")
    """
    add_seeder(shop, "database_seeder", calls)
    last = ("DatabaseSeeder", "DONE")
    assert lines(shop.inv("database.seed")) == [ADMIN, NEW, last]
    assert lines(shop.inv("database.seed")) == [SKIPPED, KNOWN, last]
    execute(f"sqlite:///{shop.root}/shop.db", "DELETE FROM roles WHERE name = 'admin'")
    assert lines(shop.inv("database.seed", "--again")) == [ADMIN, KNOWN, last]


def test_starting_over(shop: Sandbox) -> None:
    """When all migrations were rolled back its rows are gone, and it runs again; not after some of them."""
    column = 'op.add_column("roles", sa.Column("note", sa.Text))'
    shop.add_migration("2_note", "2b", "1a1a", column, 'op.drop_column("roles", "note")')
    shop.inv("database.migrate", "--seed")
    shop.inv("migrate.redo", "--force")
    assert lines(shop.inv("database.seed")) == [SKIPPED, KNOWN]
    shop.inv("migrate.rollback", "--force")
    assert lines(shop.inv("database.migrate", "--seed")) == [SKIPPED, KNOWN]
    assert lines(shop.inv("migrate.refresh", "--seed", "--force"))[-2:] == [ADMIN, NEW]
    shop.inv("migrate.reset", "--force")
    assert lines(shop.inv("database.migrate", "--seed")) == [ADMIN, NEW]
    assert lines(shop.inv("migrate.fresh", "--seed", "--force")) == [ADMIN, NEW]
    assert lines(shop.inv("database.seed")) == [SKIPPED, KNOWN]
    # A stamp empties no table.
    shop.inv("migrate.stamp", "base", "--force")
    shop.inv("migrate.stamp", "head", "--force")
    assert lines(shop.inv("database.seed")) == [SKIPPED, KNOWN]


NOTHING_KNOWN = "Seeders with once run as if they had never run: "


def test_without_a_history(shop: Sandbox) -> None:
    """Nothing is known then: it runs, and stderr says so once, beside JSON too."""
    add_seeder(shop, "role_seeder", ROLES.replace("db.add(Role(name=", "db.merge(Role(id=7, name="))
    shop.inv("database.seed")
    off = {"FASTMAN_HISTORY": "off"}
    known = rows(shop)
    done = shop.inv("database.seed", env=off)
    assert done.stderr == f"{NOTHING_KNOWN}no history is kept, as FASTMAN_HISTORY is off.\n"
    assert [word for _, word in lines(done)] == ["DONE", "DONE"]
    quiet = shop.inv("database.seed", "--json", env=off)
    assert quiet.stderr == done.stderr
    assert [each["state"] for each in json.loads(quiet.stdout)["steps"]] == ["done", "done"]
    # Where it was asked for, or where none runs once, it is no surprise.
    assert shop.inv("database.seed", "--again", env=off).stderr == ""
    assert "skipped" not in shop.inv("database.seed", "--list", env=off).stdout
    add_seeder(shop, "role_seeder", "class RoleSeeder:\n    def run(self, db): ...\n")
    assert shop.inv("database.seed", env=off).stderr == ""
    assert rows(shop) == known


def test_an_env_py_that_leaves_the_plug_in_out(shop: Sandbox) -> None:
    """Plain alembic would propose to drop the table, so there is none."""
    env = """
        from alembic import context
        from sqlalchemy import create_engine

        with create_engine("sqlite:///shop.db").connect() as connection:
            context.configure(connection=connection, autogenerate_plugins=["alembic.autogenerate.*", "~*fastman*"])
            with context.begin_transaction():
                context.run_migrations()
    """
    shop.write("database/migrations/env.py", env)
    execute(f"sqlite:///{shop.root}/shop.db", "DROP TABLE fastman_history")
    done = shop.inv("database.seed")
    assert done.stderr == f"{NOTHING_KNOWN}no history is kept, as plain alembic would propose to drop its table.\n"
    assert lines(done) == [ADMIN, NEW]
    assert HISTORY_TABLE not in all_tables(f"sqlite:///{shop.root}/shop.db")


@pytest.mark.parametrize("driver", SYNC)
def test_a_history_that_cannot_be_written(project: Sandbox, url: str, driver: str) -> None:
    """It stops nothing: one warning, and another one for what runs once."""
    add_seeder(project, "role_seeder", ROLES)
    add_seeder(project, "user_seeder", USERS)
    project.inv("database.migrate")
    execute(url, f"ALTER TABLE {HISTORY_TABLE} DROP COLUMN batch")
    done = project.inv("database.seed")
    assert lines(done) == [ADMIN, NEW]
    first, second = done.stderr.splitlines()
    assert first.startswith("The history (fastman_history) cannot be written: ") and "batch" in first
    assert second == f"{NOTHING_KNOWN}the history cannot be read."
    assert "RoleSeeder" in project.inv("database.seed", "--list").stdout


@pytest.mark.parametrize("driver", SYNC)
def test_without_migrations(project: Sandbox, url: str, driver: str) -> None:
    """The history is in the database's own schema. A project with a version table of its own does not see it."""
    project.inv("database.migrate")
    execute(url, f"DROP TABLE {HISTORY_TABLE}")
    execute(url, "DROP TABLE alembic_version")
    for file in ("alembic.ini", "database/migrations"):
        (project.root / file).rename(project.root / f"old {Path(file).name}")
    add_seeder(project, "role_seeder", ROLES)
    assert "RoleSeeder" in project.inv("database.seed", "--list").stdout
    assert HISTORY_TABLE not in all_tables(url)
    assert lines(project.inv("database.seed")) == [ADMIN]
    assert lines(project.inv("database.seed")) == [SKIPPED]
    assert "skipped: ran on" in project.inv("database.seed", "--list").stdout
    execute(url, f"UPDATE {HISTORY_TABLE} SET version_table = 'of_others'")
    assert "skipped" not in project.inv("database.seed", "--list").stdout


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+psycopg", "mysql+pymysql"])
def test_eight_at_once(project: Sandbox, url: str, driver: str) -> None:
    """One runs it; the others find that it has run, under the lock."""
    add_seeder(project, "role_seeder", ROLES)
    project.inv("database.migrate")
    running = [Running(project, "database.seed") for _ in range(8)]
    ran = sorted(lines(each.finish()) for each in running)
    assert ran == sorted([[ADMIN], *[[SKIPPED]] * 7])
    assert execute(url, ROWS) == [("RoleSeeder", "apply", "once = 1")]


def test_what_counts_as_run() -> None:
    """The newest entry of the highest version since all migrations were rolled back."""

    def seeders(*told: tuple[str, str, str, str | None]) -> dict[str, int]:
        entries = [
            Entry(number, kind, name, action, 1, message=message)
            for number, (kind, name, action, message) in enumerate(told)
        ]
        return {name: entry.id for name, entry in History(tuple(entries)).seeders.items()}

    first = ("seeder", "A", "apply", "once = 1")
    second = ("seeder", "A", "apply", "once = 2")
    apply, revert = ("migration", "r1", "apply", None), ("migration", "r1", "revert", None)
    newer, revert_newer = ("migration", "r2", "apply", None), ("migration", "r2", "revert", None)
    assert seeders(first, second, first, ("seeder", "B", "apply", None)) == {"A": 1, "B": 3}
    assert seeders(first, first) == {"A": 1}
    assert seeders(("seeder", "A", "failed", "once = 3 failed")) == {}
    assert seeders(apply, newer, first, revert_newer, newer) == {"A": 2}
    assert seeders(apply, newer, first, revert_newer, revert) == {}
    assert seeders(apply, first, ("outside", "r1", "unmark", None)) == {}
    assert seeders(apply, first, ("stamp", "r1", "unmark", None)) == {"A": 1}
    # It ran again afterwards.
    assert seeders(apply, second, revert, apply, first) == {"A": 4}
