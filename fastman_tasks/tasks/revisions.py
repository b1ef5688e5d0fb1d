"""What is printed of the migrations: where they stand, how they follow each other, and one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timezone
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

from fastman_tasks.tasks import console, json_report, views
from fastman_tasks.tasks.startup import import_libraries

if TYPE_CHECKING:
    from fastman_tasks.plans import Entry, StepResult
    from fastman_tasks.project import Project

T = TypeVar("T")

_STYLES = {
    "applied": "green", "pending": "yellow", "edited": "red", "skipped": "red", "phantom": "red", "missing": "red",
}  # fmt: skip
_ACTIONS = {
    "apply": "applied", "revert": "rolled back", "mark": "recorded", "unmark": "removed", "accept": "accepted",
}  # fmt: skip
_REMEDIES = {
    "edited": "{name} was edited after it had been applied: {note}. See the difference: inv migrate.repair",
    "skipped": "{name} was put below a migration that had been applied already, so it never ran here. "
    "Let it follow the newest one, or accept it: inv migrate.repair",
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


def status(project: Project, pending: bool, json: bool) -> bool:
    """Print where each migration stands, or only what is ``pending``. Returns whether all are applied as they are."""
    found = read(project, json, lambda: project.migrator.status())
    shown = [each for each in found if not pending or each.state in ("pending", "phantom", "missing")]
    answer(project, "migrate.status", shown, json, lambda: _status(project, found, shown))
    return all(each.state == "applied" for each in found)


def _status(project: Project, found: Sequence[StepResult], shown: Sequence[StepResult]) -> None:
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
    if problem := project.migrator.history.problem:
        console.line(f"The history (fastman_history) cannot be read: {problem}", style="yellow")
    counts = Counter[str](each.state for each in found)
    named = [f"{counts[state]} {state}" for state in _STYLES if counts[state] or state in ("applied", "pending")]
    console.line(f"{', '.join(named)}." if found else "No migrations yet.")


def past(result: StepResult) -> list[str]:
    """Returns when ``result`` was applied, in which run, how long it took, and by whom, as far as it is known."""
    entry = result.entry
    if entry is None or entry.at is None:
        return []
    if entry.action != "apply":
        return [entry.message] if entry.message else []
    took = [] if entry.seconds is None else [console.duration(entry.seconds)]
    return [_time(entry), f"batch {entry.batch}", *took, *filter(None, [entry.by])]


def lines(found: Sequence[StepResult], after: Callable[[StepResult], Sequence[str]] = lambda result: ()) -> None:
    """Print one line for each migration: its state, its name, its id, and of what ``after`` returns for it the first,
    and as much more as the terminal has room for."""
    width, room = max((len(_name(each)) for each in found), default=0), console.width()
    for each in found:
        head = "  (head)" if each.step.is_head else ""
        text, more = f"  {each.state:<7}  {_name(each):<{width}}  {each.step.id}{head}", list(after(each))
        while len(more) > 1 and len(f"{text}  {', '.join(more)}") > room:
            more.pop()
        console.line(f"{text}  {', '.join(more)}" if more else text, style=_STYLES[each.state])


def heads(project: Project, json: bool) -> None:
    """Print one line for each migration that nothing follows."""
    found = [each for each in read(project, json, lambda: project.migrator.status()) if each.step.is_head]

    def show() -> None:
        lines(found)
        if not found:
            console.line("No migrations yet.")

    answer(project, "migrate.heads", found, json, show)


def history(project: Project, runs: bool, limit: int | None, json: bool) -> None:
    """Print the newest ``limit`` migrations with the ids that they revise, or the newest ``runs`` of commands."""
    from fastman_tasks.errors import UsageError

    if limit is not None and limit < 1:
        raise UsageError(f"--limit={limit} is not valid: show at least 1 {'run' if runs else 'migration'}.")
    if runs:
        return _runs(project, limit, json)
    found = read(project, json, lambda: project.migrator.status())[::-1][:limit]

    def after(result: StepResult) -> list[str]:
        graph = project.migrator.graph
        parents = graph[result.step.id].parents if result.step.id in graph else ()
        return [f"after {', '.join(parents)}"] if parents else []

    def show() -> None:
        lines(found, after)
        if not found:
            console.line("No migrations yet.")

    return answer(project, "migrate.history", found, json, show)


def _runs(project: Project, limit: int | None, json: bool) -> None:
    from fastman_tasks.actions.runs import find

    found = read(project, json, lambda: find(project, limit))

    def show() -> None:
        for batch, group in groupby(found, key=lambda each: each.entry and each.entry.batch):
            results = list(group)
            if batch != (found[0].entry and found[0].entry.batch):
                console.line()
            entries = [each.entry for each in results if each.entry is not None]
            # What another tool did has no author.
            console.line(
                f"Batch {batch}{_author(next((each for each in entries if each.by), entries[0]))}", style="bold"
            )
            for entry, result in zip(entries, results, strict=True):
                took = "" if entry.seconds is None else f"  {console.duration(entry.seconds)}"
                said = f"  {entry.message}" if entry.message else ""
                action = _ACTIONS.get(entry.action, entry.action)
                style = "red" if entry.action == "failed" else None
                console.line(f"  {action:<11}  {result.step.name}{took}{said}", style=style)
        if not found:
            console.line("Nothing is in the history yet.")

    answer(project, "migrate.history", found, json, show)


def _author(entry: Entry) -> str:
    commit = (entry.git_commit or "")[:9] + ("+" if entry.dirty else "")
    return "".join(
        f"  {each}" for each in (_time(entry), entry.by, entry.environment, entry.git_branch, commit) if each
    )


def _time(entry: Entry) -> str:
    """When it was, by the clock of whoever reads it."""
    return "" if entry.at is None else f"{entry.at.replace(tzinfo=timezone.utc).astimezone():%Y-%m-%d %H:%M}"


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
