"""What it costs to keep the history, against FASTMAN_HISTORY=off."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import postgres, projects
from benchmarks.measure import Command, script
from benchmarks.rows import Bench, Row, compared


def applying_sqlite(revisions: int, goal: float, bench: Bench) -> list[Row]:
    """Apply every revision to a new SQLite file."""
    project = projects.make(bench.folder / "history-sqlite", revisions)
    return _applied("SQLite", project.folder, revisions, goal, partial(project.sqlite.unlink, missing_ok=True), bench)


def applying_postgresql(revisions: int, goal: float, bench: Bench) -> list[Row]:
    """Apply every revision to a new PostgreSQL database."""
    try:
        with postgres.running(bench.folder / "pgdata-history") as server:
            project = projects.make(bench.folder / "history-postgresql", revisions, server.url)
            return _applied("PostgreSQL", project.folder, revisions, goal, server.fresh, bench)
    except ImportError as error:
        return [Row("apply with its history on PostgreSQL", note=f"{error}: install the extra 'test'")]


def status(revisions: int, goal: float, bench: Bench) -> list[Row]:
    """``migrate.status`` where every revision is applied, and has its row."""
    folder = projects.make(bench.folder / "history-status", revisions).folder
    # The first command, to warm up, applies them.
    commands = _both(folder, ("migrate.status",), lambda: None)
    applying = [Command(script("inv", "database.migrate"), folder, commands[0].prepare), *commands]
    name = f"status, {revisions:,} revisions / without the history"
    return compared([name], commands, bench.quick, goal, applying)


def _applied(
    database: str, folder: Path, revisions: int, goal: float, fresh: Callable[[], object], bench: Bench
) -> list[Row]:
    name = f"apply {revisions:,} on {database} / without the history"
    return compared([name], _both(folder, ("database.migrate",), fresh), bench.slow, goal)


def _both(folder: Path, arguments: tuple[str, ...], fresh: Callable[[], object]) -> list[Command]:
    """The command with the history, and without."""
    env = folder / ".env"
    text = env.read_text("utf-8")

    def prepare(switch: str) -> None:
        fresh()
        env.write_text(f"{text}FASTMAN_HISTORY={switch}\n", "utf-8")

    return [Command(script("inv", *arguments), folder, partial(prepare, switch)) for switch in ("on", "off")]
