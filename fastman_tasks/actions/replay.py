"""Replay the project's migrations into a scratch database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy import Connection

from fastman_tasks.databases import dump, scratch, urls
from fastman_tasks.databases import snapshot as snapshots
from fastman_tasks.databases.database import Database
from fastman_tasks.databases.dump import Dump
from fastman_tasks.databases.snapshot import Snapshot
from fastman_tasks.databases.tables import own_tables
from fastman_tasks.errors import DatabaseUnavailable, MigrationFailed, ReplayImpossible
from fastman_tasks.plans import Observer, Plan, State, Step
from fastman_tasks.project import Project
from fastman_tasks.sources import display_path


@contextmanager
def empty(project: Project) -> Iterator[Project]:
    """The project on an empty scratch database, in which nothing is migrated yet; it is dropped afterwards.

    Raises DatabaseUnavailable if there can be none, and ReplayImpossible for an env.py that connects elsewhere.
    """
    live = live_database(project)
    with scratch.create(live, project.settings.scratch_url) as database:
        copy = project.with_database(database, live.url)
        with copy:
            # Otherwise it would be the live database that is migrated.
            if copy.has_environment and copy.database.url.database != database.url.database:
                file = display_path(copy.environment.file, project.root)
                raise ReplayImpossible(
                    f"{file} connects to {urls.display_url(copy.database.url, project.root)}, whatever DATABASE_URL "
                    "and sqlalchemy.url say, so the migrations cannot be replayed in a scratch database."
                )
            yield copy


@contextmanager
def full(project: Project) -> Iterator[Project]:
    """As ``empty``, with every migration applied that there is. Raises MigrationFailed, too."""
    with empty(project) as copy:
        if copy.has_environment:
            migrate(copy)
        yield copy


def live_database(project: Project) -> Database:
    """The database of ``project``, also if there is none: what the settings or alembic.ini say of it is enough."""
    try:
        return project.database
    except DatabaseUnavailable:
        # By default it would be another kind of database.
        if project.settings.url is None and project.has_environment and project.environment.configured_url is None:
            raise
        return project.configured_database


def migrate(
    copy: Project,
    to: Collection[str] | None = None,
    observer: Observer | None = None,
    after: Callable[[Step, Snapshot], None] | None = None,
) -> None:
    """Apply the migrations of ``copy``, which ``empty`` yields, up to the revisions ``to`` or all of them. ``after`` is
    called with each of them and the schema that it has left.

    Raises MigrationFailed, and ValueError for a project that is not such a copy: nothing is asked or locked here.
    """
    _require_copy(copy)
    copy.migrator.forget_state()
    plan = copy.migrator.plan_migrate("heads")
    if to is not None:
        wanted = copy.migrator.graph.with_ancestors(to)
        plan = replace(plan, steps=tuple(step for step in plan.steps if step.id in wanted))
    _run(copy, plan, observer, after)


def rollback(copy: Project, steps: int, after: Callable[[Step, Snapshot], None] | None = None) -> None:
    """Roll back the newest ``steps`` migrations of ``copy``, also those whose ``downgrade()`` is empty. Otherwise as
    ``migrate``; raises MigrationRefused for one that cannot be rolled back."""
    _require_copy(copy)
    copy.migrator.forget_state()
    plan = copy.migrator.plan_rollback(steps=steps, accept_empty=True)
    # What is lost here is nobody's.
    _run(copy, replace(plan, losses=(), uncounted=None), None, after)


def load(copy: Project, step: Step) -> None:
    """Load the dump of ``step`` into ``copy``. Raises MigrationFailed."""
    from fastman_tasks.migrating import atomic

    _require_copy(copy)
    copy.migrator.forget_state()
    plan = Plan((step,), copy.migrator.state)
    atomic.run(copy.environment, plan, Observer(), lambda what: None)
    copy.migrator.forget_state()


def read_dump(copy: Project) -> Dump:
    """Returns the schema and the rows of ``copy``, without Alembic's version table and our history."""
    state = copy.migrator.state

    def read(connection: Connection) -> Dump:
        quote = connection.dialect.identifier_preparer.quote
        quoted = replace(state, version_table=quote(state.version_table), schema=state.schema and quote(state.schema))
        return dump.read(connection, without=own_tables(state) | own_tables(quoted))

    return copy.database.run(read)


def _require_copy(project: Project) -> None:
    if not project.stands_in:
        raise ValueError("Only a scratch database is migrated without consent; see actions.migrate.")


def _run(copy: Project, plan: Plan, observer: Observer | None, after: Callable[[Step, Snapshot], None] | None) -> None:
    from fastman_tasks.migrating.executor import Executor

    known: snapshots.Known = {}

    def look(step: Step, connection: Connection) -> None:
        assert after is not None and plan.state is not None
        after(step, _without_own_tables(snapshots.read(connection, known), plan.state))

    if plan.steps:
        run = Executor(
            copy.environment,
            copy.migrator,
            observer or Observer(),
            lambda what: None,
            after=look if after is not None else None,
        )
        try:
            run.run(plan)
        except MigrationFailed as error:
            # What is kept of a scratch database, and how to go on with it, is no matter.
            first, *more = str(error).splitlines()
            lines = [first, *(line for line in more if line.startswith("  Statement: "))]
            text = "\n".join([*lines, "It was run in a scratch database. Nothing was changed."])
            raise MigrationFailed(text) from error


def snapshot(project: Project) -> Snapshot:
    """Returns the schema of the project's database, without Alembic's version table and our history."""
    if not project.database.exists:
        # Connecting to a SQLite file creates it.
        return Snapshot(())
    return _without_own_tables(project.database.run(snapshots.read), project.migrator.state)


def _without_own_tables(found: Snapshot, state: State) -> Snapshot:
    return found.without(tables=own_tables(state))
