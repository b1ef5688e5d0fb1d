"""Roll migrations back and see where they stand."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from invoke import Exit

from fastman_tasks.tasks import consent, console, flags
from fastman_tasks.tasks.boundary import task
from fastman_tasks.tasks.flags import Value
from fastman_tasks.tasks.previewing import preview
from fastman_tasks.text import counted

if TYPE_CHECKING:
    from fastman_tasks.project import Project


@task(
    help={
        "steps": "How many of the newest applied migrations to roll back (default 1).",
        "to": "Roll back everything but this revision and its ancestors.",
        "accept-empty": "Roll back past migrations whose downgrade() is empty; what they did is not undone.",
        "pretend": "Print the SQL; change nothing.",
        "force": "Do not ask.",
        "confirm": "The database's name, where data of a protected database would be lost.",
    },
    optional=["steps", "to", "confirm"],
)
def rollback(
    project: Project,
    steps: Value | int = None,
    to: Value = None,
    accept_empty: bool = False,
    pretend: bool = False,
    force: bool = False,
    confirm: Value = None,
) -> None:
    """Roll back the newest applied migrations."""
    count, target = flags.steps_or_target(steps, to)
    command = flags.command("migrate.rollback", steps=count, to=target, accept_empty=accept_empty)
    name = flags.given("confirm", confirm)
    rolled_back = _roll_back(project, count, target, command, accept_empty, pretend, force, name)
    if count and 0 < rolled_back < count:
        console.line(f"{rolled_back} of {count} were applied.")


@task(
    help={
        "accept-empty": "Roll back past migrations whose downgrade() is empty; what they did is not undone.",
        "pretend": "Print the SQL; change nothing.",
        "force": "Do not ask.",
        "confirm": "The database's name, where data of a protected database would be lost.",
    },
    optional=["confirm"],
)
def reset(
    project: Project,
    accept_empty: bool = False,
    pretend: bool = False,
    force: bool = False,
    confirm: Value = None,
) -> None:
    """Roll back every applied migration."""
    command = flags.command("migrate.reset", accept_empty=accept_empty)
    _roll_back(project, None, None, command, accept_empty, pretend, force, flags.given("confirm", confirm))


def _roll_back(
    project: Project,
    steps: int | None,
    to: str | None,
    command: str,
    accept_empty: bool,
    pretend: bool,
    force: bool,
    confirm: str | None,
) -> int:
    """Carry out what rollback and reset share; gives how many migrations the plan has."""
    from fastman_tasks import guard

    console.target(project, pretend)
    if not pretend:
        guard.permit_rollback(project.settings)
    with console.only_ours(pretend):
        plan = project.migrator.plan_rollback(steps=steps, to=to, accept_empty=accept_empty)
    count = len(plan.revisions)
    if not plan.revisions:
        console.line("Nothing to roll back.")
        return 0
    if pretend:
        preview(project, plan)
        return count
    lost = project.migrator.losses(plan)
    needed = guard.to_roll_back(project.settings, plan.state.url, lost)
    console.plan(plan)
    consent.name_losses(lost)
    question = f"Roll back {counted(count, 'migration')} on {project.shown_url}?"
    consent.obtain(project, needed, question, command, force=force, confirm=confirm)
    done = project.carry_out(
        plan, on_wait=console.waiting, on_taken=console.waited, on_done=console.done, on_retry=console.retrying
    )
    console.line(f"\n{counted(len(done), 'migration')} rolled back.")
    console.passed(plan)
    return count


@task(
    help={
        "pending": "List only what is not applied.",
        "check": "Exit with code 3 when a migration is pending or missing.",
        "json": "Print JSON.",
    }
)
def status(project: Project, pending: bool = False, check: bool = False, json: bool = False) -> None:
    """Show every migration: applied, pending, or missing its file."""
    # What env.py prints is no part of the JSON.
    with redirect_stdout(sys.stderr if json else sys.stdout):
        found = project.migrator.status()
    shown = [entry for entry in found.entries if not pending or entry.state != "applied"]
    if json:
        console.as_json(console.status_value(project, shown))
    else:
        console.target(project)
        console.status(found, shown)
    if check and not found.up_to_date:
        raise Exit(code=3)
