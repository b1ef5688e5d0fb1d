"""Write the revision that merges the heads."""

from __future__ import annotations

from pathlib import Path

from alembic.runtime.migration import MigrationContext

from fastman_tasks.making.new_revision import NewRevision
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.revisions.graph import Revision, RevisionGraph


def merge(
    environment: Environment, graph: RevisionGraph, message: str = "merge heads", *, pretend: bool = False
) -> tuple[tuple[Revision, ...], Path | None]:
    """Write a revision of the project's ``graph`` that revises all of its heads, and does nothing.

    Returns the heads, and the file; there is none if they are one already, or with ``pretend``. Raises FileNotWritten.
    """
    heads = tuple(graph.heads)
    if len(heads) < 2 or pretend:
        return heads, None
    revision = NewRevision(environment, message, parents=[head.id for head in heads])

    def fill(recorded: tuple[str, ...], context: MigrationContext) -> None:
        revision.alembic.run_no_autogenerate(recorded, context)

    if revision.needs_env_py:
        revision.run(fill, models=False)
    return heads, revision.write(graph.revisions)
