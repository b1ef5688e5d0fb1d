"""Apply migrations, roll them back, and see where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke import Exit

from fastman_tasks.tasks import console, views
from fastman_tasks.tasks.boundary import project_task
from fastman_tasks.tasks.database import MIGRATE_HELP
from fastman_tasks.tasks.startup import import_libraries

if TYPE_CHECKING:
    from fastman_tasks.project import Project


@project_task(help=MIGRATE_HELP, default=True)
def run(
    project: Project,
    to: str | None = None,
    seed: bool = False,
    pretend: bool = False,
    force: bool = False,
    confirm: str | None = None,
    json: bool = False,
) -> None:
    """Apply the pending migrations; the same as database.migrate."""
    from fastman_tasks import actions
    from fastman_tasks.tasks import reporter

    reporter.run(project, actions.migrate, to=to, seed=seed, pretend=pretend, json=json, force=force, confirm=confirm)


@project_task(
    help={
        "steps": "How many of the newest applied migrations to roll back (default 1).",
        "to": "Roll back everything but this revision and its ancestors.",
        "accept-empty": "Roll back past migrations whose downgrade() is empty; what they did is not undone.",
        "pretend": "Print the SQL; change nothing.",
        "force": "Skip confirmation.",
        "confirm": "The database's name; required if data in a protected database would be lost.",
        "json": "Print JSON.",
    },
)
def rollback(
    project: Project,
    steps: int | None = None,
    to: str | None = None,
    accept_empty: bool = False,
    pretend: bool = False,
    force: bool = False,
    confirm: str | None = None,
    json: bool = False,
) -> None:
    """Roll back the newest migrations, to undo or change them."""
    from fastman_tasks import actions
    from fastman_tasks.tasks import reporter

    report = reporter.run(
        project,
        actions.rollback,
        steps=steps,
        to=to,
        accept_empty=accept_empty,
        pretend=pretend,
        json=json,
        force=force,
        confirm=confirm,
    )
    if steps and 0 < len(report.steps) < steps and not json:
        console.line(f"{len(report.steps)} of {steps} were applied.")


@project_task(
    help={
        "accept-empty": "Roll back past migrations whose downgrade() is empty; what they did is not undone.",
        "pretend": "Print the SQL; change nothing.",
        "force": "Skip confirmation.",
        "confirm": "The database's name; required if data in a protected database would be lost.",
        "json": "Print JSON.",
    },
)
def reset(
    project: Project,
    accept_empty: bool = False,
    pretend: bool = False,
    force: bool = False,
    confirm: str | None = None,
    json: bool = False,
) -> None:
    """Roll back all migrations, to start with an empty database."""
    from fastman_tasks import actions
    from fastman_tasks.tasks import reporter

    reporter.run(
        project, actions.reset, accept_empty=accept_empty, pretend=pretend, json=json, force=force, confirm=confirm
    )


@project_task(
    help={
        "pending": "List only what is not applied.",
        "check": "Exit with code 3 if a migration is pending or missing.",
        "json": "Print JSON.",
    }
)
def status(project: Project, pending: bool = False, check: bool = False, json: bool = False) -> None:
    """Show what is applied and pending, before or after a deploy."""
    from fastman_tasks.plans import Report

    import_libraries(project)
    # Whatever env.py prints is not part of the JSON.
    with console.reserve_stdout(json):
        found = project.migrator.status()
    shown = tuple(each for each in found if not pending or each.state != "applied")
    if json:
        report = Report("migrate.status", project.display_url, project.settings.environment, shown)
        console.print_json(views.report_value(project, report, report.command, None))
    else:
        console.line(project.label)
        console.line()
        views.status(found, shown)
    if check and any(each.state != "applied" for each in found):
        raise Exit(code=3)
