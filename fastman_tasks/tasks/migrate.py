"""Roll migrations back and see where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke import Exit

from fastman_tasks.tasks import console, flags
from fastman_tasks.tasks.boundary import task
from fastman_tasks.tasks.console import counted
from fastman_tasks.tasks.flags import Value

if TYPE_CHECKING:
    from fastman_tasks.migrator import Plan
    from fastman_tasks.project import Project


@task(
    help={
        "steps": "How many of the newest applied migrations to roll back (default 1).",
        "to": "Roll back everything but this revision and its ancestors.",
        "pretend": "Print the SQL; change nothing.",
        "force": "Do not ask.",
    },
    optional=["steps", "to"],
)
def rollback(
    project: Project, steps: Value = None, to: Value = None, pretend: bool = False, force: bool = False
) -> None:
    """Roll back the newest applied migrations."""
    count, target = flags.steps_or_target(steps, to)
    console.target(project)
    plan = project.migrator.plan_rollback(steps=count, to=target)
    chosen = f"--to={target}" if target else f"--steps={count}"
    _roll_back(project, plan, f"inv migrate.rollback {chosen}", pretend, force)
    if count and plan.applied and count > len(plan.revisions):
        console.line(f"{len(plan.revisions)} of {count} were applied.")


@task(help={"pretend": "Print the SQL; change nothing.", "force": "Do not ask."})
def reset(project: Project, pretend: bool = False, force: bool = False) -> None:
    """Roll back every applied migration."""
    console.target(project)
    _roll_back(project, project.migrator.plan_rollback(), "inv migrate.reset", pretend, force)


def _roll_back(project: Project, plan: Plan, command: str, pretend: bool, force: bool) -> None:
    if not plan.revisions:
        console.line("Nothing to roll back.")
        return
    if pretend:
        console.sql(project.migrator.sql(plan))
        return
    console.plan(plan)
    if not force:
        console.confirm(f"Roll back {counted(len(plan.revisions), 'migration')}?", f"{command} --force")
    done = project.migrator.apply(plan, console.done)
    console.line(f"\n{counted(len(done), 'migration')} rolled back.")


@task(
    help={
        "pending": "List only what is not applied.",
        "check": "Exit with code 3 when a migration is pending or missing.",
        "json": "Print JSON.",
    }
)
def status(project: Project, pending: bool = False, check: bool = False, json: bool = False) -> None:
    """Show every migration: applied, pending, or missing its file."""
    found = project.migrator.status()
    shown = [entry for entry in found.entries if not pending or entry.state != "applied"]
    if json:
        console.as_json(console.status_value(project, shown))
    else:
        console.target(project)
        console.status(found, shown)
    if check and not found.up_to_date:
        raise Exit(code=3)
