"""database.setup, create and wait: from nothing to a database with rows, however often, and by how many at once."""

from __future__ import annotations

import json
import secrets
import signal
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from command import Sandbox
from ordinary import as_ordinary_user, unwritable
from processes import Running
from proxy import proxy
from servers import HOST, Server, execute, free_port, tables

# The parts that this combines have tests on the oldest versions.
pytestmark = pytest.mark.thorough

CREATE = "op.create_table('{0}', sa.Column('id', sa.Integer, primary_key=True))"
SEEDER = """
    import sqlalchemy as sa


    class UserSeeder:
        def run(self, session):
            session.execute(sa.text("INSERT INTO users (id) SELECT coalesce(max(id), 0) + 1 FROM users"))
"""
DRIVERS = [
    "sqlite",
    "postgresql+psycopg",
    pytest.param("postgresql+asyncpg", marks=pytest.mark.thorough),
    "mysql+pymysql",
]


def server_of(request: pytest.FixtureRequest, driver: str) -> Server:
    """The server for ``driver``, on which the tests' user may create databases."""
    server: Server = request.getfixturevalue("postgresql" if driver.startswith("postgresql") else "mariadb")
    if driver.startswith("postgresql"):
        server.allow_scratch()
    return server


def new_url(server: Server, driver: str) -> str:
    """The URL of a database that does not exist."""
    return server.url(driver, f"db_{secrets.token_hex(4)}")


@pytest.fixture(params=DRIVERS)
def shop(project: Sandbox, request: pytest.FixtureRequest) -> tuple[Sandbox, str]:
    """A project with two migrations, a seeder and an .env.example that names a database that is not there; its URL."""
    fill(project)
    if request.param == "sqlite":
        url, written = f"sqlite:///{project.root}/data/shop.db", "sqlite:///data/shop.db"
    else:
        url = written = new_url(server_of(request, request.param), request.param)
    project.write(".env.example", f"DATABASE_URL={written}\n")
    return project, url


def fill(project: Sandbox) -> None:
    """Write two migrations and a seeder."""
    project.add_environment()
    project.add_migration("1_users", "a1", None, CREATE.format("users"), "op.drop_table('users')")
    project.add_migration("2_pets", "b2", "a1", CREATE.format("pets"), "op.drop_table('pets')")
    project.write("database/seeders/user_seeder.py", SEEDER)


def count(url: str) -> int:
    """How often the seeder has run."""
    found: int = execute(url, "SELECT count(*) FROM users")[0][0]
    return found


def test_setup(shop: tuple[Sandbox, str]) -> None:
    """One command from nothing to rows; --pretend before it and a second one change nothing, --seed seeds again."""
    project, url = shop
    planned = project.inv("database.setup", "--pretend").stdout
    assert planned.endswith("Nothing was changed.\n") and not (project.root / ".env").exists()
    told = project.inv("database.setup").stdout
    lines = [line.partition(" ...")[0].strip() for line in told.splitlines() if line.endswith("DONE")]
    name = url.rpartition("/")[2]
    assert lines == [
        ".env  (copied from .env.example)",
        f"create database {name}",
        "1_users",
        "2_pets",
        lines[-1],
    ]
    assert "2 migrations applied." in told and told.endswith("1 seeder ran.\n")
    assert count(url) == 1 and {"users", "pets"} <= tables(url)
    assert stat.S_IMODE((project.root / ".env").stat().st_mode) == 0o600
    again = project.inv("database.setup").stdout
    assert again.count(" already\n") == 3 and "with --seed) ." in again
    assert again.endswith("\nNothing to do: everything is set up.\n")
    answer = json.loads(project.inv("database.setup", "--json").stdout)
    assert [(step["action"], step["state"]) for step in answer["steps"]] == [
        (action, "skipped") for action in ("write", "create", "apply", "seed")
    ]
    assert {step["revision"] for step in answer["steps"]} == {None}
    assert count(url) == 1
    assert "1 seeder ran." in project.inv("database.setup", "--seed").stdout
    assert count(url) == 2


@pytest.mark.parametrize("shop", ["sqlite", "postgresql+psycopg", "mysql+pymysql"], indirect=True)
def test_eight_at_once(shop: tuple[Sandbox, str]) -> None:
    """One of them creates the database and seeds it, each migration is applied once, and all succeed."""
    project, url = shop
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: json.loads(project.inv("database.setup", "--json").stdout), range(8)))
    done = [(step["action"], step["name"]) for each in results for step in each["steps"] if step["state"] == "done"]
    assert done.count(("apply", "1_users")) == done.count(("apply", "2_pets")) == 1
    assert done.count(("seed", "UserSeeder")) == 1 == count(url)
    assert done.count(("write", ".env")) == 1


def test_one_that_fails(shop: tuple[Sandbox, str]) -> None:
    """A migration that fails leaves the database, and the report has what was done; a later run does not seed by
    itself."""
    project, url = shop
    file = "database/migrations/versions/2_pets.py"
    project.replace(file, CREATE.format("pets"), "op.execute('nonsense')")
    answer = json.loads(project.inv("database.setup", "--json", code=1).stdout)
    states = [(step["action"], step["state"]) for step in answer["steps"]]
    assert states == [("write", "done"), ("create", "done"), ("apply", "done"), ("apply", "failed")]
    project.replace(file, "op.execute('nonsense')", CREATE.format("pets"))
    assert "with --seed)" in project.inv("database.setup").stdout
    assert count(url) == 0


def test_a_project_without_migrations(project: Sandbox) -> None:
    """It says that it has copied .env.example, also where it cannot go on."""
    project.write(".env.example", "DATABASE_URL=sqlite:///shop.db\n")
    refused = project.inv("database.setup", code=1)
    assert refused.stdout.startswith(
        "sqlite:///shop.db (development, from .env)\n\n  .env  (copied from .env.example) "
    )
    assert "Make the first one" in refused.stderr
    (project.root / ".env").unlink()
    answer = json.loads(project.inv("database.setup", "--json", code=1).stdout)
    assert [(step["name"], step["state"]) for step in answer["steps"]] == [(".env", "done")]


def test_create(shop: tuple[Sandbox, str]) -> None:
    """It creates it, once; --if-missing is content with one that is there. It is empty, and can be waited for."""
    project, url = shop
    (project.root / ".env").write_text((project.root / ".env.example").read_text("utf-8"))
    name = url.rpartition("/")[2]
    if not url.startswith("sqlite"):
        refused = project.inv("database.wait", code=1).stderr
        assert "Create the database, or correct its name." in refused
        assert "CREATE DATABASE" in project.inv("database.create", "--pretend").stdout
    assert f"create database {name} ..." in project.inv("database.create").stdout
    assert "exists already" in project.inv("database.create", code=1).stderr
    assert "nothing to do" in project.inv("database.create", "--if-missing").stdout
    assert tables(url) == set()
    assert f"{name} accepts connections" in project.inv("database.wait").stdout
    assert json.loads(project.inv("database.wait", "--json").stdout)["steps"][0]["state"] == "done"


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "mysql+pymysql"])
def test_no_right_to_create(project: Sandbox, request: pytest.FixtureRequest, driver: str) -> None:
    """The right is named, and what to ask for; nothing is half done."""
    fill(project)
    server = server_of(request, driver)
    project.write(".env", f"DATABASE_URL={server.url(driver, 'other_shop')}\n")
    if driver.startswith("postgresql"):
        server.allow_scratch(False)
    for command in ("create", "setup"):
        refused = project.inv(f"database.{command}", code=1).stderr
        right, grant = ("CREATEDB", 'ALTER ROLE "fastman" CREATEDB;')
        if driver.startswith("mysql"):
            right, grant = ("CREATE", "GRANT ALL ON `other_shop`.* TO 'fastman'@'127.0.0.1';")
        assert f"fastman may not create the database other_shop: it lacks the right {right}." in refused
        assert grant in refused and server.password not in refused
    refused = project.inv("database.wait", code=1).stderr
    remedy = "Grant the user rights on the database" if driver.startswith("mysql") else "Create the database"
    assert refused.endswith(f". {remedy}, or correct its name.\n")


def test_a_server_that_creates_and_drops_nothing(project: Sandbox, postgresql: Server) -> None:
    """What it says is an error of the server, such as that of a standby, and no unexpected one."""
    postgresql.allow_scratch()
    url = new_url(postgresql, "postgresql+psycopg")
    read_only = "options=-c%20default_transaction_read_only%3Don"
    project.write(".env", f"DATABASE_URL={url}?{read_only}\n")
    refused = project.inv("database.create", code=1).stderr
    assert "cannot be created: cannot execute CREATE DATABASE in a read-only transaction\n" in refused
    project.write(".env", f"DATABASE_URL={postgresql.fresh('postgresql+psycopg')}?{read_only}\n")
    refused = project.inv("database.drop", "--force", code=1).stderr
    assert "cannot be dropped: cannot execute DROP DATABASE in a read-only transaction\n" in refused


def test_an_env_py_of_its_own(project: Sandbox, postgresql: Server) -> None:
    """Where only env.py knows the database, it is created as env.py would have connected to it."""
    postgresql.allow_scratch()
    url = new_url(postgresql, "postgresql+psycopg")
    where = f"{postgresql.host}:{postgresql.port}/{url.rpartition('/')[2]}"
    fill(project)
    project.write(
        "database/migrations/env.py",
        f"""
        from alembic import context
        from sqlalchemy import create_engine

        engine = create_engine(
            "postgresql+psycopg://{postgresql.user}@{where}", connect_args={{"password": {postgresql.password!r}}}
        )
        with engine.connect() as connection:
            context.configure(connection=connection)
            with context.begin_transaction():
                context.run_migrations()
        """,
    )
    told = project.inv("database.setup").stdout
    assert "create database db_" in told and "from database/migrations/env.py" in told and count(url) == 1
    assert "already" in project.inv("database.setup").stdout


def test_a_protected_database(project: Sandbox, postgresql: Server) -> None:
    """It is asked about once, before anything is created; .env.example is nothing for production."""
    postgresql.allow_scratch()
    fill(project)
    url = new_url(postgresql, "postgresql+psycopg")
    project.write(".env.example", "DATABASE_URL=sqlite:///wrong.db\n")
    production = {"ENVIRONMENT": "production", "DATABASE_URL": url}
    refused = project.inv("database.setup", env=production, code=5).stderr
    assert "To go ahead: inv database.setup --force" in refused
    name = url.rpartition("/")[2]
    assert execute(postgresql.admin, f"SELECT 1 FROM pg_database WHERE datname = '{name}'") == []
    said = project.terminal("database.setup", answers=[("[y/N]", "y")], env=production)
    assert said.count("[y/N]") == 1 and "1 seeder ran." in said and count(url) == 1
    assert not (project.root / ".env").exists()


def test_waiting(project: Sandbox, postgresql: Server) -> None:
    """A server that never comes is waited for as long as was said; one that comes late is found; a wrong password
    ends it at once; so does Ctrl-C."""
    fill(project)
    port = free_port()
    late = postgresql.fresh("postgresql+psycopg").replace(f":{postgresql.port}/", f":{port}/")
    refused = project.inv("database.wait", "--timeout=300ms", env={"DATABASE_URL": late}, code=1)
    assert "Waiting for postgresql+psycopg://fastman:***@" in refused.stdout and "refused (0 s)" in refused.stdout
    assert "Waited for 0.3 s." in refused.stderr
    waiting = Running(project, "database.wait", env={"DATABASE_URL": late})
    waiting.read_until("Waiting for")
    waiting.send(signal.SIGINT)
    assert "Interrupted" in waiting.finish(1).stderr
    setting_up = Running(project, "database.setup", env={"DATABASE_URL": late})
    setting_up.read_until("Waiting for")
    with proxy(postgresql.port, at=port):
        assert "2 migrations applied." in setting_up.finish().stdout
    wrong = postgresql.url("postgresql+psycopg", "postgres", password="wrong")
    for command in ("wait", "setup"):
        refused = project.inv(f"database.{command}", env={"DATABASE_URL": wrong}, code=1)
        assert "Check the user and the password." in refused.stderr and "Waiting" not in refused.stdout
    assert "not a valid duration" in project.inv("database.wait", "--timeout=soon", code=2).stderr


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg", "mysql+pymysql"])
def test_a_silent_server(project: Sandbox, request: pytest.FixtureRequest, driver: str) -> None:
    """One that accepts the connection and says nothing is given up when the time is over."""
    fill(project)
    server = server_of(request, driver)
    with proxy(server.port, all_connections=True) as silent:
        silent.fail("stall")
        url = silent.url(server.url(driver, "db_silent"))
        if driver.startswith("mysql"):
            # It is the server that speaks first there.
            with closing(socket.create_server((HOST, 0))) as listener:
                url = server.url(driver, "x").replace(f":{server.port}/", f":{listener.getsockname()[1]}/")
                refused = project.inv("database.wait", "--timeout=1s", env={"DATABASE_URL": url}, code=1)
        else:
            refused = project.inv("database.wait", "--timeout=1s", env={"DATABASE_URL": url}, code=1)
    assert "Waited for 1 s." in refused.stderr


def test_files(project: Sandbox) -> None:
    """An .env that exists stays; a folder that cannot be written to is named; a database in memory is none to create;
    without migrations nothing is created."""
    project.write(".env.example", "DATABASE_URL=sqlite:///app.db\n")
    assert "has no migrations yet" in project.inv("database.setup", code=1).stderr
    assert not (project.root / "app.db").exists()
    fill(project)
    project.write(".env", "DATABASE_URL=sqlite:///own.db\n")
    project.inv("database.setup")
    assert (project.root / ".env").read_text("utf-8") == "DATABASE_URL=sqlite:///own.db\n"
    (project.root / "own.db").write_bytes(b"")
    assert "create database own.db" in project.inv("database.setup").stdout
    for command in ("setup", "create"):
        memory = project.inv(f"database.{command}", env={"DATABASE_URL": "sqlite://"}, code=2).stderr
        assert "sqlite:// is a database in memory" in memory
    (project.root / ".env").unlink()
    with unwritable(project.root):
        refused = as_ordinary_user(project, "database.setup")
        told = as_ordinary_user(
            project, "database.setup", env={"DATABASE_URL": "sqlite:///own.db", "FASTMAN_LOCK": "0"}
        )
    assert refused.code == 1 and ".env cannot be written: Permission denied." in refused.stderr
    assert told.code == 0 and ".env  (cannot be written: Permission denied) ." in told.stdout
