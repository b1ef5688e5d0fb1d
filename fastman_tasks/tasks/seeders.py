"""What is printed of the seeders."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fastman_tasks.tasks import console, json_report, views

if TYPE_CHECKING:
    from fastman_tasks.plans import StepState
    from fastman_tasks.project import Project
    from fastman_tasks.seeding.discovery import Seeder


def run(project: Project, wanted: str | None, json: bool, *, again: bool) -> None:
    """List the seeders in the order in which they would run, or those ``wanted``; as JSON if it is to be ``json``. With
    ``again`` also those would run that have run ``once``."""
    from fastman_tasks.actions.seed import find_skipped
    from fastman_tasks.plans import Report, StepResult

    # Whatever the modules print when they are imported is not part of the list.
    with console.reserve_stdout(True):
        first, others = project.seeders.list(wanted)
        ran = find_skipped(project, wanted, again=again)
    if not json:
        views.seeders(project, first, () if wanted else others, ran)
        return
    environment = project.settings.environment

    def describe(seeder: Seeder) -> StepResult:
        result = ran.get(seeder.name)
        notes = [f"after {', '.join(seeder.depends_on)}"] if seeder.depends_on else []
        if not seeder.runs_in(environment) or result is None:
            state: StepState = "planned" if seeder.runs_in(environment) else "skipped"
            return StepResult(seeder.step, state, note="".join(notes))
        return replace(result, note="; ".join([*notes, result.note]))

    steps = [
        *map(describe, first),
        *(StepResult(seeder.step, "skipped", note="only when called or named") for seeder in others),
    ]
    report = Report("database.seed", None, project.settings.environment, tuple(steps))
    console.print_json(json_report.report_value(project, report, report.command, None))
