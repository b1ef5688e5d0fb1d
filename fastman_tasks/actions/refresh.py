"""Roll back and apply again: one plan, and one transaction where the database has them for DDL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fastman_tasks.actions import replay
from fastman_tasks.actions.carry_out import Action, carry_out
from fastman_tasks.actions.migrate import run_migrations, run_preview
from fastman_tasks.actions.rollback import require_steps
from fastman_tasks.actions.seed import Seeding
from fastman_tasks.consent import Consent, level_to_roll_back, refuse
from fastman_tasks.databases.snapshot import Snapshot
from fastman_tasks.errors import Command, MigrationRefused
from fastman_tasks.plans import Observer, Plan, Report, Step, StepResult
from fastman_tasks.project import Project
from fastman_tasks.text import pluralize


def refresh(
    project: Project,
    *,
    steps: int | None = None,
    seed: bool = False,
    accept_empty: bool = False,
    preview: bool = False,
    consent: Consent = refuse,
    observer: Observer | None = None,
) -> Report:
    """Roll back every applied migration, or the newest ``steps``, then apply all that are pending; with ``seed`` also
    run the seeders. Returns a Report.

    On PostgreSQL and SQLite nothing is changed if a migration fails. Takes and raises what ``rollback`` does; for a
    migration that cannot be rolled back, MigrationRefused names ``migrate.fresh``.
    """
    require_steps(steps)
    command = Command("migrate.refresh", flags=(("steps", steps), ("seed", seed), ("accept_empty", accept_empty)))
    seeding = Seeding(project, preview=preview) if seed and not preview else None

    def plan() -> Plan:
        return project.migrator.plan_refresh(steps=steps, accept_empty=accept_empty)

    return _run(project, command, plan, seeding, preview, consent, observer)


def redo(
    project: Project,
    *,
    steps: int | None = None,
    round_trip: bool = False,
    accept_empty: bool = False,
    preview: bool = False,
    consent: Consent = refuse,
    observer: Observer | None = None,
) -> Report:
    """Roll back the newest ``steps`` applied migrations (default 1) and apply the same ones again. Returns a Report.

    With ``round_trip`` its last step is a check, which is *failed* if the schema is not what it was: its note names
    what a ``downgrade()`` has left or forgotten. Otherwise as ``refresh``.
    """
    require_steps(steps)
    flags = (("steps", steps), ("round_trip", round_trip), ("accept_empty", accept_empty))

    def plan() -> Plan:
        return project.migrator.plan_refresh(steps=steps or 1, only_these=True, accept_empty=accept_empty)

    command = Command("migrate.redo", flags=flags)
    return _run(project, command, plan, None, preview, consent, observer, round_trip=round_trip)


def _run(
    project: Project,
    command: Command,
    find: Callable[[], Plan],
    seeding: Seeding | None,
    preview: bool,
    consent: Consent,
    observer: Observer | None,
    *,
    round_trip: bool = False,
) -> Report:
    def plan() -> Plan:
        try:
            found = find()
        except MigrationRefused as error:
            raise MigrationRefused(f"{error}\nTo start over with an empty database: inv migrate.fresh") from error
        reason = obstacle(found)
        notes = (f"Not in one transaction: {reason}.",) if reason and found.steps else ()
        seeders = seeding.plan() if seeding is not None and found.steps else ()
        return replace(found, steps=(*found.steps, *seeders), notes=notes)

    def run(plan: Plan, observer: Observer, confirm: Callable[[str], None]) -> tuple[StepResult, ...]:
        if preview:
            return run_preview(project, plan)
        before = replay.snapshot(project) if round_trip else None
        results = run_both_ways(project, plan, observer, confirm)
        if before is not None:
            results = (*results, _compare(before, replay.snapshot(project)))
        return (*results, *(seeding.run_after_migrating(observer, confirm) if seeding is not None else ()))

    return carry_out(
        Action(
            project,
            command,
            plan,
            run,
            level=lambda plan: level_to_roll_back(project.settings, project.database, plan.losses),
            question=_question,
            destructive=True,
            preview=preview,
            locks=lambda _plan: not preview,
        ),
        consent,
        observer or Observer(),
    )


def obstacle(plan: Plan) -> str:
    """Returns why ``plan`` cannot run in one transaction; empty if it can."""
    from fastman_tasks.migrating import atomic

    return atomic.obstacle(plan.migrations, plan.state.url.get_backend_name()) if plan.state is not None else ""


def run_both_ways(
    project: Project, plan: Plan, observer: Observer, confirm: Callable[[str], None]
) -> tuple[StepResult, ...]:
    """Roll back and apply the migrations of ``plan``, in one transaction if possible, and return their results. The
    caller holds the lock, as ``confirm`` confirms."""
    from fastman_tasks.migrating import atomic

    migrator = project.migrator
    try:
        if not obstacle(plan):
            return atomic.run(project.environment, plan, observer, confirm)
        results: tuple[StepResult, ...] = ()
        for action in ("roll back", "apply"):
            steps = tuple(step for step in plan.migrations if step.action == action)
            # What is to be lost is lost on the way back.
            uncounted = plan.uncounted if action == "roll back" else None
            part = replace(plan, steps=steps, state=migrator.state, uncounted=uncounted)
            results += run_migrations(project, part, observer, confirm) if steps else ()
        return results
    finally:
        migrator.forget_state()


def _compare(before: Snapshot, after: Snapshot) -> StepResult:
    found = before.differences(after)
    note = "; ".join(f"{each.kind} {each.name} {_fate(each.before, each.after)}" for each in found)
    return StepResult(Step("check", "round trip"), "failed" if found else "done", note=note)


def _fate(before: str | None, after: str | None) -> str:
    if after is None:
        return "is gone"
    return "is new" if before is None else f"was {before}, and is {after}"


def _question(plan: Plan) -> str:
    back = sum(step.action == "roll back" for step in plan.steps)
    forward = sum(step.action == "apply" for step in plan.steps)
    if not back:
        return f"Apply {pluralize(forward, 'migration')}"
    return f"Roll back {pluralize(back, 'migration')} and apply {forward:,}"
