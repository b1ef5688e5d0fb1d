"""An env.py that fails, leaves, or does half of what it should: named with file and line, and nothing is touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from command import Sandbox
from servers import execute, tables
from walk import add_chain, contents, headers, read_everything, write_env, write_ini

Fresh = Callable[[str], str]
COMMANDS = [
    ("migrate.status", "--check"),
    ("migrate.status", "--json"),
    ("database.migrate",),
    ("database.migrate", "--pretend"),
    ("migrate.rollback", "--force"),
    ("migrate.reset", "--force"),
    ("make.migration", "more", "--empty", "--pretend"),
]
# What stands in env.py, and what is said of it; the last line is the one that is named.
BAD = {
    "raises": ('raise ValueError("no luck today")', "no luck today"),
    "leaves with a message": ('import sys\nsys.exit("set SHOP_HOME first")', "set SHOP_HOME first"),
    "leaves with a code": ("import sys\nsys.exit(3)", "sys.exit"),
    "leaves as if all were well": ("import sys\nsys.exit()", "sys.exit"),
    "has a syntax error": ("url == = 1", "SyntaxError"),
    "needs a variable": ('import os\nurl = os.environ["SHOP_DATABASE"]', "SHOP_DATABASE"),
    "imports what is not there": ("import nosuch_shop", "nosuch_shop"),
}


def write_shop(project: Sandbox, head: str) -> None:
    """A project in which only env.py is wrong: ``head`` stands in it."""
    write_ini(project, "sqlite:///shop.db")
    write_env(project, head=head)
    add_chain(project)


@pytest.mark.parametrize("name", BAD)
def test_it_fails(project: Sandbox, name: str) -> None:
    """Every command ends with 1 and names env.py with the line; no database and no lock is made."""
    head, word = BAD[name]
    write_shop(project, head)
    lines = (project.root / "migrations/env.py").read_text("utf-8").splitlines()
    line = lines.index(head.splitlines()[-1]) + 1
    before = contents(project)
    for command in COMMANDS if name == "raises" else COMMANDS[2:3]:
        refused = project.inv(*command, code=1)
        assert f"migrations/env.py:{line}" in refused.stderr
        assert word in refused.stderr
        assert contents(project) == before


def test_it_prints(project: Sandbox) -> None:
    """What env.py prints is no part of a JSON value."""
    write_shop(project, 'print("{}")\nprint("hello")')
    said = project.inv("migrate.status", "--json")
    assert [entry["state"] for entry in json.loads(said.stdout)["steps"]] == ["pending"] * 3
    assert "hello" in said.stderr


NOTHING = {
    "has nothing in it": "",
    "only configures": "from alembic import context\ncontext.configure(dialect_name='sqlite')\n",
    "only knows the offline mode": """
        from alembic import context
        if context.is_offline_mode():
            context.configure(url="sqlite:///shop.db", literal_binds=True)
            with context.begin_transaction():
                context.run_migrations()
    """,
    "does not run what it has configured": """
        from alembic import context
        from sqlalchemy import create_engine
        with create_engine("sqlite:///shop.db").connect() as connection:
            context.configure(connection=connection)
    """,
    "runs without a connection": """
        from alembic import context
        context.configure(url="sqlite:///shop.db")
        with context.begin_transaction():
            context.run_migrations()
    """,
}


@pytest.mark.parametrize("name", NOTHING)
def test_it_runs_no_migrations(project: Sandbox, name: str) -> None:
    """An env.py that never gets to the database is said to be the reason, and nothing counts as migrated."""
    write_shop(project, "")
    project.write("migrations/env.py", NOTHING[name])
    before = contents(project)
    for command in (("migrate.status", "--check"), ("database.migrate",)):
        refused = project.inv(*command, code=1)
        assert "env.py" in refused.stderr
        assert contents(project) == before


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+asyncpg"])
def test_it_leaves_a_transaction_open(project: Sandbox, fresh: Fresh, driver: str) -> None:
    """A statement before ``context.configure()`` begins a transaction that nobody commits: that is a failure here.

    Plain alembic would tell that it has migrated, and keep nothing.
    """
    url = fresh(driver)
    write_ini(project, url)
    write_env(project, url)
    statement = "    connection.exec_driver_sql('SELECT 1')\n"
    project.replace("migrations/env.py", "def migrate(connection):\n", f"def migrate(connection):\n{statement}")
    add_chain(project)
    before = read_everything(project, url)

    assert "0 applied, 3 pending." in project.inv("migrate.status").stdout
    refused = project.inv("database.migrate", code=1)

    assert "env.py" in refused.stderr
    assert "transaction" in refused.stderr
    assert "DONE" not in refused.stdout
    assert "applied." not in refused.stdout
    found = f"sqlite:///{project.root}/shop.db" if driver.startswith("sqlite") else url
    assert tables(found) == set()
    assert "0 applied, 3 pending." in project.inv("migrate.status").stdout
    if not driver.startswith("sqlite"):
        assert read_everything(project, url) == before


def test_a_database_that_only_env_py_reaches(project: Sandbox, fresh: Fresh) -> None:
    """A tunnel that is open while env.py runs: without it there is no lock, which then has to be switched off."""
    url = fresh("postgresql+psycopg")
    end = urlsplit(url).port
    head = (
        "import psycopg\n\n\ndef creator():\n"
        f"    return psycopg.connect({url.replace('+psycopg', '')!r}, port={end} if is_open else 1)"
    )
    claimed = "postgresql+psycopg://127.0.0.1:1/nowhere"
    write_ini(project)
    engine = f"create_engine({claimed!r}, creator=creator, poolclass=pool.NullPool)"
    write_env(project, head=head, url=repr(claimed), engine=engine)
    env_py = project.root / "migrations/env.py"
    project.write("migrations/env.py", f"is_open = True\n{env_py.read_text('utf-8')}\nis_open = False\n")
    add_chain(project)

    assert "0 applied, 3 pending." in project.inv("migrate.status").stdout
    refused = project.inv("database.migrate", code=1)
    assert "FASTMAN_LOCK=off" in refused.stderr
    assert headers(refused) == [f"postgresql+psycopg://127.0.0.1:{end}{urlsplit(url).path}"], "it is the connection's"
    assert tables(url) == set()

    off = {"FASTMAN_LOCK": "off"}
    assert "3 migrations applied." in project.inv("database.migrate", env=off).stdout
    assert execute(url, "SELECT version_num FROM alembic_version") == [("3c3c",)]
    assert "3 applied, 0 pending." in project.inv("migrate.status", "--check").stdout
    # What is lost is counted through env.py.
    back = project.inv("migrate.rollback", "--steps=2", "--force", env=off).stdout
    assert "posts: 1 row\n" in back
    assert "2 migrations rolled back." in back
    assert execute(url, "SELECT version_num FROM alembic_version") == [("1a1a",)]


def test_an_error_that_env_py_swallows(project: Sandbox) -> None:
    """Plain alembic ends well then; here the migration is named, with what is applied and what remains."""
    write_ini(project, "sqlite:///shop.db")
    write_env(project)
    run = "        context.run_migrations()\n\n\nasync"
    swallowing = (
        "        try:\n            context.run_migrations()\n        except Exception:\n            pass\n\n\nasync"
    )
    project.replace("migrations/env.py", run, swallowing)
    add_chain(project)
    failed = project.inv("database.migrate", env={"SHOP_FAILS": "first"}, code=1)
    assert failed.stderr.startswith("3c3c_create_tags failed, and env.py suppressed the error")
    assert "2 applied now. Remaining:\n  3c3c_create_tags\n" in failed.stderr
    assert execute(f"sqlite:///{project.root}/shop.db", "SELECT version_num FROM alembic_version") == [("2b2b",)]
