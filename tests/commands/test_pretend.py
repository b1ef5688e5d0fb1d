"""--pretend, and Invoke's --dry: the SQL that would run, and nothing written."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import Any

import pytest

from command import Init, Sandbox
from dumps import dump
from servers import Server, execute

DRIVERS = ["sqlite", "postgresql+asyncpg", "mysql+pymysql"]
# It needs what the one before it makes, asks what is there, and tries to keep what it does.
ASKING = """
    from sqlalchemy.orm import Session
    bind = op.get_bind()
    count = bind.execute(sa.text("SELECT count(*) FROM users")).scalar()
    op.execute(f"CREATE TABLE counted_{count} (a INT)")
    with Session(bind=bind) as session:
        session.execute(sa.text("INSERT INTO users VALUES (:id)"), {"id": 77})
        session.commit()
"""


def fresh(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> str:
    """The URL of an empty database, named in .env."""
    if driver == "sqlite":
        url = f"sqlite:///{project.root}/shop.db"
    else:
        server: Server = request.getfixturevalue("postgresql" if driver.startswith("postgresql") else "mariadb")
        url = server.fresh(driver)
    project.write(".env", f"DATABASE_URL={url}")
    return url


def everything(project: Sandbox, url: str) -> Any:
    """The database and the project's files; of SQLite each byte."""
    file = project.root / "shop.db"
    if url.startswith("sqlite"):
        return project.files(), file.read_bytes() if file.exists() else None
    return project.files(), dump(url)


@pytest.mark.parametrize("driver", DRIVERS)
def test_nothing_is_written(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> None:
    """On a database that is fresh (or a file that is not there), on one that is half way, and downwards."""
    url = fresh(request, project, driver)
    project.add_environment()
    up = 'op.execute("CREATE TABLE users (id INT)")\nop.execute("INSERT INTO users VALUES (1), (2)")'
    project.add_migration("1_users", "1a", None, up, 'op.drop_table("users")')
    before = everything(project, url)
    for command in (["database.migrate", "--pretend"], ["--dry", "database.migrate"]):
        said = project.inv(*command).stdout
        assert "-- 1_users\n" in said
        assert "CREATE TABLE users (id INT);\nINSERT INTO users VALUES (1), (2);\n" in said
        assert said.endswith("Nothing was changed.\n")
        assert "DONE" not in said
        assert everything(project, url) == before
    project.inv("database.migrate")
    (project.root / "shop.db.lock").unlink(missing_ok=True)

    project.add_migration("2_asking", "2b", "1a", ASKING, "op.get_bind().execute(sa.text('DELETE FROM users'))")
    project.add_migration("3_more", "3c", "2b", 'op.execute("CREATE TABLE more (a INT)")', 'op.drop_table("more")')
    before = everything(project, url)
    said = project.inv("database.migrate", "--pretend", "migrate.rollback", "--pretend", "migrate.reset", "--pretend")
    assert everything(project, url) == before
    asking = said.stdout.partition("-- 2_asking\n")[2].partition("-- 3_more")[0]
    if driver != "sqlite":
        assert asking == (
            "-- Not all of it can be shown: it needs the live database: database/migrations/versions/2_asking.py:15: "
            "AttributeError: 'NoneType' object has no attribute 'scalar'\nSELECT count(*) FROM users;\n\n"
        )
    else:
        assert "CREATE TABLE counted_2 (a INT);\n" in asking
        assert "77" in asking
    assert "CREATE TABLE more (a INT);\n" in said.stdout
    assert said.stdout.count("DROP TABLE users;\n") == 2

    if driver != "sqlite":
        execute(url, "UPDATE alembic_version SET version_num = '3c'")
    else:
        project.inv("database.migrate")
        (project.root / "shop.db.lock").unlink(missing_ok=True)
    before = everything(project, url)
    said = project.inv("--dry", "migrate.reset")
    assert everything(project, url) == before
    assert said.stdout.index("-- 3_more") < said.stdout.index("-- 2_asking") < said.stdout.index("-- 1_users")
    assert "DELETE FROM users;" in said.stdout


COMMITTING = {
    "connection": "bind.commit()",
    "text": 'op.execute("COMMIT")',
    "driver": "bind.connection.commit()",
    "script": 'bind.connection.driver_connection.executescript("INSERT INTO here VALUES (2)")',
    "block": "with op.get_context().autocommit_block():\n    op.execute('VACUUM')",
    "session": "session = __import__('sqlalchemy.orm').orm.Session(bind=bind)\nsession.commit()",
}


@pytest.mark.parametrize("how", COMMITTING)
@pytest.mark.parametrize("foreign", [False, True])
def test_a_migration_that_commits(
    project: Sandbox, alembic_init: Init, request: pytest.FixtureRequest, how: str, foreign: bool
) -> None:
    """On SQLite all is done on a copy: what a migration or env.py commits, however it does, is shown and not kept."""
    url = fresh(request, project, "sqlite")
    execute(url, "CREATE TABLE here (a INT)")
    folder = "migrations/versions" if foreign else "database/migrations/versions"
    if foreign:
        alembic_init(project)
        ending = "        connection.connection.commit()\n"
        env = (project.root / "migrations/env.py").read_text("utf-8")
        old = "            context.run_migrations()\n\n\nif"
        assert old in env
        env = env.replace(old, f"            context.run_migrations()\n{ending}\n\nif")
        project.write("migrations/env.py", env)
    else:
        project.add_environment()
    up = f"""
bind = op.get_bind()
assert bind.execute(sa.text("INSERT INTO here VALUES (1)")).rowcount == 1
{COMMITTING[how]}
op.execute("INSERT INTO here VALUES (3)")
"""
    project.add_migration("1_committing", "1a", None, up, folder=folder)
    count = "n = op.get_bind().execute(sa.text('SELECT count(*) FROM here')).scalar()"
    after = f'{count}\nop.execute(f"CREATE TABLE rows_{{n}} (a INT)")'
    project.add_migration("2_after", "2b", "1a", after, folder=folder)
    before = everything(project, url)

    said = project.inv("database.migrate", "--pretend").stdout

    assert everything(project, url) == before
    assert "-- 1_committing\n" in said
    assert "INSERT INTO here VALUES (3);" in said
    assert f"CREATE TABLE rows_{3 if how == 'script' else 2} (a INT);" in said
    assert said.endswith("Nothing was changed.\n")


def test_an_engine_that_makes_its_connections_by_itself(project: Sandbox, alembic_init: Init) -> None:
    """It cannot be led to a copy, so that nothing is run; and an engine with a pool does not keep the copy."""
    alembic_init(project, "sqlite:///shop.db")
    project.add_migration("1_one", "1a", None, 'op.execute("CREATE TABLE one (a INT)")', folder="migrations/versions")
    project.write("shop.py", 'import sqlalchemy as sa\n\nengine = sa.create_engine("sqlite:///shop.db")\n')
    env = (project.root / "migrations/env.py").read_text("utf-8")
    start, end = re.search(r"    connectable = engine_from_config\(.*?\n    \)\n", env, re.DOTALL).span()
    project.write("migrations/env.py", f"{env[:start]}    from shop import engine as connectable\n{env[end:]}")
    before = project.files()
    said = project.inv("database.migrate", "--pretend", "migrate.status").stdout
    assert "CREATE TABLE one (a INT);" in said and "0 applied, 1 pending." in said
    assert project.files() == before
    project.inv("database.migrate", "--pretend", "database.migrate", "migrate.status", "--check")

    project.inv("migrate.reset", "--accept-empty", "--force")
    creator = "creator=lambda: __import__('sqlite3').connect('shop.db')"
    project.write("shop.py", f'import sqlalchemy as sa\n\nengine = sa.create_engine("sqlite:///shop.db", {creator})\n')
    before = (project.root / "shop.db").read_bytes()
    refused = project.inv("database.migrate", "--pretend", code=1)
    assert "creator=" in refused.stderr
    assert (project.root / "shop.db").read_bytes() == before


def test_a_file_that_is_locked(project: Sandbox) -> None:
    """Whenever another process locks it: the wait ends with the driver's timeout, and the report says what it was."""
    project.write(".env", "DATABASE_URL=sqlite:///shop.db?timeout=0.1")
    project.add_environment()
    project.add_migration("1_one", "1a", None, 'op.execute("CREATE TABLE one (a INT)")')
    project.inv("database.migrate")
    project.add_migration("2_two", "2b", "1a", 'op.execute("CREATE TABLE two (a INT)")')
    env = (project.root / "database/migrations/env.py").read_text("utf-8")
    # Before it is read what is applied, and after that, before the file is copied.
    for run in (0, 1):
        lock = f"""
            import pathlib, sqlite3, sys

            runs = pathlib.Path("runs").read_text() if pathlib.Path("runs").exists() else ""
            if len(runs) == {run}:
                sys.holder = sqlite3.connect("shop.db", isolation_level=None)
                sys.holder.execute("BEGIN EXCLUSIVE")
            pathlib.Path("runs").write_text(runs + "x")
        """
        project.write("database/migrations/env.py", f"{dedent(lock)}\n{env}")
        failed = project.inv("database.migrate", "--pretend", code=1)
        assert "Another process is writing to the database" in failed.stderr
        assert (project.root / "runs").read_text() == "x" * (run + 1)
        (project.root / "runs").unlink()


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+psycopg"])
def test_one_that_fails_is_reported(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> None:
    """With its name, line and message, after the SQL of those before it; nothing was changed."""
    url = fresh(request, project, driver)
    project.add_environment()
    project.add_migration("1_fine", "1a", None, 'op.execute("CREATE TABLE fine (a INT)")')
    project.add_migration("2_broken", "2b", "1a", 'print("on its way")\nraise ValueError("no such luck")')
    before = everything(project, url)
    failed = project.inv("database.migrate", "--pretend", code=1)
    assert "2_broken fails: database/migrations/versions/2_broken.py:14: ValueError: no such luck\n" in failed.stderr
    assert "CREATE TABLE fine (a INT);" in failed.stdout
    assert "on its way" in failed.stderr
    assert "on its way" not in failed.stdout
    assert everything(project, url) == before
