"""database.drop: what is lost is listed, who agrees is asked, and who is connected is not cut off without a word."""

from __future__ import annotations

import json
import secrets
import sqlite3
from contextlib import closing

import pytest

from command import Sandbox
from fastman_tasks.databases import lock, urls
from fastman_tasks.databases.database import Database
from servers import Server, connected, execute

# What it asks of the libraries, other tests ask of their oldest versions.
pytestmark = pytest.mark.thorough

DRIVERS = [
    "sqlite",
    "postgresql+psycopg",
    pytest.param("postgresql+asyncpg", marks=pytest.mark.thorough),
    "mysql+pymysql",
]


@pytest.fixture(params=DRIVERS)
def shop(project: Sandbox, request: pytest.FixtureRequest) -> tuple[Sandbox, str]:
    """A project that is set up, with a row in its one table; its database's URL."""
    project.add_environment()
    project.add_migration("1_users", "a1", None, "op.create_table('users', sa.Column('id', sa.Integer))")
    url = f"sqlite:///{project.root}/shop.db"
    if request.param != "sqlite":
        server: Server = request.getfixturevalue("postgresql" if "postgresql" in request.param else "mariadb")
        if "postgresql" in request.param:
            # Only a database's owner may drop it.
            server.allow_scratch()
        url = server.url(request.param, f"db_{secrets.token_hex(4)}")
    project.write(".env", f"DATABASE_URL={url}\nFASTMAN_BACKUP=off")
    project.inv("database.setup")
    execute(url, "INSERT INTO users (id) VALUES (1)")
    return project, url


def is_there(project: Sandbox) -> bool:
    """Whether the database exists."""
    return "It does not exist" not in project.run("invoke", "database.drop", "--pretend", code=None).stdout


def test_drop(shop: tuple[Sandbox, str]) -> None:
    """The tables with their rows are listed, and it needs consent; a second time there is nothing to do."""
    project, url = shop
    name = url.rpartition("/")[2]
    refused = project.inv("database.drop", code=5)
    assert "  users: 1 row\n" in refused.stdout and "alembic_version" not in refused.stdout
    assert refused.stderr.endswith("To go ahead: inv database.drop --force\n")
    protected = {"ENVIRONMENT": "production"}
    assert (
        f"inv database.drop --confirm={name}" in project.inv("database.drop", "--force", env=protected, code=5).stderr
    )
    prohibited = {"FASTMAN_PROHIBIT_DESTRUCTIVE": "1"}
    assert "prohibited here" in project.inv("database.drop", "--force", env=prohibited, code=5).stderr
    assert project.inv("database.drop", "--pretend").stdout.endswith("Nothing was changed.\n")
    assert execute(url, "SELECT * FROM users") == [(1,)]
    said = project.terminal("database.drop", answers=[("to go ahead:", name)], env=protected)
    assert f"  drop database {name} ..." in said
    assert not is_there(project)
    answer = json.loads(project.inv("database.drop", "--force", "--json").stdout)
    assert answer["steps"] == [] and answer["error"] is None
    if url.startswith("sqlite"):
        assert not any(file.startswith("shop.db") for file in project.files())


def test_others_are_connected(shop: tuple[Sandbox, str]) -> None:
    """They are counted, and nothing is dropped; --force ends them."""
    project, url = shop
    name = url.rpartition("/")[2]
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(project.root / name, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            refused = project.inv("database.drop", f"--confirm={name}", code=1)
        assert f"Another process is using {project.root / name}." in refused.stderr
        project.inv("database.drop", "--force")
    else:
        with connected(url) as connection:
            refused = project.inv("database.drop", f"--confirm={name}", code=1)
            assert f"The database {name} is in use: 1 connection. Nothing was changed." in refused.stderr
            assert is_there(project)
            project.inv("database.drop", "--force")
            # It was ended, and cannot be given back.
            connection.invalidate()
    assert not is_there(project)


def test_a_migration_is_running(shop: tuple[Sandbox, str]) -> None:
    """It is waited for."""
    project, url = shop
    schema = "public" if url.startswith("postgresql") else url.rpartition("/")[2] if "mysql" in url else None
    found = lock.for_database(Database(urls.parse(url)), "alembic_version", schema)
    assert found is not None
    with lock.hold(found, 10, lambda holder: None):
        refused = project.inv("database.drop", "--force", env={"FASTMAN_LOCK_TIMEOUT": "100ms"}, code=4)
    assert "Another process has held the migration lock" in refused.stderr
    assert is_there(project)


def test_who_may_not(project: Sandbox, postgresql: Server) -> None:
    """The server's own databases are not dropped, nor another user's."""
    project.add_environment()
    name = f"db_{secrets.token_hex(4)}"
    execute(postgresql.admin, f"CREATE DATABASE {name}")
    told = {
        "postgres": (2, "postgres is the server's own database."),
        name: (1, f"fastman may not drop the database {name}: only its owner may."),
    }
    for database, (code, text) in told.items():
        env = {"DATABASE_URL": postgresql.url("postgresql+psycopg", database)}
        assert text in project.inv("database.drop", "--force", env=env, code=code).stderr
