"""The models' metadata in a project's own env.py."""

from __future__ import annotations

import io
from collections.abc import Sequence

from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData

from fastman_tasks.migrating.environment import Environment


def read(environment: Environment) -> list[MetaData]:
    """Returns the ``target_metadata`` that env.py passes to Alembic; empty if it passes none.

    No database is needed: env.py runs offline. Raises EnvironmentFailed if that fails.
    """
    found: list[MetaData] = []

    def look(_heads: tuple[str, ...], context: MigrationContext) -> tuple[()]:
        found.extend(each for each in as_list(context.opts.get("target_metadata")) if each not in found)
        return ()

    environment.run(look, reading=True, as_sql=True, output=io.StringIO(), dialect_name="sqlite")
    return found


def as_list(metadata: MetaData | Sequence[MetaData] | None) -> list[MetaData]:
    """Returns ``target_metadata`` as a list; env.py may pass one or several."""
    if metadata is None:
        return []
    return [metadata] if isinstance(metadata, MetaData) else list(metadata)
