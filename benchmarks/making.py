"""``make.migration`` where nothing has changed, against ``alembic check``, which compares less."""

from __future__ import annotations

import subprocess

from benchmarks import postgres, projects
from benchmarks.measure import Command, script
from benchmarks.rows import Bench, Row, compared

_HEAD = """from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, String, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass
"""
_MODEL = """

class Thing{at}(Base):
    __tablename__ = "things_{at}"
    __table_args__ = (CheckConstraint("amount > 0"), Index("ix_things_{at}_made", "made"))
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)
    state: Mapped[str] = mapped_column(String(20), server_default="new", index=True)
    amount: Mapped[int] = mapped_column(server_default="1")
    note: Mapped[str | None]
    made: Mapped[object] = mapped_column(DateTime, server_default=func.now())
    other_id: Mapped[int | None] = mapped_column(ForeignKey("things_{other}.id"))
"""


def on_sqlite(bench: Bench) -> list[Row]:
    """100 models on a SQLite file."""
    return _measured(projects.make(bench.folder / "unchanged-sqlite", 0), "SQLite", bench, 1.2)


def on_postgresql(bench: Bench) -> list[Row]:
    """100 models on PostgreSQL."""
    try:
        with postgres.running(bench.folder / "pgdata-unchanged") as server:
            server.fresh()
            project = projects.make(bench.folder / "unchanged-postgresql", 0, server.url)
            return _measured(project, "PostgreSQL", bench, 2.0)
    except ImportError as error:
        return [Row("make.migration on PostgreSQL", note=f"{error}: install the extra 'test'")]


def _measured(project: projects.Project, database: str, bench: Bench, goal: float) -> list[Row]:
    models = _HEAD + "".join(_MODEL.format(at=at, other=max(at - 1, 0)) for at in range(100))
    (project.folder / "models.py").write_text(models, "utf-8")
    env_py = project.folder / "generic" / "env.py"
    text = env_py.read_text("utf-8")
    env_py.write_text(
        text.replace("target_metadata = None", "from models import Base; target_metadata = Base.metadata")
    )
    for argv in (script("inv", "make.migration", "things"), script("inv", "database.migrate")):
        subprocess.run(argv, cwd=project.folder, capture_output=True, check=True)
    commands = [
        Command(script("inv", "make.migration", "more"), project.folder),
        Command(project.alembic("check"), project.folder),
        Command(project.alembic("check", generic=False), project.folder),
    ]
    unchanged = f"make.migration, 100 unchanged models, {database}"
    return compared([f"{unchanged} / alembic check", f"{unchanged} / with our env.py"], commands, bench.quick, goal)
