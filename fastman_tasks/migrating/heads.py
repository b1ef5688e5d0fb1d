"""Several heads: who else has what leads to each, and whether to merge or to rebase."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from fastman_tasks import git
from fastman_tasks.errors import Command, MigrationRefused
from fastman_tasks.revisions.graph import Revision, RevisionGraph
from fastman_tasks.text import printable


@dataclass(frozen=True)
class Branch:
    """A head, and the revisions that lead to no other one: its ``own``, oldest first.

    ``published`` is a branch in git that has some of them and that this one goes into, ``pushed`` the one that it was
    pushed to; both are empty if there is none, and None if git cannot tell. ``is_applied`` is None if it is not known.
    """

    head: Revision
    own: tuple[Revision, ...]
    published: str | None
    pushed: str | None
    is_applied: bool | None

    @property
    def is_only_here(self) -> bool:
        """Whether certainly nobody else has any of it, nor, as far as that is known, this database."""
        return self.published == "" and self.pushed == "" and not self.is_applied

    @property
    def is_settled(self) -> bool:
        """Whether others have some of it, or this database has."""
        return bool(self.published or self.pushed or self.is_applied)


def compare(graph: RevisionGraph, root: Path, applied: Collection[str] | None) -> tuple[Branch, ...]:
    """Returns the branches that the revisions of ``graph`` end in; ``applied`` are those in the database, None if that
    is not known."""
    ends = graph.ends
    lines = {end: graph.with_ancestors([end]) for end in ends}
    own = {
        end: tuple(
            each
            for each in graph.revisions
            if each.id in line and not any(each.id in other for name, other in lines.items() if name != end)
        )
        for end, line in lines.items()
    }
    ids = {each.id for revisions in own.values() for each in revisions}
    published, pushed = find_shared(ids, root)
    return tuple(
        Branch(
            graph[end],
            own[end],
            _first(own[end], published),
            _first(own[end], pushed),
            None if applied is None else any(each.id in applied for each in own[end]),
        )
        for end in ends
    )


def find_shared(ids: Collection[str], root: Path) -> tuple[dict[str, str] | None, dict[str, str] | None]:
    """Returns those of ``ids`` that a branch has which this one goes into, each with that branch; and those that were
    pushed. None, twice, if git cannot tell: there is no such branch here, or no git."""
    shared = git.shared_branches(root)
    if not shared.bases:
        return None, None
    return git.revisions_in(shared.bases, ids, root), git.revisions_in(shared.pushed, ids, root)


def _first(revisions: tuple[Revision, ...], found: dict[str, str] | None) -> str | None:
    return None if found is None else next((found[each.id] for each in revisions if each.id in found), "")


@dataclass(frozen=True)
class WaysOut:
    """The ways out of several heads: the ``text`` names both; ``fitting`` is the one that fits, None if neither is
    known to."""

    text: str
    fitting: Command | None


def ways_out(graph: RevisionGraph, root: Path, applied: Collection[str] | None) -> WaysOut:
    """Returns the ways out of the several heads of ``graph``, and which one fits: to rebase what only this branch has,
    or to merge what others, or this database, have already."""
    branches = compare(graph, root, applied)
    movable = sorted((each for each in branches if each.is_only_here), key=lambda each: len(each.own))
    merge = Command("migrate.merge")
    if len(branches) < 2:
        return WaysOut(f"{printable(branches[0].head.id)} depends on the others. Merge them: {merge}", merge)
    if movable and len(branches) == 2:
        first = movable[0]
        (other,) = (each for each in branches if each is not first)
        is_known = first.is_applied is not None
        what = f"{printable(first.head.id)} is only on this branch{', and not applied here' if is_known else ''}"
        if len(movable) == 2:
            what = f"Neither is published{', pushed or applied here' if is_known else ' or pushed'}"
        return WaysOut(f"{what}: rebase it. Or merge them: {merge}", rebase_command(first.head, other.head))
    settled = [each for each in branches if each.is_settled]
    if len(settled) >= 2:
        also = next((each for each in settled if each.published == ""), None)
        other = next((each for each in branches if each is not also), branches[0])
        rebase = rebase_command(also.head, other.head) if also else "inv migrate.rebase REVISION --onto=REVISION"
        if also is not None and not also.pushed and len(branches) == 2:
            return WaysOut(
                f"{printable(also.head.id)} is only on this branch, but applied here: merge them, which keeps its "
                f"rows. Or rebase it, which rolls it back first: {rebase}",
                merge,
            )
        they = "Both are" if len(branches) == 2 else f"{len(settled)} of them are"
        return WaysOut(f"{they} published, pushed or applied here: merge them. Or rebase one: {rebase}", merge)
    first = next((each for each in reversed(branches) if not each.is_settled), branches[-1])
    other = next(each for each in branches if each is not first)
    rebase = rebase_command(first.head, other.head)
    return WaysOut(f"Merge them: {merge}. Or, if nobody else has {first.head.id}, rebase it: {rebase}", None)


def rebase_command(revision: Revision, onto: Revision) -> Command:
    """Returns the command that moves what leads to ``revision`` onto ``onto``."""
    return Command("migrate.rebase", (revision.id,), (("onto", onto.id),))


def require_one_end(
    graph: RevisionGraph, root: Path, known_applied: Callable[[], set[str] | None], *, chooses: bool = True
) -> None:
    """Raises MigrationRefused, with what to do, where there are several heads that are not meant to stay separate.

    ``known_applied`` returns what is applied, as ``describe_heads`` takes it; ``chooses`` is whether the command has a
    flag to choose one.
    """
    # A head that another one depends on is on the way to it.
    if len(graph.ends) > 1 and not graph.are_independent(graph.heads):
        otherwise = "Or choose one: --to=REVISION, or --to=heads for all." if chooses else ""
        raise describe_heads(graph, root, known_applied(), otherwise)


def describe_heads(
    graph: RevisionGraph, root: Path, applied: Collection[str] | None, otherwise: str
) -> MigrationRefused:
    """Returns the error that there are several heads: the revisions that lead to each, and the ways out. ``otherwise``
    is what else can be done, if anything."""
    heads = graph.heads
    lines = [f"There are {len(heads)} heads; choose one. Nothing was changed."]
    lines_of = [graph.with_ancestors([head.id]) for head in heads]
    shared = set.intersection(*lines_of)
    for head, line in zip(heads, lines_of, strict=True):
        lines.append(f"To {head.id}:")
        # What another head depends on has nothing of its own.
        own = [revision for revision in graph.revisions if revision.id in line - shared] or [head]
        lines += [f"  {revision.name}  {revision.message}" for revision in own]
    ways = ways_out(graph, root, applied)
    return MigrationRefused("\n".join(filter(None, [*lines, ways.text, otherwise])), next=ways.fitting)
