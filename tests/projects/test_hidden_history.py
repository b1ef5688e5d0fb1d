"""Our history table lies beside the version table; plain ``alembic`` neither drops nor names it, whatever env.py is."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, Integer, MetaData, Table, create_engine

import fastman_alembic
from command import Init, Sandbox
from fastman_tasks.databases.tables import HISTORY_TABLE
from fastman_tasks.migrating import hidden_history
from servers import all_tables, execute
from walk import write_env, write_ini, write_mako

#: Older versions of Alembic load no plug-ins.
HAS_PLUGINS = importlib.util.find_spec("alembic.runtime.plugins") is not None
CLEAN = "No new upgrade operations detected"
MODELS = """
    from sqlalchemy import Column, Integer, MetaData, Table

    metadata = MetaData()
    Table("users", metadata, Column("id", Integer, primary_key=True))
"""
SQLMODEL = """
    from sqlmodel import Field, SQLModel


    class User(SQLModel, table=True):
        __tablename__ = "users"
        id: int = Field(primary_key=True)


    metadata = SQLModel.metadata
"""
FILTER = """
def include_name(name, kind, parents):
    return name != "legacy"
"""
# Alembic 1.18 is the first to load plug-ins, and these run on the newest versions.
with_plugins = pytest.mark.thorough


def history(schema: str = "") -> str:
    """The statement that creates a table of that name."""
    return f"CREATE TABLE {schema}{HISTORY_TABLE} (id INTEGER PRIMARY KEY, name VARCHAR(50))"


def write_project(project: Sandbox, url: str, *, models: str = MODELS, head: str = "", options: str = "") -> str:
    """Write a project with an env.py of its own, whose models are in the database at ``url``; returns the URL to
    execute SQL with."""
    project.write("models.py", models)
    write_ini(project, url)
    head = f"from models import metadata\n{head}"
    write_env(project, url, head=head, options=f", target_metadata=metadata{options}")
    reached = url.replace("///", f"///{project.root}/") if url.startswith("sqlite") else url
    execute(reached.replace("+aiosqlite", ""), "CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY)")
    return reached.replace("+aiosqlite", "")


def check(project: Sandbox, url: str, place: str = "") -> None:
    """Plain ``alembic check`` passes with our table, and finds another one."""
    execute(url, history(place))
    said = project.alembic("check")
    assert CLEAN in said.stdout
    execute(url, f"CREATE TABLE {place}other (id INTEGER PRIMARY KEY)")
    found = project.alembic("check", code=255)
    assert "other" in found.stdout + found.stderr
    assert f"Table('{HISTORY_TABLE}'" not in found.stdout + found.stderr


def test_the_plug_in_is_installed() -> None:
    """The entry point is what the module says that it is called, also in an editable installation."""
    found = importlib.metadata.entry_points(group="alembic.plugins", name=fastman_alembic.NAME)
    assert [each.value for each in found] == ["fastman_alembic"], "The entry point is missing: pip install -e . again"
    assert fastman_alembic.is_set_up is HAS_PLUGINS


def test_the_plug_in_is_a_module_and_a_collection() -> None:
    """Up to 1.20.0 Alembic sets up every module in what an entry point names, and cannot be imported otherwise; later
    versions set up the module itself."""
    plugin: Any = importlib.metadata.EntryPoint("", "fastman_alembic", "alembic.plugins").load()
    assert isinstance(plugin, ModuleType) and [*plugin] == [plugin]
    assert plugin is fastman_alembic


@with_plugins
@pytest.mark.parametrize("driver", ["sqlite", "sqlite+aiosqlite", "postgresql+psycopg", "postgresql+asyncpg"])
def test_a_foreign_env_py(project: Sandbox, fresh: Callable[[str], str], driver: str) -> None:
    """Whatever driver it uses."""
    check(project, write_project(project, fresh(driver)))


@with_plugins
@pytest.mark.parametrize("template", ["generic", "async", "pyproject"])
def test_a_project_of_alembic_init(project: Sandbox, alembic_init: Init, template: str) -> None:
    """Whose log is on: nothing is detected in it but what is another's."""
    project.write("models.py", MODELS)
    driver = "sqlite+aiosqlite" if template == "async" else "sqlite"
    alembic_init(project, f"{driver}:///shop.db", template=template)
    project.replace("migrations/env.py", "target_metadata = None", "from models import metadata as target_metadata")
    url = f"sqlite:///{project.root}/shop.db"
    for table in ("users", HISTORY_TABLE, "other"):
        execute(url, f"CREATE TABLE {table} (id INTEGER NOT NULL PRIMARY KEY)")
    found = project.alembic("check", code=255).stderr
    assert [line.rpartition("] ")[2] for line in found.splitlines() if "Detected" in line] == [
        "Detected removed table 'other'"
    ]


@with_plugins
def test_models_of_sqlmodel(project: Sandbox) -> None:
    """Whatever library the models are written with."""
    check(project, write_project(project, "sqlite:///shop.db", models=SQLMODEL))


@with_plugins
def test_another_schema(project: Sandbox, fresh: Callable[[str], str]) -> None:
    """It is hidden where the version table is, and nowhere else."""
    url = fresh("postgresql+psycopg")
    execute(url, "CREATE SCHEMA audit")
    write_project(project, url, options=', version_table_schema="audit", include_schemas=True')
    check(project, url, "audit.")
    execute(url, "DROP TABLE audit.other")
    execute(url, history())
    found = project.alembic("check", code=255)
    assert f"Table('{HISTORY_TABLE}'" in found.stdout + found.stderr


@with_plugins
def test_filters_of_env_py(project: Sandbox) -> None:
    """Its own include_name goes on working."""
    url = write_project(project, "sqlite:///shop.db", head=FILTER, options=", include_name=include_name")
    execute(url, "CREATE TABLE legacy (id INTEGER PRIMARY KEY)")
    check(project, url)


@with_plugins
def test_a_model_of_that_name(project: Sandbox) -> None:
    """A project that has a table of that name itself goes on comparing it."""
    model = f'Table("{HISTORY_TABLE}", metadata, Column("id", Integer, primary_key=True))\n'
    url = write_project(project, "sqlite:///shop.db", models=f"{MODELS}\n    {model}")
    execute(url, history())
    found = project.alembic("check", code=255)
    assert "remove_column" in found.stdout + found.stderr


@with_plugins
def test_flask_migrate(project: Sandbox) -> None:
    """``flask db check`` is Alembic's."""
    application = """
        from flask import Flask
        from flask_migrate import Migrate
        from flask_sqlalchemy import SQLAlchemy

        db = SQLAlchemy()


        class User(db.Model):
            __tablename__ = "users"
            id = db.Column(db.Integer, primary_key=True)


        app = Flask(__name__, instance_path={root!r})
        app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
        db.init_app(app)
        Migrate(app, db)
    """
    project.write("app.py", application.format(root=str(project.root)))
    project.run("flask", "db", "init")
    url = f"sqlite:///{project.root}/shop.db"
    for table in ("users", HISTORY_TABLE):
        execute(url, f"CREATE TABLE {table} (id INTEGER NOT NULL PRIMARY KEY)")
    said = project.run("flask", "db", "check")
    assert "No new upgrade operations detected" in said.stdout + said.stderr


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+psycopg"])
def test_a_generated_env_py(project: Sandbox, fresh: Callable[[str], str], driver: str) -> None:
    """Every version of Alembic leaves it alone there, and make.migration does everywhere."""
    url = fresh(driver).replace("///", f"///{project.root}/")
    project.write("models.py", MODELS)
    project.write(".env", f"DATABASE_URL='{url}'")
    project.inv("make.migration", "create users", "database.migrate")
    assert HISTORY_TABLE in all_tables(url)
    said = project.alembic("check")
    assert CLEAN in said.stdout and "removed table" not in said.stderr
    project.inv("make.migration", "--check")
    execute(url, "CREATE TABLE other (id INTEGER PRIMARY KEY)")
    refused = project.inv("make.migration", "nothing", code=1)
    assert [line for line in refused.stderr.splitlines() if line.startswith("  ")] == ["  drop table other"]


def test_make_migration_with_a_foreign_env_py(project: Sandbox) -> None:
    """It needs no plug-in; nor is our table in a baseline."""
    url = write_project(
        project, "sqlite:///shop.db", options=f', autogenerate_plugins=["*", "~{fastman_alembic.NAME}"]'
    )
    write_mako(project)
    execute(url, history())
    said = project.inv("make.migration", "begin", "--baseline", "make.migration", "--check")
    assert "create table users" in said.stdout and HISTORY_TABLE not in said.stdout


def configured(connection: Connection, **options: object) -> MigrationContext:
    """Alembic's context as an env.py configures it."""
    return MigrationContext.configure(connection, opts=options)


def test_whether_it_is_hidden() -> None:
    """By the plug-in, if env.py does not exclude it; in an env.py of ours always."""
    with create_engine("sqlite://").connect() as connection:
        assert hidden_history.is_hidden(configured(connection)) is HAS_PLUGINS
        excluded = ["alembic.autogenerate.*", f"~{fastman_alembic.NAME}"]
        for plugins in (["alembic.autogenerate.types"], excluded):
            assert not hidden_history.is_hidden(configured(connection, autogenerate_plugins=plugins))
        ours: dict[str, object] = {"autogenerate_plugins": excluded}
        hidden_history.hide(ours, connection)
        assert hidden_history.is_hidden(configured(connection, **ours))
        metadata = MetaData()
        Table(HISTORY_TABLE, metadata, Column("id", Integer))
        theirs: dict[str, object] = {"target_metadata": metadata}
        hidden_history.hide(theirs, connection)
        assert "include_name" not in theirs


@with_plugins
def test_another_alembic_breaks_nothing(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a future version has other plug-ins, or another context, a warning is logged and the command runs."""

    class Plugin:
        def add_autogenerate_comparator(self, function: Callable[..., Any], *_: Any, **__: Any) -> None:
            self.compare = function

    monkeypatch.setattr(fastman_alembic, "is_set_up", False)
    fastman_alembic.setup(object())
    assert not fastman_alembic.is_set_up
    plugin = Plugin()
    fastman_alembic.setup(plugin)
    plugin.compare(object(), None, set())
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "The table fastman_history is not hidden"
    ] * 2


@with_plugins
@pytest.mark.thorough
def test_without_the_package(project: Sandbox) -> None:
    """The plug-in works, and Alembic with it, if the package is gone."""
    url = write_project(project, "sqlite:///shop.db")
    execute(url, history())
    code = "import sys; sys.modules['fastman_tasks'] = None; from alembic.config import main; main(['check'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=project.root, env=project.environ(), capture_output=True)
    assert CLEAN in done.stdout.decode(), done.stderr.decode()
