"""Show the progress of an action: line by line, with a progress bar on a terminal, or as JSON at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fastman_tasks.plans import Observer, Report, Step, StepResult
from fastman_tasks.tasks import console, json_report, prompt, summary, views
from fastman_tasks.tasks.startup import import_libraries
from fastman_tasks.tasks.warnings_only import WarningsOnly

if TYPE_CHECKING:
    from fastman_tasks.project import Project

# Seconds before a bar is shown, and between its updates.
_PATIENCE, _PAUSE = 1.0, 0.1
_NEVER = float("inf")
_WORDS = {"done": "DONE", "skipped": "SKIP", "failed": "FAIL", "unknown": "UNKNOWN"}


def run(
    project: Project,
    action: Callable[..., Report],
    *,
    pretend: bool,
    json: bool,
    force: bool,
    confirm: str | None = None,
    live: bool = False,
    lines: type[Lines] | None = None,
    **options: Any,
) -> Report:
    """Call ``action`` with ``options``, print its result and return its Report. ``live`` is whether it runs something
    in a preview too; ``lines`` print in another way than ``Lines``. Raises whatever the action raises."""
    from fastman_tasks.errors import FastmanError

    import_libraries(project)
    shown = (lines or Lines)(
        project,
        migrates=action.__name__ in ("migrate", "fresh", "refresh", "load", "setup"),
        seeds=bool(options.get("seed")),
        goes_both_ways=action.__name__ in ("refresh", "redo", "rebase"),
    )
    consent = prompt.consent(force=force, confirm=confirm, json=json, header=shown.header)
    try:
        # Whatever env.py, a migration or a seeder prints is not part of the JSON, or of the SQL.
        with console.reserve_stdout(json or (pretend and not live)):
            observer = WarningsOnly() if json else shown
            report = action(project, preview=pretend, consent=consent, observer=observer, **options)
    except FastmanError as error:
        if not json:
            shown.fail(error, shows_sql=pretend and not live)
        elif shown.knows_database(error):
            with suppress(FastmanError):
                _ = project.database
        raise
    finally:
        shown.stop()
    if json:
        console.print_json(json_report.report_value(project, report, report.command, None))
    else:
        shown.end(report, shows_sql=pretend and not live)
    return report


class Lines(Observer):
    """One line a step, and a progress bar on a terminal where a seeder takes longer than a second."""

    def __init__(
        self,
        project: Project,
        *,
        migrates: bool = False,
        seeds: bool = False,
        goes_both_ways: bool = False,
        has_header: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._project = project
        self._clock = clock
        self._migrates = migrates
        self._seeds = seeds
        self._goes_both_ways = goes_both_ways
        self._has_header = has_header
        self._is_seeding = False
        # The line of a migration that is running.
        self._has_begun = False
        self._next = _NEVER
        self._bar: console.Bar | None = None
        self._running: list[str] = []
        self._results: list[StepResult] = []

    def header(self) -> None:
        """Print the database that the command acts on, once."""
        if not self._has_header:
            self._has_header = True
            console.line(self._project.label)
            console.line()

    def warned(self, text: str) -> None:
        self.header()
        self.stop()
        console.warn(text)

    def server_waiting(self, what: str, reason: str, waited: float) -> None:
        self.header()
        console.line(f"Waiting for {what}: {reason.rstrip('.?! ')} ({waited:.0f} s)", style="yellow")

    def lock_waiting(self, holder: str | None) -> None:
        self.header()
        who = f" ({holder})" if holder else ""
        console.line(f"Another process has the migration lock{who}; waiting …", style="yellow")

    def lock_acquired(self, waited: float) -> None:
        if waited >= 1:
            console.line(f"Waited {waited:.1f} s for the lock.", style="yellow")
            console.line()

    def step_started(self, step: Step) -> None:
        self.header()
        if step.action == "seed":
            self._begin_seeding()
            self._running.append(step.name)
        else:
            self._has_begun = console.begin_result(self._name(step))

    def step_progress(self, step: Step, done: int | None, total: int | None) -> None:
        now = self._clock()
        if now < self._next:
            return
        self._next = now + _PAUSE
        if self._bar is None:
            self._bar = console.bar()
            if self._bar is None:
                self._next = _NEVER
                return
        if done is None:
            self._bar.show(step.name)
        else:
            of = f" of {total:,}" if total is not None else ""
            self._bar.show(f"{step.name} {done:,}{of}", done, total)

    def step_retrying(self, step: Step, pause: float) -> None:
        self._break_line()
        text = f"  {step.name}: a lock was not free; rolled back, retrying in {pause:g} s"
        console.line(text, style="yellow")

    def step_finished(self, result: StepResult) -> None:
        if result.step.action != "seed":
            self._results.append(result)
            # Why a migration failed is said at once; the line of a seeder says what it had written.
            if result.state != "done":
                self._break_line()
                if result.step.action == "load" and result.state == "skipped":
                    self.header()
                    console.line(f"{result.step.name} is not loaded: {result.note}.", style="yellow")
            elif self._has_begun:
                self._has_begun = False
                console.end_result(result.seconds, "DONE")
            else:
                console.print_result(self._name(result.step), result.seconds, "DONE")
            if result.step.action == "back up":
                console.line(f"    {result.note}")
            return
        if result.state == "skipped":
            self.header()
            self._begin_seeding()
        else:
            self._running.pop()
        self._results.append(result)
        self.stop()
        notes = [f"{table}: {views.counts(counts)}" for table, counts in result.rows]
        if result.note:
            # A seeder without an entry of the history is skipped in this environment.
            where = "" if result.entry else f"; this is {views.environment(self._project)}"
            notes.append(f"{result.note}{where}")
        name = "  ".join(part for part in (result.step.name, "; ".join(notes)) if part)
        console.print_result(name, result.seconds, _WORDS[result.state])

    def _name(self, step: Step) -> str:
        if step.action == "load":
            return f"{step.name} ({step.message})"
        if step.action in ("back up", "restore"):
            return f"{step.action} {'to ' if step.action == 'back up' else ''}{step.name}"
        # One migration has a line for each direction.
        return f"{step.action} {step.name}" if self._goes_both_ways and step.id else step.name

    def _break_line(self) -> None:
        if self._has_begun:
            self._has_begun = False
            console.line()

    def stop(self) -> None:
        """Take the bar away. Lines are printed where it stood; it is drawn again with the next statement."""
        self._break_line()
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def knows_database(self, error: Exception) -> bool:
        """Whether an action that failed with ``error`` has connected to its database."""
        from fastman_tasks.errors import UsageError

        known = self._project.migrator.knows_state if self._project.has_environment else True
        return known and not isinstance(error, UsageError)

    def fail(self, error: Exception, *, shows_sql: bool) -> None:
        """Print what is known of an action that failed with ``error``."""
        if self.knows_database(error):
            self.header()
        report: Report | None = getattr(error, "report", None)
        if shows_sql and report is not None:
            views.sql(report, everything=self._project.debug)

    def end(self, report: Report, *, shows_sql: bool) -> None:
        """Print the summary of an action."""
        if report.database is not None:
            self.header()
        if report.command == "database.seed" or (self._is_seeding and not shows_sql):
            summary.seeders(report)
        elif not report.steps:
            summary.nothing(report)
        elif report.command == "migrate.rebase":
            summary.rebase(report)
        elif report.preview and report.steps[0].step.action == "stamp":
            summary.stamp(report)
        elif report.command == "migrate.repair" and (report.preview or report.steps[0].step.action == "write"):
            summary.repair(report, self._project.root)
        elif shows_sql:
            views.sql(report, everything=self._project.debug)
            console.line("Nothing was changed.")
            if self._seeds:
                console.line("The seeders were not run: they need these migrations.")
        else:
            summary.migrations(self._results, report.in_state("skipped"))
            summary.checks(report)
            summary.empty(report)

    def _begin_seeding(self) -> None:
        if self._is_seeding:
            return
        self._is_seeding = True
        self._next = self._clock() + _PATIENCE
        if self._migrates:
            summary.migrations(self._results)
            console.line()
