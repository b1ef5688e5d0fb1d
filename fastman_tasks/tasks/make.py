"""Write new migrations and seeders."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from invoke import Exit

from fastman_tasks.tasks import consent, console, flags
from fastman_tasks.tasks.boundary import task
from fastman_tasks.tasks.flags import Value

if TYPE_CHECKING:
    from fastman_tasks.drafting import Draft
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
        "pretend": "Print what would be written; write nothing.",
        "force": "Do not ask, in production either; --baseline does there.",
    },
    optional=["create", "table"],
    instead={"check": "message"},
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
    pretend: bool = False,
    force: bool = False,
) -> None:
    """Write a migration from the models, or from the message."""
    skeleton = {"create": flags.given("create", create), "table": flags.given("table", table)}
    if check:
        flags.refuse_beside("check", empty=empty, data=data, baseline=baseline, **skeleton)
        message = message or "check"
    asked = project.drafting.asked(message, empty=empty, data=data, baseline=baseline, **skeleton)
    console.target(project)
    if baseline and not pretend:
        _ask_to_mark(project, message, force)
    draft = project.drafting.draft(
        asked,
        allow_drops=allow_drops or check,
        pretend=pretend or check,
        on_wait=console.waiting,
        on_taken=console.waited,
    )
    if check:
        _check(draft)
    else:
        console.draft(draft, project.root, pretend)


def _check(draft: Draft) -> None:
    if draft.tables and draft.changes:
        console.changes(draft.changes)
        raise Exit('A migration is missing: inv make.migration "…"', code=3)
    if not draft.tables:
        raise Exit(f"{console.no_models(draft)}, so there is nothing to compare.", code=1)
    console.line("No difference between models and database.")


def _ask_to_mark(project: Project, message: str, force: bool) -> None:
    from fastman_tasks import guard

    needed = guard.to_change(project.settings, project.database.url)
    question = f"Mark the migration {message!r} as applied on {project.shown_url}?"
    command = flags.command(f"make.migration {shlex.quote(message)}", baseline=True)
    consent.obtain(project, needed, question, command, force=force)


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
