"""Replay the project's migrations into a scratch database."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

from fastman_tasks.databases import scratch, urls
from fastman_tasks.databases import snapshot as snapshots
from fastman_tasks.databases.snapshot import Snapshot
from fastman_tasks.errors import ReplayImpossible
from fastman_tasks.plans import Observer
from fastman_tasks.project import Project
from fastman_tasks.sources import display_path


@contextmanager
def empty(project: Project) -> Iterator[Project]:
    """The project on an empty scratch database, in which nothing is migrated yet; it is dropped afterwards.

    Raises DatabaseUnavailable if there can be none, and ReplayImpossible for an env.py that connects elsewhere.
    """
    with scratch.create(project.database, project.settings.scratch_url) as database:
        copy = project.with_database(database)
        with copy:
            # Otherwise it would be the live database that is migrated.
            if copy.database.url.database != database.url.database:
                file = display_path(copy.environment.file, project.root)
                raise ReplayImpossible(
                    f"{file} connects to {urls.display_url(copy.database.url, project.root)}, whatever DATABASE_URL "
                    "and sqlalchemy.url say, so the migrations cannot be replayed in a scratch database."
                )
            yield copy


def migrate(copy: Project, to: Collection[str] | None = None, observer: Observer | None = None) -> None:
    """Apply the migrations of ``copy``, which ``empty`` yields, up to the revisions ``to`` or all of them.

    Raises MigrationFailed, and ValueError for a project that is not such a copy: nothing is asked or locked here.
    """
    if not copy.stands_in:
        raise ValueError("Only a scratch database is migrated without consent; see actions.migrate.")
    from fastman_tasks.migrating.executor import Executor

    copy.migrator.forget_state()
    plan = copy.migrator.plan_migrate("heads")
    if to is not None:
        wanted = copy.migrator.graph.with_ancestors(to)
        plan = replace(plan, steps=tuple(step for step in plan.steps if step.id in wanted))
    if plan.steps:
        Executor(copy.environment, copy.migrator, observer or Observer(), lambda what: None).run(plan)


def snapshot(project: Project) -> Snapshot:
    """Returns the schema of the project's database, without Alembic's version table."""
    if not project.database.exists:
        # Connecting to a SQLite file creates it.
        return Snapshot(())
    state = project.migrator.state
    found = project.database.run(snapshots.read)
    table = ".".join(filter(None, (state.schema, state.version_table)))
    return found.without(tables={table, state.version_table})
