"""Apply migrations, roll them back, and see where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from invoke import Exit

from fastman_tasks.tasks import prompt, revisions, rolling_back, version_files
from fastman_tasks.tasks.boundary import project_task
from fastman_tasks.tasks.changing import Run, changing_task
from fastman_tasks.tasks.rolling_back import ACCEPT_EMPTY, HELP, MIGRATE_HELP

if TYPE_CHECKING:
    from fastman_tasks.project import Project

_SEED = "Run the seeders afterwards."


@changing_task(help=MIGRATE_HELP, default=True)
def run(run: Run, to: str | None = None, seed: bool = False) -> None:
    """Apply the pending migrations; the same as database.migrate."""
    rolling_back.migrate(run, to=to, seed=seed)


@changing_task(help=HELP)
def rollback(
    run: Run,
    steps: int | None = None,
    to: str | None = None,
    batch: int | bool | None = None,
    phantoms: bool = False,
    accept_empty: bool = False,
) -> None:
    """Roll back the newest migrations, to undo or change them.

    inv migrate.rollback --batch
    """
    rolling_back.roll_back(run, steps, phantoms, accept_empty, to=to, batch=batch)


@changing_task(help={"accept-empty": ACCEPT_EMPTY})
def reset(run: Run, accept_empty: bool = False) -> None:
    """Roll back all migrations, to start with an empty database."""
    from fastman_tasks import actions

    run(actions.reset, accept_empty=accept_empty)


@changing_task(
    help={
        "seed": _SEED,
        "schemas": "The PostgreSQL schemas to empty, separated by commas (default: those that are in use here).",
        "keep": "Tables that stay, separated by commas.",
    }
)
def fresh(run: Run, seed: bool = False, schemas: tuple[str, ...] = (), keep: tuple[str, ...] = ()) -> None:
    """Drop everything in the database and apply all migrations, to start over.

    inv migrate.fresh --seed
    """
    from fastman_tasks import actions

    run(actions.fresh, seed=seed, schemas=schemas, keep=keep)


@changing_task(help={"steps": "Only the newest so many (default: all).", "seed": _SEED, "accept-empty": ACCEPT_EMPTY})
def refresh(run: Run, steps: int | None = None, seed: bool = False, accept_empty: bool = False) -> None:
    """Roll back all migrations and apply them again, to try them in both directions."""
    from fastman_tasks import actions

    report = run(actions.refresh, steps=steps, seed=seed, accept_empty=accept_empty)
    run.compare(report, steps)


@changing_task(
    help={
        "steps": "How many of the newest applied migrations (default 1).",
        "round-trip": "Compare the schema before and after; exit with code 3 if it differs.",
        "accept-empty": ACCEPT_EMPTY,
    }
)
def redo(run: Run, steps: int | None = None, round_trip: bool = False, accept_empty: bool = False) -> None:
    """Roll back the newest migration and apply it again, after you have changed it."""
    from fastman_tasks import actions

    report = run(actions.redo, steps=steps, round_trip=round_trip, accept_empty=accept_empty)
    run.compare(report, steps)
    if any(each.step.action == "check" for each in report.in_state("failed")):
        raise Exit(code=3)


@project_task(
    help={
        "pending": "List only what is not applied.",
        "check": "Exit with code 3 if a migration is pending, missing, edited or skipped.",
        "json": "Print JSON.",
    }
)
def status(project: Project, pending: bool = False, check: bool = False, json: bool = False) -> None:
    """Show what is applied and pending, before or after a deploy."""
    if not revisions.status(project, pending, json) and check:
        raise Exit(code=3)


@project_task(
    help={
        "against": "A branch or commit of git: check what a merge with it has, and that its migrations are unchanged.",
        "models": "Compare the models with the migrations.",
        "database": "Compare the schema of the database with the migrations.",
        "replay": "Apply each migration, roll it back and apply it again, in a scratch database.",
        "json": "Print JSON.",
        "format": "github: also print annotations for GitHub Actions.",
    }
)
def check(
    project: Project,
    against: str | None = None,
    models: bool = False,
    database: bool = False,
    replay: bool = False,
    json: bool = False,
    format: Literal["text", "github"] = "text",
) -> None:
    """Check the migrations before you commit or merge them; without flags, in every way that is possible.

    inv migrate.check --against=origin/main
    """
    from fastman_tasks.tasks import checks

    checks.run(project, json, format, against=against, models=models, database=database, replay=replay)


@project_task(help={"json": "Print JSON."})
def heads(project: Project, json: bool = False) -> None:
    """Show the newest migration of each branch, to see whether they need a merge."""
    revisions.heads(project, json)


@project_task(
    help={
        "runs": "Show what each run of a command did, when and by whom, newest first.",
        "limit": "How many of the newest to show (default: all).",
        "json": "Print JSON.",
    }
)
def history(project: Project, runs: bool = False, limit: int | None = None, json: bool = False) -> None:
    """Show the migrations, newest first, with what each of them follows; or what was done with them.

    inv migrate.history --runs
    """
    revisions.history(project, runs, limit, json)


@project_task(help={"revision": "Its id or its file's name, or a part of either.", "json": "Print JSON."})
def show(project: Project, revision: str, json: bool = False) -> None:
    """Show one migration: its place, its state and its SQL, before you run it.

    inv migrate.show add_email
    """
    from fastman_tasks.actions.show import show

    up, down = revisions.read(project, json, lambda: show(project, revision))
    revisions.answer(project, "migrate.show", (up, down), json, lambda: revisions.migration(project, up, down))


@project_task(
    help={
        "message": "What the migration is called (default: merge heads).",
        "pretend": "Say what would be merged; write nothing.",
        "json": "Print JSON.",
    },
    short={"message": "m"},
)
def merge(project: Project, message: str | None = None, pretend: bool = False, json: bool = False) -> None:
    """Write a migration that merges the heads, after two branches with migrations of their own."""
    version_files.merge(project, message, pretend=pretend, json=json)


@project_task(
    help=version_files.REBASE_HELP,
    optional_positional="revision",
)
def rebase(
    project: Project,
    revision: str | None = None,
    onto: str | None = None,
    pretend: bool = False,
    force: bool = False,
    json: bool = False,
) -> None:
    """Move the migrations of this branch onto the other head, after others have added theirs.

    inv migrate.rebase add_email --onto=add_phone
    """
    version_files.rebase(project, revision, onto, pretend=pretend, force=force, json=json)


@project_task(help=version_files.SQUASH_HELP)
def squash(
    project: Project,
    to: str | None = None,
    archive: str | None = None,
    pretend: bool = False,
    force: bool = False,
    json: bool = False,
) -> None:
    """Replace many old migrations by one that does the same, to be faster on an empty database.

    inv migrate.squash --to=add_email --archive=old_migrations
    """
    version_files.squash(project, to, archive, pretend=pretend, force=force, json=json)


@changing_task(
    help={
        "revision": "Its id or its file's name, or a part of either; heads, or base.",
        "pretend": "Say what would be recorded; change nothing.",
    }
)
def stamp(run: Run, revision: str) -> None:
    """Record a migration as applied without running it, where its changes are there already.

    inv migrate.stamp heads
    """
    from fastman_tasks import actions

    run(actions.stamp, revision=revision)


@changing_task(help={"pretend": "Say what the way that you choose would do; change nothing."})
def repair(run: Run) -> None:
    """Choose a way out where the database has a revision that no file has, after switching branches."""
    from fastman_tasks import actions

    run(prompt.repairing(actions.repair, json=run.json))
