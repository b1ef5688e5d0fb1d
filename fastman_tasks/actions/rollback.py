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
    accept_empty: bool = False,
    preview: bool = False,
    consent: Consent = refuse,
    observer: Observer | None = None,
) -> Report:
    """Roll back the newest ``steps`` applied migrations (default 1), or all but ``to`` and its ancestors. Returns a
    Report.

    ``accept_empty`` rolls back past a ``downgrade()`` that is empty: its migration is not undone. With ``preview`` the
    steps are *planned* and contain their SQL. ``consent`` is always needed. Raises UsageError for invalid numbers and
    unknown revisions, MigrationRefused for a migration that cannot be rolled back, before anything is changed,
    MigrationFailed and ConsentMissing.
    """
    if steps is not None and to is not None:
        raise UsageError("--steps and --to are mutually exclusive.")
    require_steps(steps)
    count = 1 if steps is None and to is None else steps
    command = Command("migrate.rollback", flags=(("steps", count), ("to", to), ("accept_empty", accept_empty)))
    return roll_back_planned(
        project,
        command,
        lambda: project.migrator.plan_rollback(steps=count, to=to, accept_empty=accept_empty),
        preview,
        consent,
        observer,
    )


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
