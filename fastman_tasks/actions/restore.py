"""Put a backup in place of what is in the database."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fastman_tasks.actions.carry_out import Action, carry_out
from fastman_tasks.consent import Consent, level_to_roll_back, refuse
from fastman_tasks.databases import backups
from fastman_tasks.errors import Command
from fastman_tasks.plans import Observer, Plan, Report, Step, StepResult
from fastman_tasks.project import Project


def restore(
    project: Project,
    path: Path,
    *,
    preview: bool = False,
    consent: Consent = refuse,
    observer: Observer | None = None,
) -> Report:
    """Put what is in the backup ``path`` in place of everything in the database, its version table too.

    On PostgreSQL and SQLite the database is as it was if that fails. ``consent`` is always needed. Returns a Report.
    Raises UsageError if it is no backup of such a database; BackupFailed, ProgramFailed.
    """
    file = (project.root / path).resolve()

    def plan() -> Plan:
        from fastman_tasks.migrating import fresh

        backups.require_backup(project.database, file)
        step = Step("restore", file.name, file)
        if not project.has_environment:
            return Plan((step,))
        found = fresh.find_losses(project.environment, project.migrator)
        is_committed = project.database.url.get_backend_name() in ("mysql", "mariadb")
        notes = ("Not in one transaction: if it fails, what was there is gone.",) if is_committed else ()
        return replace(found, steps=(step,), notes=("Everything in the database is replaced.", *notes))

    def run(plan: Plan, observer: Observer, confirm: Callable[[str], None]) -> tuple[StepResult, ...]:
        (step,) = plan.steps
        if preview:
            return (StepResult(step, "planned"),)
        confirm("restoring")
        started = time.perf_counter()
        observer.step_started(step)
        backups.restore(project.database, file, project.settings.table_lock_timeout(project.database.url))
        result = StepResult(step, "done", time.perf_counter() - started)
        observer.step_finished(result)
        return (result,)

    return carry_out(
        Action(
            project,
            Command("database.restore", (str(path),)),
            plan,
            run,
            level=lambda plan: level_to_roll_back(project.settings, project.database, plan.losses),
            question=lambda _plan: f"Restore {file.name}",
            destructive=True,
            preview=preview,
            locks=lambda _plan: not preview,
        ),
        consent,
        observer or Observer(),
    )
