"""All that is printed or asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from fastman_tasks.drafting import Draft
    from fastman_tasks.history import Revision
    from fastman_tasks.migrator import Done, Entry, Plan, Status
    from fastman_tasks.project import Project
    from fastman_tasks.seeder_drafting import SeederDraft
    from fastman_tasks.seeding import Seeded

_NAME_WIDTH = 60


def _console() -> Console:
    from rich.console import Console

    # Lines are the user's to wrap: a path or a URL that is cut in two cannot be copied.
    return Console(highlight=False, markup=False, soft_wrap=True, emoji=False)


def line(text: str = "", style: str | None = None) -> None:
    """One line of text."""
    _console().print(text, style=style)


def target(project: Project) -> None:
    """The database that is acted on."""
    line(f"{project.described()}\n")


def result(name: str, took: float | None, word: str) -> None:
    """``  name ....... 12 ms  DONE``; ``took`` in seconds."""
    time = "" if took is None else f"{_duration(took)}  "
    style = {"DONE": "green", "FAIL": "red"}.get(word, "yellow")
    console = _console()
    console.print(f"  {name} {'.' * max(3, _NAME_WIDTH - len(name))} {time:>9}", end="")
    console.print(word, style=style)


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def counted(number: int, noun: str) -> str:
    """``1 migration``, ``2 migrations``, ``1,204 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def done(step: Done) -> None:
    """A migration that is through."""
    result(step.revision.name, step.seconds, "DONE")


def plan(plan: Plan) -> None:
    """The revisions of a plan, in its order."""
    for revision in plan.revisions:
        line(f"  {revision.name}")
    line()


def sql(statements: Iterable[tuple[Revision, str | None]]) -> None:
    """What each revision would run."""
    for revision, text in statements:
        line(f"-- {revision.name}", style="bold")
        line(f"{text if text is not None else '-- needs the live database; its SQL cannot be shown'}\n")
    line("Nothing was changed.")


def status(found: Status, shown: Sequence[Entry]) -> None:
    """One line an entry, then the counts."""
    styles = {"applied": "green", "pending": "yellow", "missing": "red"}
    width = max((len(_entry_name(entry)) for entry in shown), default=0)
    for entry in shown:
        head = "  (head)" if entry.revision and entry.revision.is_head else ""
        line(f"  {entry.state:<7}  {_entry_name(entry):<{width}}  {entry.id}{head}", style=styles[entry.state])
    if shown:
        line()
    counts = [f"{len(found.of(state))} {state}" for state in ("applied", "pending", "missing")]
    line(", ".join(counts if found.of("missing") else counts[:2]) + "." if found.entries else "No migrations yet.")


def draft(draft: Draft, root: Path, pretend: bool) -> None:
    """What was written, and what was found."""
    for file in draft.environment:
        line(f"Created {relative(file, root)}")
    if draft.tables is not None:
        line(f"The models define {counted(draft.tables, 'table')}.")
        if not draft.changes:
            line("No difference between models and database: no migration was written.")
            line("An empty one: add --empty.")
            return
    for change in draft.changes:
        line(f"  {change.text}", style="red" if change.is_drop else None)
    if draft.note:
        line(f"The body is empty: {draft.note}.")
    if pretend:
        line(f"\ndef upgrade():\n    {draft.upgrade}\n\ndef downgrade():\n    {draft.downgrade}\n")
        line("Nothing was written.")
    elif draft.file:
        line(f"Created {relative(draft.file, root)}")


def seeder_draft(draft: SeederDraft, root: Path, pretend: bool) -> None:
    """What was written, or would be."""
    if pretend:
        line(f"{draft.text}\nNothing was written.")
        return
    line(f"Created {relative(draft.file, root)}")
    if draft.model is None:
        line("No model of that name was found, so it has no sample rows; --model=NAME chooses one.")


def relative(path: Path, root: Path) -> Path:
    """``path`` as seen from ``root`` where it lies in it."""
    return path.relative_to(root) if path.is_relative_to(root) else path


def seeded(one: Seeded) -> None:
    """A seeder that is through."""
    result(one.seeder.name, one.seconds, "DONE")


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
                "file": str(entry.revision.file) if entry.revision else None,
                "message": entry.revision.message if entry.revision else None,
                "head": bool(entry.revision and entry.revision.is_head),
            }
            for entry in shown
        ],
    }


def as_json(value: Any) -> None:
    """``value`` alone on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def confirm(question: str, command: str) -> None:
    """Go on only when the user says yes (default no).

    Raises ConsentMissing when the user declines, and at once, naming ``command``, where there is no terminal.
    """
    from fastman_tasks.errors import ConsentMissing

    if not sys.stdin.isatty():
        raise ConsentMissing(f"{question} There is no terminal to ask on, so nothing was done. To go ahead: {command}")
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        line()
        answer = ""
    if answer.strip().lower() not in {"y", "yes"}:
        raise ConsentMissing("Declined; nothing was done.")


@contextmanager
def working(text: str) -> Iterator[None]:
    """Say on a terminal that ``text`` is going on."""
    console = _console()
    if console.is_terminal:
        with console.status(text):
            yield
    else:
        yield
