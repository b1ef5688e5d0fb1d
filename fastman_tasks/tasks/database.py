"""Migrate and seed the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastman_tasks.tasks import consent, console, flags
from fastman_tasks.tasks.boundary import task
from fastman_tasks.tasks.flags import Value
from fastman_tasks.wording import counted

if TYPE_CHECKING:
    from fastman_tasks.plans import Plan
    from fastman_tasks.project import Project
    from fastman_tasks.seeding import Seeder


@task(
    help={
        "to": "Go no further than this revision.",
        "seed": "Run the seeders afterwards.",
        "pretend": "Print the SQL; change nothing.",
        "force": "Do not ask, in production either.",
    },
    optional=["to"],
)
def migrate(project: Project, to: Value = None, seed: bool = False, pretend: bool = False, force: bool = False) -> None:
    """Apply the pending migrations."""
    target = flags.given("to", to)
    console.target(project)
    plan = project.migrator.plan_migrate(target)
    seeders = project.seeding.select(None) if seed else ()
    if pretend and plan.revisions:
        console.sql(project.migrator.preview(plan))
        if seed:
            console.line("The seeders were not run: they need these migrations.")
        return
    if not pretend:
        what = [f"apply {counted(len(plan.revisions), 'migration')}"] if plan.revisions else []
        what += [f"run {counted(len(seeders), 'seeder')}"] if seed else []
        command = f"inv database.migrate{f' --to={target}' if target else ''}{' --seed' if seed else ''}"
        _ask(project, " and ".join(what).capitalize(), command, force)
    if plan.revisions:
        _migrate(project, plan)
    else:
        console.line("Nothing to migrate.")
    if seed:
        console.line()
        _seed(project, seeders, pretend)


@task(
    help={
        "class": "Only this seeder: UserSeeder or user_seeder.",
        "pretend": "Run the seeders, then take everything back.",
        "force": "Do not ask, in production either.",
    },
    optional=["class_"],
)
def seed(project: Project, class_: Value = None, pretend: bool = False, force: bool = False) -> None:
    """Run the seeders."""
    wanted = flags.given("class", class_)
    console.target(project)
    seeders = project.seeding.select(wanted)
    if not pretend:
        chosen = f" --class={wanted}" if wanted else ""
        _ask(project, f"Run {counted(len(seeders), 'seeder')}", f"inv database.seed{chosen}", force)
    _seed(project, seeders, pretend)


def _migrate(project: Project, plan: Plan) -> None:
    done = project.carry_out(
        plan, on_wait=console.waiting, on_taken=console.waited, on_done=console.done, on_retry=console.retrying
    )
    # Whoever had the lock before may have applied them.
    console.line(f"\n{counted(len(done), 'migration')} applied." if done else "Nothing to migrate.")


def _seed(project: Project, seeders: tuple[Seeder, ...], pretend: bool) -> None:
    with project.locked(console.waiting, console.waited):
        done = project.seeding.run(seeders, pretend=pretend, on_done=console.seeded)
    console.line(f"\n{counted(len(done), 'seeder')} ran{'; nothing was kept' if pretend else ''}.")


def _ask(project: Project, what: str, command: str, force: bool) -> None:
    from fastman_tasks import guard

    if what:
        needed = guard.to_change(project.settings, project.database.url)
        consent.obtain(project, needed, f"{what} on {project.shown_url}?", command, force=force)
