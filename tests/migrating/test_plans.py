"""Exact plans: on generated revision graphs, after any commands, what is applied is what was asked for."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import example, given, settings
from hypothesis import strategies as st

from command import Sandbox
from fastman_tasks import actions
from fastman_tasks.errors import MigrationRefused, UsageError
from fastman_tasks.project import Project
from graphs import Graph, ancestors, graphs
from services import agree, opened

Command = tuple[str, Any]


def commands(size: int) -> st.SearchStrategy[list[Command]]:
    """Any commands, also such that cannot be carried out."""
    revision = st.integers(0, size - 1)
    command = st.one_of(
        st.tuples(st.just("migrate"), st.none() | revision),
        st.tuples(st.just("steps"), st.integers(1, size + 1)),
        st.tuples(st.just("to"), st.none() | revision),
        st.just(("reset", None)),
    )
    return st.lists(command, min_size=1, max_size=6)


def write(project: Sandbox, graph: Graph) -> None:
    """The graph as version files; each notes in the table effects that it was applied, and takes that back."""
    project.add_environment()
    for number, (parents, depends_on) in enumerate(graph):
        names = tuple(f"{parent:04}" for parent in parents)
        project.add_migration(
            f"{number:04}_step",
            f"{number:04}",
            names if len(names) > 1 else names[0] if names else None,
            f"op.execute('INSERT INTO effects VALUES ({number})')",
            f"""
            if op.get_context().dialect.name == "sqlite":
                op.execute('DELETE FROM effects WHERE number = {number}')
                op.execute('INSERT INTO undone VALUES ({number})')
            """,
            depends_on=None if depends_on is None else f"{depends_on:04}",
        )


def in_order(sandbox: Sandbox) -> list[int]:
    """Every revision, in the order in which ``alembic upgrade heads`` applies them."""
    scripts = ScriptDirectory.from_config(Config(str(sandbox.root / "alembic.ini")))
    return [int(step.revision.revision) for step in scripts._upgrade_revs("heads", ())]


def carried_out(graph: Graph, order: list[int], applied: set[int], command: Command) -> set[int] | None:
    """What is applied after ``command``; None where it has to be refused."""
    name, argument = command
    if name == "migrate" and argument is None:
        above = {parent for parents, _ in graph for parent in parents}
        heads = set(range(len(graph))) - above
        lines = [ancestors(graph, head) for head in heads]
        apart = all(line.isdisjoint(other) for line in lines for other in lines if line is not other)
        on_the_way = {depends_on for _, depends_on in graph}
        return set(range(len(graph))) if apart or len(heads - on_the_way) == 1 else None
    if name == "migrate":
        return applied | ancestors(graph, argument)
    if name == "steps":
        return set([each for each in order if each in applied][:-argument])
    if name == "to" and argument is not None:
        return ancestors(graph, argument) if ancestors(graph, argument) <= applied else None
    return set()


def run(project: Project, command: Command) -> None:
    """The command as the tasks run it."""
    name, argument = command
    target = None if argument is None else f"{argument:04}"
    project.migrator.forget_state()
    if name == "migrate":
        actions.migrate(project, to=target, consent=agree)
    elif name == "steps":
        actions.rollback(project, steps=argument, consent=agree)
    elif name == "to":
        actions.rollback(project, to=target or "base", consent=agree)
    else:
        actions.reset(project, consent=agree)


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_what_is_applied_is_what_was_asked_for(data: st.DataObject) -> None:
    """The rows that the migrations wrote, our status and plain alembic agree with a model of sets of numbers."""
    graph = data.draw(graphs(), "graph")
    with tempfile.TemporaryDirectory() as name:
        sandbox = Sandbox(Path(name) / "project")
        write(sandbox, graph)
        engine = sa.create_engine(f"sqlite:///{sandbox.root}/app.db", poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE effects (number INT PRIMARY KEY)")
            connection.exec_driver_sql("CREATE TABLE undone (number INT)")
        applied: set[int] = set()
        order = in_order(sandbox)
        with opened(sandbox) as project:
            for command in data.draw(commands(len(graph)), "commands"):
                expected = carried_out(graph, order, applied, command)
                if expected is None:
                    with pytest.raises((MigrationRefused, UsageError)):
                        run(project, command)
                else:
                    before, applied = applied, expected
                    run(project, command)
                    check_order(engine, [each for each in reversed(order) if each in before - applied])
                with engine.connect() as connection:
                    found = set(connection.exec_driver_sql("SELECT number FROM effects").scalars())
                    heads = MigrationContext.configure(connection).get_current_heads()
                assert found == applied, command
                assert {int(each.step.id) for each in project.migrator.status() if each.state == "applied"} == applied
                assert known_to_alembic(sandbox, heads) == applied


def check_order(engine: sa.Engine, taken_back: list[int]) -> None:
    """As they were applied, backwards, each once."""
    with engine.begin() as connection:
        undone = list(connection.exec_driver_sql("SELECT number FROM undone ORDER BY rowid").scalars())
        connection.exec_driver_sql("DELETE FROM undone")
    assert undone == taken_back


def known_to_alembic(sandbox: Sandbox, heads: tuple[str, ...]) -> set[int]:
    """What plain alembic takes as applied where the version table has these ``heads``."""
    scripts = ScriptDirectory.from_config(Config(str(sandbox.root / "alembic.ini")))
    if not heads:
        return set()
    nodes = scripts.revision_map._get_ancestor_nodes(scripts.get_revisions(heads), include_dependencies=True)
    return {int(node.revision) for node in nodes}


# It depends on a sibling, and there is another head.
@example(graph=[((), None), ((0,), None), ((0,), 1), ((), None)], steps=1)
@given(graphs(), st.integers(1, 7))
@settings(max_examples=10, deadline=None)
def test_plain_alembic_goes_on(graph: Graph, steps: int) -> None:
    """After any of our rollbacks plain ``upgrade heads`` applies the rest, each revision once; and the reverse."""
    from alembic import command as alembic

    with tempfile.TemporaryDirectory() as name:
        sandbox = Sandbox(Path(name) / "project")
        write(sandbox, graph)
        engine = sa.create_engine(f"sqlite:///{sandbox.root}/app.db", poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE effects (number INT PRIMARY KEY)")
            connection.exec_driver_sql("CREATE TABLE undone (number INT)")
        with opened(sandbox) as project:
            config = Config(str(sandbox.root / "alembic.ini"))
            alembic.upgrade(config, "heads")
            run(project, ("steps", steps))
            alembic.upgrade(config, "heads")
            with engine.connect() as connection:
                found = sorted(connection.exec_driver_sql("SELECT number FROM effects").scalars())
            assert found == list(range(len(graph)))
            run(project, ("reset", None))
            with engine.connect() as connection:
                assert list(connection.exec_driver_sql("SELECT number FROM effects")) == []
                assert MigrationContext.configure(connection).get_current_heads() == ()
