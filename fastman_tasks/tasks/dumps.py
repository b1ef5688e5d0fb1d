"""What is printed of the dump of the schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from invoke import Exit

from fastman_tasks.tasks import console
from fastman_tasks.tasks.revisions import answer, read

if TYPE_CHECKING:
    from fastman_tasks.plans import StepResult
    from fastman_tasks.project import Project


def run(project: Project, work: Callable[[Project], StepResult], json: bool) -> None:
    """Call ``work`` and print its result. Raises Exit with code 3 if it was a check that has found something."""
    result = read(project, json, lambda: work(project))
    answer(project, "database.dump", [result], json, lambda: _print(result), database=False)
    if result.state == "found":
        raise Exit(code=3)


def _print(result: StepResult) -> None:
    name = result.step.name
    if result.state == "done":
        console.line(f"Wrote {name}: {result.step.message}.")
    elif result.state == "found":
        console.line(f"{name}: {result.note}. To write it: inv database.dump")
    else:
        console.line(f"{name} is up to date.")
