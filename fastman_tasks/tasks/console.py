"""All that is printed or asked."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from fastman_tasks.making.changes import Change
    from fastman_tasks.making.migration import Draft
    from fastman_tasks.making.seeder import SeederDraft
    from fastman_tasks.plans import Done, Entry, Plan, Status
    from fastman_tasks.project import Project
    from fastman_tasks.revisions.graph import Revision

_NAME_WIDTH = 60
_YES = ("y", "Y", "yes", "Yes", "YES")


@functools.cache
def _console(stream: TextIO) -> Console:
    from rich.console import Console

    # Lines are the user's to wrap: a path or a URL that is cut in two cannot be copied.
    return Console(file=stream, highlight=False, markup=False, soft_wrap=True, emoji=False)


def _write(text: str, style: str | None = None, end: str = "\n") -> None:
    # Without a terminal nothing is coloured, and importing rich would be a tenth of the command's time.
    if sys.stdout.isatty() or os.environ.get("FORCE_COLOR"):
        _console(sys.stdout).print(text, style=style, end=end)
    else:
        _send(text + end)


def _send(text: str) -> None:
    # A line is shown while a migration runs: what stdout cannot spell must not be taken for an error of it.
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def line(text: str = "", style: str | None = None) -> None:
    """One line of text."""
    _write(text, style)


@contextmanager
def only_ours(wanted: bool) -> Iterator[None]:
    """Keep stdout for what is printed here where that is ``wanted``: what env.py prints goes to stderr."""
    with redirect_stdout(sys.stderr) if wanted else nullcontext():
        yield


def target(project: Project, pretend: bool = False) -> None:
    """The database that is acted on."""
    with only_ours(pretend):
        described = project.described()
    line(f"{described}\n")


def result(name: str, took: float | None, word: str) -> None:
    """``  name ....... 12 ms  DONE``; ``took`` in seconds."""
    time = "" if took is None else f"{_duration(took)}  "
    style = {"DONE": "green", "FAIL": "red"}.get(word, "yellow")
    _write(f"  {name} {'.' * max(3, _NAME_WIDTH - len(name))} {time:>9}", end="")
    _write(word, style)


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def done(step: Done) -> None:
    """A migration that is through."""
    result(step.revision.name, step.seconds, "DONE")


def plan(planned: Plan) -> None:
    """The revisions of a plan, in its order."""
    for revision in planned.revisions:
        line(f"  {revision.name}")
    line()


def passed(planned: Plan) -> None:
    """The revisions that were rolled back without anything being undone."""
    names = [revision.name for revision in planned.revisions if revision.id in planned.passed]
    if names:
        line("Passed without undoing anything, as their downgrade() is empty:", style="yellow")
        for name in names:
            line(f"  {name}", style="yellow")


def waiting(holder: str | None) -> None:
    """Somebody else is at it."""
    line(f"Another process has the migration lock{f' ({holder})' if holder else ''}; waiting …", style="yellow")


def waited(seconds: float) -> None:
    """The lock was had at last."""
    line(f"Waited {seconds:.1f} s for the lock.\n", style="yellow")


def retrying(revision: Revision, pause: float) -> None:
    """A table was locked."""
    line(f"  {revision.name}: a table is locked; rolled back, trying again in {pause:g} s", style="yellow")


def status(found: Status, shown: Sequence[Entry]) -> None:
    """One line an entry, then the counts."""
    styles = {"applied": "green", "pending": "yellow", "missing": "red"}
    width = max((len(_entry_name(entry)) for entry in shown), default=0)
    for entry in shown:
        head = "  (head)" if entry.revision and entry.revision.is_head else ""
        line(f"  {entry.state:<7}  {_entry_name(entry):<{width}}  {entry.id}{head}", style=styles[entry.state])
    if shown:
        line()
    for entry in found.of("missing"):
        line(f"{entry.id}: {entry.place}", style="red")
    if found.of("missing"):
        line("What a missing one builds on is not known: some of the pending may be applied.", style="red")
    counts = [f"{len(found.of(state))} {state}" for state in ("applied", "pending", "missing")]
    line(", ".join(counts if found.of("missing") else counts[:2]) + "." if found.entries else "No migrations yet.")


def draft(draft: Draft, root: Path, pretend: bool) -> None:
    """What was written, and what was found."""
    for file in draft.environment:
        line(f"Created {relative(file, root)}")
    if draft.tables is not None:
        if not draft.tables:
            line(f"{no_models(draft)}; written from the message.")
        elif not draft.changes and not draft.said.uncovered:
            line("No difference between models and database: no migration was written.")
            line("An empty one: add --empty.")
    changes(draft.changes)
    for note in draft.said.notes:
        line(f"  {note}", style="yellow")
    uncovered(draft)
    if draft.said.uncovered and not draft.changes:
        line("No migration was written. Write one by hand: add --empty.")
    if draft.note:
        line(f"The body is {'empty' if draft.upgrade == 'pass' else 'an example'}: {draft.note}.")
    if pretend:
        line(f"\ndef upgrade():\n    {draft.upgrade}\n\ndef downgrade():\n    {draft.downgrade}\n")
        line("Nothing was written.")
    elif draft.file:
        line(f"Created {relative(draft.file, root)}")
        if draft.is_applied:
            line("It is marked as applied in this database.")
    if draft.said.left:
        line('The models differ from the database. The next migration (inv make.migration "…") would be:')
        changes(draft.said.left)


def no_models(draft: Draft) -> str:
    """Where there are none."""
    return f"No models found in {', '.join(draft.models)}" if draft.models else "No models found"


def changes(found: Iterable[Change]) -> None:
    """What a migration does, or would do."""
    for change in found:
        line(f"  {change.text}", style="red" if change.is_drop else None)


def uncovered(draft: Draft) -> None:
    """Differences that no migration is generated for, and what could not be compared."""
    if draft.said.uncovered:
        line("Not covered by autogenerate:", style="yellow")
        for difference in draft.said.uncovered:
            line(f"  {difference}", style="yellow")
    for limit in draft.said.limits:
        line(limit, style="yellow")


def seeder_draft(draft: SeederDraft, root: Path, pretend: bool) -> None:
    """What was written, or would be."""
    line(draft.text if pretend else f"Created {relative(draft.file, root)}")
    for note in draft.notes:
        line(note, style="yellow")
    if pretend:
        line("Nothing was written.")


def relative(path: Path, root: Path) -> Path:
    """``path`` as seen from ``root`` where it lies in it."""
    return path.relative_to(root) if path.is_relative_to(root) else path


def _entry_name(entry: Entry) -> str:
    return entry.revision.name if entry.revision else "no file has this revision"


def status_value(project: Project, shown: Sequence[Entry]) -> dict[str, Any]:
    """The value that ``migrate.status --json`` prints; its shape is in the README."""
    return {
        "database": project.shown_url,
        "environment": project.settings.environment,
        "revisions": [
            {
                "revision": entry.id,
                "state": entry.state,
                "file": relative(entry.revision.file, project.root).as_posix() if entry.revision else None,
                "message": entry.revision.message if entry.revision else None,
                "head": bool(entry.revision and entry.revision.is_head),
            }
            for entry in shown
        ],
    }


class Bar:
    """A progress bar that is shown until it is stopped."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=_console(sys.stdout), transient=True)
        self._task = self._progress.add_task("", total=None)
        self._progress.start()

    def show(self, text: str, done: int | None = None, total: int | None = None, *, restart: bool = False) -> None:
        """Show ``text`` and, where it is known, how much is ``done``; ``restart`` forgets what was done before."""
        if restart:
            self._progress.reset(self._task, total=None)
        self._progress.update(self._task, description=text, completed=done, total=total)

    def stop(self) -> None:
        """Take the bar away."""
        self._progress.stop()


def bar() -> Bar | None:
    """A progress bar; None where there is no terminal to show it on."""
    return Bar() if sys.stdout.isatty() else None


def as_json(value: Any) -> None:
    """``value`` alone on stdout."""
    spells_all = (sys.stdout.encoding or "").lower().startswith("utf")
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=not spells_all) + "\n")


def ask(question: str, wanted: str) -> bool:
    """Whether the user answers ``question`` with ``wanted`` ("y" takes yes, too); nothing is no."""
    answer = _answer(question)
    return answer in _YES if wanted == "y" else answer == wanted


def choose(question: str) -> bool | None:
    """Whether the user says yes to ``question``; None where the user cancels (Ctrl-C, Ctrl-D)."""
    answer = _answer(f"{question} [y/N]")
    return None if answer is None else answer in _YES


def _answer(question: str) -> str | None:
    try:
        return input(f"{question} ").strip()
    except (EOFError, KeyboardInterrupt):
        line()
        return None
