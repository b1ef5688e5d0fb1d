"""What the database says, read through the project's env.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from fastman_tasks.databases import commits, places, urls
from fastman_tasks.errors import EnvironmentFailed, MigrationRefused
from fastman_tasks.migrating import hidden_history
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.plans import State
from fastman_tasks.sources import display_path


def read(environment: Environment, also: Callable[[State, Connection], None] | None = None) -> State:
    """The database that env.py connects to, and the revisions in its version table. Nothing is written.

    ``also`` is called with both while env.py runs.

    Raises DatabaseUnavailable, and EnvironmentFailed for an env.py that fails, that runs no migrations, or that runs
    them on several databases.
    """
    seen: list[State] = []

    def look(heads: tuple[str, ...], context: MigrationContext) -> tuple[()]:
        if context.bind is not None:
            seen.append(describe(heads, context, context.bind))
            if also is not None:
                also(seen[-1], context.bind)
        return ()

    for attempts_left in (2, 1, 0):
        try:
            environment.run(look, reading=True)
            break
        except EnvironmentFailed as error:
            # MySQL drops one table after the other, also while another process reads what is applied.
            if not attempts_left or not met_changing_table(error.__cause__):
                raise
            seen.clear()
    file = display_path(environment.file, environment.root)
    if not seen:
        raise EnvironmentFailed(
            f"{file} ran no migrations. It has to call context.configure(connection=…) and context.run_migrations()."
        )
    different = dict.fromkeys((state.url, state.version_table, state.schema) for state in seen)
    if len(different) > 1:
        listed = "".join(
            f"\n  {urls.display_url(url, environment.root)}, {f'{schema}.' if schema else ''}{table}"
            for url, table, schema in different
        )
        raise EnvironmentFailed(
            f"{file} migrates several databases, or schemas, in one run: one command here acts on one database. "
            f"Use alembic itself for this project. It ran migrations on:{listed}"
        )
    return seen[-1]


def describe(heads: tuple[str, ...], context: MigrationContext, connection: Connection) -> State:
    """Returns the state of the database behind ``connection``, which records ``heads``."""
    url, schema = places.find(connection)
    schema = context.version_table_schema or schema
    has_metadata = context.opts.get("target_metadata") is not None
    keeps_history = hidden_history.is_hidden(context)
    return State(url, heads, context.version_table, schema, has_metadata, connection.engine, keeps_history)


def met_changing_table(error: BaseException | None) -> bool:
    """Whether a statement on MySQL or MariaDB failed since a table is not there any more, or another one by now."""
    return isinstance(error, DBAPIError) and error.orig is not None and error.orig.args[:1] in ((1146,), (1412,))


def has_settled(environment: Environment) -> bool:
    """Whether no transaction is changing the version table: what ``read`` returns now cannot change by itself. Raises
    what ``read`` raises."""
    changing: list[bool] = []

    def look(state: State, connection: Connection) -> None:
        changing.append(commits.is_changing(connection, state.version_table, state.schema))

    read(environment, look)
    return not any(changing)


def require_same_place(planned: State, connection: Connection, root: Path) -> None:
    """Raises MigrationRefused if ``connection`` leads to another database than the one that was planned for."""
    if connection.dialect.name == "sqlite":
        # A file that did not exist when it was planned had no place.
        return
    url, _ = places.find(connection)
    if url != planned.url:
        raise MigrationRefused(
            f"env.py has connected to {urls.display_url(url, root)} now, and before to "
            f"{urls.display_url(planned.url, root)}. Nothing was changed."
        )
