"""Drop everything in the database, and apply all migrations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from fastman_tasks.actions import replay
from fastman_tasks.actions.carry_out import Action, carry_out
from fastman_tasks.actions.migrate import describe, migrations_of, run_migrations, run_preview
from fastman_tasks.actions.refresh import obstacle
from fastman_tasks.actions.seed import Seeding
from fastman_tasks.consent import Consent, Level, level_to_change, level_to_roll_back, refuse, require_agreed
from fastman_tasks.databases import wipe as wiping
from fastman_tasks.databases.wipe import Wipe
from fastman_tasks.errors import Command, MigrationRefused
from fastman_tasks.plans import Loss, Observer, Plan, Report, Step, StepResult
from fastman_tasks.project import Project


def fresh(
    project: Project,
    *,
    schemas: Sequence[str] = (),
    keep: Sequence[str] = (),
    seed: bool = False,
    preview: bool = False,
    consent: Consent = refuse,
    observer: Observer | None = None,
) -> Report:
    """Drop what users have made in the database (tables, views, types, functions, sequences), then apply all
    migrations, and with ``seed`` run the seeders. Returns a Report.

    ``schemas`` are those of PostgreSQL to empty: by default those of search_path, of the version table and of the
    migrations. The tables to ``keep`` stay; so do schemas, grants, and what extensions own. On PostgreSQL and SQLite
    the database is as it was if a migration fails; where that is not possible, the notes for the question say so.

    Raises UsageError for a schema or a table that does not exist; MigrationRefused if dropping would take along what is
    to stay; MigrationFailed; ConsentMissing.
    """
    flags = (("schemas", ",".join(schemas) or None), ("keep", ",".join(keep) or None), ("seed", seed))
    seeding = Seeding(project, preview=preview) if seed and not preview else None
    # What the last plan drops.
    found: list[Wipe] = []
    # Of a dump that is not loaded.
    ignored: tuple[StepResult, ...] = ()

    def make_plan(agreed: tuple[Loss, ...] | None = None) -> Plan:
        nonlocal ignored
        from fastman_tasks.migrating import dumps, fresh

        planned, wipe = fresh.find(project.environment, project.migrator, schemas, keep, agreed)
        found[:] = [wipe]
        if not schemas and not keep:
            planned, ignored = dumps.begin_with_dump(planned, None, project.root, project.migrator.graph)
        if not wipe.things:
            return replace(planned, steps=(*planned.steps, *(seeding.plan() if seeding is not None else ())))
        notes = [f"Everything is dropped: {wipe}."]
        if reason := wipe.obstacle or obstacle(planned):
            notes.append(f"Not in one transaction: {reason}. If a migration fails, what was dropped is gone.")
        seeders = seeding.plan() if seeding is not None else ()
        steps = (Step("wipe", f"drop {wipe.brief}"), *planned.steps, *seeders)
        return replace(planned, steps=steps, notes=tuple(notes))

    def is_atomic(plan: Plan) -> bool:
        return not (found[0].obstacle or obstacle(plan))

    def run(plan: Plan, observer: Observer, confirm: Callable[[str], None]) -> tuple[StepResult, ...]:
        for result in ignored:
            observer.step_finished(result)
        if preview:
            return (*ignored, *_preview(project, plan, found[0]))
        # Under the lock: another process may have made or dropped something since it was planned. In one transaction it
        # is counted within that.
        was_atomic = is_atomic(plan)
        now = make_plan(plan.losses if was_atomic else None)
        if was_atomic and not is_atomic(now):
            now = make_plan()
        if _drops(now) and not _drops(plan):
            raise MigrationRefused("Another process migrated this database in the meantime. Run the command again.")
        if plan.uncounted is not None:
            require_agreed(plan.losses, now.losses)
        results = (*ignored, *_migrate(project, now, found[0], observer, confirm))
        return (*results, *(seeding.run_after_migrating(observer, confirm) if seeding is not None else ()))

    return carry_out(
        Action(
            project,
            Command("migrate.fresh", flags=flags),
            make_plan,
            run,
            level=lambda plan: _level(project, plan),
            question=_question,
            destructive=True,
            backs_up=True,
            preview=preview,
            locks=lambda _plan: not preview,
        ),
        consent,
        observer or Observer(),
    )


def _migrate(
    project: Project, plan: Plan, wipe: Wipe, observer: Observer, confirm: Callable[[str], None]
) -> tuple[StepResult, ...]:
    from fastman_tasks.migrating import atomic

    try:
        if not (wipe.obstacle or obstacle(plan)):
            run_before = lambda connection: wiping.drop(connection, wipe)  # noqa: E731
            return atomic.run(project.environment, plan, observer, confirm, run_before)
        first = tuple(step for step in plan.steps if step.action == "wipe")
        results = _drop(project, first[0], wipe, observer, confirm) if first else ()
        project.migrator.forget_state()
        left = replace(plan, steps=migrations_of(plan), state=project.migrator.state, uncounted=None)
        return (*results, *run_migrations(project, left, observer, confirm))
    finally:
        project.migrator.forget_state()


def _drop(
    project: Project, step: Step, wipe: Wipe, observer: Observer, confirm: Callable[[str], None]
) -> tuple[StepResult, ...]:
    """Drop everything, a part after the other."""

    def drop(connection: Connection) -> None:
        wiping.drop(connection, wipe)
        connection.commit()

    confirm("dropping")
    # One that cannot be imported stops the run before anything is dropped.
    project.environment.load(project.migrator.plan_fresh().steps)
    observer.step_started(step)
    project.database.run(drop)
    result = StepResult(step, "done")
    observer.step_finished(result)
    return (result,)


def _preview(project: Project, plan: Plan, wipe: Wipe) -> tuple[StepResult, ...]:
    first = tuple(
        StepResult(step, "planned", statements=tuple(f"{each};" for each in wipe.statements))
        for step in plan.steps
        if step.action == "wipe"
    )
    plan = replace(plan, steps=migrations_of(plan))
    if not plan.steps:
        return first
    assert plan.state is not None
    if plan.state.url.get_backend_name() != "sqlite" or plan.steps[0].action == "load":
        return (*first, *run_preview(project, plan))
    with replay.empty(project) as copy:
        # Its tables are made anew, which the file that has them would refuse.
        return (*first, *run_preview(copy, replace(plan, state=copy.migrator.state)))


def _level(project: Project, plan: Plan) -> Level:
    if _drops(plan):
        return level_to_roll_back(project.settings, project.database, plan.losses)
    return level_to_change(project.settings, project.database)


def _question(plan: Plan) -> str:
    what = ["drop everything"] if _drops(plan) else []
    text = " and ".join([*what, describe(plan)])
    return f"{text[:1].upper()}{text[1:]}"


def _drops(plan: Plan) -> bool:
    return any(step.action == "wipe" for step in plan.steps)
