"""Write the schema that the migrations make to a file, from which an empty database is made faster."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fastman_tasks.actions import replay
from fastman_tasks.databases.dump import Dump
from fastman_tasks.databases.dump import file as files
from fastman_tasks.databases.dump.file import DumpFile
from fastman_tasks.databases.snapshot import Snapshot
from fastman_tasks.errors import FastmanError, FileNotWritten, MigrationRefused
from fastman_tasks.migrating import dumps
from fastman_tasks.plans import Step, StepResult
from fastman_tasks.project import Project
from fastman_tasks.revisions import content
from fastman_tasks.sources import display_path
from fastman_tasks.text import pluralize, shorten


def dump(project: Project) -> StepResult:
    """Replay the migrations in a scratch database, and write what is in it then, rows too, to
    ``database/schema/<backend>.sql``. It is loaded into a second scratch database before. Returns what was written, or
    was *skipped*, as it is there already and was made of the same migrations.

    Raises MigrationRefused if there are no migrations, or if it cannot carry all that they make; FileNotWritten.
    """
    with project:
        there = check(project)
        if there.state == "passed":
            return StepResult(there.step, "skipped")
        backend = dumps.backend(replay.live_database(project).url.get_backend_name())
        file = dumps.path(project.root, backend)
        with replay.full(project) as copy:
            heads = tuple(sorted(copy.migrator.state.heads)) if copy.has_environment else ()
            if not heads:
                raise MigrationRefused("There are no migrations to write a dump of.")
            expected = replay.snapshot(copy)
            found = replay.read_dump(copy)
            graph = copy.migrator.graph
        name = display_path(file, project.root)
        if found.left_out:
            listed = "".join(f"\n  {each}" for each in found.left_out)
            raise MigrationRefused(
                f"A dump cannot carry all that the migrations make:{listed}\n{name} was not written."
            )
        try:
            text = files.write(DumpFile(backend, heads, content.find_hash(graph, heads), found.statements))
        except ValueError as error:
            raise MigrationRefused(
                f"A dump cannot carry this statement, as a file has it otherwise:\n  {shorten(str(error), 1000)}"
            ) from error
        _try(project, text, expected, found, str(name))
        step = Step("write", str(name), file, message=pluralize(len(graph.revisions), "migration"))
        _write(file, text)
        return StepResult(step, "done")


def check(project: Project) -> StepResult:
    """Returns whether the dump is what ``dump`` would write, as far as its first line tells: no database is needed. Its
    state is *passed*, or *found*; the note says what is wrong."""
    with project:
        graph = project.migrator.graph
        dialect = replay.live_database(project).url.get_backend_name()
        file = dumps.path(project.root, dialect)
        step = Step("check", str(display_path(file, project.root)), file)
        if not file.is_file():
            return StepResult(step, "found", note="it does not exist")
        try:
            found = dumps.read(file, project.root)
        except FastmanError as error:
            return StepResult(step, "found", note=str(error))
        problem = dumps.find_problem(found, dialect, graph)
        newer = [each for each in graph.revisions if each.id not in graph.with_ancestors(found.heads)]
        if not problem and newer:
            problem = f"it is without {', '.join(each.name for each in newer[:3])}{' …' if newer[3:] else ''}"
        return StepResult(step, "found" if problem else "passed", note=problem)


def _try(project: Project, text: bytes, expected: Snapshot, found: Dump, name: str) -> None:
    """Raise MigrationRefused if ``text`` does not make of an empty database what was ``found``."""
    with tempfile.TemporaryDirectory(prefix="fastman-dump-") as folder, replay.empty(project) as copy:
        file = Path(folder) / "dump.sql"
        file.write_bytes(text)
        replay.load(copy, Step("load", name, file))
        differences = [str(each) for each in expected.differences(replay.snapshot(copy))]
        made = set(replay.read_dump(copy).statements)
        differences = differences or [shorten(each, 200) for each in found.statements if each not in made][:5]
    if differences:
        listed = "".join(f"\n  {each}" for each in differences)
        raise MigrationRefused(f"A database that the dump makes would differ:{listed}\n{name} was not written.")


def _write(file: Path, text: bytes) -> None:
    from fastman_tasks.making.files import written_beside

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileNotWritten(f"{file} cannot be written: {error.filename}: {error.strerror}.") from error
    with written_beside(file) as temporary:
        temporary.write_bytes(text)
