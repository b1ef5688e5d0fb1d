"""What is measured: each function returns the rows of one group."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import postgres, projects
from benchmarks.measure import Command, CommandError, Series, interleaved, script

#: What listing the tasks must not import.
HEAVY = ("alembic", "sqlalchemy", "mako", "rich")


@dataclass(frozen=True)
class Row:
    """One comparison. ``goal`` is the ratio to stay under, if any; ``note`` says why there are no series."""

    name: str
    ours: Series | None = None
    plain: Series | None = None
    goal: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Bench:
    """Where to put projects, and how often to run what is quick and what is slow."""

    folder: Path
    quick: int
    slow: int


Group = Callable[[Bench], list[Row]]


def listing(bench: Bench) -> list[Row]:
    """``inv --list`` with the collection, against a tasks.py with one task."""
    with_collection = projects.tasks_only(bench.folder / "collection", projects.COLLECTION)
    empty = projects.tasks_only(bench.folder / "empty", projects.EMPTY)
    commands = [Command(script("inv", "--list"), folder) for folder in (with_collection, empty)]
    row = compared(["inv --list / of an empty tasks.py"], commands, 2 * bench.quick + 1, 1.1)
    return [*row, _imports(with_collection)]


def _imports(folder: Path) -> Row:
    listed = subprocess.run(
        (sys.executable, "-X", "importtime", "-m", "invoke", "--list"), cwd=folder, capture_output=True, text=True
    )
    modules = {line.rpartition("|")[2].strip().partition(".")[0] for line in listed.stderr.splitlines()}
    found = [name for name in HEAVY if name in modules]
    return Row("inv --list imports", note=f"{', '.join(found) or 'none'} of {', '.join(HEAVY)}")


def seeder(bench: Bench) -> list[Row]:
    """``make.seeder`` with no model to look up, against two things that plain tools do.

    A task that does nothing is what any Invoke task costs; ``alembic revision`` is what writes a skeleton today.
    """
    project = projects.make(bench.folder / "seeder", 0)
    written = project.folder / "database" / "seeders" / "thing_seeder.py"
    commands = [
        Command(script("inv", "make.seeder", "thing"), project.folder, partial(written.unlink, missing_ok=True)),
        Command(script("inv", "nothing"), project.folder),
        Command(project.alembic("revision", "-m", "thing"), project.folder),
    ]
    names = ["make.seeder / an empty inv task", "make.seeder / alembic revision"]
    return compared(names, commands, bench.quick, None)


_IDLE = {"migrate.status": ["current"], "database.migrate": ["upgrade", "head"]}


def idle(revisions: int, goal: float, bench: Bench) -> list[Row]:
    """``migrate.status``, and ``database.migrate`` with nothing to do, on a database at its head."""
    project = _stamped(bench.folder / f"idle-{revisions}", revisions)
    rows = []
    for task, arguments in _IDLE.items():
        commands = [
            Command(script("inv", task), project.folder),
            Command(project.alembic(*arguments), project.folder),
        ]
        name = f"{task} / alembic {arguments[0]}, {revisions:,}"
        repetitions, warm_up = (bench.slow, commands[:1]) if revisions > 1000 else (bench.quick, commands)
        rows += compared([name], commands, repetitions, goal, warm_up)
    return rows


def uncached(revisions: int, goal: float, bench: Bench) -> list[Row]:
    """The same where nobody ever runs alembic: Invoke caches no byte code, so there is none of the version files."""
    project = projects.make(bench.folder / "uncached", revisions)
    cached = _stamped(bench.folder / "cached", revisions)
    shutil.copy(cached.sqlite, project.sqlite)
    rows = []
    for task, arguments in _IDLE.items():
        commands = [
            Command(script("inv", task), project.folder),
            Command(cached.alembic(*arguments), cached.folder),
        ]
        rows += compared([f"{task} without .pyc / alembic {arguments[0]}, {revisions:,}"], commands, bench.quick, goal)
    return rows


def merges(revisions: int, goal: float, bench: Bench) -> list[Row]:
    """``migrate.status`` of a history in which every third revision merges two, on a database at its head."""
    project = _stamped(bench.folder / "merges", revisions, merges=True)
    commands = [
        Command(script("inv", "migrate.status"), project.folder),
        Command(project.alembic("current"), project.folder),
    ]
    name = f"migrate.status / alembic current, {revisions:,} with a third merges"
    return compared([name], commands, bench.slow, goal, commands[:1])


def _stamped(folder: Path, revisions: int, *, merges: bool = False) -> projects.Project:
    """A project whose database is at its head; every version file has been compiled."""
    project = projects.make(folder, revisions, merges=merges)
    subprocess.run(project.alembic("stamp", "head"), cwd=folder, capture_output=True, check=True)
    return project


def apply_sqlite(revisions: int, goal: float, bench: Bench) -> list[Row]:
    """Apply every revision to a new SQLite file."""
    project = projects.make(bench.folder / "apply-sqlite", revisions)
    return [_applied("SQLite", project, revisions, goal, partial(project.sqlite.unlink, missing_ok=True), bench)]


def apply_postgresql(revisions: int, goal: float, bench: Bench) -> list[Row]:
    """Apply every revision to a new PostgreSQL database, under the migration lock."""
    try:
        with postgres.running(bench.folder / f"pgdata-{revisions}") as server:
            project = projects.make(bench.folder / f"apply-postgresql-{revisions}", revisions, server.url)
            return [_applied("PostgreSQL", project, revisions, goal, server.fresh, bench)]
    except ImportError as error:
        return [Row("apply on PostgreSQL", note=f"{error}: install the extra 'test'")]


def _applied(
    database: str, project: projects.Project, revisions: int, goal: float, fresh: Callable[[], None], bench: Bench
) -> Row:
    commands = [
        Command(script("inv", "database.migrate"), project.folder, fresh),
        Command(project.alembic("upgrade", "head"), project.folder, fresh),
    ]
    # Cheap, and enough to have everything compiled; applying for it would take as long as a repetition.
    reading = [Command(project.alembic("current"), project.folder, fresh)]
    repetitions = bench.slow if revisions > 100 else bench.quick
    (row,) = compared([f"apply {revisions:,} on {database} / alembic upgrade"], commands, repetitions, goal, reading)
    return row


def compared(
    names: list[str],
    commands: list[Command],
    repetitions: int,
    goal: float | None,
    warm_up: Sequence[Command] = (),
) -> list[Row]:
    """One row for each of ``commands`` after the first, which is ours; ``names`` are theirs."""
    try:
        ours, *others = interleaved(commands, repetitions, warm_up)
    except CommandError as error:
        return [Row(name, goal=goal, note=f"not measured: {error}") for name in names]
    return [Row(name, ours, plain, goal) for name, plain in zip(names, others, strict=True)]
