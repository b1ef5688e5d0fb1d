"""The commands that write, change or remove migrations' files, and what they print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fastman_tasks.tasks import console, prompt, revisions

if TYPE_CHECKING:
    from fastman_tasks.actions.squash import Squash
    from fastman_tasks.plans import StepResult, StepState
    from fastman_tasks.project import Project
    from fastman_tasks.revisions.graph import Revision

REBASE_HELP = {
    "revision": "What to move, by its last migration: its id or its file's name, or a part of either.",
    "onto": "The migration that it is to follow (default: the other head).",
    "pretend": "Say what would be moved; change nothing.",
    "force": "Go on although files are not committed, were pushed, or the database cannot be reached.",
    "json": "Print JSON.",
}
SQUASH_HELP = {
    "to": "The last migration to squash (default: the head).",
    "archive": "A folder for the old files, outside the migrations (default: they are removed; git has them).",
    "pretend": "Try it and print the migration; change no file.",
    "force": "Go on where git does not have the files as they are.",
    "json": "Print JSON.",
}


def merge(project: Project, message: str | None, *, pretend: bool, json: bool) -> None:
    """Write the migration that merges the heads, and print it."""
    from fastman_tasks.making.merge import merge
    from fastman_tasks.plans import Step, StepResult

    def write() -> tuple[Sequence[Revision], Path | None]:
        # Where new files belong env.py says, when it runs for the first time.
        graph = project.migrator.graph
        return merge(project.environment, graph, message or "merge heads", pretend=pretend)

    heads, file = revisions.read(project, json, write)
    found = (
        [StepResult(Step("write", file.stem, file), "done", note=", ".join(each.id for each in heads))] if file else []
    )
    revisions.answer(project, "migrate.merge", found, json, lambda: _merged(project, heads, file), database=False)


def rebase(project: Project, revision: str | None, onto: str | None, *, pretend: bool, force: bool, json: bool) -> None:
    """Move the migrations of this branch, and print what they follow now. Asks what to move where that is not clear,
    and before anything is rolled back."""
    from fastman_tasks import actions
    from fastman_tasks.tasks import reporter

    reporter.run(
        project,
        prompt.choosing(actions.rebase, json=json),
        pretend=pretend,
        json=json,
        force=False,
        live=True,
        revision=revision,
        onto=onto,
        unchecked=force,
        roll_back=console.can_ask() and not json,
    )


def squash(project: Project, to: str | None, archive: str | None, *, pretend: bool, force: bool, json: bool) -> None:
    """Write one migration instead of many, and print what became of them."""
    from fastman_tasks.actions.squash import squash

    folder = Path(archive) if archive else None
    found = revisions.read(project, json, lambda: squash(project, to=to, archive=folder, preview=pretend, force=force))
    steps = _squash_steps(found, pretend)
    revisions.answer(project, "migrate.squash", steps, json, lambda: _squashed(project, found, folder, pretend))


def _merged(project: Project, heads: Sequence[Revision], file: Path | None) -> None:
    """Print the revisions that were merged, and the file."""
    if len(heads) < 2:
        console.line("There is one head; nothing to merge." if heads else "No migrations yet.")
        return
    console.line("Merges:")
    for head in heads:
        console.line(f"  {head.name}  {head.id}")
    console.line(f"Created {console.relative_path(file, project.root)}" if file else "Nothing was written.")


def _squash_steps(found: Squash, pretend: bool) -> list[StepResult]:
    """Returns the file that was written, and those that are gone, as steps."""
    from fastman_tasks.plans import Step, StepResult

    if not found.text:
        return []
    *gone, last = found.squashed
    state: StepState = "planned" if pretend else "done"
    removed = [StepResult(Step("remove", each.name, each.file, each.id, each.message), state) for each in gone]
    note = "; ".join(found.left_out)
    return [StepResult(Step("write", last.name, last.file, last.id, last.message), state, note=note), *removed]


def _squashed(project: Project, found: Squash, archive: Path | None, pretend: bool) -> None:
    """Print what a squash has done, or with ``pretend`` would do."""
    if not found.text:
        console.line("There is one migration; nothing to squash." if found.squashed else "No migrations yet.")
        return
    last = found.squashed[-1]
    number = len(found.squashed) - 1
    if pretend:
        console.lines(found.text)
    console.line(f"Squashes {number + 1} migrations into {console.relative_path(last.file, project.root)}.")
    if not pretend:
        where = f"moved to {console.relative_path(archive, project.root)}" if archive is not None else "removed"
        console.line(f"The others were {where}. It was tried in a scratch database: schema and rows are the same.")
    console.line(f"It is written in the SQL of {found.backend}, and refuses to run on another database.")
    for each in found.left_out:
        console.line(f"Not in it, and to be added by hand: {each}", style="yellow")
    if not found.was_checked:
        console.line("This database cannot be reached: it may be in the middle of them.", style="yellow")
    console.line(f"A database at {last.id} needs nothing. Migrate any older one with the old files first.")
    if pretend:
        console.line("Nothing was changed.")
