"""Migrate and seed the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fastman_tasks.tasks import consent, console, flags, seed_report
from fastman_tasks.tasks.boundary import task
from fastman_tasks.tasks.flags import Value
from fastman_tasks.tasks.previewing import preview
from fastman_tasks.text import counted

if TYPE_CHECKING:
    from fastman_tasks.migrating.losses import Loss
    from fastman_tasks.plans import Plan
    from fastman_tasks.project import Project
    from fastman_tasks.seeding.discovery import Seeder
    from fastman_tasks.seeding.run import Options


@task(
    help={
        "to": "Stop at this revision: its id or its file's name, or a part of either.",
        "seed": "Run the seeders afterwards.",
        "pretend": "Print the SQL; change nothing.",
        "force": "Do not ask, in production either.",
        "confirm": "The database's name, where data of a protected database would be lost.",
    },
    optional=["to", "confirm"],
)
def migrate(
    project: Project,
    to: Value = None,
    seed: bool = False,
    pretend: bool = False,
    force: bool = False,
    confirm: Value = None,
) -> None:
    """Apply the pending migrations."""
    target, name = flags.given("to", to), flags.given("confirm", confirm)
    console.target(project, pretend)
    with console.only_ours(pretend):
        plan = project.migrator.plan_migrate(target)
    # Where nothing is to be seeded, what seeds is not imported either.
    options = flags.seed_options(pretend, False, None) if seed else None
    seeders = project.seeding.select(options=options) if options else ()
    if options:
        project.seeding.require_migrated(plan.revisions)
    if pretend and plan.revisions:
        preview(project, plan)
        if seed:
            console.line("The seeders were not run: they need these migrations.")
        return
    if not pretend:
        what = [f"apply {counted(len(plan.revisions), 'migration')}"] if plan.revisions else []
        what += [f"run {counted(len(seeders), 'seeder')}"] if seed else []
        command = flags.command("database.migrate", to=target, seed=seed)
        lost = project.migrator.losses(plan)
        consent.name_losses(lost)
        _ask(project, " and ".join(what).capitalize(), command, force, confirm=name, losses=lost)
    if plan.revisions:
        _migrate(project, plan)
    else:
        console.line("Nothing to migrate.")
    if options:
        console.line()
        with seed_report.Lines(project, options) as report, _migrations_stay(plan):
            _seed(project, seeders, options, report)


@task(
    help={
        "class": "Only these seeders and what they depend on: UserSeeder, user_seeder, user; several by commas.",
        "list": "List the seeders in the order in which they would run; run nothing.",
        "commit-each": "Keep each seeder that is through, whatever happens to the next.",
        "random-seed": "Number with which random, Faker and polyfactory draw the same in every run.",
        "pretend": "Run the seeders, then take everything back.",
        "force": "Do not ask, in production either.",
        "json": "Print JSON.",
    },
    optional=["class_", "random_seed"],
)
def seed(
    project: Project,
    class_: Value = None,
    list: bool = False,
    commit_each: bool = False,
    random_seed: Value = None,
    pretend: bool = False,
    force: bool = False,
    json: bool = False,
) -> None:
    """Run the seeders."""
    wanted = flags.given("class", class_)
    if list:
        seed_report.listed(project, wanted, as_json=json)
        return
    options = flags.seed_options(pretend, commit_each, random_seed)
    if not json:
        console.target(project)
    with (seed_report.Json if json else seed_report.Lines)(project, options) as report:
        seeders = project.seeding.select(wanted, options)
        if not pretend:
            number = options.random_seed
            command = flags.command(
                "database.seed", class_=wanted, commit_each=commit_each, random_seed=number, json=json
            )
            # Under the lock it is looked again; before a question it is only there so that nobody answers in vain.
            check = project.seeding.require_migrated
            _ask(project, f"Run {counted(len(seeders), 'seeder')}", command, force, terminal=not json, check=check)
        _seed(project, seeders, options, report)


def _migrate(project: Project, plan: Plan) -> None:
    done = project.carry_out(
        plan, on_wait=console.waiting, on_taken=console.waited, on_done=console.done, on_retry=console.retrying
    )
    # Whoever had the lock before may have applied them.
    console.line(f"\n{counted(len(done), 'migration')} applied." if done else "Nothing to migrate.")


@contextmanager
def _migrations_stay(plan: Plan) -> Iterator[None]:
    from fastman_tasks.errors import SeederFailed

    try:
        yield
    except SeederFailed as error:
        if not plan.revisions:
            raise
        raise SeederFailed(f"{error}\nWhat was migrated stays migrated. Next: inv database.seed") from error


def _seed(
    project: Project, seeders: tuple[Seeder, ...], options: Options, report: seed_report.Json | seed_report.Lines
) -> None:
    with project.locked(report.waiting, report.waited):
        project.seeding.run(seeders, options, report)


def _ask(
    project: Project,
    what: str,
    command: str,
    force: bool,
    *,
    confirm: str | None = None,
    losses: Sequence[Loss] = (),
    terminal: bool = True,
    check: Callable[[], None] = lambda: None,
) -> None:
    from fastman_tasks import guard

    needed = guard.to_change(project.settings, project.database.url, losses)
    if what and (confirm is not None or needed == "name" or (needed == "yes" and not force)):
        check()
        question = f"{what} on {project.shown_url}?"
        consent.obtain(project, needed, question, command, force=force, confirm=confirm, terminal=terminal)
