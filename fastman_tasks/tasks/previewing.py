"""Show what a plan would run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastman_tasks.tasks import console

if TYPE_CHECKING:
    from fastman_tasks.plans import Plan
    from fastman_tasks.project import Project


def preview(project: Project, plan: Plan) -> None:
    """Print the SQL of each revision of ``plan``. Raises MigrationFailed after those before one that fails."""
    with console.only_ours(True):
        previews, failure = project.migrator.preview(plan)
    console.previews(previews)
    if failure is not None:
        raise failure
    console.line("Nothing was changed.")
