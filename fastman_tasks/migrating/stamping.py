"""Record revisions in the version table without running them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from alembic.runtime.migration import MigrationContext, StampStep

from fastman_tasks.errors import MigrationRefused
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.revisions.graph import RevisionGraph


def stamp(environment: Environment, heads: Collection[str], expected: Collection[str]) -> None:
    """Let the version table record ``heads`` alone, which are revisions with a file. The caller holds the lock.

    Raises MigrationRefused, before anything is written, if it does not record the ``expected`` revisions any more.
    """
    stamped = False

    def run(recorded: tuple[str, ...], _context: MigrationContext) -> list[StampStep]:
        nonlocal stamped
        # An env.py that runs migrations twice.
        if stamped:
            return []
        if set(recorded) != set(expected):
            raise MigrationRefused("Another process migrated this database in the meantime. Run the command again.")
        stamped = True
        return steps(
            environment,
            [each for each in recorded if each not in heads],
            [each for each in heads if each not in recorded],
        )

    environment.run(run, reading=False, models=False)


def steps(environment: Environment, gone: Sequence[str], new: Sequence[str]) -> list[StampStep]:
    """Returns what Alembic runs to record the revisions ``new`` instead of those that are ``gone``."""
    revision_map = environment.scripts.revision_map
    if gone and new:
        # Each step may be a transaction of its own: in none of them nothing at all is recorded.
        return [StampStep(gone, new[0], True, False, revision_map), *steps(environment, (), new[1:])]
    return [
        *(StampStep(each, None, False, True, revision_map) for each in gone),
        *(StampStep((), each, True, True, revision_map) for each in new),
    ]


def heads_after(graph: RevisionGraph, recorded: Collection[str], targets: Collection[str]) -> tuple[str, ...]:
    """Returns what is recorded once ``targets`` are stamped: they, and what is ``recorded`` of branches apart from
    theirs. What no file has is recorded no more."""
    ancestors = graph.with_ancestors(targets)
    others = [each for each in recorded if each in graph and not graph.with_ancestors([each]) & ancestors]
    return tuple(dict.fromkeys([*targets, *others]))
