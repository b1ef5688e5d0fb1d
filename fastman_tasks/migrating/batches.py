"""Plan to roll back what one run of a command has applied."""

from __future__ import annotations

from fastman_tasks.errors import Command, MigrationRefused, UsageError
from fastman_tasks.history.entries import History
from fastman_tasks.history.journal import find_obstacle
from fastman_tasks.migrating.downgrades import steps_back
from fastman_tasks.migrating.migrator import Migrator
from fastman_tasks.plans import Plan
from fastman_tasks.revisions.graph import RevisionGraph
from fastman_tasks.settings import Settings


def plan(migrator: Migrator, settings: Settings, batch: int | None = None, *, accept_empty: bool = False) -> Plan:
    """Returns the plan that rolls back what the run ``batch`` has applied, as far as it is applied still; None is the
    newest run of which anything is.

    Raises UsageError for a run that is not in the history; MigrationRefused if there is no history, if other applied
    migrations build on what was applied, and as ``plan_rollback`` does.
    """
    history = migrator.history
    applied = migrator.applied
    if applied and not history.has_migrations:
        why = f"cannot be read: {history.problem}" if history.problem else "is empty"
        if reason := find_obstacle(settings, migrator.state):
            why = f"is not kept, as {reason}"
        raise MigrationRefused(
            f"What each run has applied is not known: the history (fastman_history) {why}. Nothing was changed.\n"
            "Say how many migrations to roll back: inv migrate.rollback --steps=N",
            next=Command("migrate.rollback", flags=(("steps", 1),)),
        )
    found = {each: _batch(history, each) for each in applied}
    batches = {each.batch for each in history.entries}
    if batch is None:
        batch = max(filter(None, found.values()), default=0)
    elif batch not in batches:
        last = f"the last one is {max(batches)}" if batches else "there is none yet"
        raise UsageError(f"--batch={batch} is not a run in the history: {last}. See inv migrate.history --runs")
    wanted = {each for each, run in found.items() if run == batch}
    graph = migrator.graph
    newest_first = [each for each in reversed(graph.revisions) if each.id in applied]
    building_on = [
        each.id for each in newest_first if each.id not in wanted and graph.with_ancestors([each.id]) & wanted
    ]
    if building_on:
        needed = wanted | set(building_on)
        count = 1 + max(number for number, each in enumerate(newest_first) if each.id in needed)
        raise _refuse(batch, {each: found[each] for each in building_on}, graph, count)
    revisions = [each for each in newest_first if each.id in wanted]
    dialect = migrator.state.url.get_dialect().name
    return migrator.plan(lambda: steps_back(revisions, dialect, accept_empty=accept_empty, fewer="--steps=N"))


def _batch(history: History, revision: str) -> int | None:
    """The run that applied ``revision``; None if another tool did, or it was only recorded."""
    entry = history.standing.get(revision)
    return entry.batch if entry is not None and entry.action == "apply" else None


def _refuse(batch: int, building_on: dict[str, int | None], graph: RevisionGraph, count: int) -> MigrationRefused:
    listed = "".join(
        f"\n  {graph[each].name}  {'recorded, or applied outside the history' if run is None else f'batch {run}'}"
        for each, run in building_on.items()
    )
    together = Command("migrate.rollback", flags=(("steps", count),))
    ways = [f"Roll back all of these together: {together}"]
    if None not in building_on.values():
        newest_first = sorted({run for run in building_on.values() if run is not None}, reverse=True)
        commands = [str(Command("migrate.rollback", flags=(("batch", each),))) for each in (*newest_first, batch)]
        ways.insert(0, f"Roll back the later runs first: {', then '.join(commands)}")
    return MigrationRefused(
        f"Other applied migrations build on those of batch {batch}, so nothing was changed:{listed}\n"
        + "\n".join(ways),
        next=together,
    )
