"""The graph of revisions."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fastman_tasks.history import History, Revision


def revision(id: str, *parents: str, file: str | None = None) -> Revision:
    """A revision whose file is named after its id."""
    return Revision(id, Path(f"{file or id}.py"), f"message of {id}", parents)


def ids(history: History) -> list[str]:
    """The revisions' ids, oldest first."""
    return [each.id for each in history.revisions]


def test_parents_come_before_children_whatever_their_files_are_named() -> None:
    """The order is the one they can be applied in; file names only decide between branches."""
    line = History([revision("c", "b", file="1"), revision("b", "a", file="2"), revision("a", file="3")])
    assert ids(line) == ["a", "b", "c"]

    merged = [revision("m", "l", "r"), revision("r", "a", file="1"), revision("l", "a", file="2"), revision("a")]
    assert ids(History(merged)) == ["a", "r", "l", "m"]
    assert ids(History(reversed(merged))) == ["a", "r", "l", "m"]


def test_ancestors_are_counted_through_branches_and_merges() -> None:
    """A revision implies all that it revises, through every parent; an id that no file has implies nothing."""
    history = History([revision("a"), revision("l", "a"), revision("r", "a"), revision("m", "l", "r"), revision("x")])
    assert history.with_ancestors(["m"]) == {"a", "l", "r", "m"}
    assert history.with_ancestors(["l", "x"]) == {"a", "l", "x"}
    assert history.with_ancestors(["gone"]) == set()
    assert history.with_ancestors([]) == set()
    assert "a" in history
    assert "gone" not in history


def test_a_long_line_is_no_deeper_than_a_short_one() -> None:
    """Thousands of revisions are walked without recursion."""
    history = History([revision("0"), *(revision(str(n), str(n - 1)) for n in range(1, 5000))])
    assert ids(history) == [str(n) for n in range(5000)]
    assert len(history.with_ancestors(["4999"])) == 5000


def test_a_revision_is_called_by_its_file() -> None:
    """People know a migration by its file's name without .py."""
    assert Revision("1a", Path("/x/2026_01_01_000000_create_users.py"), "", ()).name == "2026_01_01_000000_create_users"


@given(st.data())
def test_any_graph_is_ordered_completely(data: st.DataObject) -> None:
    """Of any graph every revision is listed once, after all of its parents."""
    size = data.draw(st.integers(0, 12))
    made = [
        revision(str(n), *map(str, data.draw(st.sets(st.integers(0, n - 1), max_size=3)) if n else ()))
        for n in range(size)
    ]
    ordered = ids(History(data.draw(st.permutations(made))))
    assert sorted(ordered) == sorted(each.id for each in made)
    for each in made:
        assert all(ordered.index(parent) < ordered.index(each.id) for parent in each.parents)
