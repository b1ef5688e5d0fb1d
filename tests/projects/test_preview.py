"""``--pretend`` tells what it sees in one run of env.py: offline, on SQLite in a transaction that is rolled back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from command import Sandbox
from walk import contents, read_everything, write_env, write_ini

Fresh = Callable[[str], str]
VERSIONS = "migrations/versions"
POSTGRESQL = ["postgresql+psycopg", "postgresql+asyncpg"]
SQLITE = ["sqlite", "sqlite+aiosqlite"]
# env.py notes each of its runs, and talks.
NOTING = """
print("hello from env.py")
with open("runs", "a") as file:
    print("offline" if context.is_offline_mode() else "online", file=file)
"""
READING = """
rows = op.get_bind().execute(sa.text("SELECT id FROM users")).fetchall()
op.execute(f"CREATE TABLE users_{len(rows)} (id INTEGER)")
"""


def write_shop(project: Sandbox, url: str, middle: str) -> Any:
    """Three migrations with ``middle`` for the second one's upgrade(); returns what must stay as it is."""
    write_ini(project, url)
    write_env(project, url, head=NOTING)
    up = 'print("hello from 1a1a")\nop.execute("CREATE TABLE users (id INTEGER)")\n'
    up += 'op.execute("INSERT INTO users VALUES (7)")'
    project.add_migration("1a1a_first", "1a1a", None, up, 'op.drop_table("users")', folder=VERSIONS)
    project.add_migration("2b2b_second", "2b2b", "1a1a", middle, "op.execute('DELETE FROM users')", folder=VERSIONS)
    up = 'op.create_table("tags", sa.Column("id", sa.Integer))'
    project.add_migration("3c3c_third", "3c3c", "2b2b", up, 'op.drop_table("tags")', folder=VERSIONS)
    project.write("runs", "")
    return state(project, url)


def state(project: Sandbox, url: str) -> Any:
    """The database, and the files but for env.py's notes."""
    return read_everything(project, url), {**contents(project), "runs": None}


def runs(project: Sandbox) -> list[str]:
    """How env.py has run since this was asked last."""
    found = (project.root / "runs").read_text("utf-8").split()
    project.write("runs", "")
    return found


def parts(stdout: str) -> dict[str, str]:
    """What is shown under the name of each migration."""
    names = ["1a1a_first", "2b2b_second", "3c3c_third"]
    places = sorted((stdout.index(name), name) for name in names)
    ends = [*(place for place, _ in places[1:]), len(stdout)]
    return {name: stdout[place:end] for (place, name), end in zip(places, ends, strict=True)}


@pytest.mark.parametrize("driver", POSTGRESQL)
def test_a_migration_that_needs_the_live_database(project: Sandbox, fresh: Fresh, driver: str) -> None:
    """On a server nothing is rehearsed: such a migration is named with the reason, and the others are shown."""
    url = fresh(driver)
    before = write_shop(project, url, READING)

    said = project.inv("database.migrate", "--pretend")

    shown = parts(said.stdout)
    assert "CREATE TABLE users (id INTEGER);" in shown["1a1a_first"]
    assert "CREATE TABLE" not in shown["2b2b_second"]
    assert "live database" in shown["2b2b_second"]
    assert "2b2b_second.py:" in shown["2b2b_second"]
    assert "CREATE TABLE tags" in shown["3c3c_third"]
    assert "live database" not in shown["1a1a_first"] + shown["3c3c_third"]
    assert said.stdout.endswith("Nothing was changed.\n")
    # Once to read where the database is, once for all migrations together.
    assert runs(project) == ["online", "offline"]
    assert state(project, url) == before


@pytest.mark.parametrize("driver", SQLITE)
def test_a_migration_that_reads_on_sqlite(project: Sandbox, fresh: Fresh, driver: str) -> None:
    """On SQLite migrations run in a transaction that is rolled back, so one may read what the last has written."""
    url = fresh(driver)
    before = write_shop(project, url, READING)

    shown = parts(project.inv("database.migrate", "--pretend").stdout)

    assert "INSERT INTO users VALUES (7);" in shown["1a1a_first"]
    assert "CREATE TABLE users_1 (id INTEGER);" in shown["2b2b_second"]
    assert "CREATE TABLE tags" in shown["3c3c_third"]
    assert len(runs(project)) == 2
    assert state(project, url) == before
    assert not (project.root / "shop.db").exists()

    project.inv("database.migrate")
    runs(project)
    before = state(project, url)
    shown = parts(project.inv("migrate.rollback", "--steps=3", "--pretend").stdout)
    assert "DROP TABLE tags;" in shown["3c3c_third"]
    assert "DELETE FROM users;" in shown["2b2b_second"]
    assert len(runs(project)) == 2
    assert state(project, url) == before


BAD = {
    "a statement": ('op.execute("SELECT * FROM nowhere")', ("SELECT * FROM nowhere", "no such table")),
    "an exception": ('raise ValueError("no luck today")', ("ValueError", "no luck today")),
    "a wrong call": ('op.create_table("a", nosuch)', ("NameError", "nosuch")),
}


@pytest.mark.parametrize(
    ("driver", "bad"),
    [
        *((driver, bad) for driver in SQLITE for bad in BAD),
        # Offline a statement is only text.
        *((driver, bad) for driver in POSTGRESQL[:1] for bad in list(BAD)[1:]),
    ],
)
def test_a_migration_that_fails(project: Sandbox, fresh: Fresh, driver: str, bad: str) -> None:
    """A migration that fails is reported with its name, file and line, statement and message; exit 1."""
    url = fresh(driver)
    middle, words = BAD[bad]
    before = write_shop(project, url, middle)
    line = (project.root / VERSIONS / "2b2b_second.py").read_text("utf-8").splitlines().index(f"    {middle}") + 1

    said = project.inv("database.migrate", "--pretend", code=1)

    assert "2b2b_second" in said.stderr
    assert f"{VERSIONS}/2b2b_second.py:{line}" in said.stderr
    for word in words:
        assert word in said.stderr
    # What was seen before is told, and no other migration is blamed.
    assert "CREATE TABLE users (id INTEGER);" in said.stdout
    assert "live database" not in said.stdout + said.stderr
    assert "3c3c_third failed" not in said.stdout + said.stderr
    assert state(project, url) == before


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+asyncpg"])
def test_what_env_py_and_migrations_print(project: Sandbox, fresh: Fresh, driver: str) -> None:
    """Whatever they print goes to stderr: stdout has the SQL and our own lines."""
    url = fresh(driver)
    write_shop(project, url, "pass")
    for command in (("database.migrate", "--pretend"), ("migrate.status", "--json")):
        said = project.inv(*command)
        assert "hello from" not in said.stdout
        assert "hello from env.py" in said.stderr
        assert ("hello from 1a1a" in said.stderr) == (command[0] == "database.migrate")


def test_an_operation_that_cannot_be_read(project: Sandbox) -> None:
    """An operation called in a way that only Alembic can tell is listed, with its revision, as not analysed."""
    write_ini(project, "sqlite:///shop.db")
    write_env(project)
    project.add_migration(
        "1a1a_first",
        "1a1a",
        None,
        'op.execute("CREATE TABLE groups (id INTEGER, name VARCHAR(9))")',
        'op.drop_table("groups")',
        folder=VERSIONS,
    )
    down = 'op.drop_column("groups", sa.Column("size", sa.Integer))'
    project.add_migration(
        "2b2b_second", "2b2b", "1a1a", 'op.execute("ALTER TABLE groups ADD size INTEGER")', down, folder=VERSIONS
    )
    project.inv("database.migrate")
    before = read_everything(project, "sqlite:///shop.db")
    line = (project.root / VERSIONS / "2b2b_second.py").read_text("utf-8").splitlines().index(f"    {down}") + 1

    # Without consent nothing runs, and the plan has been listed by then.
    asked = project.inv("migrate.rollback", code=5).stdout
    assert "analysed" in asked
    assert asked.count("2b2b_second") == 2
    assert read_everything(project, "sqlite:///shop.db") == before

    # Alembic itself cannot do it either; that is said with the file and the line.
    assert project.run("alembic", "downgrade", "-1", code=None).code != 0
    failed = project.inv("migrate.rollback", "--force", code=1)
    assert f"{VERSIONS}/2b2b_second.py:{line}" in failed.stderr
    assert read_everything(project, "sqlite:///shop.db") == before


OFFLINE = {
    "is_offline_mode": "from alembic import context\nif context.is_offline_mode():\n    raise RuntimeError('no')",
    "as_sql": "if op.get_context().as_sql:\n    raise RuntimeError('no')",
    "literal": 'op.bulk_insert(sa.table("users", sa.column("id", sa.PickleType)), [{"id": {1}}])',
}


@pytest.mark.parametrize("name", OFFLINE)
def test_a_migration_that_does_not_work_offline(project: Sandbox, fresh: Fresh, name: str) -> None:
    """It is named with its own reason, and those after it are shown; also where env.py knows no URL offline."""
    write_ini(project, fresh("postgresql+psycopg"))
    write_env(project, options="")
    project.replace(
        "migrations/env.py",
        'context.configure(url=config.get_main_option("sqlalchemy.url"), ',
        "context.configure(url=None, ",
    )
    project.add_migration("1a1a_offline", "1a1a", None, OFFLINE[name], folder="migrations/versions")
    more = 'op.execute("CREATE TABLE more (a INT)")'
    project.add_migration("2b2b_more", "2b2b", "1a1a", more, folder="migrations/versions")
    said = project.inv("database.migrate", "--pretend").stdout
    assert "-- 1a1a_offline\n-- Not all of it can be shown: it needs the live database: " in said
    assert "CREATE TABLE more (a INT);" in said
