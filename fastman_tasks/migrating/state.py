"""What the database says, read through the project's env.py."""

from __future__ import annotations

from alembic.runtime.migration import MigrationContext

from fastman_tasks import urls
from fastman_tasks.errors import EnvironmentFailed
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.plans import State
from fastman_tasks.sources import shown


def read(environment: Environment) -> State:
    """The database that env.py connects to, and the revisions in its version table. Nothing is written.

    Raises DatabaseUnavailable, and EnvironmentFailed for an env.py that fails, that runs no migrations, or that runs
    them on several databases.
    """
    seen: list[State] = []

    def look(heads: tuple[str, ...], context: MigrationContext) -> tuple[()]:
        if context.bind is not None:
            schema = context.version_table_schema or context.bind.dialect.default_schema_name
            has_metadata = context.opts.get("target_metadata") is not None
            seen.append(State(context.bind.engine.url, heads, context.version_table, schema, has_metadata))
        return ()

    environment.run(look, reading=True)
    file = shown(environment.file, environment.root)
    if not seen:
        raise EnvironmentFailed(
            f"{file} ran no migrations. It has to call context.configure(connection=…) and context.run_migrations()."
        )
    places = dict.fromkeys((state.url, state.version_table, state.schema) for state in seen)
    if len(places) > 1:
        listed = "".join(f"\n  {urls.shown(url, environment.root)}, {table}" for url, table, _ in places)
        raise EnvironmentFailed(
            f"{file} migrates several databases in one run: one command here acts on one database. "
            f"Use alembic itself for this project. It ran migrations on:{listed}"
        )
    return seen[-1]
