"""The last lines of a command that has changed something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastman_tasks.tasks import console
from fastman_tasks.text import pluralize

if TYPE_CHECKING:
    from pathlib import Path

    from fastman_tasks.plans import Report, StepResult

_VERBS = {
    "apply": "applied",
    "roll back": "rolled back",
    "stamp": "recorded as applied, without running",
    "accept": "accepted as applied",
}
_NOTHING = {
    "migrate.rollback": "Nothing to roll back.",
    "migrate.reset": "Nothing to roll back.",
    "migrate.refresh": "Nothing to roll back or to migrate.",
    "migrate.redo": "Nothing to roll back.",
    "migrate.rebase": "Nothing to rebase.",
    "migrate.repair": "Nothing to repair: every revision of the database has a file, and none was edited.",
    "migrate.stamp": "It is recorded already; nothing to do.",
}


def nothing(report: Report) -> None:
    """Say that there was nothing to do."""
    console.line(_NOTHING.get(report.command, "Nothing to migrate."))


def migrations(results: Sequence[StepResult], others: Sequence[StepResult] = ()) -> None:
    """Count the migrations in ``results``, and those that ``others`` have run."""
    done = [result for result in results if result.state == "done" and result.step.action in _VERBS]
    loaded = [result.step for result in results if result.state == "done" and result.step.action == "load"]
    others = [result for result in others if result.step.action != "load"]
    if done or loaded:
        console.line()
    if done and not done[-1].step.id:
        console.line("No migration is recorded as applied any more.")
    elif done or loaded:
        counts = Counter(result.step.action for result in done)
        said = [f"{step.message} loaded from {step.name}" for step in loaded]
        said += [f"{pluralize(number, 'migration')} {_VERBS[action]}" for action, number in counts.items()]
        console.line(f"{', '.join(said)}.")
    if others:
        console.line(f"Another process applied {pluralize(len(others), 'migration')} in the meantime.")
    elif not done and not loaded:
        console.line("Nothing to migrate.")


def rebase(report: Report) -> None:
    """Say what each rewritten migration revises now, and count those that were run."""
    for result in report.steps:
        if report.preview:
            console.line(f"  {result.step.action} {result.step.name}")
    console.line()
    for result in report.steps:
        if result.step.action == "rebase":
            console.line(f"{result.step.name}: {result.note}.")
    if report.preview:
        console.line("Nothing was changed.")
    elif any(result.step.action == "apply" for result in report.steps):
        migrations(report.steps, report.in_state("skipped"))
    else:
        console.line("To apply what is pending: inv database.migrate")


def stamp(report: Report) -> None:
    """Say what would be recorded, and what the database does not have of it."""
    for result in report.steps:
        console.line(f"  record {result.step.name}")
    for note in dict.fromkeys(result.note for result in report.steps if result.note):
        console.line()
        console.lines(note)
    console.line()
    console.line("Nothing was changed.")


def repair(report: Report, root: Path) -> None:
    """Say which files were written, or what would be done."""
    for result in report.steps:
        if result.step.action == "accept":
            console.lines(result.note)
            continue
        name = console.relative_path(result.step.file, root) if result.step.file else result.step.name
        action = "Restored" if result.state == "done" else f"  {result.step.action}"
        console.line(f"{action} {name} {result.note}")
    console.line("Nothing was changed." if report.preview else "See inv migrate.status")


def empty(report: Report) -> None:
    """Name the migrations that were rolled back without undoing anything."""
    names = [result.step.name for result in report.in_state("done") if result.step.is_empty]
    if names:
        console.line("Skipped without undoing anything, as their downgrade() is empty:", style="yellow")
    for name in names:
        console.line(f"  {name}", style="yellow")


def checks(report: Report) -> None:
    """Print what a comparison of the schema before and after has found."""
    for result in report.steps:
        if result.step.action == "check" and result.state == "failed":
            console.line("The schema is not what it was:", style="yellow")
            for each in result.note.split("; "):
                console.line(f"  {each}", style="yellow")
        elif result.step.action == "check":
            console.line("The schema is what it was.")


def seeders(report: Report) -> None:
    """Count the seeders."""
    found = [result for result in report.steps if result.step.action == "seed"]
    ran = sum(result.state == "done" for result in found)
    skipped = len(found) - ran
    text = f"{pluralize(ran, 'seeder')} ran{f', {skipped} skipped' if skipped else ''}"
    console.line()
    console.line(f"{text}{'; all changes were rolled back' if report.preview else ''}.")
