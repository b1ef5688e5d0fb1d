"""Graphs of revisions, of any shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

# A node's parents and dependencies, by number, all smaller than its own.
Graph = list[tuple[tuple[int, ...], int | None]]


def ancestors(graph: Graph, number: int, *, by_dependencies: bool = True) -> set[int]:
    """``number`` and everything below it."""
    parents, depends_on = graph[number]
    below = [*parents, *([depends_on] if depends_on is not None and by_dependencies else [])]
    return {number}.union(*(ancestors(graph, each, by_dependencies=by_dependencies) for each in below))


@st.composite
def graphs(draw: Callable[[Any], Any]) -> Graph:
    """Linear, branched, merged, with several roots and with depends_on, up to seven revisions."""
    graph: Graph = []
    for number in range(draw(st.integers(1, 7))):
        earlier = list(range(number))
        parents: list[int] = draw(st.lists(st.sampled_from(earlier), max_size=2, unique=True)) if earlier else []
        # A merge of a revision with its own ancestor is no merge.
        graph.append(((), None))
        if len(parents) == 2 and (
            parents[0] in ancestors(graph, parents[1]) or parents[1] in ancestors(graph, parents[0])
        ):
            parents = parents[:1]
        below = set().union(*(ancestors(graph, parent) for parent in parents)) if parents else set()
        free = sorted(set(earlier) - below)
        if len(parents) == 2:
            # Alembic itself fails (KeyError) to merge a revision that what it depends on is based on.
            free = [each for each in free if not ancestors(graph, each) & set(parents)]
        depends_on = draw(st.none() | st.sampled_from(free)) if free else None
        graph[number] = (tuple(sorted(parents)), depends_on)
    return graph
