"""Set the database up, migrate and seed it, look into it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from fastman_tasks.tasks import console, json_report, revisions, rolling_back
from fastman_tasks.tasks.boundary import project_task
from fastman_tasks.tasks.changing import Run, changing_task
from fastman_tasks.tasks.rolling_back import MIGRATE_HELP
from fastman_tasks.tasks.startup import import_libraries

if TYPE_CHECKING:
    from fastman_tasks.project import Project


@changing_task(help=MIGRATE_HELP)
def migrate(run: Run, to: str | None = None, seed: bool = False) -> None:
    """Apply pending migrations, after a pull or on deploy."""
    rolling_back.migrate(run, to=to, seed=seed)


@changing_task(
    help={
        "seed": "Run the seeders, also in a database that existed before.",
        "pretend": "Say what would be done; change nothing.",
    }
)
def setup(run: Run, seed: bool = False) -> None:
    """Set the project up: .env, database, tables and first rows. After a clone, or on deploy.

    inv database.setup
    """
    from fastman_tasks import actions
    from fastman_tasks.tasks.lifecycle import LifecycleLines

    run(actions.setup, seed=seed, lines=LifecycleLines)


@changing_task(
    help={
        "if-missing": "Succeed if it exists already.",
        "pretend": "Print the SQL; change nothing.",
    }
)
def create(run: Run, if_missing: bool = False) -> None:
    """Create the database, empty.

    inv database.create --if-missing
    """
    from fastman_tasks import actions
    from fastman_tasks.tasks.lifecycle import LifecycleLines

    run(actions.create, if_missing=if_missing, lines=LifecycleLines)


@changing_task(
    help={
        "pretend": "Print the SQL; change nothing.",
        "force": "Skip confirmation, and end other connections to the database. Not enough in production.",
        "confirm": "The database's name; required for a protected database.",
    }
)
def drop(run: Run) -> None:
    """Drop the database with everything in it.

    inv database.drop --force
    """
    from fastman_tasks import actions
    from fastman_tasks.tasks.lifecycle import LifecycleLines

    run(actions.drop, end_connections=run.force, lines=LifecycleLines)


@project_task(help={"timeout": "For how long at most: 500ms, 5s, 2m (default 60s).", "json": "Print JSON."})
def wait(project: Project, timeout: timedelta = timedelta(seconds=60), json: bool = False) -> None:
    """Wait until the server is up and the database accepts a login, before what needs it.

    inv database.wait --timeout=2m
    """
    from fastman_tasks.tasks import lifecycle

    lifecycle.wait(project, timeout.total_seconds(), json)


@project_task(
    help={
        "class": "Run only these seeders and their dependencies: UserSeeder, user_seeder or user; several with commas.",
        "list": "List the seeders in the order in which they would run; run nothing.",
        "commit-each": "Commit after each seeder, so that a later failure does not undo it.",
        "again": "Also run the seeders that run once and have run already; with --class, those named.",
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
    again: bool = False,
    pretend: bool = False,
    force: bool = False,
    json: bool = False,
) -> None:
    """Run the seeders, to add initial or sample rows."""
    import_libraries(project)
    from fastman_tasks import actions
    from fastman_tasks.tasks import reporter, seeders

    if list:
        seeders.run(project, class_, json, again=again)
        return
    reporter.run(
        project,
        actions.seed,
        only=class_,
        commit_each=commit_each,
        random_seed=random_seed,
        again=again,
        pretend=pretend,
        json=json,
        force=force,
        live=True,
    )


@project_task(help={"counts": "Count the rows; without it, the server's estimate is shown.", "json": "Print JSON."})
def show(project: Project, counts: bool = False, json: bool = False) -> None:
    """Show the server and the tables, with their rows, sizes and indexes.

    inv database.show --counts
    """
    from fastman_tasks.actions.describe import describe_database
    from fastman_tasks.tasks import tables

    tables.run(project, "database.show", lambda: describe_database(project, counts=counts), json)


@project_task(help={"name": "The table; with its schema if it is not the first one.", "json": "Print JSON."})
def table(project: Project, name: str, json: bool = False) -> None:
    """Show one table: columns, keys, indexes, rows, and the migration that made each column.

    inv database.table users
    """
    from fastman_tasks.actions.describe import describe_table
    from fastman_tasks.tasks import tables

    tables.run(project, "database.table", lambda: describe_table(project, name), json)


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


@project_task(help={"command": "Run this SQL, print its result and exit."}, short={"command": "c"})
def shell(project: Project, command: str | None = None) -> None:
    """Open psql, mariadb, mysql or sqlite3 on the database.

    inv database.shell -c "select 1"
    """
    from fastman_tasks.tasks import shell

    shell.run(project, command)


@changing_task()
def load(run: Run) -> None:
    """Load the dump that database.dump has written into an empty database.

    inv database.load
    """
    from fastman_tasks import actions

    run(actions.load)


@project_task(help={"to": "The new file to write, instead of one in database/backups/.", "json": "Print JSON."})
def backup(project: Project, to: str | None = None, json: bool = False) -> None:
    """Write the whole database to a file, which database.restore puts back.

    inv database.backup
    """
    from pathlib import Path

    from fastman_tasks import actions
    from fastman_tasks.plans import Observer
    from fastman_tasks.tasks.lifecycle import LifecycleLines

    file, lines = Path(to) if to else None, LifecycleLines(project)
    observer = Observer() if json else lines
    report = revisions.read(project, json, lambda: actions.backup(project, to=file, observer=observer))
    if json:
        console.print_json(json_report.report_value(project, report, report.command, None))


@changing_task(help={"path": "What database.backup has written.", "pretend": "Look at the file; change nothing."})
def restore(run: Run, path: str) -> None:
    """Put a backup in place of everything in the database.

    inv database.restore database/backups/app-20261125-130000.db
    """
    from pathlib import Path

    from fastman_tasks import actions
    from fastman_tasks.tasks.lifecycle import LifecycleLines

    run(actions.restore, path=Path(path), lines=LifecycleLines)
