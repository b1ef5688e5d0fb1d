"""What a rebase moves: on generated graphs everything follows what it has followed, and the revision it is put onto."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from hypothesis import given, settings
from hypothesis import strategies as st

from command import Sandbox
from fastman_tasks import actions
from fastman_tasks.errors import MigrationRefused, RebaseUndecided
from fastman_tasks.migrating.rebasing import find_move
from fastman_tasks.revisions import rewrite
from graphs import Graph, ancestors, graphs
from services import opened


def write(project: Sandbox, graph: Graph) -> None:
    """The graph as version files."""
    project.add_environment()
    for number, (parents, depends_on) in enumerate(graph):
        names = tuple(map(str, parents))
        project.add_migration(
            f"{number}_step",
            str(number),
            names if len(names) > 1 else names[0] if names else None,
            depends_on=None if depends_on is None else str(depends_on),
        )


def read(project: Sandbox) -> Graph:
    """The version files as a graph, as Alembic reads them."""
    scripts = ScriptDirectory.from_config(Config(str(project.root / "alembic.ini")))
    found: Graph = []
    for number in range(len(list((project.root / "database/migrations/versions").glob("*.py")))):
        script = scripts.get_revision(str(number))
        down = script.down_revision or ()
        needed = script.dependencies
        parents = (down,) if isinstance(down, str) else down
        found.append((tuple(map(int, parents)), None if needed is None else int(str(needed))))
    return found


def line(graph: Graph, number: int) -> set[int]:
    """What a revision follows, where numbers no longer are in its order."""
    parents, depends_on = graph[number]
    return ancestors(graph, number) if parents or depends_on is not None else {number}


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_everything_follows_what_it_did(data: st.DataObject) -> None:
    """By Alembic's own reading of the rewritten files; those that do not move keep every byte."""
    graph = data.draw(graphs(), "graph")
    number = data.draw(st.integers(0, len(graph) - 1), "revision")
    free = [each for each in range(len(graph)) if number not in ancestors(graph, each)]
    if not free:
        return
    onto = data.draw(st.sampled_from(free), "onto")
    with tempfile.TemporaryDirectory() as name:
        sandbox = Sandbox(Path(name) / "project")
        write(sandbox, graph)
        with opened(sandbox) as project:
            known = project.migrator.graph
            move = find_move(known, project.environment, known[str(number)], known[str(onto)])
            before = {each.id: each.file.read_bytes() for each in known.revisions}
            rewrite.write([rewrite.change_parents(known[each].file, *ids) for each, ids in move.parents.items()])
            changed = {each.id for each in known.revisions if each.file.read_bytes() != before[each.id]}
            after = read(sandbox)
            chain = ancestors(graph, number) - ancestors(graph, onto)
            assert changed == set(move.parents) <= set(map(str, chain))
            assert {int(each.id) for each in move.moved} == {
                each for each in range(len(graph)) if line(graph, each) & chain
            }
            for each in range(len(graph)):
                moves = bool(line(graph, each) & chain)
                expected = line(graph, each) | (ancestors(graph, onto) if moves else set())
                assert line(after, each) == expected
                assert move.after.with_ancestors([str(each)]) == set(map(str, expected))
            project.environment.forget_files()
            project.migrator.forget_state()
            assert set(project.migrator.graph.ends) == set(move.after.ends) <= set(known.ends)


def test_several_branches(tmp_path: Path) -> None:
    """Without git each of them may be meant; with a flag, one of the others; where they are meant to stay, none."""
    sandbox = Sandbox(tmp_path / "project")
    write(sandbox, [((), None), ((0,), None), ((0,), None), ((0,), None)])
    with opened(sandbox) as project:
        with pytest.raises(RebaseUndecided) as undecided:
            actions.rebase(project)
        assert len(undecided.value.candidates) == 6
        with pytest.raises(RebaseUndecided) as undecided:
            actions.rebase(project, "1")
        assert {dict(each.flags)["onto"] for each in undecided.value.candidates} == {"2", "3"}
        with pytest.raises(RebaseUndecided) as undecided:
            actions.rebase(project, onto="1")
        assert {each.words[0] for each in undecided.value.candidates} == {"2", "3"}
        assert [step.step.id for step in actions.rebase(project, "1", onto="2").steps] == ["1"]
        assert [step.step.id for step in actions.rebase(project, "3", onto="1").steps] == ["3"]
    assert read(sandbox) == [((), None), ((2,), None), ((0,), None), ((1,), None)]


def test_branches_that_are_meant_to_stay(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "project")
    write(sandbox, [((), None), ((), None)])
    with opened(sandbox) as project, pytest.raises(MigrationRefused, match="The heads are branches of their own"):
        actions.rebase(project)
