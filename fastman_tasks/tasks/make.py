"""Write new migrations and seeders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke import Exit

from fastman_tasks.tasks import consent, console, deciding, flags
from fastman_tasks.tasks.boundary import task
from fastman_tasks.tasks.flags import Several, Value

if TYPE_CHECKING:
    from fastman_tasks.making.migration import Draft
    from fastman_tasks.project import Project


@task(
    help={
        "message": 'What the migration does: "create users table".',
        "empty": "Write a skeleton; do not compare models and database.",
        "data": "Write a skeleton that changes rows in batches, those of --table=TABLE.",
        "create": "Write a skeleton that creates this table.",
        "table": "Write a skeleton that changes this table.",
        "allow-drops": "Let the migration drop tables and columns.",
        "baseline": "Write the migration that creates the tables that are there already; mark it as applied here.",
        "check": "Write nothing; exit with code 3 when a migration is missing. Needs no message.",
        "rename": "What was renamed: users.name:full_name, users:people; several by commas, or the flag again.",
        "no-renames": "What is dropped and what is added have nothing to do with each other.",
        "backfill": "What existing rows get in a column that becomes required: VALUE, or column=VALUE for each.",
        "pretend": "Print what would be written; write nothing.",
        "force": "Do not ask, in production either; --baseline does there.",
    },
    optional=["create", "table"],
    instead={"check": "message"},
    iterable=["rename", "backfill"],
)
def migration(
    project: Project,
    message: str,
    empty: bool = False,
    data: bool = False,
    create: Value = None,
    table: Value = None,
    allow_drops: bool = False,
    baseline: bool = False,
    check: bool = False,
    rename: Several = None,
    no_renames: bool = False,
    backfill: Several = None,
    pretend: bool = False,
    force: bool = False,
) -> None:
    """Write a migration from the models, or from the message."""
    from fastman_tasks.making.decisions import Decisions
    from fastman_tasks.making.request import Request

    request = Request.of(
        message, empty=empty, data=data, baseline=baseline, check=check,
        create=flags.given("create", create), table=flags.given("table", table),
    )  # fmt: skip
    renames, values = flags.renames(rename), flags.several(backfill)
    typed = flags.command("make.migration", message, allow_drops=allow_drops, rename=renames,
                          no_renames=no_renames, backfill=values, pretend=pretend)  # fmt: skip
    console.target(project)
    if baseline and not pretend:
        _ask_to_mark(project, message, force)

    def draft(decisions: Decisions) -> Draft:
        lock = project.locked(console.waiting, console.waited)
        return project.migration_writer.write(request, decisions=decisions, pretend=pretend, lock=lock)

    decisions = Decisions(renames, no_renames=no_renames, allow_drops=allow_drops, backfill=values, command=typed)
    drafted = deciding.drafted(draft, decisions)
    if check:
        _check(drafted)
    else:
        console.draft(drafted, project.root, pretend)


def _check(draft: Draft) -> None:
    if not draft.tables:
        raise Exit(f"{console.no_models(draft)}, so there is nothing to compare.", code=1)
    console.changes(draft.changes)
    console.uncovered(draft)
    if draft.said.open:
        raise Exit(f'{draft.said.open}\nA migration is missing: inv make.migration "…"', code=3)
    if draft.changes:
        raise Exit('A migration is missing: inv make.migration "…"', code=3)
    if draft.said.uncovered:
        raise Exit('A migration is missing, to be written by hand: inv make.migration "…" --empty', code=3)
    console.line("No difference between models and database.")


def _ask_to_mark(project: Project, message: str, force: bool) -> None:
    from fastman_tasks import guard

    needed = guard.to_change(project.settings, project.database.url)
    question = f"Mark the migration {message!r} as applied on {project.shown_url}?"
    command = flags.command("make.migration", message, baseline=True)
    consent.obtain(project, needed, question, command, force=force)


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
    from fastman_tasks.making.seeder import SeederWriter

    writer = SeederWriter(project.settings, lambda: project.environment)
    draft = writer.write(name, model=flags.given("model", model), pretend=pretend)
    console.seeder_draft(draft, project.root, pretend)
