"""One function for each value that is printed, as lines or as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fastman_tasks.tasks import console
from fastman_tasks.text import pluralize

if TYPE_CHECKING:
    from fastman_tasks.consent import Risk
    from fastman_tasks.making.changes import Change
    from fastman_tasks.making.migration import Draft
    from fastman_tasks.making.seeder import SeederDraft
    from fastman_tasks.plans import Counts, Loss, Report, StepResult
    from fastman_tasks.project import Project
    from fastman_tasks.seeding.discovery import Seeder


def risk(found: Risk) -> None:
    """Print the migrations that would be rolled back, and what would be lost."""
    back = [step for step in found.steps if step.action == "roll back"]
    for step in back:
        console.line(f"  {step.name}")
    if back:
        console.line()
    losses(found.losses)
    for note in found.notes:
        console.line(note, style="yellow")
    if found.notes:
        console.line()


def losses(found: Sequence[Loss]) -> None:
    """Print what would be lost."""
    sections = {
        "This drops, with the data in them:": [(_loss(loss), loss) for loss in found if not loss.reason],
        "This deletes rows:": [
            (f"{loss.reason}  ({_loss(loss)})", loss)
            for loss in found
            if loss.reason and loss.table and not loss.is_harmless
        ],
        "Could not be analysed; data may be lost:": [
            (str(loss.reason), loss) for loss in found if loss.reason and not loss.table
        ],
    }
    for title, lines in sections.items():
        if lines:
            console.line(title)
        for text, loss in lines:
            console.line(f"  {text}", style=None if loss.is_harmless else "red")
    if any(sections.values()):
        console.line()


def _loss(loss: Loss) -> str:
    what = f"{loss.table}.{loss.column}" if loss.column else loss.table
    about = {"exact": "", "estimate": "~", "at least": "more than "}[loss.precision]
    return f"{what}: {about}{pluralize(loss.rows or 0, 'value' if loss.column else 'row')}"


def sql(report: Report, *, everything: bool) -> None:
    """Print the SQL of each migration of a preview; with ``everything`` also statements that only read the schema."""
    for result in report.steps:
        statements(result.step.name, result, everything=everything)
        console.line()


def statements(title: str, result: StepResult, *, everything: bool, is_whole: bool = False) -> None:
    """Print the SQL of one migration below ``title``; see ``sql``. Where it ``is_whole``, nothing is said of what is
    missing."""
    from fastman_tasks.databases.statements import select_changes

    shown = result.statements if everything else select_changes(result.statements)
    console.line(f"-- {title}", style="bold")
    if is_whole and not shown:
        return
    if result.note:
        console.line(f"-- Not all of it can be shown: {result.note}", style="yellow")
    elif not shown:
        console.line("-- nothing")
    for statement in shown:
        console.lines(statement)


def seeders(project: Project, first: Sequence[Seeder], others: Sequence[Seeder], ran: Mapping[str, StepResult]) -> None:
    """Print the seeders in the order in which they would run, then the ``others``; ``ran`` are those to skip."""
    _seeders(project, first, ran)
    console.lines(f"\n{pluralize(len(first), 'seeder')}, in this order; nothing was run.")
    if others:
        console.line()
        console.line(f"Only when called, or with --class ({first[-1].name} is the entry point):")
        _seeders(project, others, ran)


def _seeders(project: Project, seeders: Sequence[Seeder], ran: Mapping[str, StepResult]) -> None:
    width = max(len(seeder.name) for seeder in seeders)
    for seeder in seeders:
        notes = [f"after {', '.join(seeder.depends_on)}"] if seeder.depends_on else []
        if seeder.environments is not None and not seeder.runs_in(project.settings.environment):
            notes.append(f"only for {', '.join(sorted(seeder.environments))}; this is {environment(project)}")
        elif seeder.name in ran:
            notes.append(f"skipped: {ran[seeder.name].note}")
        console.line(f"  {seeder.name:<{width}}  {seeder.where}{''.join(f'  ({note})' for note in notes)}")


def environment(project: Project) -> str:
    """Returns the name of the project's environment."""
    return project.settings.environment or "development"


def counts(found: Counts) -> str:
    """Returns ``3 created, 1 deleted``."""
    words = [
        f"{number:,} {word}"
        for number, word in (
            (found.created, "created"),
            (found.updated, "updated"),
            (found.deleted, "deleted"),
            (found.unchanged, "unchanged"),
        )
        # That a second run creates nothing is worth saying.
        if number or (word == "created" and not (found.updated or found.deleted))
    ]
    return ", ".join(words)


def draft(draft: Draft, root: Path, pretend: bool) -> None:
    """What was written, and what was found."""
    for file in draft.environment:
        console.line(f"Created {console.relative_path(file, root)}")
    if draft.tables is not None:
        if not draft.tables:
            console.line(f"{no_models(draft)}; written from the message.")
        elif not draft.changes and not draft.said.uncovered:
            console.line("No difference between models and database: no migration was written.")
            console.line("An empty one: add --empty.")
    changes(draft.changes)
    for note in draft.said.notes:
        console.line(f"  {note}", style="yellow")
    uncovered(draft)
    if draft.said.uncovered and not draft.changes:
        console.line("No migration was written. Write one by hand: add --empty.")
    if draft.note:
        console.line(f"The body is {'empty' if draft.upgrade == 'pass' else 'an example'}: {draft.note}.")
    if pretend:
        console.lines(f"\ndef upgrade():\n    {draft.upgrade}\n\ndef downgrade():\n    {draft.downgrade}\n")
        console.line("Nothing was written.")
    elif draft.file:
        console.line(f"Created {console.relative_path(draft.file, root)}")
        if draft.is_applied:
            console.line("It is marked as applied in this database.")
    if draft.said.left:
        console.line('The models differ from the database. The next migration (inv make.migration "…") would be:')
        changes(draft.said.left)


def no_models(draft: Draft) -> str:
    """Where there are none."""
    return f"No models found in {', '.join(draft.models)}" if draft.models else "No models found"


def changes(found: Iterable[Change]) -> None:
    """What a migration does, or would do."""
    for change in found:
        console.line(f"  {change.text}", style="red" if change.is_drop else None)


def uncovered(draft: Draft) -> None:
    """Differences that no migration is generated for, and what could not be compared."""
    if draft.said.uncovered:
        console.line("Not covered by autogenerate:", style="yellow")
        for difference in draft.said.uncovered:
            console.line(f"  {difference}", style="yellow")
    for limit in draft.said.limits:
        console.line(limit, style="yellow")


def seeder_draft(draft: SeederDraft, root: Path, pretend: bool) -> None:
    """What was written, or would be."""
    if pretend:
        console.lines(draft.text)
    else:
        console.line(f"Created {console.relative_path(draft.file, root)}")
    for note in draft.notes:
        console.line(note, style="yellow")
    if pretend:
        console.line("Nothing was written.")
