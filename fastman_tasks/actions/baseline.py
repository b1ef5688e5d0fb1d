"""Write the migration that creates the existing tables, and mark it as applied."""

from __future__ import annotations

from collections.abc import Callable

from fastman_tasks.actions.carry_out import Action, carry_out
from fastman_tasks.consent import Consent, level_to_change
from fastman_tasks.errors import Command
from fastman_tasks.making.migration import Draft
from fastman_tasks.plans import Observer, Plan, Step, StepResult
from fastman_tasks.project import Project


def baseline(
    project: Project, message: str, write: Callable[[], Draft], *, consent: Consent, observer: Observer
) -> Draft:
    """Call ``write``, which marks its migration as applied, under the migration lock, and return its draft.

    Raises ConsentMissing, LockTimeout, and whatever ``write`` raises.
    """
    written: list[Draft] = []

    def run(_plan: Plan, _observer: Observer, confirm: Callable[[str], None]) -> tuple[StepResult, ...]:
        confirm("the migration was written")
        written.append(write())
        file = written[0].file
        return () if file is None else (StepResult(Step("stamp", file.stem, file), "done"),)

    carry_out(
        Action(
            project,
            Command("make.migration", (message,), (("baseline", True),)),
            lambda: Plan((Step("stamp", message),)),
            run,
            level=lambda _plan: level_to_change(project.settings, project.database),
            question=lambda _plan: f"Mark the migration {message!r} as applied",
        ),
        consent,
        observer,
    )
    return written[0]
