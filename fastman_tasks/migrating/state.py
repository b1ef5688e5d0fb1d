"""What the database says, read through the project's env.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.engine import URL

from fastman_tasks.databases import commits, urls
from fastman_tasks.errors import EnvironmentFailed
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.plans import State
from fastman_tasks.sources import display_path

# A URL, and the schema that the dialect remembers, are what somebody asked for: connect_args, a creator, USE and SET
# search_path may have made something else of it.
_PLACES = {
    "postgresql": "SELECT current_database(), current_schema(), host(inet_server_addr()), inet_server_port()",
    "mysql": "SELECT database(), database(), NULL, NULL",
    "mariadb": "SELECT database(), database(), NULL, NULL",
    "sqlite": "SELECT file, NULL, NULL, NULL FROM pragma_database_list WHERE name = 'main'",
}


def _place(connection: Connection) -> tuple[URL, str | None]:
    """The URL of the database that ``connection`` leads to, and the schema in it that comes first."""
    url = connection.engine.url
    query = _PLACES.get(connection.dialect.name)
    if query is None:
        return url, connection.dialect.default_schema_name
    database, schema, host, port = connection.exec_driver_sql(query).one()
    named = urls.sqlite_file(url)
    is_named = named is not None and database and named.resolve() == Path(database).resolve()
    if database and not is_named and not (url.database or "").startswith("file:"):
        url = url.set(database=database)
    if host and not (url.host or url.query.get("host") or url.query.get("service")):
        url = url.set(host=host, port=port)
    return url, schema


def read(environment: Environment, also: Callable[[State, Connection], None] | None = None) -> State:
    """The database that env.py connects to, and the revisions in its version table. Nothing is written.

    ``also`` is called with both while env.py runs.

    Raises DatabaseUnavailable, and EnvironmentFailed for an env.py that fails, that runs no migrations, or that runs
    them on several databases.
    """
    seen: list[State] = []

    def look(heads: tuple[str, ...], context: MigrationContext) -> tuple[()]:
        if context.bind is not None:
            url, schema = _place(context.bind)
            schema = context.version_table_schema or schema
            has_metadata = context.opts.get("target_metadata") is not None
            seen.append(State(url, heads, context.version_table, schema, has_metadata))
            if also is not None:
                also(seen[-1], context.bind)
        return ()

    environment.run(look, reading=True)
    file = display_path(environment.file, environment.root)
    if not seen:
        raise EnvironmentFailed(
            f"{file} ran no migrations. It has to call context.configure(connection=…) and context.run_migrations()."
        )
    places = dict.fromkeys((state.url, state.version_table, state.schema) for state in seen)
    if len(places) > 1:
        listed = "".join(
            f"\n  {urls.display_url(url, environment.root)}, {f'{schema}.' if schema else ''}{table}"
            for url, table, schema in places
        )
        raise EnvironmentFailed(
            f"{file} migrates several databases, or schemas, in one run: one command here acts on one database. "
            f"Use alembic itself for this project. It ran migrations on:{listed}"
        )
    return seen[-1]


def has_settled(environment: Environment) -> bool:
    """Whether no transaction is changing the version table: what ``read`` returns now cannot change by itself. Raises
    what ``read`` raises."""
    changing: list[bool] = []

    def look(state: State, connection: Connection) -> None:
        changing.append(commits.is_changing(connection, state.version_table, state.schema))

    read(environment, look)
    return not any(changing)
