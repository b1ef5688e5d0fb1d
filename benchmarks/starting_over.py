"""``migrate.fresh`` against a new database and ``alembic upgrade head``."""

from __future__ import annotations

import shlex
import subprocess

from benchmarks import postgres, projects
from benchmarks.measure import Command, script
from benchmarks.rows import Bench, Row, compared


def on_sqlite(tables: int, goal: float, bench: Bench) -> list[Row]:
    """A SQLite file; plain Alembic gets a new one."""
    project = projects.make(bench.folder / "fresh-sqlite", tables, tables_each=1)
    return _measured("SQLite", project, ("rm", "-f", str(project.sqlite)), tables, goal, bench)


def on_postgresql(tables: int, goal: float, bench: Bench) -> list[Row]:
    """A PostgreSQL database; plain Alembic gets a new one."""
    try:
        with postgres.running(bench.folder / "pgdata-fresh") as server:
            server.fresh()
            project = projects.make(bench.folder / "fresh-postgresql", tables, server.url, tables_each=1)
            return _measured("PostgreSQL", project, server.anew(), tables, goal, bench)
    except ImportError as error:
        return [Row("migrate.fresh on PostgreSQL", note=f"{error}: install the extra 'test'")]


def _measured(
    database: str, project: projects.Project, anew: tuple[str, ...], tables: int, goal: float, bench: Bench
) -> list[Row]:
    subprocess.run(script("inv", "database.migrate"), cwd=project.folder, check=True, capture_output=True)
    plain = f"{shlex.join(anew)} && {shlex.join(project.alembic('upgrade', 'head'))}"
    commands = [
        Command(script("inv", "migrate.fresh", "--force"), project.folder),
        Command(("sh", "-c", plain), project.folder),
    ]
    name = f"migrate.fresh of {tables:,} tables, {database} / new database, alembic upgrade"
    return compared([name], commands, bench.slow, goal)
