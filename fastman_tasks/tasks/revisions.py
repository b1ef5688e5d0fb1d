"""What is printed of the migrations: where they stand, how they follow each other, and one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timezone
from typing import TYPE_CHECKING, TypeVar

from fastman_tasks.tasks import console, json_report, views
from fastman_tasks.tasks.startup import import_libraries

if TYPE_CHECKING:
    from fastman_tasks.plans import StepResult
    from fastman_tasks.project import Project

T = TypeVar("T")

_STYLES = {
    "applied": "green", "pending": "yellow", "edited": "red", "skipped": "red", "phantom": "red", "missing": "red",
}  # fmt: skip
_REMEDIES = {
    "edited": "{name} was edited after it had been applied: {note}. See the difference: inv migrate.repair",
    "skipped": "{name} was put below a migration that had been applied already, so it never ran here. "
    "Move it: inv migrate.rebase {id}",
    "phantom": "{name} has no file here ({note}). Roll it back: inv migrate.rollback --phantoms",
    "missing": "{id}: {note}",
}


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
            json_report.report_value(
                project, Report(command, url, project.settings.environment, tuple(found)), command, None
            )
        )
        return
    if database:
        console.line(project.label)
        console.line()
    show()


def status(found: Sequence[StepResult], shown: Sequence[StepResult]) -> None:
    """Print one line for each migration in ``shown``, then the counts of all."""
    lines(shown, past)
    if shown:
        console.line()
    missing = [each for each in found if each.state == "missing"]
    for state, text in _REMEDIES.items():
        for each in found:
            if each.state == state:
                console.line(text.format(name=each.step.name, id=each.step.id, note=each.note), style="red")
    for each in found:
        if each.state == "applied" and each.note:
            console.line(f"{each.step.name}: {each.note} since it was applied.", style="yellow")
    if missing:
        console.line(
            "What a missing migration revises is unknown: some of the pending ones may be applied.", style="red"
        )
    counts = Counter[str](each.state for each in found)
    named = [f"{counts[state]} {state}" for state in _STYLES if counts[state] or state in ("applied", "pending")]
    console.line(f"{', '.join(named)}." if found else "No migrations yet.")


def past(result: StepResult) -> str:
    """Returns when ``result`` was applied, in which run, how long it took, and by whom, as far as it is known."""
    entry = result.entry
    if entry is None or entry.at is None:
        return ""
    at = f"{entry.at.replace(tzinfo=timezone.utc).astimezone():%Y-%m-%d %H:%M}"
    if entry.action != "apply":
        return f"  {entry.message}" if entry.message else ""
    took = [] if entry.seconds is None else [console.duration(entry.seconds)]
    return "  " + ", ".join([at, f"batch {entry.batch}", *took, *filter(None, [entry.by])])


def lines(found: Sequence[StepResult], after: Callable[[StepResult], str] = lambda result: "") -> None:
    """Print one line for each migration: its state, its name, its id, and what ``after`` returns for it."""
    width = max((len(_name(each)) for each in found), default=0)
    for each in found:
        head = "  (head)" if each.step.is_head else ""
        text = f"  {each.state:<7}  {_name(each):<{width}}  {each.step.id}{head}{after(each)}"
        console.line(text, style=_STYLES[each.state])


def heads(found: Sequence[StepResult]) -> None:
    """Print one line for each migration, which nothing follows."""
    lines(found)
    if not found:
        console.line("No migrations yet.")


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


def _name(result: StepResult) -> str:
    return result.step.name if result.step.file or result.entry else "no file has this revision"
