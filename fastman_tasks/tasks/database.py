"""Migrate and seed the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastman_tasks.tasks import console, views
from fastman_tasks.tasks.boundary import project_task
from fastman_tasks.tasks.changing import Run, changing_task

if TYPE_CHECKING:
    from fastman_tasks.project import Project


#: The flags of ``database.migrate``, which ``migrate.run`` has too.
MIGRATE_HELP = {
    "to": "Stop at this revision: its id or its file's name, or a part of either.",
    "seed": "Run the seeders afterwards.",
}


@changing_task(help=MIGRATE_HELP)
def migrate(run: Run, to: str | None = None, seed: bool = False) -> None:
    """Apply pending migrations, after a pull or on deploy."""
    from fastman_tasks import actions

    run(actions.migrate, to=to, seed=seed)


@project_task(
    help={
        "class": "Run only these seeders and their dependencies: UserSeeder, user_seeder or user; several with commas.",
        "list": "List the seeders in the order in which they would run; run nothing.",
        "commit-each": "Commit after each seeder, so that a later failure does not undo it.",
        "random-seed": "Seed random, Faker and polyfactory, so that every run generates the same data.",
        "pretend": "Run the seeders, then roll everything back.",
        "force": "Skip confirmation, even in production.",
        "json": "Print JSON.",
    },
)
def seed(
    project: Project,
    class_: str | None = None,
    list: bool = False,
    commit_each: bool = False,
    random_seed: int | None = None,
    pretend: bool = False,
    force: bool = False,
    json: bool = False,
) -> None:
    """Run the seeders, to add initial or sample rows."""
    from fastman_tasks import actions
    from fastman_tasks.tasks import reporter

    if list:
        _list(project, class_, json)
        return
    reporter.run(
        project,
        actions.seed,
        only=class_,
        commit_each=commit_each,
        random_seed=random_seed,
        pretend=pretend,
        json=json,
        force=force,
        live=True,
    )


@project_task(
    help={
        "check": "Write nothing; exit with code 3 if the dump is missing or is not of these migrations.",
        "json": "Print JSON.",
    }
)
def dump(project: Project, check: bool = False, json: bool = False) -> None:
    """Write the schema that the migrations make to database/schema/, to make empty databases from.

    inv database.dump
    """
    from fastman_tasks.actions import dump as action
    from fastman_tasks.tasks import dumps

    dumps.run(project, action.check if check else action.dump, json)


@changing_task()
def load(run: Run) -> None:
    """Load the dump that database.dump has written into an empty database.

    inv database.load
    """
    from fastman_tasks import actions

    run(actions.load)


def _list(project: Project, wanted: str | None, json: bool) -> None:
    from fastman_tasks.plans import Report, StepResult

    # Whatever the modules print when they are imported is not part of the list.
    with console.reserve_stdout(True):
        first, others = project.seeders.list(wanted)
    if not json:
        views.seeders(project, first, () if wanted else others)
        return
    environment = project.settings.environment
    steps = [
        *(
            StepResult(
                seeder.step,
                "planned" if seeder.runs_in(environment) else "skipped",
                note=f"after {', '.join(seeder.depends_on)}" if seeder.depends_on else "",
            )
            for seeder in first
        ),
        *(StepResult(seeder.step, "skipped", note="only when called or named") for seeder in others),
    ]
    report = Report("database.seed", None, project.settings.environment, tuple(steps))
    console.print_json(views.report_value(project, report, report.command, None))
