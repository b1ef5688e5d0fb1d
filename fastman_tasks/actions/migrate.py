"""Apply the pending migrations, and run the seeders afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fastman_tasks.actions.carry_out import Action, carry_out
from fastman_tasks.actions.seed import Seeding
from fastman_tasks.consent import Consent, level_to_change, refuse
from fastman_tasks.errors import Command
from fastman_tasks.plans import Observer, Plan, Report, StepResult
from fastman_tasks.project import Project
from fastman_tasks.text import pluralize


def migrate(
    project: Project,
    *,
    to: str | None = None,
    seed: bool = False,
    preview: bool = False,
    consent: Consent = refuse,
    observer: Observer | None = None,
) -> Report:
    """Apply the pending migrations of ``project``, at most up to ``to`` (a revision, a part of its id or of its
    file's name, a label, or "heads"); with ``seed`` also run the seeders. Returns a Report.

    With ``preview`` the migrations are *planned* and have their SQL; seeders run only where there are none to apply,
    and are rolled back. ``consent`` is needed on a protected database. Raises UsageError for an unknown ``to``;
    MigrationRefused where the plan must not be carried out; MigrationFailed, which names the migration, the line and
    what is kept; and what ``actions.seed`` raises.
    """
    seeding = Seeding(project, preview=preview) if seed else None

    def plan() -> Plan:
        migrations = project.migrator.plan_migrate(to)
        if seeding is None:
            return migrations
        seeders = seeding.plan()
        seeding.require_migrated([step.id for step in migrations.steps])
        if preview and migrations.steps:
            # The seeders need the migrations.
            return migrations
        return replace(migrations, steps=(*migrations.steps, *seeders))

    def run(plan: Plan, observer: Observer, confirm: Callable[[str], None]) -> tuple[StepResult, ...]:
        if preview and plan.migrations:
            return run_preview(project, plan)
        results = run_migrations(project, plan, observer, confirm) if plan.migrations else ()
        if seeding is None:
            return results
        seed = seeding.run_after_migrating if plan.migrations else seeding.run
        return (*results, *seed(observer, confirm))

    return carry_out(
        Action(
            project,
            Command("database.migrate", flags=(("to", to), ("seed", seed))),
            plan,
            run,
            level=lambda plan: level_to_change(project.settings, project.database, plan.losses),
            question=_question,
            preview=preview,
            locks=lambda plan: not preview or bool(plan.seeders),
        ),
        consent,
        observer or Observer(),
    )


def _question(plan: Plan) -> str:
    what = [f"apply {pluralize(len(plan.migrations), 'migration')}"] if plan.migrations else []
    what += [f"run {pluralize(len(plan.seeders), 'seeder')}"] if plan.seeders else []
    return " and ".join(what).capitalize()


def run_migrations(
    project: Project, plan: Plan, observer: Observer, confirm: Callable[[str], None]
) -> tuple[StepResult, ...]:
    """Run the migrations of ``plan`` and return their results. The caller holds the lock, as ``confirm`` confirms."""
    from fastman_tasks.migrating.executor import Executor

    return Executor(project.environment, project.migrator, observer, confirm).run(plan)


def run_preview(project: Project, plan: Plan) -> tuple[StepResult, ...]:
    """Returns the SQL of each migration of ``plan``. Raises MigrationFailed for one that fails, with a report of the
    migrations before it."""
    from fastman_tasks.migrating.preview import preview

    results, failure = preview(project.environment, plan)
    if failure is not None:
        failure.report = Report("", "", None, results)
        raise failure
    return results
