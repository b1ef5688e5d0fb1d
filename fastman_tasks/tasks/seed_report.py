"""How a run of seeders is shown: line by line, or as JSON."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from fastman_tasks.seeding.watch import Watch
from fastman_tasks.tasks import console
from fastman_tasks.text import counted

if TYPE_CHECKING:
    from fastman_tasks.project import Project
    from fastman_tasks.rows.row_counts import Counts
    from fastman_tasks.seeding.discovery import Seeder
    from fastman_tasks.seeding.run import Options, Seeded

# A run that is over sooner needs no bar; a bar that is drawn more often is no better to read.
_PATIENCE, _PAUSE = 1.0, 0.1
_NEVER = float("inf")
_WORDS = {"done": "DONE", "skipped": "SKIP", "failed": "FAIL"}


def listed(project: Project, wanted: str | None, *, as_json: bool) -> None:
    """The seeders in the order in which they would run, what each depends on and its file."""
    from fastman_tasks.errors import FastmanError

    error: FastmanError | None = None
    first: tuple[Seeder, ...] = ()
    others: tuple[Seeder, ...] = ()
    # What the modules print while they are imported is no part of the list.
    with console.only_ours(True):
        try:
            first, others = project.seeding.list(wanted)
        except FastmanError as failed:
            error = failed
    if as_json:
        seeders = [_listed_value(project, seeder, seeder in first) for seeder in (*first, *others)]
        told = None if error is None else project.redacted(str(error))
        console.as_json({"environment": project.settings.environment, "seeders": seeders, "error": told})
    if error is not None:
        raise error
    if not as_json:
        _list(project, first)
        console.line(f"\n{counted(len(first), 'seeder')}, in this order; nothing was run.")
        if others and wanted is None:
            console.line(f"\nOnly when they are called, or with --class ({first[-1].name} is where a run begins):")
            _list(project, others)


def _list(project: Project, seeders: Sequence[Seeder]) -> None:
    width = max(len(seeder.name) for seeder in seeders)
    for seeder in seeders:
        notes = [f"after {', '.join(seeder.depends_on)}"] if seeder.depends_on else []
        notes += [] if seeder.runs_in(project.settings.environment) else [_only_for(project, seeder)]
        console.line(f"  {seeder.name:<{width}}  {seeder.where}{''.join(f'  ({note})' for note in notes)}")


def _listed_value(project: Project, seeder: Seeder, selected: bool) -> dict[str, Any]:
    return {
        "name": seeder.name,
        "file": seeder.file,
        "line": seeder.line,
        "depends_on": list(seeder.depends_on),
        "environments": None if seeder.environments is None else sorted(seeder.environments),
        "runs": selected and seeder.runs_in(project.settings.environment),
    }


class Lines(Watch):
    """One line a seeder, and a progress bar on a terminal when the run takes longer than a second."""

    def __init__(self, project: Project, options: Options, clock: Callable[[], float] = time.monotonic) -> None:
        self._project = project
        self._options = options
        self._clock = clock
        self._next = _NEVER
        self._bar: console.Bar | None = None
        self._running: list[str] = []
        self._all: list[Seeded] = []

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        if error is None:
            ran = sum(seeded.state == "done" for seeded in self._all)
            skipped = len(self._all) - ran
            text = f"\n{counted(ran, 'seeder')} ran{f', {skipped} skipped' if skipped else ''}"
            console.line(f"{text}{'; nothing was kept' if self._options.pretend else ''}.")

    def waiting(self, holder: str | None) -> None:
        """Somebody else has the lock."""
        console.waiting(holder)

    def waited(self, seconds: float) -> None:
        """The lock was had at last."""
        console.waited(seconds)

    def started(self, seeder: Seeder) -> None:
        """``seeder`` begins."""
        if not (self._running or self._all):
            self._next = self._clock() + _PATIENCE
        self._running.append(seeder.name)

    def worked(self) -> None:
        """Statements are run."""
        self._show()

    def advanced(self, done: int | None, total: int | None) -> None:
        """A loop has done so much of so much; see ``Watch``."""
        self._show(done, total, over=done is None)

    def finished(self, seeded: Seeded) -> None:
        """A seeder is through: its line is printed."""
        self._all.append(seeded)
        if seeded.state != "skipped":
            self._running.pop()
        self._stop()
        name = "  ".join(part for part in (seeded.seeder.name, _note(self._project, seeded)) if part)
        console.result(name, None if seeded.state == "skipped" else seeded.seconds, _WORDS[seeded.state])

    def _show(self, done: int | None = None, total: int | None = None, *, over: bool = False) -> None:
        if self._next == _NEVER:
            return
        now = self._clock()
        if now < self._next:
            return
        self._next = now + _PAUSE
        if self._bar is None:
            self._bar = console.bar()
            if self._bar is None:
                self._next = _NEVER
                return
        name = self._running[-1] if self._running else ""
        if done is None:
            self._bar.show(name, restart=over)
        else:
            of = f" of {total:,}" if total is not None else ""
            self._bar.show(f"{name} {done:,}{of}", done, total)

    def _stop(self) -> None:
        # Lines below a bar are printed where it stood; it is drawn anew with the next statement.
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class Json(Watch):
    """All in one JSON value on stdout once the run is over, failed or not; its shape is in the README."""

    def __init__(self, project: Project, options: Options) -> None:
        self._project = project
        self._options = options
        self._all: list[Seeded] = []
        self._stdout = sys.stdout

    def __enter__(self) -> Json:
        # What a seeder prints is no part of the value.
        self._stdout, sys.stdout = sys.stdout, sys.stderr
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stdout = self._stdout
        console.as_json(
            {
                "database": self._project.shown_url,
                "environment": self._project.settings.environment,
                "pretend": self._options.pretend,
                "commit_each": self._options.commit_each,
                "seeders": [_value(seeded) for seeded in self._all],
                "error": None if error is None else self._project.redacted(str(error)),
            }
        )

    def waiting(self, holder: str | None) -> None:
        """Nothing is said."""

    def waited(self, seconds: float) -> None:
        """Nothing is said."""

    def finished(self, seeded: Seeded) -> None:
        """A seeder is through."""
        self._all.append(seeded)


def _value(seeded: Seeded) -> dict[str, Any]:
    return {
        "name": seeded.seeder.name,
        "file": seeded.seeder.file,
        "state": seeded.state,
        "seconds": round(seeded.seconds, 6),
        "tables": {
            table: {
                "created": counts.created,
                "updated": counts.updated,
                "deleted": counts.deleted,
                "unchanged": counts.unchanged,
            }
            for table, counts in seeded.tables
        },
    }


def _note(project: Project, seeded: Seeded) -> str:
    if seeded.state == "skipped":
        return _only_for(project, seeded.seeder)
    return "; ".join(f"{table}: {_counts(counts)}" for table, counts in seeded.tables)


def _only_for(project: Project, seeder: Seeder) -> str:
    wanted = ", ".join(sorted(seeder.environments or ()))
    return f"only for {wanted}; this is {project.settings.environment or 'development'}"


def _counts(counts: Counts) -> str:
    words = [
        f"{number:,} {word}"
        for number, word in (
            (counts.created, "created"),
            (counts.updated, "updated"),
            (counts.deleted, "deleted"),
            (counts.unchanged, "unchanged"),
        )
        # That a second run creates nothing is worth saying.
        if number or (word == "created" and not (counts.updated or counts.deleted))
    ]
    return ", ".join(words)
