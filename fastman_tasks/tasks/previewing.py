"""Show what a plan would run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fastman_tasks.tasks import console

if TYPE_CHECKING:
    from fastman_tasks.plans import Plan, Preview
    from fastman_tasks.project import Project


def preview(project: Project, plan: Plan) -> None:
    """Print the SQL of each revision of ``plan``. Raises MigrationFailed after those before one that fails."""
    with console.only_ours(True):
        previews, failure = project.migrator.preview(plan)
    _show(previews, everything=project.debug)
    if failure is not None:
        raise failure
    console.line("Nothing was changed.")


def _show(previews: Iterable[Preview], *, everything: bool) -> None:
    """What each revision of a plan would run; ``everything`` with what only looks at the schema."""
    from fastman_tasks.databases.statements import changing

    for each in previews:
        statements = each.statements if everything else changing(each.statements)
        console.line(f"-- {each.revision.name}", style="bold")
        if each.reason:
            console.line(f"-- Not all of it can be shown: {each.reason}", style="yellow")
        elif not statements:
            console.line("-- nothing")
        for statement in statements:
            console.line(statement)
        console.line()
