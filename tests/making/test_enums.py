"""Changes of enums: generated, applied with rows, rolled back, applied again; after a reset no type is left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from command import Sandbox
from servers import execute
from test_generated import Walk, fresh

from fastman_tasks.making.enum_members import Decided

HEAD = """
import enum

from sqlalchemy import ARRAY, CheckConstraint, Computed, Enum, Index, Integer, String, TypeDecorator, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
"""
ROW = "INSERT INTO users (id) VALUES (1)"


def mood(*members: str, more: str = "", column: str = "mood", **options: str) -> str:
    """A column of the model with an enum of these members."""
    arguments = ", ".join([*map(repr, members), "name='mood'", *([more] if more else [])])
    rest = "".join(f", {name}={value}" for name, value in options.items())
    return f"    {column} = mapped_column(Enum({arguments}){rest})\n"


def args(*arguments: str) -> str:
    return f"    __table_args__ = ({', '.join(arguments)},)\n"


@dataclass(frozen=True)
class Change:
    """The body of the model before and after, rows between, what is decided, and lines of the written file."""

    before: str
    after: str
    rows: tuple[str, ...] = (ROW,)
    drops: bool = False
    renames: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)


AB, ABC = mood("a", "b"), mood("a", "b", "c")
WITH_B = ("INSERT INTO users (id, mood) VALUES (1, 'b')",)
WITH_A = ("INSERT INTO users (id, mood) VALUES (1, 'a')",)
CHANGES = {
    "a new column": Change("", AB, lines=("CREATE TYPE mood AS ENUM ('a', 'b')", "DROP TYPE mood")),
    "no column": Change(AB, "", drops=True),
    "a second column of a type": Change(AB, AB + AB.replace("mood =", "other ="), WITH_B),
    "a member at the end": Change(AB, ABC, WITH_B, lines=("ALTER TYPE mood ADD VALUE 'c'\"",)),
    "a member between": Change(AB, mood("a", "c", "b"), WITH_B, lines=("ADD VALUE 'c' AFTER 'a'",)),
    "a member before": Change(AB, mood("c", "d", "a", "b"), WITH_B, lines=("'c' BEFORE 'a'", "'d' AFTER 'c'")),
    "a member that is the default": Change(
        mood("a", "b", server_default="'a'"), mood("a", "b", "c", server_default="'c'"), WITH_B
    ),
    "a member that a CHECK mentions": Change(AB, ABC + args("CheckConstraint(\"mood <> 'c'\")"), WITH_B),
    "a member gone": Change(ABC, AB, WITH_B),
    "a member gone, one new": Change(mood("a", "b", "c"), mood("b", "c", "d"), WITH_B),
    "another order": Change(ABC, mood("c", "a", "b"), WITH_B),
    "a member gone that was the default": Change(
        mood("a", "b", server_default="'b'"), mood("a", server_default="'a'"), WITH_A
    ),
    "a member gone beside CHECKs and indexes": Change(
        ABC
        + args(
            "CheckConstraint(\"mood <> 'a'\")",
            "CheckConstraint(\"mood IN ('a', 'b')\", name='some')",
            "Index('only_b', 'id', unique=True, postgresql_where=text(\"mood = 'b'\"))",
            "Index('plain', 'mood')",
        ),
        AB
        + args(
            "CheckConstraint(\"mood <> 'a'\")",
            "CheckConstraint(\"mood IN ('a', 'b')\", name='some')",
            "Index('only_b', 'id', unique=True, postgresql_where=text(\"mood = 'b'\"))",
            "Index('plain', 'mood')",
        ),
        WITH_B,
    ),
    "a member gone with its CHECK and its index": Change(
        ABC
        + args(
            "CheckConstraint(\"mood <> 'c'\", name='no_c')",
            "Index('only_c', 'id', postgresql_where=text(\"mood = 'c'\"))",
        ),
        AB,
        WITH_B,
    ),
    "a member renamed": Change(
        mood("a", "b", server_default="'b'") + args("CheckConstraint(\"mood <> 'a'\")"),
        mood("a", "z", server_default="'z'") + args("CheckConstraint(\"mood <> 'a'\")"),
        WITH_B,
        renames=("mood.b:z",),
        lines=("RENAME VALUE 'b' TO 'z'", "RENAME VALUE 'z' TO 'b'"),
        values={"SELECT mood FROM users": "z"},
    ),
    "a member renamed, one new, one gone": Change(
        mood("a", "b", "c", server_default="'b'") + args("CheckConstraint(\"mood = 'b'\", name='b_only')"),
        mood("d", "z", "c", server_default="'z'") + args("CheckConstraint(\"mood = 'z'\", name='b_only')"),
        WITH_B,
        renames=("mood.b:z",),
        values={"SELECT mood FROM users": "z"},
    ),
    "quotes and the like": Change(
        mood("it's", "a:b", ":c", "100%", 'say "x"', "a+[b"),
        mood("it's", "a:b", ":c", ":d", "100%", 'say "x"', "a+[b", "it's 'more'"),
        ("INSERT INTO users (id, mood) VALUES (1, 'it''s')",),
    ),
    "quotes and the like, gone": Change(
        mood("it's", "a:b", ":c", "100%", 'say "x"', "a+[b"),
        mood("a:b", ":c", "100%", 'say "x"', server_default="':c'"),
        ("INSERT INTO users (id, mood) VALUES (1, ':c')",),
    ),
    "an array": Change("", "    moods = mapped_column(ARRAY(Enum('a[+', \"it's\", name='mood')))\n"),
    "a member gone from an array": Change(
        "    moods = mapped_column(ARRAY(Enum('a', 'b', name='mood')), server_default='{a}')\n",
        "    moods = mapped_column(ARRAY(Enum('a', name='mood')), server_default='{a}')\n",
    ),
    "an Enum of Python's": Change(
        "", "    class Mood(enum.Enum):\n        a = 1\n        b = 2\n    mood: Mapped[Mood]\n", ()
    ),
    "from text": Change(
        "    mood = mapped_column(String(20), server_default='a')\n", mood("a", "b", server_default="'a'"), WITH_B
    ),
    "to text": Change(
        mood("a", "b", server_default="'a'"), "    mood = mapped_column(String(20), server_default='b')\n", WITH_B
    ),
    "another name of the type": Change(
        mood("a", "b", server_default="'a'") + args("CheckConstraint(\"mood <> 'a'\")"),
        mood("a", "b", server_default="'b'").replace("name='mood'", "name='feeling'")
        + args("CheckConstraint(\"mood <> 'a'\")"),
        WITH_B,
    ),
    "no native enum any more": Change(
        mood("a", "b", server_default="'a'"), mood("a", "b", more="native_enum=False", server_default="'a'"), WITH_B
    ),
    "a TypeDecorator": Change(
        "",
        "    class Mood(TypeDecorator):\n        impl = Enum('a', 'b', name='mood')\n        cache_ok = True\n"
        "    mood = mapped_column(Mood)\n",
    ),
}
QUICK = ("a new column", "a member gone beside CHECKs and indexes")


def types(url: str) -> list[tuple[Any, ...]]:
    """The enum types with their members in order."""
    return execute(
        url,
        "SELECT t.typname, array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_type t JOIN pg_enum e "
        "ON e.enumtypid = t.oid GROUP BY t.typname ORDER BY 1",
    )


def walk_a_change(walk: Walk, change: Change, name: str = "") -> str:
    """Up with rows, down, up, no difference, reset, up. Returns the file's text."""
    walk.make(HEAD + change.before)
    walk.migrate()
    for row in change.rows:
        execute(walk.url, row)
    before = types(walk.url)
    made = walk.make(HEAD + change.after, allow_drops=change.drops, members=Decided(change.renames, no_others=True))
    print(made)
    assert made is not None
    walk.migrate()
    there = types(walk.url)
    for query, value in change.values.items():
        assert execute(walk.url, query) == [(value,)]
    walk.rollback()
    assert types(walk.url) == before
    walk.migrate()
    assert types(walk.url) == there
    assert walk.make(HEAD + change.after) is None
    walk.reset()
    assert types(walk.url) == []
    walk.migrate()
    assert types(walk.url) == there
    for line in change.lines:
        assert line in made
    return made


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_on_postgresql(project: Sandbox, request: pytest.FixtureRequest, name: str) -> None:
    """With rows there, up, down and up again."""
    walk_a_change(Walk(project, fresh(request, "postgresql")), CHANGES[name])
