"""What is printed of the commands that set a database up, or end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastman_tasks.tasks import console, json_report, revisions, summary, views
from fastman_tasks.tasks.reporter import Lines

if TYPE_CHECKING:
    from fastman_tasks.plans import Report, StepResult
    from fastman_tasks.project import Project

_NOTHING = {
    "database.setup": "Nothing to do: everything is set up.",
    "database.create": "It exists already; nothing to do.",
    "database.drop": "It does not exist; nothing to do.",
}


class LifecycleLines(Lines):
    """As ``Lines``, with a line for what was there already, too."""

    def step_finished(self, result: StepResult) -> None:
        self.header()
        step = result.step
        is_known = result.state == "skipped" and not step.id and step.action != "load"
        is_known = is_known and (step.action != "seed" or step.file is None)
        note = f"  ({result.note})" if result.note else ""
        if is_known:
            self.stop()
            console.print_result(f"{step.name}{note}", None, "already" if step.action != "seed" else "SKIP")
        elif step.action == "write":
            console.print_result(f"{step.name}{note}", result.seconds, "DONE")
        else:
            super().step_finished(result)

    def _begin_seeding(self) -> None:
        # That there was nothing to migrate has a line of its own.
        self._migrates = any(result.step.action in ("apply", "load") for result in self._results)
        super()._begin_seeding()

    def end(self, report: Report, *, shows_sql: bool) -> None:
        self.header()
        if shows_sql and report.steps:
            for result in report.in_state("planned"):
                note = f"  ({result.note})" if result.note and not result.statements else ""
                views.statements(f"{result.step.name}{note}", result, everything=self._project.debug, is_whole=True)
                console.line()
            console.line("Nothing was changed.")
        elif any(result.step.action == "seed" for result in report.in_state("done")):
            summary.seeders(report)
        elif not report.in_state("done"):
            if report.steps:
                console.line()
            console.line(_NOTHING[report.command])
        else:
            self._end_migrating(report)

    def _end_migrating(self, report: Report) -> None:
        others = [result for result in report.in_state("skipped") if result.step.id]
        if others or any(result.step.action in ("apply", "load") for result in report.in_state("done")):
            summary.migrations(report.steps, others)


def wait(project: Project, seconds: float, json: bool) -> None:
    """Wait for the database for at most so many ``seconds``, and print the result."""
    from fastman_tasks import actions
    from fastman_tasks.plans import Observer

    lines = LifecycleLines(project)
    observer = Observer() if json else lines
    report = revisions.read(project, json, lambda: actions.wait(project, timeout=seconds, observer=observer))
    if json:
        console.print_json(json_report.report_value(project, report, report.command, None))
    else:
        lines.step_finished(report.steps[0])
