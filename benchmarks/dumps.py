"""``database.load`` of a dump of many migrations, against replaying them with plain alembic."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import partial

from benchmarks import postgres, projects
from benchmarks.measure import Command, script
from benchmarks.rows import Bench, Row, compared


def on_sqlite(revisions: int, goal: float, bench: Bench) -> list[Row]:
    """Into a new SQLite file."""
    project = projects.make(bench.folder / "dump-sqlite", revisions)
    return _measured(project, "SQLite", revisions, goal, partial(project.sqlite.unlink, missing_ok=True), bench)


def on_postgresql(revisions: int, goal: float, bench: Bench) -> list[Row]:
    """Into a new PostgreSQL database."""
    try:
        with postgres.running(bench.folder / "pgdata-dump") as server:
            server.fresh()
            project = projects.make(bench.folder / "dump-postgresql", revisions, server.url)
            return _measured(project, "PostgreSQL", revisions, goal, server.fresh, bench)
    except ImportError as error:
        return [Row("load a dump on PostgreSQL", note=f"{error}: install the extra 'test'")]


def _measured(
    project: projects.Project, database: str, revisions: int, goal: float, fresh: Callable[[], None], bench: Bench
) -> list[Row]:
    subprocess.run(script("inv", "database.dump"), cwd=project.folder, capture_output=True, check=True)
    commands = [
        Command(script("inv", "database.load"), project.folder, fresh),
        Command(project.alembic("upgrade", "head"), project.folder, fresh),
    ]
    name = f"load the dump of {revisions:,} on {database} / alembic upgrade"
    return compared([name], commands, bench.slow, goal, [Command(project.alembic("current"), project.folder, fresh)])
