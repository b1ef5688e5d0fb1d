"""Write new migrations and seeders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastman_tasks.tasks import console, flags
from fastman_tasks.tasks.boundary import task
from fastman_tasks.tasks.flags import Value

if TYPE_CHECKING:
    from fastman_tasks.project import Project


@task(
    help={
        "message": 'What the migration does: "create users table".',
        "empty": "Write a skeleton; do not compare models and database.",
        "create": "Write a skeleton that creates this table.",
        "table": "Write a skeleton that changes this table.",
        "allow-drops": "Let the migration drop tables and columns.",
        "pretend": "Print what would be written; write nothing.",
    },
    optional=["create", "table"],
)
def migration(
    project: Project,
    message: str,
    empty: bool = False,
    create: Value = None,
    table: Value = None,
    allow_drops: bool = False,
    pretend: bool = False,
) -> None:
    """Write a migration from the models, or from the message."""
    asked = project.drafting.asked(
        message, empty=empty, create=flags.given("create", create), table=flags.given("table", table)
    )
    console.target(project)
    draft = project.drafting.draft(asked, allow_drops=allow_drops, pretend=pretend)
    console.draft(draft, project.root, pretend)


@task(
    help={
        "name": "What it seeds: user, User, UserSeeder and user_seeder are the same; database calls the others.",
        "model": "The model or table to make sample rows for (by default the one of that name).",
        "pretend": "Print what would be written; write nothing.",
    },
    optional=["model"],
)
def seeder(project: Project, name: str, model: Value = None, pretend: bool = False) -> None:
    """Write a seeder, with sample rows where there is a model or a table."""
    from fastman_tasks.seeder_drafting import draft_seeder

    draft = draft_seeder(project, name, model=flags.given("model", model), pretend=pretend)
    console.seeder_draft(draft, project.root, pretend)
