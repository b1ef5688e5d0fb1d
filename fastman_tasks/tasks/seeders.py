"""What is printed of the seeders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastman_tasks.tasks import console, json_report, views

if TYPE_CHECKING:
    from fastman_tasks.project import Project


def run(project: Project, wanted: str | None, json: bool) -> None:
    """List the seeders in the order in which they would run, or those ``wanted``; as JSON if it is to be ``json``."""
    from fastman_tasks.plans import Report, StepResult

    # Whatever the modules print when they are imported is not part of the list.
    with console.reserve_stdout(True):
        first, others = project.seeders.list(wanted)
    if not json:
        views.seeders(project, first, () if wanted else others)
        return
    environment = project.settings.environment
    steps = [
        *(
            StepResult(
                seeder.step,
                "planned" if seeder.runs_in(environment) else "skipped",
                note=f"after {', '.join(seeder.depends_on)}" if seeder.depends_on else "",
            )
            for seeder in first
        ),
        *(StepResult(seeder.step, "skipped", note="only when called or named") for seeder in others),
    ]
    report = Report("database.seed", None, project.settings.environment, tuple(steps))
    console.print_json(json_report.report_value(project, report, report.command, None))
