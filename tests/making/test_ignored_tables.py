"""Tables that are not the project's are neither dropped nor created nor changed."""

from __future__ import annotations

import pytest

from command import Sandbox
from servers import Server, execute, tables

pytestmark = pytest.mark.thorough
MODELS = """
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


    class Base(DeclarativeBase):
        pass


    class User(Base):
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)


    class Result(Base):
        __tablename__ = "celery_results"
        id: Mapped[int] = mapped_column(primary_key=True)
        more: Mapped[int]
"""
FILTERED = """
    from alembic import context
    from sqlalchemy import NullPool, create_engine

    from models import Base

    with create_engine("sqlite:///app.db", poolclass=NullPool).connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_object=lambda item, name, type_, reflected, compared: name != "legacy",
        )
        with context.begin_transaction():
            context.run_migrations()
"""


def fresh(project: Sandbox, request: pytest.FixtureRequest, server: str) -> str:
    """A new database."""
    if server == "sqlite":
        return f"sqlite:///{project.root / 'app.db'}"
    driver = {"postgresql": "postgresql+psycopg", "mariadb": "mysql+pymysql"}[server]
    return str(request.getfixturevalue(server).fresh(driver))


@pytest.mark.parametrize("server", ["sqlite", "postgresql", "mariadb"])
def test_another_application_s_tables(project: Sandbox, request: pytest.FixtureRequest, server: str) -> None:
    """The refusal names the value that has them ignored; with it, the models' own idea of such a table counts neither,
    for plain alembic as well."""
    env = {"DATABASE_URL": fresh(project, request, server), "FASTMAN_IGNORE_TABLES": "celery_*"}
    url = env["DATABASE_URL"]
    project.write("models.py", MODELS)
    execute(url, "CREATE TABLE celery_results (id INTEGER PRIMARY KEY)")
    execute(url, "CREATE TABLE legacy (id INTEGER PRIMARY KEY)")

    refused = project.inv("make.migration", "users", env=env, code=1)
    assert "  drop table legacy\n" in refused.stderr
    assert "celery_results\n" not in refused.stderr
    line = refused.stderr.splitlines()[-3]
    assert line == "If another application owns the tables: FASTMAN_IGNORE_TABLES=celery_*,legacy"

    env["FASTMAN_IGNORE_TABLES"] = line.partition("=")[2]
    said = project.inv("make.migration", "users", "database.migrate", "make.migration", "more", env=env)
    assert "  create table users\nCreated database" in said.stdout
    assert said.stdout.endswith("no migration was written.\nAn empty one: add --empty.\n")
    assert "No new upgrade operations detected" in project.alembic("check", env=env).stdout
    assert tables(url) == {"users", "legacy", "celery_results", "alembic_version"}


def test_what_env_py_leaves_out_stays_out(project: Sandbox) -> None:
    """Its own include_object holds beside the setting."""
    project.add_environment()
    project.write("models.py", MODELS)
    project.write("database/migrations/env.py", FILTERED)
    url = f"sqlite:///{project.root / 'app.db'}"
    for table in ("legacy", "celery_results", "other"):
        execute(url, f"CREATE TABLE {table} (id INTEGER PRIMARY KEY)")
    refused = project.inv("make.migration", "users", env={"FASTMAN_IGNORE_TABLES": "celery_*"}, code=1)
    assert [line for line in refused.stderr.splitlines() if line.startswith("  ")] == ["  drop table other"]


def test_a_schema_and_an_extension(project: Sandbox, postgresql: Server) -> None:
    """A pattern may name the schema, the one that connections have by default as well; what an extension made needs
    none."""
    url = postgresql.fresh("postgresql+psycopg")
    env = {"DATABASE_URL": url, "FASTMAN_IGNORE_TABLES": "public.celery_*,other.legacy"}
    project.write("models.py", MODELS)
    for table in ("celery_results", "legacy", "spatial_ref_sys"):
        execute(url, f"CREATE TABLE {table} (id INTEGER PRIMARY KEY)")
    # An extension that every server has takes the place of PostGIS.
    owner = postgresql.admin.set(host=postgresql.host, database=url.rpartition("/")[2])
    execute(owner, "ALTER EXTENSION plpgsql ADD TABLE spatial_ref_sys")
    refused = project.inv("make.migration", "users", env=env, code=1)
    assert [line for line in refused.stderr.splitlines() if line.startswith("  ")] == ["  drop table legacy"]


PARTITIONED = """
    import datetime

    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


    class Base(DeclarativeBase):
        pass


    class Event(Base):
        __tablename__ = "events"
        __table_args__ = {"postgresql_partition_by": "RANGE (day)"}
        day: Mapped[datetime.date] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(index=True)
"""
PARTITION = """

    class First(Base):
        __tablename__ = "events_1"
        day: Mapped[datetime.date] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(index=True)
"""


def test_partitions(project: Sandbox, postgresql: Server) -> None:
    """A partition, which belongs to its table, is not to be dropped; one that has a model is compared with it."""
    env = {"DATABASE_URL": postgresql.fresh("postgresql+psycopg")}
    project.write("models.py", PARTITIONED)
    project.inv("make.migration", "events", "database.migrate", env=env)
    bounds = "FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')"
    execute(env["DATABASE_URL"], f"CREATE TABLE events_1 PARTITION OF events {bounds}")
    assert "No difference" in project.inv("make.migration", "--check", env=env).stdout
    project.write("models.py", PARTITIONED + PARTITION)
    said = project.inv("make.migration", "--check", env=env, code=3).stdout
    assert "create table" not in said
    assert "create index ix_events_1_name on events_1" in said
