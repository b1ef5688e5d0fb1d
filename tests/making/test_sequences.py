"""PostgreSQL's sequences: created before what asks them for numbers, dropped after it."""

from __future__ import annotations

import pytest

from command import Sandbox
from generated import HEAD, Walk
from renamed import begun
from servers import execute
from services import opened

TOP = HEAD.replace("MetaData,", "MetaData, Sequence, text,") + 'numbers = Sequence("numbers", start=100)\n'
COLUMNS = {
    "a Sequence": "Mapped[int] = mapped_column(numbers)",
    "its next value": "Mapped[int] = mapped_column(numbers, server_default=numbers.next_value())",
    "a text": "Mapped[int] = mapped_column(server_default=text(\"nextval('numbers')\"))",
    "in a schema": ('Mapped[int] = mapped_column(server_default=text("nextval(\'\\"A b\\".numbers\'::regclass)"))'),
}


def model(column: str = "", more: str = "") -> str:
    """Models of users with this column."""
    return (
        TOP
        + f"""

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    {f"number: {column}" if column else ""}
    {more}
"""
    )


def sequences(url: str) -> list[str]:
    """The sequences that no column owns."""
    return [name for (name,) in execute(url, "SELECT sequencename FROM pg_sequences ORDER BY 1") if "_id_" not in name]


def numbers(walk: Walk) -> list[tuple[object, ...]]:
    """What the rows of users have."""
    return execute(walk.url, "SELECT number FROM users ORDER BY id")


@pytest.mark.parametrize("name", COLUMNS)
def test_in_a_new_table(project: Sandbox, request: pytest.FixtureRequest, name: str) -> None:
    """The first migration creates it, resetting drops it, without loss that could not be analysed; nothing differs."""
    walk = begun(project, request, "postgresql", model())
    if name == "in a schema":
        execute(walk.url, 'CREATE SCHEMA "A b"')
    walk.reset()
    (next(iter(project.root.glob("database/migrations/versions/*.py")))).unlink()
    walk.make(model(COLUMNS[name]))
    walk.migrate()
    assert sequences(walk.url) == ["numbers"]
    assert walk.make(model(COLUMNS[name])) is None
    if "server_default" in COLUMNS[name]:
        execute(walk.url, "INSERT INTO users DEFAULT VALUES")
        assert numbers(walk) == [(100,)] if name == "its next value" else [(1,)]
    with opened(project, DATABASE_URL=walk.url) as there:
        assert [loss.reason for loss in there.migrator.plan_rollback(steps=1).losses] == [None]
    walk.reset()
    assert sequences(walk.url) == []


@pytest.mark.parametrize("name", ["its next value", "a text"])
def test_in_a_new_column(project: Sandbox, request: pytest.FixtureRequest, name: str) -> None:
    """The rows that are there get numbers, each its own."""
    walk = begun(project, request, "postgresql", model())
    execute(walk.url, "INSERT INTO users DEFAULT VALUES")
    execute(walk.url, "INSERT INTO users DEFAULT VALUES")
    made = walk.up_down_up(model(COLUMNS[name]))
    assert "nextval(" in made
    assert len(set(numbers(walk))) == 2
    assert sequences(walk.url) == ["numbers"]
    walk.rollback()
    assert sequences(walk.url) == []


@pytest.mark.parametrize("name", ["its next value", "a text"])
def test_as_the_default_of_a_column_that_is_there(project: Sandbox, request: pytest.FixtureRequest, name: str) -> None:
    """It is created, and dropped again when the default is gone."""
    walk = begun(project, request, "postgresql", model("Mapped[int]"))
    walk.make(model(COLUMNS[name]))
    assert walk.draft.said.limits == []
    walk.migrate()
    execute(walk.url, "INSERT INTO users DEFAULT VALUES")
    walk.rollback()
    assert sequences(walk.url) == []


def test_one_that_is_there_stays(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """It may be somebody else's: neither created nor dropped."""
    walk = begun(project, request, "postgresql", model())
    execute(walk.url, "CREATE SEQUENCE numbers START 7")
    walk.up_down_up(model(COLUMNS["a text"]))
    walk.up_down_up(model(), allow_drops=True)
    assert sequences(walk.url) == ["numbers"]


@pytest.mark.parametrize("differs", [False, True])
def test_a_baseline(project: Sandbox, request: pytest.FixtureRequest, differs: bool) -> None:
    """Another database gets the sequence and the default, too; so where the table differs from its model."""
    url = request.getfixturevalue("postgresql").fresh("postgresql+psycopg")
    other = request.getfixturevalue("postgresql").fresh("postgresql+psycopg")
    execute(url, "CREATE SEQUENCE numbers START 100")
    execute(url, "CREATE TABLE users (id SERIAL PRIMARY KEY, number INTEGER NOT NULL DEFAULT nextval('numbers'))")
    more = "age: Mapped[int | None]" if differs else ""
    project.write("models.py", model(COLUMNS["its next value"], more))
    project.inv("make.migration", "all", "--baseline", env={"DATABASE_URL": url})
    project.inv("database.migrate", env={"DATABASE_URL": other})
    execute(other, "INSERT INTO users DEFAULT VALUES")
    assert execute(other, "SELECT number FROM users") == [(100,)]
    checked = project.inv("make.migration", "--check", env={"DATABASE_URL": url}, code=3 if differs else 0)
    assert "sequence" not in checked.stdout
