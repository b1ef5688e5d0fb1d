"""``migrate.check`` against pytest-alembic's built-in tests, and the snapshot of a schema against its reflection."""

from __future__ import annotations

import subprocess
import sys

from benchmarks import packages, postgres, projects
from benchmarks.measure import Command, CommandError, script
from benchmarks.rows import Bench, Row, compared

_MODELS = """import sqlalchemy as sa

metadata = sa.MetaData()
for number in range(0, {revisions}, 2):
    sa.Table(f"t{{number}}", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("note", sa.String(40)))
"""
_CONFTEST = """import pytest
import sqlalchemy as sa


@pytest.fixture
def alembic_config():
    return {"file": "generic.ini"}


@pytest.fixture
def alembic_engine(tmp_path):
    return sa.create_engine(f"sqlite:///{tmp_path}/test.db")
"""
# Its flag --test-alembic does not work with each version of pytest.
_TESTS = """from pytest_alembic.tests import (
    test_model_definitions_match_ddl,
    test_single_head_revision,
    test_up_down_consistency,
    test_upgrade,
)
"""
# As pytest-alembic's documentation has it.
_CONNECTION = (
    """    connectable = engine_from_config(""",
    """    connectable = config.attributes.get("connection") or engine_from_config(""",
)
_CREATE = """import sqlalchemy as sa

metadata = sa.MetaData()
for at in range({tables}):
    sa.Table(
        f"things_{{at}}",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(50), unique=True, nullable=False),
        sa.Column("state", sa.String(20), server_default="new", index=True, nullable=False),
        sa.Column("amount", sa.Integer, sa.CheckConstraint("amount > 0"), server_default="1"),
        sa.Column("note", sa.Text),
        sa.Column("made", sa.DateTime, server_default=sa.func.now()),
        sa.Column("other_id", sa.ForeignKey(f"things_{{max(at - 1, 0)}}.id")),
    )
metadata.create_all(sa.create_engine({url!r}))
"""
# Reading is repeated: once is hardly longer than importing SQLAlchemy.
_SNAPSHOT = """import sys
import sqlalchemy as sa
from fastman_tasks.databases import snapshot

engine = sa.create_engine(sys.argv[1])
for _ in range(3):
    with engine.connect() as connection:
        snapshot.read(connection)
"""
_REFLECT = """import sys
import sqlalchemy as sa

engine = sa.create_engine(sys.argv[1])
for _ in range(3):
    with engine.connect() as connection:
        sa.MetaData().reflect(connection)
"""


def replay(revisions: int, goal: float, bench: Bench) -> list[Row]:
    """The round trip, and all that pytest-alembic tests, on SQLite."""
    names = [f"migrate.check {flags}/ pytest-alembic, {revisions}" for flags in ("--replay ", "--models --replay ")]
    environment = bench.folder / "pytest-alembic"
    try:
        packages.install(environment, "pytest-alembic")
    except CommandError as error:
        return [Row(name, note=f"not installed: {error}") for name in names]
    project = projects.make(bench.folder / "replay", revisions)
    (project.folder / "models.py").write_text(_MODELS.format(revisions=revisions), "utf-8")
    (project.folder / "conftest.py").write_text(_CONFTEST, "utf-8")
    (project.folder / "test_migrations.py").write_text(_TESTS, "utf-8")
    env_py = project.folder / "generic" / "env.py"
    text = env_py.read_text("utf-8").replace(*_CONNECTION)
    env_py.write_text(text.replace("target_metadata = None", "from models import metadata as target_metadata"), "utf-8")
    inv, pytest = (packages.program(environment, name) for name in ("inv", "pytest"))
    tests = Command((pytest, "-p", "no:cacheprovider"), project.folder)
    rows = []
    for name, flags in zip(names, (("--replay",), ("--models", "--replay")), strict=True):
        commands = [Command((inv, "migrate.check", *flags), project.folder), tests]
        rows += compared([name], commands, bench.quick, goal)
    return rows


def snapshot(tables: int, goal: float, bench: Bench) -> list[Row]:
    """Read the schema of ``tables`` tables with indexes, keys and checks from PostgreSQL."""
    name = f"snapshot of {tables:,} tables / MetaData.reflect()"
    try:
        with postgres.running(bench.folder / "pgdata-snapshot") as server:
            server.fresh()
            create = _CREATE.format(tables=tables, url=server.url)
            subprocess.run((sys.executable, "-c", create), check=True, capture_output=True)
            programs = (_SNAPSHOT, _REFLECT)
            commands = [Command((*script("python"), "-c", text, server.url), bench.folder) for text in programs]
            return compared([name], commands, bench.quick, goal)
    except ImportError as error:
        return [Row(name, note=f"{error}: install the extra 'test'")]
