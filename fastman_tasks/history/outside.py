"""What other tools have done to a database since the history was written last."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from fastman_tasks.history.entries import History
from fastman_tasks.revisions import files, squashed
from fastman_tasks.revisions.graph import RevisionGraph

_Sources = Callable[[Collection[int]], Mapping[int, bytes]]


class Change(NamedTuple):
    """A ``revision`` that came to count as applied (*mark*), or ceased to (*unmark*), and what is known of that."""

    revision: str
    action: str
    message: str


def find(history: History, heads: Collection[str], graph: RevisionGraph, sources: _Sources) -> list[Change]:
    """Returns what leads from ``history`` to a database that records ``heads``. ``sources`` returns the texts of the
    version files of entries, by their ids."""
    standing = history.standing
    if not heads and not standing:
        return []
    lost = [each for each in standing if each not in graph]
    applied = graph.with_ancestors(heads)
    unknown = [each for each in heads if each not in graph]
    if lost and unknown:
        applied |= with_lost_ancestors(unknown, graph, parents_of_lost(history, graph, sources))
    else:
        applied |= set(unknown)
    # Their parents cannot be known.
    uncertain = bool(set(unknown) - set(standing))
    new = [each.id for each in graph.revisions if each.id in applied and each.id not in standing]
    new += [each for each in unknown if each not in standing]
    if history.has_migrations:
        came = "applied outside the history"
        never_ran = skipped(history, applied, graph)
        new = [each for each in new if each not in never_ran]
    else:
        came = "applied before the history began"
    gone = [each for each in reversed(standing) if each not in applied and not (uncertain and each not in graph)]
    replaced = squashed.find_replacements(graph) if any(each not in graph for each in gone) else {}

    def why(revision: str) -> str:
        return f"squashed into {replaced[revision].id}" if revision in replaced else "rolled back outside the history"

    # The old files may come back with another branch: while what they became is applied, they are.
    gone = [each for each in gone if each not in replaced or replaced[each].id not in applied]
    return [
        *(Change(each, "unmark", why(each)) for each in gone),
        *(Change(each, "mark", came) for each in new),
    ]


def skipped(history: History, applied: Collection[str], graph: RevisionGraph) -> set[str]:
    """Returns the revisions that count as ``applied`` and never ran: they were put below one that had been applied."""
    standing = history.standing
    if not history.has_migrations:
        return set()
    # Whatever ran before it is no ancestor that another tool could have applied with it.
    below = graph.with_ancestors(each for each in standing if each in applied)
    return {each for each in applied if each in below and each not in standing}


def parents_of_lost(history: History, graph: RevisionGraph, sources: _Sources) -> dict[str, tuple[str, ...]]:
    """Returns the parents of each revision that is standing and has no file, as far as its text was kept."""
    lost = {entry.id: name for name, entry in history.standing.items() if name not in graph}
    found = {}
    for number, content in sources(list(lost)).items():
        if (header := files.find(content)) is not None:
            found[lost[number]] = (*header.parents, *header.depends_on)
    return found


def with_lost_ancestors(ids: Collection[str], graph: RevisionGraph, parents: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Returns ``ids``, which no file has, and all that they revise or depend on."""
    found: set[str] = set()
    left = list(ids)
    while left:
        each = left.pop()
        if each not in found:
            found |= graph.with_ancestors([each]) | {each}
            left += parents.get(each, ())
    return found
