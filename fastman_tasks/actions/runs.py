"""What each run of a command did, as the history has it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fastman_tasks.errors import FastmanError
from fastman_tasks.history import entries
from fastman_tasks.history.journal import find_obstacle
from fastman_tasks.plans import Entry, Step, StepResult
from fastman_tasks.project import Project
from fastman_tasks.text import printable


def find(project: Project, limit: int | None = None) -> tuple[StepResult, ...]:
    """Returns the entries of the history by their runs, the newest ``limit`` runs first, each as the result of a step:
    *done* or *failed*. Nothing is changed. Raises FastmanError if the history cannot be read, or none is kept."""
    history = project.migrator.history
    if history.problem:
        raise FastmanError(f"The history (fastman_history) cannot be read: {history.problem}")
    if not history.entries and (reason := find_obstacle(project.settings, project.migrator.state)):
        raise FastmanError(f"No history is kept, as {reason}.")
    newest_first = list(entries.runs(history.entries).values())[::-1]
    return tuple(_result(project, each) for run in newest_first[:limit] for each in run)


def _result(project: Project, entry: Entry) -> StepResult:
    graph = project.migrator.graph
    state: Literal["failed", "done"] = "failed" if entry.action == "failed" else "done"
    if entry.kind == "seeder":
        return StepResult(Step("seed", printable(entry.name)), state, entry.seconds, entry=entry)
    action: Literal["roll back", "apply"] = "roll back" if entry.action in ("revert", "unmark") else "apply"
    if entry.name in graph:
        return StepResult(graph[entry.name].step(action), state, entry.seconds, entry=entry)
    name = printable(Path(entry.file).stem if entry.file else entry.name)
    return StepResult(Step(action, name, id=entry.name), state, entry.seconds, entry=entry)
