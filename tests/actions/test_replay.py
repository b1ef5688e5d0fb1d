"""Migrations are replayed into a scratch database, whatever env.py reads its URL from, and never into another one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from command import Init, Sandbox
from fastman_tasks.actions import replay
from fastman_tasks.databases import scratch, urls
from fastman_tasks.databases.database import Database
from fastman_tasks.errors import DatabaseUnavailable, EnvironmentFailed, SettingsError
from servers import Server, execute, tables
from services import migrate, opened

# It is put together from what is tested on every version.
pytestmark = pytest.mark.thorough

CREATE = "op.create_table('users', sa.Column('id', sa.Integer, primary_key=True))"
ADD = "op.add_column('users', sa.Column('name', sa.Text))"


def add_migrations(project: Sandbox, folder: str = "database/migrations/versions") -> None:
    """Two."""
    project.add_migration("create_users", "a1", None, CREATE, "op.drop_table('users')", folder=folder)
    project.add_migration("add_name", "b2", "a1", ADD, "op.drop_column('users', 'name')", folder=folder)


@pytest.fixture(params=["sqlite", "postgresql+psycopg", "postgresql+asyncpg", "mariadb+pymysql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database whose owner may create others."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/live.db"
    server: Server = request.getfixturevalue(str(request.param).partition("+")[0].replace("mysql", "mariadb"))
    server.allow_scratch()
    return server.fresh(str(request.param))


def left(url: str) -> list[str]:
    """The scratch databases of the server."""
    if url.startswith("sqlite"):
        return []
    query = "SELECT datname FROM pg_database" if url.startswith("postgresql") else "SHOW DATABASES"
    return [name for (name,) in execute(url, query) if name.startswith("fastman_scratch_")]


def test_in_a_database_of_its_own(project: Sandbox, url: str) -> None:
    """Up to a revision, then the rest; the live database stays at its own, and nothing is left."""
    project.add_environment()
    add_migrations(project)
    with opened(project, DATABASE_URL=url) as live:
        migrate(live, "a1")
        with replay.empty(live) as copy:
            assert tables(copy.database.url) == set()
            replay.migrate(copy, ["a1"])
            assert copy.migrator.state.heads == ("a1",)
            replay.migrate(copy)
            assert copy.migrator.state.heads == ("b2",)
            assert len(left(url)) == (0 if url.startswith("sqlite") else 1)
        live.migrator.forget_state()
        assert live.migrator.state.heads == ("a1",)
    assert left(url) == []


SETTINGS = """
import os

URL = os.environ["DATABASE_URL"]
PARTS = f"sqlite:///{os.environ.get('SHOP_DB_FILE', '')}"
"""


@pytest.mark.parametrize("reads", ["URL", "PARTS"])
def test_an_application_that_has_read_its_settings(
    project: Sandbox, alembic_init: Init, monkeypatch: pytest.MonkeyPatch, reads: str
) -> None:
    """Its modules are imported anew, and are what they were afterwards."""
    alembic_init(project)
    file = project.root / "live.db"
    project.write("shop/__init__.py", "")
    project.write("shop/config.py", SETTINGS)
    project.replace(
        "migrations/env.py", "target_metadata = None", "from shop.config import URL, PARTS\n\ntarget_metadata = None"
    )
    project.replace(
        "migrations/env.py",
        "config.get_section(config.config_ini_section, {}),",
        f'{{"sqlalchemy.url": {reads}}},',
    )
    add_migrations(project, "migrations/versions")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{file}")
    monkeypatch.setenv("SHOP_DB_FILE", str(file))
    with opened(project) as live:
        migrate(live)
        config = sys.modules["shop.config"]
        with replay.empty(live) as copy:
            replay.migrate(copy)
            assert copy.migrator.state.heads == ("b2",)
            assert sys.modules["shop.config"] is not config
        assert sys.modules["shop.config"] is config and f"sqlite:///{file}" == config.URL


def test_an_env_py_that_connects_elsewhere(project: Sandbox, alembic_init: Init) -> None:
    """It is refused before the first step; the live database is untouched."""
    alembic_init(project)
    add_migrations(project, "migrations/versions")
    live_file = project.root / "live.db"
    project.replace(
        "migrations/env.py",
        "config.get_section(config.config_ini_section, {}),",
        f'{{"sqlalchemy.url": "sqlite:///{live_file.as_posix()}"}},',
    )
    with opened(project) as live:
        refused = pytest.raises(EnvironmentFailed, match=r"migrations/env\.py connects to sqlite:///live\.db, whatever")
        with refused, replay.empty(live):
            pytest.fail("it was taken for the scratch database")
        assert not live_file.exists()


def test_what_an_ended_process_left(postgresql: Server) -> None:
    """It is dropped by the next one; what another process uses stays."""
    postgresql.allow_scratch()
    database = Database(urls.parse(postgresql.fresh("postgresql+psycopg")))
    with scratch.create(database) as ended:
        pass
    execute(postgresql.admin, f"CREATE DATABASE {ended.name} OWNER {postgresql.user}")
    with scratch.create(database) as first, scratch.create(database) as second:
        found = left(str(postgresql.admin.render_as_string(hide_password=False)))
        assert sorted(found) == sorted([first.name, second.name])


def test_a_server_of_another_kind(postgresql: Server, mariadb: Server, tmp_path: Path) -> None:
    """It is refused; of the same kind it is used with the driver that env.py has been written for."""
    database = Database(urls.parse(postgresql.fresh("postgresql+asyncpg")))
    for server in (mariadb.admin, urls.parse(f"sqlite:///{tmp_path}/x.db")):
        with pytest.raises(SettingsError, match="FASTMAN_SCRATCH_URL"), scratch.create(database, server):
            pytest.fail("it was created")
    assert list(tmp_path.glob("*.db")) == []
    with scratch.create(database, postgresql.admin) as made:
        assert made.url.drivername == "postgresql+asyncpg"


def test_who_may_not_create_a_database(postgresql: Server, mariadb: Server) -> None:
    """It says which right is missing, and the setting; with that setting another server is used."""
    for server, driver, right in (
        (postgresql, "postgresql+psycopg", "ALTER ROLE fastman CREATEDB"),
        (mariadb, "mariadb+pymysql", "GRANT ALL ON `fastman\\_scratch\\_%`.* TO fastman"),
    ):
        database = Database(urls.parse(server.fresh(driver)))
        # MariaDB revokes only what was granted.
        server.allow_scratch()
        server.allow_scratch(False)
        try:
            with pytest.raises(DatabaseUnavailable) as raised, scratch.create(database):
                pytest.fail("it was created")
            assert right in str(raised.value) and "FASTMAN_SCRATCH_URL" in str(raised.value)
            with scratch.create(database, server.admin) as made:
                assert made.run(lambda connection: connection.exec_driver_sql("SELECT 1").scalar()) == 1
        finally:
            server.allow_scratch()


def test_character_set_of_the_live_database(project: Sandbox, mariadb: Server) -> None:
    """Not that of the server: the tables that are replayed would be others. Where there is no database yet, that of
    database.create."""
    project.add_environment()
    mariadb.allow_scratch()
    url, missing = mariadb.fresh("mariadb+pymysql"), mariadb.url("mariadb+pymysql", "db_missing")
    execute(url, f"ALTER DATABASE {url.rpartition('/')[2]} CHARACTER SET latin1")
    for each, expected in ((url, "latin1"), (missing, "utf8mb4")):
        with opened(project, DATABASE_URL=each) as live, replay.empty(live) as copy:
            assert execute(copy.database.url, "SELECT @@character_set_database") == [(expected,)]
    execute(url, f"ALTER DATABASE {url.rpartition('/')[2]} CHARACTER SET utf8mb4")
    with opened(project, DATABASE_URL=url) as live, replay.empty(live) as copy:
        assert execute(copy.database.url, "SELECT @@character_set_database") == [("utf8mb4",)]
