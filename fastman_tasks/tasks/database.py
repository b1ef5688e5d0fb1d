"""Migrate and seed the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastman_tasks.tasks import console, flags
from fastman_tasks.tasks.boundary import task
from fastman_tasks.tasks.console import counted
from fastman_tasks.tasks.flags import Value

if TYPE_CHECKING:
    from fastman_tasks.project import Project


@task(
    help={
        "to": "Go no further than this revision.",
        "seed": "Run the seeders afterwards.",
        "pretend": "Print the SQL; change nothing.",
        "force": "Do not ask, in production either.",
    },
    optional=["to"],
)
def migrate(
    project: Project, to: Value = None, seed: bool = False, pretend: bool = False, force: bool = False
) -> None:
    """Apply the pending migrations."""
    plan = project.migrator.plan_migrate(flags.given("to", to))
    console.target(project)
    if not plan.revisions:
        console.line("Nothing to migrate.")
    elif pretend:
        console.sql(project.migrator.sql(plan))
    else:
        done = project.migrator.apply(plan, console.done)
        console.line(f"\n{counted(len(done), 'migration')} applied.")
