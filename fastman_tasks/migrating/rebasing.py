"""Move a chain of revisions onto another one: which revisions move, and what each of them then revises."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fastman_tasks.errors import MigrationRefused, RebaseUndecided, UsageError
from fastman_tasks.migrating import heads
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.revisions.graph import Revision, RevisionGraph
from fastman_tasks.text import printable


@dataclass(frozen=True)
class Move:
    """What leads to ``revision`` is put on top of ``onto``.

    ``moved`` are the revisions that then follow it, oldest first; ``parents`` those whose ``down_revision`` changes,
    with what it is and what it becomes. ``after`` is the graph afterwards.
    """

    revision: Revision
    onto: Revision
    moved: tuple[Revision, ...]
    parents: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
    after: RevisionGraph


def choose(
    graph: RevisionGraph, root: Path, applied: Collection[str] | None, revision: str | None, onto: str | None
) -> tuple[Revision, Revision] | None:
    """Returns the revision to move, and the one to move it onto: ``revision`` and ``onto`` where they are given, else
    the head that only this branch has, and the other one. None if there is one head.

    Raises RebaseUndecided, with the possible ones, where neither git nor the database tells, and MigrationRefused if
    others have all of them.
    """
    if revision is not None and onto is not None:
        return graph[revision], graph[onto]
    if len(graph.ends) < 2:
        return None
    if revision is None and onto is None and graph.are_independent(graph.heads):
        raise MigrationRefused(
            "The heads are branches of their own, by their labels, folders or first revisions: there is nothing to "
            "rebase. To move one all the same: inv migrate.rebase REVISION --onto=REVISION"
        )
    branches = heads.compare(graph, root, applied)
    movable = [
        each
        for each in branches
        if (revision is None or revision in graph.with_ancestors([each.head.id]))
        and (onto is None or onto not in graph.with_ancestors([each.head.id]))
    ]
    pairs = [
        (each, other)
        for each in movable
        for other in branches
        if other is not each
        and (onto is None or onto in graph.with_ancestors([other.head.id]))
        and (revision is None or revision not in graph.with_ancestors([other.head.id]))
    ]
    if pairs and all(each.published for each, _ in pairs):
        named = ", ".join(f"{each.head.id} ({each.published})" for each in dict.fromkeys(each for each, _ in pairs))
        raise MigrationRefused(f"Others have all of it already: {named}. Merge the heads: inv migrate.merge")
    unpublished = [(each, other) for each, other in pairs if not each.published]
    # What is published stays, and so does, of the rest, what is not known to be only here.
    clear = [pair for pair in unpublished if pair[0].published == "" and pair[1].published] or unpublished
    found = [(graph[revision] if revision else each.head, graph[onto] if onto else other.head) for each, other in clear]
    if len(found) == 1 and (clear[0][0].published == "" or revision or onto):
        return found[0]
    if not found:
        raise UsageError(f"{revision or onto} leads to every head; there is nothing to move.")
    commands = [heads.rebase_command(*pair) for pair in found]
    listed = "".join(f"\n  {command}" for command in commands)
    what = "Choose what to move; git does not tell which of them only this branch has"
    if len({each.id for each, _ in found}) == 1 < len(found):
        what = f"Choose what {printable(found[0][0].id)} is to follow; there are {len(found)} other heads"
    elif all(each.published == "" for each, _ in clear):
        what = "Choose what to move; more than one of them is only on this branch"
    raise RebaseUndecided(f"{what}. Nothing was changed.{listed}", commands)


def find_move(graph: RevisionGraph, environment: Environment, revision: Revision, onto: Revision) -> Move:
    """Returns the Move of everything that leads to ``revision``, and not to ``onto``. It changes nothing if that
    follows ``onto`` already.

    Raises UsageError if ``revision`` leads to ``onto``.
    """
    below = graph.with_ancestors([onto.id])
    if revision.id in below:
        what = "is that revision" if revision == onto else "leads to it"
        raise UsageError(f"{revision.id} cannot be moved onto {onto.id}: it {what}.")
    chain = graph.with_ancestors([revision.id]) - below
    # Parents come before their children.
    moved: dict[str, Revision] = {}
    for each in graph.revisions:
        if each.id in chain or any(parent in moved for parent in each.parents):
            moved[each.id] = each
    parents = {}
    for each in moved.values():
        old = _down(environment, each.id)
        if each.id in chain and not set(old) <= chain:
            # A merge with what is below it anyway has nothing left to merge.
            new = tuple(parent for parent in old if parent in chain) or (onto.id,)
            if new != old:
                parents[each.id] = (old, new)
        elif each.id in chain and not old:
            parents[each.id] = (old, (onto.id,))
    return Move(revision, onto, tuple(moved.values()), parents, _after(graph, onto, parents))


def _down(environment: Environment, revision_id: str) -> tuple[str, ...]:
    """What a revision revises, without what it only depends on."""
    down = environment.scripts.get_revision(revision_id).down_revision
    return () if down is None else (down,) if isinstance(down, str) else tuple(down)


def _after(
    graph: RevisionGraph, onto: Revision, parents: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
) -> RevisionGraph:
    def move(each: Revision) -> Revision:
        if each.id == onto.id and parents:
            return replace(each, is_head=False)
        if each.id not in parents:
            return each
        old, new = parents[each.id]
        depended = tuple(parent for parent in each.parents if parent not in old)
        return replace(each, parents=(*new, *depended))

    return RevisionGraph(map(move, graph.revisions))
