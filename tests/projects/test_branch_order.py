"""Between branches migrations run in Alembic's own order: schemas depend on it, in the order of columns at least."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from hypothesis import given, settings
from hypothesis import strategies as st

from command import Sandbox
from graphs import Graph, ancestors, graphs
from servers import execute
from services import opened
from walk import Walked, write_env, write_ini

Walk = Callable[..., Walked]


def add_column(
    project: Sandbox,
    revision: str,
    after: str | tuple[str, ...] | None,
    *,
    label: str | None = None,
    depends_on: str | None = None,
) -> None:
    """Write a migration that adds a column to the table users; it, its file and the column have one name."""
    project.add_migration(
        revision,
        revision,
        after,
        f'op.add_column("users", sa.Column("{revision}", sa.Integer))',
        f'op.drop_column("users", "{revision}")',
        folder="migrations/versions",
        label=label,
        depends_on=depends_on,
    )


def add_users(project: Sandbox, url: str) -> None:
    """Write env.py, alembic.ini and the revision base, which makes the table users."""
    write_ini(project, url)
    write_env(project, url)
    project.add_migration(
        "base_of_all",
        "base0",
        None,
        'op.create_table("users", sa.Column("id", sa.Integer, primary_key=True))',
        'op.drop_table("users")',
        folder="migrations/versions",
    )


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+psycopg"])
def test_two_branches_that_alter_one_table(walk: Walk, driver: str) -> None:
    """Files that take turns by name belong to two branches: each branch goes up as a whole."""

    def write(project: Sandbox, url: str) -> None:
        add_users(project, url)
        # a1 and c2 are one branch, b1 and d2 the other.
        for revision, after in (("a1", "base0"), ("b1", "base0"), ("c2", "a1"), ("d2", "b1"), ("m0", ("d2", "c2"))):
            add_column(project, revision, after)

    ids = frozenset({"base0", "a1", "b1", "c2", "d2", "m0"})
    half = frozenset({"base0"})
    walked = walk(write, driver, revisions=ids, middle="base0", half=half, back="base0", rest=half)

    columns = columns_of(walked)
    assert sorted(columns) == ["a1", "b1", "c2", "d2", "id", "m0"]
    # Otherwise any order would do here.
    assert columns != sorted(columns, key=lambda name: (name != "id", name))


def test_branches_with_labels_dependencies_and_bases_of_their_own(walk: Walk) -> None:
    """A second base that depends on a branch of the first waits for it; the rest is as Alembic has it."""

    def write(project: Sandbox, url: str) -> None:
        add_users(project, url)
        add_column(project, "z_blog", "base0", label="blog")
        add_column(project, "y_sales", None, label="sales", depends_on="z_blog")
        add_column(project, "x_sales", "y_sales")
        add_column(project, "b_audit", "base0", label="audit")
        add_column(project, "a_audit", "b_audit", depends_on="y_sales")

    ids = frozenset({"base0", "z_blog", "y_sales", "x_sales", "b_audit", "a_audit"})
    half = frozenset({"base0", "z_blog"})
    walk(write, "postgresql+asyncpg", revisions=ids, middle="z_blog", half=half, back="base", rest=frozenset())


def columns_of(walked: Walked) -> list[str]:
    """The columns of the table users in our copy, in their order."""
    if walked.url.startswith("sqlite"):
        rows = execute(f"sqlite:///{walked.ours.root}/shop.db", "SELECT name FROM pragma_table_info('users')")
    else:
        rows = execute(
            walked.url,
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'users' ORDER BY ordinal_position",
        )
    return [name for (name,) in rows]


def write_graph(project: Sandbox, graph: Graph, names: list[str], labels: set[int]) -> None:
    """The graph as version files whose names, which are their ids too, say nothing of their order."""
    project.add_environment()
    for number, (parents, depends_on) in enumerate(graph):
        after = tuple(names[parent] for parent in parents)
        project.add_migration(
            names[number],
            names[number],
            after if len(after) > 1 else after[0] if after else None,
            label=f"label_{names[number]}" if number in labels else None,
            depends_on=None if depends_on is None else names[depends_on],
        )


@given(st.data())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_the_order_is_that_of_alembic(data: st.DataObject) -> None:
    """On any graph, from any state, to any target: our plan has the revisions of ``_upgrade_revs``, in its order."""
    graph = data.draw(graphs(), "graph")
    names = data.draw(st.permutations([f"{letter}{letter}0" for letter in "abcdefg"[: len(graph)]]), "names")
    labels = data.draw(st.sets(st.integers(0, len(graph) - 1), max_size=2), "labels")
    reached = data.draw(st.sets(st.integers(0, len(graph) - 1), max_size=3), "applied")
    target = data.draw(st.just("heads") | st.sampled_from(names), "target")
    applied = {each for number in reached for each in ancestors(graph, number)}
    below = {
        each
        for number in applied
        for each in (*graph[number][0], *([] if graph[number][1] is None else [graph[number][1]]))
    }
    heads = tuple(sorted(names[number] for number in applied - below))
    with tempfile.TemporaryDirectory() as folder:
        project = Sandbox(Path(folder) / "my shop")
        write_graph(project, graph, names, labels)
        connection = sqlite3.connect(project.root / "app.db")
        with connection:
            connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
            connection.executemany("INSERT INTO alembic_version VALUES (?)", [(head,) for head in heads])
        connection.close()
        scripts = ScriptDirectory.from_config(Config(str(project.root / "alembic.ini")))
        expected = [step.revision.revision for step in scripts._upgrade_revs(target, heads)]
        with opened(project) as here:
            assert [step.id for step in here.migrator.plan_migrate(target).steps] == expected
