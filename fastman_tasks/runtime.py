"""What a generated env.py calls; the same under ``inv`` and under plain ``alembic``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic import context
from sqlalchemy import Connection, MetaData

from fastman_tasks.databases.hooks import ignore_foreign_keys
from fastman_tasks.env_file import export_environ
from fastman_tasks.making import ignored_tables
from fastman_tasks.migrating import hidden_history
from fastman_tasks.migrating.environment import MODELS, PROJECT

if TYPE_CHECKING:
    from fastman_tasks.project import Project


def run_migrations() -> None:
    """Configure Alembic's context for the project and run the migrations that Alembic was asked to run.

    Each migration and its row in the version table share one transaction, on SQLite too.
    """
    project = _project()
    with export_environ(project.settings.exports):
        _run(project)


def _run(project: Project) -> None:
    options: dict[str, Any] = {
        "target_metadata": _metadata(project) if context.config.attributes.get(MODELS, True) else None,
        "transaction_per_migration": True,
        "compare_type": True,
    }
    if context.is_offline_mode():
        url = project.configured_database.url
        sqlite = url.get_backend_name() == "sqlite"
        context.configure(
            url=url,
            literal_binds=True,
            dialect_opts={"paramstyle": "named"},
            transactional_ddl=sqlite or None,
            **options,
        )
        with context.begin_transaction():
            context.run_migrations()
        return

    def migrate(connection: Connection) -> None:
        sqlite = connection.dialect.name == "sqlite"
        ignored_tables.narrow(options, connection, project.settings.ignore_tables)
        hidden_history.hide(options, connection)
        # An application may turn them on for every engine there is.
        ignore_foreign_keys(connection)
        context.configure(
            connection=connection,
            # SQLite cannot alter a column in place; and its DDL is transactional where the driver lets it be.
            render_as_batch=sqlite,
            transactional_ddl=sqlite or None,
            **options,
        )
        with context.begin_transaction():
            context.run_migrations()

    project.configured_database.run(migrate)


def _metadata(project: Project) -> list[MetaData]:
    from fastman_tasks.models import discovery

    return discovery.load(project.root, project.settings.models).metadata


def _project() -> Project:
    from fastman_tasks.project import Project

    opened = context.config.attributes.get(PROJECT)
    if opened is not None:
        return opened  # type: ignore[no-any-return]
    file = context.config.config_file_name or context.config.toml_file_name
    return Project.open(Path(file).parent if file else None)
