"""What the database says, read through the project's env.py."""

from __future__ import annotations

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from fastman_tasks import urls
from fastman_tasks.errors import EnvironmentFailed
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.plans import State
from fastman_tasks.sources import shown

# The dialect only knows what it was when its first connection was opened; env.py may have said otherwise since.
_CURRENT_SCHEMA = {
    "postgresql": "SELECT current_schema()",
    "mysql": "SELECT database()",
    "mariadb": "SELECT database()",
}


def _current_schema(connection: Connection) -> str | None:
    query = _CURRENT_SCHEMA.get(connection.dialect.name)
    return connection.exec_driver_sql(query).scalar() if query else connection.dialect.default_schema_name


def read(environment: Environment) -> State:
    """The database that env.py connects to, and the revisions in its version table. Nothing is written.

    Raises DatabaseUnavailable, and EnvironmentFailed for an env.py that fails, that runs no migrations, or that runs
    them on several databases.
    """
    seen: list[State] = []

    def look(heads: tuple[str, ...], context: MigrationContext) -> tuple[()]:
        if context.bind is not None:
            schema = context.version_table_schema or _current_schema(context.bind)
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
