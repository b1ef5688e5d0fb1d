"""Roll back migrations that are applied."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from fastman_tasks.actions.carry_out import Action, carry_out
from fastman_tasks.actions.migrate import run_migrations, run_preview
from fastman_tasks.consent import Consent, level_to_roll_back, refuse
from fastman_tasks.errors import Command, UsageError
from fastman_tasks.plans import Observer, Plan, Report, StepResult
from fastman_tasks.project import Project
from fastman_tasks.text import pluralize


def rollback(
    project: Project,
    *,
    steps: int | None = None,
    to: str | None = None,
    batch: int | bool | None = None,
    accept_empty: bool = False,
    preview: bool = False,
    consent: Consent = refuse,
    observer: Observer | None = None,
) -> Report:
    """Roll back the newest ``steps`` applied migrations (default 1); or all but ``to`` and its ancestors; or what the
    run ``batch`` has applied, as the history has it (True: the last run of which anything is applied).

    Returns a Report.

    ``accept_empty`` rolls back past a ``downgrade()`` that is empty: its migration is not undone. With ``preview`` the
    steps are *planned* and contain their SQL. ``consent`` is always needed. Raises UsageError for invalid numbers and
    unknown revisions, MigrationRefused for a migration that cannot be rolled back, before anything is changed, and for
    a ``batch`` that others build on; MigrationFailed and ConsentMissing.
    """
    batch = None if batch is False else batch
    require_one_of(steps=steps, to=to, batch=batch)
    require_steps(steps)
    if batch is not None and batch < 1:
        raise UsageError(f"--batch={batch} is not valid: the first run is batch 1.")
    count = 1 if steps is None and to is None and batch is None else steps
    flags = (("steps", count), ("to", to), ("batch", batch), ("accept_empty", accept_empty))

    def plan() -> Plan:
        if batch is None:
            return project.migrator.plan_rollback(steps=count, to=to, accept_empty=accept_empty)
        from fastman_tasks.migrating import batches

        return batches.plan(
            project.migrator, project.settings, None if batch is True else batch, accept_empty=accept_empty
        )

    return roll_back_planned(project, Command("migrate.rollback", flags=flags), plan, preview, consent, observer)


def require_one_of(**flags: object) -> None:
    """Raises UsageError if more than one of ``flags`` has a value."""
    given = [f"--{name}" for name, value in flags.items() if value is not None and value is not False]
    if len(given) > 1:
        raise UsageError(f"{', '.join(given[:-1])} and {given[-1]} are mutually exclusive.")


def require_steps(steps: int | None) -> None:
    """Raises UsageError if ``steps`` is less than 1."""
    if steps is not None and steps < 1:
        raise UsageError(f"--steps={steps} is not valid: roll back at least 1 migration.")


def reset(
    project: Project,
    *,
    accept_empty: bool = False,
    preview: bool = False,
    consent: Consent = refuse,
    observer: Observer | None = None,
) -> Report:
    """Roll back every applied migration. Takes, returns and raises what ``rollback`` does."""
    command = Command("migrate.reset", flags=(("accept_empty", accept_empty),))
    plan = lambda: project.migrator.plan_rollback(accept_empty=accept_empty)  # noqa: E731
    return roll_back_planned(project, command, plan, preview, consent, observer)


def roll_back_planned(
    project: Project,
    command: Command,
    plan: Callable[[], Plan],
    preview: bool,
    consent: Consent,
    observer: Observer | None,
    around: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Report:
    """Roll back what ``plan`` returns, for ``command``; that runs within the context that ``around`` returns. Returns
    and raises what ``rollback`` does."""

    def run(plan: Plan, observer: Observer, confirm: Callable[[str], None]) -> tuple[StepResult, ...]:
        if preview:
            return run_preview(project, plan)
        with around():
            return run_migrations(project, plan, observer, confirm)

    return carry_out(
        Action(
            project,
            command,
            plan,
            run,
            level=lambda plan: level_to_roll_back(project.settings, project.database, plan.losses),
            question=lambda plan: f"Roll back {pluralize(len(plan.steps), 'migration')}",
            destructive=True,
            backs_up=command.task == "migrate.reset",
            preview=preview,
            locks=lambda _plan: not preview,
        ),
        consent,
        observer or Observer(),
    )
