"""The graph of revisions."""

from __future__ import annotations

from pathlib import Path

from fastman_tasks.revisions.graph import Revision, RevisionGraph


def revision(id: str, *parents: str, file: str | None = None) -> Revision:
    """A revision whose file is named after its id."""
    return Revision(id, Path(f"{file or id}.py"), f"message of {id}", parents)


def ids(graph: RevisionGraph) -> list[str]:
    """The revisions' ids, oldest first."""
    return [each.id for each in graph.revisions]


def test_several_heads_are_meant_to_stay_apart_or_not() -> None:
    """By a label of their own, by a folder of their own, or by having nothing in common; otherwise they are a fork."""

    def independent(*made: Revision) -> bool:
        return RevisionGraph(made).are_independent(RevisionGraph(made).heads)

    def head(id: str, *parents: str, label: str = "", location: str = "versions") -> Revision:
        labels = (label,) if label else ()
        return Revision(id, Path(f"{id}.py"), "", parents, labels, is_head=True, location=Path(location))

    assert not independent(revision("a"), head("l", "a"), head("r", "a"))
    assert not independent(revision("a"), head("l", "a", label="one"), head("r", "a"))
    assert independent(revision("a"), head("l", "a", label="one"), head("r", "a", label="two"))
    assert independent(revision("a"), head("l", "a", location="expand"), head("r", "a", location="contract"))
    assert not independent(revision("a"), head("l", "a", location="expand"), head("r", "a", location="expand"))
    assert independent(head("l"), head("r"))
    assert not independent(revision("a"), head("l", "a"), head("r", "a"), head("apart"))


def test_ancestors_are_counted_through_branches_and_merges() -> None:
    """A revision implies all that it revises, through every parent; an id that no file has implies nothing."""
    graph = RevisionGraph(
        [revision("a"), revision("l", "a"), revision("r", "a"), revision("m", "l", "r"), revision("x")]
    )
    assert graph.with_ancestors(["m"]) == {"a", "l", "r", "m"}
    assert graph.with_ancestors(["l", "x"]) == {"a", "l", "x"}
    assert graph.with_ancestors(["gone"]) == set()
    assert graph.with_ancestors([]) == set()
    assert "a" in graph
    assert "gone" not in graph


def test_a_long_line_is_no_deeper_than_a_short_one() -> None:
    """Thousands of revisions are walked without recursion."""
    graph = RevisionGraph([revision("0"), *(revision(str(n), str(n - 1)) for n in range(1, 5000))])
    assert ids(graph) == [str(n) for n in range(5000)]
    assert len(graph.with_ancestors(["4999"])) == 5000


def test_a_revision_is_called_by_its_file() -> None:
    """People know a migration by its file's name without .py."""
    assert Revision("1a", Path("/x/2026_01_01_000000_create_users.py"), "", ()).name == "2026_01_01_000000_create_users"
