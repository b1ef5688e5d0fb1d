"""Engines with listeners and arguments of their own: an env.py, or the application, may have set up SQLite itself."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from filelock import FileLock

from command import Sandbox
from recipes import RECIPE
from servers import execute
from walk import Walked, add_chain, read_states, write_env, write_ini

Walk = Callable[..., Walked]
FOREIGN_KEYS = """
from sqlalchemy import event


@event.listens_for({target}, "connect")
def enforce_foreign_keys(dbapi_connection, connection_record):
    cursor = dbapi_connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
"""
NAMING = """
from sqlalchemy import event


@event.listens_for({target}, "connect")
def name_the_application(dbapi_connection, connection_record):
    cursor = dbapi_connection.cursor()
    cursor.execute("SET application_name = 'shop'")
    cursor.close()
    dbapi_connection.commit()
"""
# Python's driver has this from 3.12 on; SQLAlchemy recommends it there.
AUTOCOMMIT = ['connect_args={"autocommit": False}'] if sys.version_info >= (3, 12) else []


def write_shop(project: Sandbox, url: str, listeners: str = "", arguments: str = "") -> None:
    """A project whose engine is made in shop/db.py, with ``listeners``; env.py takes it from there."""
    is_async = "aiosqlite" in url or "asyncpg" in url
    make, target = ("create_async_engine", "engine.sync_engine") if is_async else ("create_engine", "engine")
    module = "sqlalchemy.ext.asyncio" if is_async else "sqlalchemy"
    lines = [f"from {module} import {make}", "", f"engine = {make}({url!r}{arguments and f', {arguments}'})"]
    project.write("shop/__init__.py", "")
    project.write("shop/db.py", "\n".join(lines) + "\n" + listeners.replace("{target}", target))
    write_ini(project)
    write_env(project, url, head="from shop.db import engine", url=repr(url), engine="engine")


@pytest.mark.parametrize(
    ("driver", "begin"), [("sqlite", "BEGIN"), ("sqlite", "BEGIN IMMEDIATE"), ("sqlite+aiosqlite", "BEGIN IMMEDIATE")]
)
def test_the_recipe_for_transactions(walk: Walk, driver: str, begin: str) -> None:
    """An engine that begins SQLite's transactions itself is left to it: no second BEGIN, and no less than a whole
    migration is rolled back."""

    def write(project: Sandbox, url: str) -> None:
        write_shop(project, url, RECIPE.replace("{begin}", begin))
        add_chain(project)

    walk(write, driver, fails=True)


def test_the_recipe_in_env_py(walk: Walk) -> None:
    """The same for listeners on all engines, which env.py adds when it runs and takes away again."""

    def write(project: Sandbox, url: str) -> None:
        write_ini(project, url)
        head = "from sqlalchemy import Engine" + RECIPE.replace("{target}", "Engine").replace("{begin}", "BEGIN")
        write_env(project, head=head)
        with (project.root / "migrations/env.py").open("a", encoding="utf-8") as file:
            file.write('event.remove(Engine, "connect", do_connect)\nevent.remove(Engine, "begin", do_begin)\n')
        add_chain(project)

    walk(write, fails=True)


@pytest.mark.parametrize(
    "arguments", ['connect_args={"isolation_level": "IMMEDIATE"}', 'isolation_level="SERIALIZABLE"', *AUTOCOMMIT]
)
def test_a_driver_that_is_told_when_to_begin(walk: Walk, arguments: str) -> None:
    """Arguments that tell the driver, or SQLAlchemy, how to begin a transaction stand in nobody's way."""

    def write(project: Sandbox, url: str) -> None:
        write_shop(project, url, arguments=arguments)
        add_chain(project)

    walk(write, fails=True)


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg"])
def test_an_engine_with_a_pool_and_listeners_on_a_server(walk: Walk, driver: str) -> None:
    """The application's engine on PostgreSQL keeps its pool, its pre-ping and what it does when it connects."""

    def write(project: Sandbox, url: str) -> None:
        write_shop(project, url, NAMING, "pool_pre_ping=True, pool_size=2")
        add_chain(project)

    walk(write, driver, fails=True)


@pytest.mark.parametrize(("driver", "recipe"), [("sqlite", False), ("sqlite", True), ("sqlite+aiosqlite", False)])
def test_foreign_keys_that_are_enforced(project: Sandbox, driver: str, recipe: bool) -> None:
    """A table that batch mode replaces loses nothing that refers to it, whoever has switched foreign keys on.

    Plain alembic would delete it: dropping the old table deletes its rows, and the rows of others by cascade.
    """
    listeners = FOREIGN_KEYS + (RECIPE.replace("{begin}", "BEGIN") if recipe else "")
    write_shop(project, f"{driver}:///shop.db", listeners)
    project.add_migration(
        "1a1a_create_tables",
        "1a1a",
        None,
        """
        op.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(50))")
        op.execute(
            "CREATE TABLE posts (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id) ON DELETE CASCADE)"
        )
        op.execute("INSERT INTO users VALUES (1, 'Ann'), (2, 'Bob')")
        op.execute("INSERT INTO posts VALUES (7, 1), (8, 2)")
        """,
        'op.drop_table("posts")\nop.drop_table("users")',
        folder="migrations/versions",
    )
    rebuild = 'with op.batch_alter_table("users", recreate="always") as batch:\n    batch.alter_column("name", {})'
    project.add_migration(
        "2b2b_longer_names",
        "2b2b",
        "1a1a",
        rebuild.format("type_=sa.String(80)"),
        rebuild.format("type_=sa.String(50)"),
        folder="migrations/versions",
    )
    url = f"sqlite:///{project.root}/shop.db"
    before = project.files()

    assert set(read_states(project.inv("migrate.status", "--json")).values()) == {"pending"}
    assert project.files() == before

    project.inv("database.migrate")
    assert execute(url, "SELECT id, user_id FROM posts ORDER BY id") == [(7, 1), (8, 2)]
    assert "VARCHAR(80)" in execute(url, "SELECT sql FROM sqlite_master WHERE name = 'users'")[0][0]
    project.inv("migrate.rollback", "--force")
    assert "VARCHAR(50)" in execute(url, "SELECT sql FROM sqlite_master WHERE name = 'users'")[0][0]
    assert execute(url, "SELECT id, user_id FROM posts ORDER BY id") == [(7, 1), (8, 2)]
    assert execute(url, "SELECT version_num FROM alembic_version") == [("1a1a",)]


@pytest.mark.parametrize("driver", ["sqlite", "sqlite+aiosqlite"])
def test_transactions_that_env_py_ends_as_text(walk: Walk, driver: str) -> None:
    """Prefect's env.py turns foreign keys off between transactions, which it ends and begins itself."""

    def write(project: Sandbox, url: str) -> None:
        write_shop(project, url, RECIPE.replace("{begin}", "BEGIN"))
        begin = """    for statement in ("COMMIT", "PRAGMA foreign_keys=OFF", "BEGIN IMMEDIATE"):
        connection.exec_driver_sql(statement)
    context.configure("""
        project.replace("migrations/env.py", "    context.configure(connection", f"{begin}connection")
        run = "        context.run_migrations()\n\n\nasync"
        ended = run.replace("\n\n", '\n    connection.exec_driver_sql("END")\n\n', 1)
        project.replace("migrations/env.py", run, ended)
        add_chain(project)

    walk(write, driver)


def test_what_sqlite_takes_outside_of_transactions_alone(walk: Walk) -> None:
    """env.py may say how the file is written before it configures anything."""

    def write(project: Sandbox, url: str) -> None:
        write_ini(project, url)
        write_env(project, url)
        pragma = '    connection.exec_driver_sql("PRAGMA journal_mode=WAL")\n    connection.commit()\n'
        configure = "    context.configure(connection"
        project.replace("migrations/env.py", configure, pragma + configure)
        add_chain(project)

    walk(write)


def test_a_token_that_is_fetched_for_each_connection(project: Sandbox) -> None:
    """SQLAlchemy's recipe for passwords that expire: the application's own ``do_connect`` fills in what is missing."""
    listener = """
from sqlalchemy import event


@event.listens_for({target}, "do_connect")
def provide_file(dialect, record, arguments, options):
    arguments[0] = arguments[0].replace("TOKEN", "shop")
"""
    write_shop(project, f"sqlite:///{project.root}/TOKEN.db", listener)
    add_chain(project)
    project.inv("database.migrate", env={"FASTMAN_LOCK": "off"})
    assert "3 applied, 0 pending." in project.inv("migrate.status", "--check").stdout
    assert (project.root / "shop.db").exists()
    assert not (project.root / "TOKEN.db").exists()


def test_an_engine_that_makes_its_connections_by_itself(project: Sandbox) -> None:
    """With ``creator`` the URL says nothing: the database, and its lock, is where the connection leads."""
    write_ini(project)
    head = "import sqlite3\n\n\ndef creator():\n    return sqlite3.connect('shop.db')"
    write_env(project, head=head, url="None", engine='create_engine("sqlite://", creator=creator)')
    add_chain(project)
    with FileLock(project.root / "shop.db.lock"):
        project.inv("database.migrate", env={"FASTMAN_LOCK_TIMEOUT": "0"}, code=4)
    said = project.inv("database.migrate", "migrate.status", "--check").stdout
    assert said.count("sqlite:///shop.db (development, from migrations/env.py)") == 2


REGISTERING = {
    "begin": """
        from sqlalchemy import Engine, event


        @event.listens_for(Engine, "connect")
        def connected(dbapi_connection, connection_record):
            dbapi_connection.isolation_level = None


        @event.listens_for(Engine, "begin")
        def begin(connection):
            connection.exec_driver_sql("BEGIN")
    """,
    "operations": """
        from alembic.autogenerate import renderers
        from alembic.operations import Operations
        from shop_operations import Refresh


        @renderers.dispatch_for(Refresh)
        def render(context, operation):
            return "op.refresh()"


        @Operations.implementation_for(Refresh)
        def refresh(operations, operation):
            operations.execute("SELECT 1")
    """,
    "folder": """
        import os
        os.chdir("data")
    """,
}


@pytest.mark.parametrize("name", REGISTERING)
def test_what_env_py_registers(project: Sandbox, name: str) -> None:
    """It is registered once, however often env.py runs in one process, and the folder that it goes to is its own."""
    write_ini(project, f"sqlite:///{project.root}/shop.db")
    write_env(project, head=REGISTERING[name])
    operation = """
        from alembic.operations import MigrateOperation


        class Refresh(MigrateOperation):
            pass
    """
    project.write("shop_operations.py", operation)
    project.write("data/keep", "")
    add_chain(project)
    walked = ("database.migrate", "migrate.rollback", "--force", "database.migrate", "--to=heads", "migrate.status")
    said = project.inv(*walked, "--check").stdout
    assert said.count("3 applied, 0 pending.") == 1


def test_a_migration_with_an_engine_of_its_own(project: Sandbox) -> None:
    """What is read of the database before keeps no lock that it would wait for."""
    write_ini(project, f"sqlite:///{project.root}/shop.db")
    write_env(project)
    add_chain(project)
    project.inv("database.migrate")
    own = f"""
        with sa.create_engine("sqlite:///{project.root}/shop.db").begin() as connection:
            connection.execute(sa.text("INSERT INTO users VALUES (9, 'Own', 1)"))
    """
    project.add_migration("4d4d_own", "4d4d", "3c3c", own, folder="migrations/versions")
    assert "1 migration applied." in project.inv("database.migrate").stdout
