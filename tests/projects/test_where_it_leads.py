"""The database that is shown, judged, locked and seeded is the one that env.py's connection leads to."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy.engine import make_url

from command import Sandbox
from proxy import Proxy, proxy
from servers import Server, tables
from walk import write_env, write_ini

SEEDER = """
import sqlalchemy as sa


class UserSeeder:
    def run(self, db):
        db.execute(sa.text("INSERT INTO users VALUES (1)"))
"""


@contextmanager
def two_ways(port: int) -> Iterator[tuple[Proxy, Proxy]]:
    """Two addresses of a server: the one that a URL names, and the one that a connection leads to."""
    with proxy(port) as named, proxy(port) as real:
        yield named, real


def write(project: Sandbox, url: str, arguments: str, head: str = "") -> None:
    """A migration and a seeder, and an env.py with ``arguments`` for its engine."""
    write_ini(project)
    make = "create_async_engine" if "asyncpg" in url else "create_engine"
    write_env(project, url, head=head, url=repr(url), engine=f"{make}({url!r}, {arguments})")
    make_table, drop = 'op.execute("CREATE TABLE users (id INT)")', 'op.drop_table("users")'
    project.add_migration("1_users", "1", None, make_table, drop, folder="migrations/versions")
    project.write("database/seeders/user_seeder.py", SEEDER)


ARGUMENTS = {
    "port": 'connect_args={{"port": {port}}}, poolclass=pool.NullPool',
    "pool": 'connect_args={{"port": {port}}}, pool_size=1, max_overflow=0, isolation_level="AUTOCOMMIT"',
    "creator": "creator=creator",
}
CREATOR = """
import {module}


def creator():
    return {module}.connect(host="127.0.0.1", port={port}, user={user!r}, password={password!r}, {database})
"""


# A creator is a coroutine for asyncpg; the others show that the connection is asked.
WAYS = [
    *itertools.product(["postgresql+psycopg", "mysql+pymysql"], ARGUMENTS),
    *itertools.product(["postgresql+asyncpg"], ["port", "pool"]),
]


@pytest.mark.parametrize(("driver", "way"), WAYS)
def test_another_port(request: pytest.FixtureRequest, project: Sandbox, driver: str, way: str) -> None:
    """``connect_args`` or a ``creator`` of the engine: the address in the URL is never connected to."""
    server: Server = request.getfixturevalue("postgresql" if driver.startswith("postgresql") else "mariadb")
    url = server.fresh(driver)
    with two_ways(server.port) as (named, real):
        shown, led = make_url(named.url(url)), make_url(real.url(url))
        module = "psycopg" if "psycopg" in driver else "pymysql"
        database = f"dbname={led.database!r}" if module == "psycopg" else f"database={led.database!r}"
        head = CREATOR.format(
            module=module, port=led.port, user=led.username, password=str(led.password), database=database
        )
        write(project, named.url(url), ARGUMENTS[way].format(port=led.port), head if way == "creator" else "")
        said = project.inv("database.migrate", "database.seed", "migrate.rollback", "--force").stdout
        assert said.count(f":{led.port}/{led.database} (development, from migrations/env.py)") == 3
        assert f":{shown.port}/" not in said
        lock = b"pg_try_advisory_lock" if driver.startswith("postgresql") else b"GET_LOCK"
        assert sum(lock in message for message in real.seen) >= 3
        # A statement without a name, which a pooler wants, newer asyncpg parses to be described and to be executed.
        times = {1, 2} if "asyncpg" in driver else {1}
        # The history keeps the text of the seeder.
        sent = [message for message in real.seen if b"INSERT INTO users" in message and b"class User" not in message]
        assert len(sent) in times
        assert named.seen == []
    assert "users" not in tables(url)


def shop(server: Server, project: Sandbox, query: str = "") -> tuple[str, dict[str, str]]:
    """A project whose URL names no host; and the variables that libpq takes a local one from."""
    url = make_url(server.fresh("postgresql+psycopg"))
    project.add_environment()
    project.add_migration("1_users", "1", None, 'op.execute("CREATE TABLE users (id INT)")', 'op.drop_table("users")')
    project.write("database/seeders/user_seeder.py", SEEDER)
    libpq = {"PGPORT": str(url.port), "PGUSER": str(url.username), "PGPASSWORD": str(url.password)}
    return f"postgresql+psycopg:///{url.database}{query}", libpq


REMOTE = "shop.example"


@pytest.mark.parametrize("way", ["PGHOST", "PGSERVICE", "service"])
def test_a_host_that_libpq_finds(project: Sandbox, postgresql: Server, way: str) -> None:
    """It is shown and judged by its name, though nothing in the URL says that it is another machine's."""
    url, libpq = shop(postgresql, project, "?service=live" if way == "service" else "")
    # The name is not looked up, as there is an address, which needs a server: that of this machine.
    service = project.write("services.conf", f"[live]\nhost={REMOTE}\nhostaddr=127.0.0.1\n")
    variables = {
        "PGHOST": {"PGHOST": REMOTE, "PGHOSTADDR": "127.0.0.1"},
        "PGSERVICE": {"PGSERVICE": "live", "PGSERVICEFILE": str(service)},
        "service": {"PGSERVICEFILE": str(service)},
    }
    env = {**libpq, **variables[way], "DATABASE_URL": url}
    refused = json.loads(project.inv("database.migrate", "--json", env=env, code=5).stdout)
    assert make_url(refused["database"]).host == REMOTE
    assert "1 migration applied." in project.inv("database.migrate", "--force", env=env).stdout
    (project.root / "alembic.ini").unlink()
    # Without an env.py, too.
    assert REMOTE in project.inv("database.seed", env=env, code=5).stderr
    local = {**env, "PGHOST": "localhost", "PGHOSTADDR": "127.0.0.1", "DATABASE_URL": url.partition("?")[0]}
    local.pop("PGSERVICE", None)
    said = project.inv("database.seed", env=local).stdout
    assert f"postgresql+psycopg://localhost:{libpq['PGPORT']}/" in said
    assert "1 seeder ran." in said


def test_pymysql_reads_a_file(project: Sandbox, mariadb: Server) -> None:
    """``read_default_file``: the port is that file's."""
    url = make_url(mariadb.fresh("mysql+pymysql"))
    file = project.write("my.cnf", f"[client]\nhost=127.0.0.1\nport={url.port}\n")
    given = url.set(host=None, port=None, query={"read_default_file": str(file)})
    write(project, given.render_as_string(hide_password=False), "poolclass=pool.NullPool")
    said = project.inv("database.migrate", "database.seed", "migrate.rollback", "--force").stdout
    assert said.count(f"@127.0.0.1:{url.port}/{url.database}?") == 3


WANDERS = """
import itertools
import pathlib

made = pathlib.Path("made")
made.write_text(made.read_text() + "x" if made.exists() else "x")
database = {databases!r}[len(made.read_text()) > 1]
"""


def test_a_database_that_changes(project: Sandbox, postgresql: Server) -> None:
    """What was confirmed is of one database, and env.py has connected to another one when it comes to migrate."""
    first, second = (postgresql.fresh("postgresql+psycopg") for _ in range(2))
    write(project, first, 'connect_args={"dbname": database}, poolclass=pool.NullPool')
    env_py = (project.root / "migrations/env.py").read_text("utf-8")
    databases = [make_url(each).database for each in (first, second)]
    project.write("migrations/env.py", WANDERS.format(databases=databases) + env_py)
    refused = project.inv("database.migrate", code=1).stderr
    assert f"/{databases[1]} now" in refused
    assert "Nothing was changed." in refused
    assert tables(first) | tables(second) == set()
