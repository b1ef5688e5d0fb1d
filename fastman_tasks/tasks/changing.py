"""The flags that every command that changes a database has."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import invoke

from fastman_tasks.tasks.boundary import project_task
from fastman_tasks.tasks.startup import import_libraries

if TYPE_CHECKING:
    from fastman_tasks.plans import Report
    from fastman_tasks.project import Project

_HELP = {
    "pretend": "Print the SQL; change nothing.",
    "force": "Skip confirmation, even in production.",
    "confirm": "The database's name; required if data in a protected database would be lost.",
    "json": "Print JSON.",
}


@dataclass(frozen=True)
class Run:
    """Runs an action on ``project`` with the flags that were typed, and prints its Report."""

    project: Project
    pretend: bool
    force: bool
    confirm: str | None
    json: bool

    def __call__(self, action: Callable[..., Report], **options: Any) -> Report:
        """Call ``action`` with ``options`` and return its Report. Raises what the action raises."""
        from fastman_tasks.tasks import reporter

        return reporter.run(
            self.project,
            action,
            pretend=self.pretend,
            force=self.force,
            confirm=self.confirm,
            json=self.json,
            **options,
        )

    def compare(self, report: Report, steps: int | None) -> None:
        """Say so where ``report`` has rolled back fewer migrations than ``steps``."""
        from fastman_tasks.tasks import console

        count = sum(each.step.action == "roll back" for each in report.steps)
        if steps and 0 < count < steps and not self.json:
            console.line(f"{count} of {steps} {'was' if count == 1 else 'were'} applied.")


def changing_task(*, help: Mapping[str, str] | None = None, default: bool = False) -> Callable[..., invoke.Task[Any]]:
    """Turn ``function(run, **flags)`` into a task with the flags --pretend, --force, --confirm and --json, too.

    ``run`` calls an action with those. ``help`` and ``default`` are those of ``project_task``; a text there replaces
    the common one.
    """

    def decorate(function: Callable[..., Any]) -> invoke.Task[Any]:
        @functools.wraps(function)
        def body(
            project: Project,
            *,
            pretend: bool = False,
            force: bool = False,
            confirm: str | None = None,
            json: bool = False,
            **flags: Any,
        ) -> Any:
            import_libraries(project)
            return function(Run(project, pretend, force, confirm, json), **flags)

        own = list(inspect.signature(function).parameters.values())
        common = inspect.signature(body, follow_wrapped=False).parameters
        shown = [common[name].replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in _HELP]
        body.__signature__ = inspect.Signature([*own, *shown])  # type: ignore[attr-defined]
        return project_task(help={**_HELP, **(help or {})}, default=default)(body)

    return decorate
