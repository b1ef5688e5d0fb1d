"""What is printed of the migrations: where they stand, how they follow each other, and one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fastman_tasks.tasks import console, views
from fastman_tasks.tasks.startup import import_libraries

if TYPE_CHECKING:
    from fastman_tasks.actions.squash import Squash
    from fastman_tasks.plans import StepResult, StepState
    from fastman_tasks.project import Project
    from fastman_tasks.revisions.graph import Revision

T = TypeVar("T")

_STYLES = {"applied": "green", "pending": "yellow", "missing": "red"}


def read(project: Project, json: bool, work: Callable[[], T]) -> T:
    """Returns what ``work`` returns. It may run env.py: what that prints must not get into the ``json``."""
    import_libraries(project)
    with console.reserve_stdout(json):
        return work()


def answer(
    project: Project,
    command: str,
    found: Sequence[StepResult],
    json: bool,
    show: Callable[[], None],
    *,
    database: bool = True,
) -> None:
    """Print what a command that changes no database has ``found``, as JSON or as ``show`` does; which ``database`` it
    was, before that."""
    from fastman_tasks.plans import Report

    if json:
        url = project.display_url if database else None
        console.print_json(
            views.report_value(project, Report(command, url, project.settings.environment, tuple(found)), command, None)
        )
        return
    if database:
        console.line(project.label)
        console.line()
    show()


def status(found: Sequence[StepResult], shown: Sequence[StepResult]) -> None:
    """Print one line for each migration in ``shown``, then the counts of all."""
    lines(shown)
    if shown:
        console.line()
    missing = [each for each in found if each.state == "missing"]
    for each in missing:
        console.line(f"{each.step.id}: {each.note}", style="red")
    if missing:
        console.line(
            "What a missing migration revises is unknown: some of the pending ones may be applied.", style="red"
        )
    counts = [f"{sum(each.state == state for each in found)} {state}" for state in ("applied", "pending", "missing")]
    console.line(", ".join(counts if missing else counts[:2]) + "." if found else "No migrations yet.")


def lines(found: Sequence[StepResult], after: Callable[[StepResult], str] = lambda result: "") -> None:
    """Print one line for each migration: its state, its name, its id, and what ``after`` returns for it."""
    width = max((len(_name(each)) for each in found), default=0)
    for each in found:
        head = "  (head)" if each.step.is_head else ""
        text = f"  {each.state:<7}  {_name(each):<{width}}  {each.step.id}{head}{after(each)}"
        console.line(text, style=_STYLES[each.state])


def history(project: Project, found: Sequence[StepResult]) -> None:
    """Print one line for each migration, with the ids that it revises."""
    graph = project.migrator.graph

    def after(result: StepResult) -> str:
        parents = graph[result.step.id].parents if result.step.id in graph else ()
        return f"  after {', '.join(parents)}" if parents else ""

    lines(found, after)
    if not found:
        console.line("No migrations yet.")


def migration(project: Project, up: StepResult, down: StepResult) -> None:
    """Print one migration: its file, what it revises and is revised by, its state, and its SQL in both directions."""
    graph, step = project.migrator.graph, up.step
    children = [each.id for each in graph.revisions if step.id in each.parents]
    rows = {
        "file": console.relative_path(step.file, project.root) if step.file else "",
        "revision": f"{step.id}{' (head)' if step.is_head else ''}",
        "message": step.message,
        "after": ", ".join(graph[step.id].parents) or "nothing: it is the first",
        "before": ", ".join(children) or "nothing: it is the last",
        "state": up.state,
    }
    for label, value in rows.items():
        console.line(f"  {label:<8}  {value}")
    for title, result in (("upgrade", up), ("downgrade", down)):
        console.line()
        views.statements(title, result, everything=project.debug)


def merged(project: Project, heads: Sequence[Revision], file: Path | None) -> None:
    """Print the revisions that were merged, and the file."""
    if len(heads) < 2:
        console.line("There is one head; nothing to merge." if heads else "No migrations yet.")
        return
    console.line("Merges:")
    for head in heads:
        console.line(f"  {head.name}  {head.id}")
    console.line(f"Created {console.relative_path(file, project.root)}" if file else "Nothing was written.")


def squash_steps(found: Squash, pretend: bool) -> list[StepResult]:
    """Returns the file that was written, and those that are gone, as steps."""
    from fastman_tasks.plans import Step, StepResult

    if not found.text:
        return []
    *gone, last = found.squashed
    state: StepState = "planned" if pretend else "done"
    removed = [StepResult(Step("remove", each.name, each.file, each.id, each.message), state) for each in gone]
    note = "; ".join(found.left_out)
    return [StepResult(Step("write", last.name, last.file, last.id, last.message), state, note=note), *removed]


def squashed(project: Project, found: Squash, archive: Path | None, pretend: bool) -> None:
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


def _name(result: StepResult) -> str:
    return result.step.name if result.step.file else "no file has this revision"
