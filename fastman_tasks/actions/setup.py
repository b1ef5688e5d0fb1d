"""Set a project up: its .env, its database, its tables, its first rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from fastman_tasks.actions.carry_out import Action, carry_out
from fastman_tasks.actions.create import create_missing, is_missing
from fastman_tasks.actions.migrate import migrations_of, run_migrations, run_preview
from fastman_tasks.actions.seed import Seeding
from fastman_tasks.actions.wait import Contact, wait_for_server
from fastman_tasks.consent import Consent, force, level_to_change, refuse
from fastman_tasks.env_file import copy_example
from fastman_tasks.errors import Command, FastmanError, FileNotWritten, NoSeeders
from fastman_tasks.plans import Observer, Plan, Report, Step, StepResult
from fastman_tasks.project import Project

_QUESTION = "Create the database, apply all migrations and run the seeders"


def setup(
    project: Project,
    *,
    seed: bool = False,
    timeout: float = 60.0,
    preview: bool = False,
    consent: Consent = refuse,
    observer: Observer | None = None,
) -> Report:
    """Set ``project`` up: copy ``.env.example`` to ``.env``, wait at most ``timeout`` seconds for the server, create
    the database, apply the migrations and, in a database that this call has created, or with ``seed``, run the seeders.

    What is there already is *skipped*, so it can be called again, and by several processes at once: the one that
    creates the database runs the seeders. If it ends before that, ``seed`` makes up for it. Returns a Report, and
    raises what ``wait``, ``create``, ``migrate`` and ``seed`` raise, and FileNotWritten.
    """
    return _Setup(project, Command("database.setup", flags=(("seed", seed),)), seed, preview, observer).run(
        timeout, consent
    )


class _Setup:
    def __init__(
        self, project: Project, command: Command, seed: bool, preview: bool, observer: Observer | None
    ) -> None:
        self._project = project
        self._command = command
        self._seed = seed
        self._preview = preview
        self._observer = observer or Observer()
        self._results: list[StepResult] = []
        self._file: StepResult | None = None

    def run(self, timeout: float, consent: Consent) -> Report:
        try:
            self._file = self._copy_example()
            with self._project as project:
                # Without one nothing is waited for, and nothing is created.
                _ = project.environment
                found = wait_for_server(project, timeout, self._observer, may_be_missing=True)
                self._tell_file()
                is_new = self._create(found, consent)
                if not (self._preview and found.reason == "missing"):
                    self._fill(is_new, force if is_new else consent)
                return self._report()
        except (FastmanError, KeyboardInterrupt) as error:
            if self._file is not None and self._file.state == "done":
                # Of a database that is not valid there is nothing to print.
                with suppress(FastmanError):
                    self._tell_file()
            part: Report | None = getattr(error, "report", None)
            error.report = self._report(part.steps if part else ())  # type: ignore[union-attr]
            raise

    def _tell_file(self) -> None:
        result, self._file = self._file, None
        if result is not None:
            self._tell(result)

    def _copy_example(self) -> StepResult | None:
        root, step = self._project.root, Step("write", ".env", self._project.root / ".env")
        note = "copied from .env.example"
        if not (root / ".env.example").is_file() or self._project.settings.production:
            return None
        if self._preview:
            return None if step.file.exists() else StepResult(step, "planned", note=note)  # type: ignore[union-attr]
        started = time.monotonic()
        try:
            is_new = copy_example(root)
        except OSError as error:
            if self._project.settings.url is None:
                raise FileNotWritten(f"{step.file} cannot be written: {error.strerror}.") from error
            # Where the environment has what it needs, a read-only folder is as good.
            return StepResult(step, "skipped", note=f"cannot be written: {error.strerror}")
        # Also if it is another process that has copied it since the settings were read.
        self._project.reload()
        return StepResult(step, "done", time.monotonic() - started, note=note) if is_new else _skip(step)

    def _create(self, found: Contact, consent: Consent) -> bool:
        """Whether the database is this run's own."""
        project = self._project
        if not is_missing(project, found):
            self._tell(_skip(Step("create", f"database {project.database.name}")))
            return False
        report = create_missing(
            project,
            found,
            self._command,
            _QUESTION,
            preview=self._preview,
            consent=consent,
            observer=self._observer,
            is_used=True,
        )
        self._results += report.steps
        if not self._preview:
            project.forget_database()
        elif found.reason == "missing":
            applied = [
                Step("apply", each.name, each.file, each.id, each.message) for each in project.migrator.graph.revisions
            ]
            self._results += [
                StepResult(step, "planned", note="not shown, as there is no database yet") for step in applied
            ]
            self._results += self._plan_seeders(self._seeders(Seeding(project)))
        return bool(report.in_state("done")) or self._preview

    def _fill(self, is_new: bool, consent: Consent) -> None:
        """Apply the migrations and run the seeders, as one action under the lock."""
        project, seeding = self._project, Seeding(self._project)
        is_file = project.database.url.get_backend_name() == "sqlite"
        ignored: tuple[StepResult, ...] = ()

        def plan() -> Plan:
            nonlocal ignored
            from fastman_tasks.migrating import dumps

            migrations, ignored = dumps.begin_with_dump(
                project.migrator.plan_migrate(), project.database, project.root, project.migrator.graph
            )
            seeders = self._seeders(seeding) if is_new or self._seed else ()
            return replace(migrations, steps=(*migrations.steps, *seeders))

        def run(plan: Plan, observer: Observer, confirm: Callable[[str], None]) -> tuple[StepResult, ...]:
            for result in ignored:
                observer.step_finished(result)
            migrations = replace(plan, steps=migrations_of(plan))
            if self._preview:
                shown = run_preview(project, migrations) if migrations.steps else ()
                return (*ignored, *shown, *self._plan_seeders(plan.seeders))
            # Under the lock: it may be another process by now that has made the file.
            seeds = self._seed or (is_new and (not is_file or is_missing(project, _FOUND)))
            if not migrations.steps:
                self._tell(_skip(Step("apply", "migrations")))
            results = run_migrations(project, plan, observer, confirm) if migrations.steps else ()
            if not (seeds and plan.seeders):
                return (*ignored, *results)
            return (*ignored, *results, *seeding.run_after_migrating(observer, confirm))

        report = carry_out(
            Action(
                project,
                self._command,
                plan,
                run,
                level=lambda plan: level_to_change(project.settings, project.database, plan.losses),
                question=lambda _plan: "Apply the migrations and run the seeders",
                preview=self._preview,
                locks=lambda _plan: not self._preview,
            ),
            consent,
            self._observer,
        )
        self._results += report.steps
        if not any(result.step.action in ("apply", "load") for result in self._results):
            self._tell(_skip(Step("apply", "migrations")))
        if not any(result.step.action == "seed" for result in report.steps) and self._seeders(seeding):
            self._tell(_skip(Step("seed", "seeders"), "only in a new database, or with --seed"))

    def _seeders(self, seeding: Seeding) -> tuple[Step, ...]:
        with suppress(NoSeeders):
            return seeding.plan()
        return ()

    def _plan_seeders(self, steps: tuple[Step, ...]) -> tuple[StepResult, ...]:
        return tuple(StepResult(step, "planned", note="a seeder") for step in steps)

    def _tell(self, result: StepResult) -> None:
        self._results.append(result)
        self._observer.step_finished(result)

    def _report(self, more: tuple[StepResult, ...] = ()) -> Report:
        project = self._project
        database = project.display_url if project.knows_database else None
        steps = (*self._results, *(each for each in more if each not in self._results))
        return Report(self._command.task, database, project.settings.environment, steps, preview=self._preview)


#: A database that could be connected to.
_FOUND = Contact(None, None, None)


def _skip(step: Step, note: str = "") -> StepResult:
    return StepResult(step, "skipped", note=note)
