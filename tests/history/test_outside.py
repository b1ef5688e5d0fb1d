"""What other tools did is worked out from what the version table says, whatever the graph of revisions is."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fastman_tasks.history import outside
from fastman_tasks.history.entries import History
from fastman_tasks.plans import Entry
from fastman_tasks.revisions.graph import Revision, RevisionGraph
from graphs import Graph, graphs


def name(number: int) -> str:
    return f"r{number}"


def parents(graph: Graph, number: int) -> tuple[str, ...]:
    below, depends_on = graph[number]
    return tuple(map(name, (*below, *(() if depends_on is None else (depends_on,)))))


def revisions(graph: Graph, without: Collection[int] = ()) -> RevisionGraph:
    """The graph as files have it, ``without`` those that were deleted."""
    numbers = [number for number in range(len(graph)) if number not in without]
    return RevisionGraph(Revision(name(each), Path(f"{name(each)}.py"), "", parents(graph, each)) for each in numbers)


def history(changes: Iterable[tuple[str, str]], before: History = History()) -> History:  # noqa: B008
    """``before``, and then these revisions and actions."""
    found = list(before.entries)
    for revision, action in changes:
        found.append(Entry(len(found) + 1, "outside", revision, action, 1))
    return History(tuple(found))


def above(graph: Graph, number: int) -> set[int]:
    """``number`` and all that is based on it, or depends on it."""
    found = {number}
    for each in range(number + 1, len(graph)):
        if found & {int(parent[1:]) for parent in parents(graph, each)}:
            found.add(each)
    return found


@given(st.data())
def test_it_leads_to_what_is_recorded(data: st.DataObject) -> None:
    """From any state to any other: each revision once, children before their parents where they go, parents before
    their children where they come; and then nothing is left to note."""
    graph = data.draw(graphs())
    whole, some = revisions(graph), st.sets(st.sampled_from(range(len(graph))))
    before = whole.with_ancestors(map(name, data.draw(some)))
    heads = [name(each) for each in data.draw(some)]
    known = history((each.id, "apply") for each in whole.revisions if each.id in before)

    found = outside.find(known, heads, whole, lambda ids: {})

    after = whole.with_ancestors(heads)
    gone = [each.revision for each in found if each.action == "unmark"]
    new = [each.revision for each in found if each.action == "mark"]
    assert len(gone) == len(set(gone)) and set(gone) == before - after
    assert len(new) == len(set(new)) and set(new) == after - before
    assert all(each.message.endswith("outside the history") for each in found) or not before
    for order in (gone[::-1], new):
        for position, each in enumerate(order):
            assert not set(order[position:]) & set(parents(graph, int(each[1:])))
    now = history(((each.revision, each.action) for each in found), known)
    assert set(now.standing) == after
    assert outside.find(now, heads, whole, lambda ids: {}) == []
    assert outside.skipped(now, after, whole) == set()


@given(st.data())
def test_an_adopted_database_is_adopted_whole(data: st.DataObject) -> None:
    """Without a history there was no other tool: it begins with what is recorded, of which nothing was skipped."""
    graph = data.draw(graphs())
    whole = revisions(graph)
    heads = [name(data.draw(st.sampled_from(range(len(graph)))))]
    found = outside.find(History(), heads, whole, lambda ids: {})
    assert {each.revision for each in found} == whole.with_ancestors(heads)
    assert {(each.action, each.message) for each in found} == {("mark", "applied before the history began")}
    assert outside.skipped(History(), whole.with_ancestors(heads), whole) == set()


@given(st.data())
def test_deleted_files_are_no_rollback(data: st.DataObject) -> None:
    """As long as the database records them, revisions without a file stand, and all below them, whose headers were
    kept with their texts."""
    graph = data.draw(graphs())
    whole = revisions(graph)
    applied = whole.with_ancestors(map(name, data.draw(st.sets(st.sampled_from(range(len(graph))), min_size=1))))
    heads = [each for each in applied if not any(each in parents(graph, int(other[1:])) for other in applied)]
    known = history((each.id, "apply") for each in whole.revisions if each.id in applied)
    lost = above(graph, data.draw(st.sampled_from(range(len(graph)))))

    def sources(ids: Collection[int]) -> dict[int, bytes]:
        rows = {each.id: int(each.name[1:]) for each in known.entries if each.id in ids}
        return {
            id: f"revision = {name(number)!r}\ndown_revision = {parents(graph, number) or None!r}\n".encode()
            for id, number in rows.items()
        }

    assert outside.find(known, heads, revisions(graph, lost), sources) == []
