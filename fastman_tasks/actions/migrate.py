"""Apply the pending migrations, and run the seeders afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fastman_tasks.actions.carry_out import Action, carry_out
from fastman_tasks.actions.seed import Seeding
from fastman_tasks.consent import Consent, level_to_change, refuse
from fastman_tasks.errors import Command
from fastman_tasks.plans import Observer, Plan, Report, Step, StepResult
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
    # Of a dump that is not loaded.
    ignored: tuple[StepResult, ...] = ()

    def plan() -> Plan:
        nonlocal ignored
        planned = migrations = project.migrator.plan_migrate(to)
        if planned.steps:
            # What a command with nothing to do does not need takes longer to import than to run.
            from fastman_tasks.migrating import dumps

            migrations, ignored = dumps.begin_with_dump(planned, project.database, project.root, project.migrator.graph)
        if seeding is None:
            return migrations
        seeders = seeding.plan()
        seeding.require_migrated([step.id for step in planned.steps])
        if preview and migrations.steps:
            # The seeders need the migrations.
            return migrations
        return replace(migrations, steps=(*migrations.steps, *seeders))

    def run(plan: Plan, observer: Observer, confirm: Callable[[str], None]) -> tuple[StepResult, ...]:
        migrates = bool(migrations_of(plan))
        for result in ignored:
            observer.step_finished(result)
        if preview and migrates:
            return (*ignored, *run_preview(project, plan))
        results = run_migrations(project, plan, observer, confirm) if migrates else ()
        if seeding is not None:
            results += (seeding.run_after_migrating if migrates else seeding.run)(observer, confirm)
        return (*ignored, *results)

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
    what = [describe(plan)] if migrations_of(plan) else []
    what += [f"run {pluralize(len(plan.seeders), 'seeder')}"] if plan.seeders else []
    text = " and ".join(what)
    return f"{text[:1].upper()}{text[1:]}"


def describe(plan: Plan) -> str:
    """Returns ``load database/schema/sqlite.sql and apply 3 migrations``."""
    what = [f"load {step.name}" for step in plan.steps if step.action == "load"]
    if plan.migrations or not what:
        what.append(f"apply {pluralize(len(plan.migrations), 'migration')}")
    return " and ".join(what)


def migrations_of(plan: Plan) -> tuple[Step, ...]:
    """Returns the steps that apply migrations, and the one that loads a dump."""
    return tuple(step for step in plan.steps if step.action in ("load", "apply"))


def run_migrations(
    project: Project, plan: Plan, observer: Observer, confirm: Callable[[str], None]
) -> tuple[StepResult, ...]:
    """Run the migrations of ``plan`` and return their results; first load the dump that it begins with, if any. The
    caller holds the lock, as ``confirm`` confirms."""
    from fastman_tasks.migrating.executor import Executor

    results: tuple[StepResult, ...] = ()
    if any(step.action == "load" for step in plan.steps):
        results, plan = run_load(project, plan, observer, confirm)
        if not plan.steps:
            return results
    return (*results, *Executor(project.environment, project.migrator, observer, confirm).run(plan))


def run_load(
    project: Project, plan: Plan, observer: Observer, confirm: Callable[[str], None]
) -> tuple[tuple[StepResult, ...], Plan]:
    """Load the dump that ``plan`` begins with. Returns its result, and the plan of what is left to do.

    Where another process has migrated in the meantime nothing is loaded, and the migrations that are still pending are
    left to do. Raises MigrationFailed; then nothing of the dump was kept.
    """
    from fastman_tasks.migrating import atomic, dumps

    step = next(step for step in plan.steps if step.action == "load")
    assert step.file is not None
    migrator = project.migrator
    if migrator.state.heads:
        inside = migrator.graph.with_ancestors(dumps.read(step.file, project.root).heads)
        wanted = inside | {step.id for step in plan.migrations}
        now = migrator.plan_migrate("heads")
        skipped = StepResult(step, "skipped", note="another process migrated this database in the meantime")
        observer.step_finished(skipped)
        return (skipped,), replace(now, steps=tuple(step for step in now.steps if step.id in wanted))
    results = atomic.run(project.environment, replace(plan, steps=(step,)), observer, confirm)
    migrator.forget_state()
    return results, replace(plan, steps=plan.migrations, state=migrator.state)


def run_preview(project: Project, plan: Plan) -> tuple[StepResult, ...]:
    """Returns the SQL of each migration of ``plan``, and of the dump that it begins with, if any. Raises
    MigrationFailed for one that fails, with a report of the migrations before it."""
    from fastman_tasks.migrating import dumps
    from fastman_tasks.migrating.preview import preview

    for step in plan.steps:
        if step.action == "load" and step.file is not None:
            dump = dumps.read(step.file, project.root)
            loaded = StepResult(step, "planned", statements=tuple(f"{each};" for each in dump.statements))
            return (loaded, *_preview_after(project, plan, step, dump.heads))
    results, failure = preview(project.environment, plan)
    if failure is not None:
        failure.report = Report("", "", None, results)
        raise failure
    return results


def _preview_after(project: Project, plan: Plan, load: Step, heads: tuple[str, ...]) -> tuple[StepResult, ...]:
    """Returns the SQL of the migrations of ``plan`` after those of a dump."""
    if not plan.migrations:
        return ()
    assert plan.state is not None
    left = replace(plan, steps=plan.migrations, state=replace(plan.state, heads=heads))
    if plan.state.url.get_backend_name() != "sqlite":
        return run_preview(project, left)
    from fastman_tasks.actions import replay

    # What the dump creates has to be there.
    with replay.empty(project) as copy:
        replay.load(copy, load)
        return run_preview(copy, replace(left, state=copy.migrator.state))
