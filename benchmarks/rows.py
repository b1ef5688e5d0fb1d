"""What is measured: each function returns the rows of one group."""

from __future__ import annotations

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
    row = compared(["inv --list / of an empty tasks.py"], commands, 2 * bench.quick + 1, 1.25)
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


def idle(revisions: int, bench: Bench) -> list[Row]:
    """``migrate.status``, and ``database.migrate`` with nothing to do, on a database at its head."""
    project = projects.make(bench.folder / f"idle-{revisions}", revisions)
    # Compiles every version file too, so that the longest runs need not be warmed up by their like.
    stamped = subprocess.run(project.alembic("stamp", "head"), cwd=project.folder, capture_output=True)
    stamped.check_returncode()
    long = revisions > 1000
    rows = []
    for task, arguments in {"migrate.status": ["current"], "database.migrate": ["upgrade", "head"]}.items():
        commands = [
            Command(script("inv", task), project.folder),
            Command(project.alembic(*arguments), project.folder),
            Command(project.alembic(*arguments, generic=False), project.folder),
        ]
        plain = f"alembic {arguments[0]}"
        names = [f"{task} / {plain}, {revisions:,}", f"{task} / {plain}, our env.py, {revisions:,}"]
        repetitions, warm_up = (bench.slow, commands[:1]) if long else (bench.quick, commands)
        rows += compared(names, commands, repetitions, 1.2, warm_up)
    return rows


def uncached(bench: Bench) -> list[Row]:
    """``migrate.status`` where nobody ever runs alembic: Invoke caches no byte code, so each run compiles all files."""
    project = projects.make(bench.folder / "uncached", 1000)
    cached = projects.make(bench.folder / "cached", 1000)
    commands = [
        Command(script("inv", "migrate.status"), project.folder),
        Command(cached.alembic("current"), cached.folder),
    ]
    return compared(["migrate.status without .pyc / alembic current, 1,000"], commands, bench.quick, None)


def apply_sqlite(revisions: int, bench: Bench) -> list[Row]:
    """Apply every revision to a new SQLite file."""
    project = projects.make(bench.folder / "apply-sqlite", revisions)
    return _applied("SQLite", project, revisions, partial(project.sqlite.unlink, missing_ok=True), bench)


def apply_postgresql(revisions: int, bench: Bench) -> list[Row]:
    """Apply every revision to a new PostgreSQL database."""
    try:
        with postgres.running(bench.folder / "pgdata") as server:
            project = projects.make(bench.folder / "apply-postgresql", revisions, server.url)
            return _applied("PostgreSQL", project, revisions, server.fresh, bench)
    except ImportError as error:
        return [Row("apply on PostgreSQL", note=f"{error}: install the extra 'test'")]


def lock(revisions: int, bench: Bench) -> list[Row]:
    """Apply every revision to a new PostgreSQL database with the migration lock, against without it."""
    try:
        with postgres.running(bench.folder / "pgdata-lock") as server:
            project = projects.make(bench.folder / "lock", revisions, server.url)
            migrate = script("inv", "database.migrate")
            commands = [
                Command(migrate, project.folder, server.fresh),
                Command(("env", "FASTMAN_LOCK=off", *migrate), project.folder, server.fresh),
                Command(project.alembic("upgrade", "head", generic=False), project.folder, server.fresh),
            ]
            applied = f"apply {revisions:,} on PostgreSQL"
            names = [f"{applied} / without the lock", f"{applied} / alembic upgrade, our env.py"]
            return compared(names, commands, bench.quick, 1.1)
    except ImportError as error:
        return [Row("the lock on PostgreSQL", note=f"{error}: install the extra 'test'")]


def _applied(
    database: str, project: projects.Project, revisions: int, fresh: Callable[[], None], bench: Bench
) -> list[Row]:
    commands = [
        Command(script("inv", "database.migrate"), project.folder, fresh),
        Command(project.alembic("upgrade", "head"), project.folder, fresh),
        Command(project.alembic("upgrade", "head", generic=False), project.folder, fresh),
    ]
    # One cheap run of each is enough to have everything compiled; applying for it would take as long as a repetition.
    reading = [
        Command(script("inv", "migrate.status"), project.folder, fresh),
        Command(project.alembic("current"), project.folder),
        Command(project.alembic("current", generic=False), project.folder),
    ]
    applied = f"apply {revisions:,} on {database}"
    names = [f"{applied} / alembic upgrade", f"{applied} / alembic upgrade, our env.py"]
    return compared(names, commands, bench.slow, 1.1, reading)


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
