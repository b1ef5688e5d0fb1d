"""The order of revisions is that of Alembic, in a fraction of its time."""

from __future__ import annotations

import random

from alembic.script.revision import Revision, RevisionMap
from hypothesis import given
from hypothesis import strategies as st

from fastman_tasks.revisions.order import newest_first


@st.composite
def graphs(draw: st.DrawFn) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Revisions with the earlier ones that they revise and depend on, by number."""
    graph: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    for number in range(draw(st.integers(1, 14))):
        earlier = st.lists(st.integers(0, number - 1), max_size=3, unique=True) if number else st.just([])
        graph.append((tuple(draw(earlier)), tuple(draw(earlier)[:1])))
    return graph


def read(graph: list[tuple[tuple[int, ...], tuple[int, ...]]], names: list[str]) -> RevisionMap:
    """What Alembic makes of ``graph`` where revisions have ``names``; files are read by name."""
    made = [
        Revision(names[at], tuple(names[each] for each in parents), tuple(names[each] for each in depends))
        for at, (parents, depends) in enumerate(graph)
    ]
    return RevisionMap(lambda: iter(sorted(made, key=lambda each: each.revision)))


@given(st.data())
def test_the_order_is_that_of_alembic(data: st.DataObject) -> None:
    """On any graph: branches, merges, merges of an ancestor, dependencies, several roots."""
    graph = data.draw(graphs())
    names = data.draw(st.permutations([f"{letter}0" for letter in "abcdefghijklmn"[: len(graph)]]))
    revisions = read(graph, names)
    parents = {each: revisions.get_revision(each)._normalized_down_revisions for each in sorted(names)}
    expected = [each.revision for each in revisions.iterate_revisions("heads", "base")]
    assert newest_first(parents, parents) == expected


def test_a_long_history_full_of_merges() -> None:
    """Each revision is looked at a few times, however many merges there are."""
    looks = 0

    class Counted(dict[str, tuple[str, ...]]):
        def __getitem__(self, name: str) -> tuple[str, ...]:
            nonlocal looks
            looks += 1
            return super().__getitem__(name)

    chance = random.Random(1)
    parents = Counted({"0": ()})
    last = ["0"]
    for number in range(1, 3000):
        name = str(number)
        if len(last) > 1 and chance.random() < 0.5:
            parents[name] = tuple(last)
            last = [name]
        else:
            parents[name] = (chance.choice(last),)
            last = [*(each for each in last if each not in parents[name]), name] if chance.random() < 0.7 else last
            if name not in last:
                last.append(name)
    found = newest_first(parents, parents)
    assert len(found) == 3000
    assert looks < 5 * 3000
