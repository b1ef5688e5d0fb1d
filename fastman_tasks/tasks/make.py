"""Write new migrations and seeders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastman_tasks.tasks import console, deciding, flags
from fastman_tasks.tasks.boundary import task
from fastman_tasks.tasks.flags import Several, Value

if TYPE_CHECKING:
    from fastman_tasks.project import Project


@task(
    help={
        "message": 'What the migration does: "create users table".',
        "empty": "Write a skeleton; do not compare models and database.",
        "create": "Write a skeleton that creates this table.",
        "table": "Write a skeleton that changes this table.",
        "allow-drops": "Let the migration drop tables and columns.",
        "rename": "What was renamed: users.name:full_name, users:people; several by commas, or the flag again.",
        "no-renames": "What is dropped and what is added have nothing to do with each other.",
        "backfill": "What existing rows get in a column that becomes required: VALUE, or column=VALUE for each.",
        "pretend": "Print what would be written; write nothing.",
    },
    optional=["create", "table"],
    iterable=["rename", "backfill"],
)
def migration(
    project: Project,
    message: str,
    empty: bool = False,
    create: Value = None,
    table: Value = None,
    allow_drops: bool = False,
    rename: Several = None,
    no_renames: bool = False,
    backfill: Several = None,
    pretend: bool = False,
) -> None:
    """Write a migration from the models, or from the message."""
    from fastman_tasks.making.decisions import Decisions

    asked = project.drafting.asked(
        message, empty=empty, create=flags.given("create", create), table=flags.given("table", table)
    )
    renames, values = flags.renames(rename), flags.several(backfill)
    typed = flags.command("make.migration", message, allow_drops=allow_drops, rename=renames,
                          no_renames=no_renames, backfill=values, pretend=pretend)  # fmt: skip
    console.target(project)
    draft = deciding.drafted(
        lambda decisions: project.drafting.draft(asked, allow_drops=allow_drops, pretend=pretend, decisions=decisions),
        Decisions(renames, no_renames=no_renames, backfill=values, command=typed),
    )
    console.draft(draft, project.root, pretend)


@task(
    help={
        "name": "What it seeds: user, User, UserSeeder and user_seeder are the same.",
        "model": "The model to make sample rows for (by default the one of that name).",
        "pretend": "Print what would be written; write nothing.",
    },
    optional=["model"],
)
def seeder(project: Project, name: str, model: Value = None, pretend: bool = False) -> None:
    """Write a seeder, with sample rows where there is a model."""
    from fastman_tasks.seeder_drafting import draft_seeder

    draft = draft_seeder(project, name, model=flags.given("model", model), pretend=pretend)
    console.seeder_draft(draft, project.root, pretend)
