"""Changes of enums: generated, applied with rows, rolled back, applied again; after a reset no type is left."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from command import Sandbox
from dumps import dump
from fastman_tasks.errors import FastmanError, MigrationFailed, RenamesUndecided
from fastman_tasks.making.decisions import Decisions
from fastman_tasks.making.enums.checks import members_of
from generated import Walk, fresh, structure
from servers import execute
from services import opened

HEAD = """
import enum

from sqlalchemy import ARRAY, Boolean, CheckConstraint, Computed, Enum, Index, Integer, String, TypeDecorator, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Feeling(TypeDecorator):
    impl = Enum("a", "b", name="mood")
    cache_ok = True


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
    "a TypeDecorator": Change("", "    mood = mapped_column(Feeling)\n"),
}
CHECKED = "native_enum=False, create_constraint=True"
VALUES = {
    "a new column": Change("", mood("a", "b", more=CHECKED)),
    "no column": Change(mood("a", "b", more=CHECKED), "", drops=True),
    "a longer member": Change(mood("a", "b", more=CHECKED), mood("a", "it's long", "b", more=CHECKED), WITH_B),
    "a shorter one": Change(mood("a", "it's long", "b", more=CHECKED), mood("a", "b", more=CHECKED), WITH_B),
    "no CHECK": Change(mood("a", "b", more=CHECKED), mood("a", "b", more="native_enum=False"), WITH_B),
    "a CHECK": Change(mood("a", "b", more="native_enum=False"), mood("a", "b", more=CHECKED), WITH_B),
    "a native one": Change(
        mood("a", "b", server_default="'a'", more=CHECKED), mood("a", "b", server_default="'a'"), WITH_B
    ),
    "no native one": Change(
        mood("a", "b", server_default="'a'"), mood("a", "b", server_default="'a'", more=CHECKED), WITH_B
    ),
    "a member renamed to a longer one": Change(
        mood("a", "b", more=CHECKED),
        mood("a", "better", more=CHECKED),
        WITH_B,
        renames=("users.mood.b:better",),
        values={"SELECT mood FROM users": "better"},
    ),
    "a member renamed to a shorter one": Change(
        mood("a", "better", more=CHECKED),
        mood("a", "b", "c", more=CHECKED),
        ("INSERT INTO users (id, mood) VALUES (1, 'better')",),
        renames=("users.mood.better:b",),
        values={"SELECT mood FROM users": "b"},
    ),
    "without a name": Change(
        mood("a", "b", more=CHECKED).replace("name='mood', ", ""),
        mood("a", "b", "c", more=CHECKED).replace("name='mood', ", ""),
        WITH_B,
    ),
    "a truth with a CHECK": Change(
        "    good: Mapped[bool | None]\n",
        "    good: Mapped[bool | None] = mapped_column(Boolean(create_constraint=True, name='good'))\n",
    ),
}
#: Of the native ones, what is in a MariaDB database.
MARIADB = (
    "a new column", "no column", "a member at the end", "a member before", "a member that is the default",
    "a member gone", "another order", "a member gone that was the default", "from text", "to text",
    "an Enum of Python's", "a TypeDecorator",
)  # fmt: skip
#: What is in a SQLite database.
SQLITE = ("a new column", "no column", "from text", "an Enum of Python's", "a TypeDecorator")
RENAMED = Change(
    mood("a", "b", server_default="'b'"),
    mood("a", "z", "c", server_default="'z'"),
    WITH_B,
    renames=("users.mood.b:z",),
    values={"SELECT mood FROM users": "z"},
)


BY_SERVER = {
    "postgresql": {**CHANGES, **{f"{name}, in a CHECK": each for name, each in VALUES.items() if "truth" not in name}},
    "mariadb": {
        **{name: replace(CHANGES[name], lines=()) for name in MARIADB},
        **{f"{name}, in a CHECK": each for name, each in VALUES.items()},
        "a member renamed": RENAMED,
    },
    "sqlite": {
        **{name: replace(CHANGES[name], lines=()) for name in SQLITE},
        **{f"{name}, in a CHECK": each for name, each in VALUES.items()},
    },
}


def state(url: str) -> Any:
    """The tables, and the enum types with their members in order."""
    tables = structure(dump(url))
    for parts in tables.values():
        if "checks" in parts:
            # Each server writes them down in its own words.
            parts["checks"] = sorted(
                members_of(each, backslashes=url.startswith("mysql")) or each for each in parts["checks"]
            )
    query = (
        "SELECT n.nspname, t.typname, array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_type t "
        "JOIN pg_enum e ON e.enumtypid = t.oid JOIN pg_namespace n ON n.oid = t.typnamespace "
        "GROUP BY n.nspname, t.typname ORDER BY 1, 2"
    )
    return tables, execute(url, query) if url.startswith("postgresql") else []


def walk_changes(walk: Walk, changes: list[Change]) -> str:
    """All of them in one migration: up with rows, down, up, no difference, reset, up. Returns the file's text."""
    walk.make(modules(each.before for each in changes))
    walk.migrate()
    for at, change in enumerate(changes):
        for row in change.rows:
            execute(walk.url, own(at, row))
    before = state(walk.url)
    renames = [own(at, each) for at, change in enumerate(changes) for each in change.renames]
    decided, drops = Decisions(renames, no_renames=True), any(each.drops for each in changes)
    made = walk.make(modules(each.after for each in changes), allow_drops=drops, decisions=decided)
    assert made is not None
    walk.migrate()
    there = state(walk.url)
    assert there != before
    for at, change in enumerate(changes):
        for query, value in change.values.items():
            assert execute(walk.url, own(at, query)) == [(value,)]
    walk.rollback()
    assert state(walk.url) == before
    walk.migrate()
    assert state(walk.url) == there
    assert walk.make(modules(each.after for each in changes)) is None
    walk.reset()
    assert [*without_rows(state(walk.url)[0]), *state(walk.url)[1]] == ["alembic_version"]
    walk.migrate()
    assert without_rows(state(walk.url)[0]) == without_rows(there[0])
    assert state(walk.url)[1] == there[1]
    for at, change in enumerate(changes):
        for line in change.lines:
            assert own(at, line) in made
    return made


def without_rows(tables: dict[str, Any]) -> dict[str, Any]:
    """The tables without the number of their rows."""
    return {name: parts for name, parts in tables.items() if name != "number of rows"}


def modules(bodies: Iterable[str]) -> dict[str, str]:
    """A module of models for each body, with names of its own."""
    found = {f"models/m{at}.py": own(at, HEAD + body) for at, body in enumerate(bodies)}
    return {"models/__init__.py": "", **found}


def own(at: int, text: str) -> str:
    """``text`` with names that no other change has."""
    return re.sub(r"\b(users|moods?|Mood|feeling|some|only_[bc]|plain|no_c|b_only|other|good)\b", rf"\1_{at}", text)


def walk_on(server: str, project: Sandbox, request: pytest.FixtureRequest) -> Walk:
    """A new database of this kind."""
    return Walk(project, f"sqlite:///{project.root / 'app.db'}" if server == "sqlite" else fresh(request, server))


@pytest.mark.parametrize("server", BY_SERVER)
def test_all_changes(project: Sandbox, request: pytest.FixtureRequest, server: str) -> None:
    """In one migration, each with a table and a type of its own."""
    walk_changes(walk_on(server, project, request), list(BY_SERVER[server].values()))


@pytest.mark.exhaustive
@pytest.mark.parametrize(("server", "name"), [(server, name) for server in BY_SERVER for name in BY_SERVER[server]])
def test_a_change(project: Sandbox, request: pytest.FixtureRequest, server: str, name: str) -> None:
    """Each in a migration of its own."""
    walk_changes(walk_on(server, project, request), [BY_SERVER[server][name]])


def begin(walk: Walk, model: str, *statements: str) -> None:
    """Make and apply the migration to ``model``, and run the ``statements``."""
    walk.make(HEAD + model)
    walk.migrate()
    for statement in statements:
        execute(walk.url, statement)


SHARED = """

shared = Enum({members}, name="mood", schema={schema!r})


class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    mood = mapped_column(shared{more})


class Page(Base):
    __tablename__ = "pages"
    id: Mapped[int] = mapped_column(primary_key=True)
    mood = mapped_column(shared)
    moods = mapped_column(ARRAY(shared))
"""


@pytest.mark.parametrize("schema", [pytest.param(None, marks=pytest.mark.exhaustive), "Odd schema"])
def test_a_type_that_tables_share(project: Sandbox, request: pytest.FixtureRequest, schema: str | None) -> None:
    """It is created once, changed in both, and dropped with the last column, not before."""
    walk = walk_on("postgresql", project, request)
    execute(walk.url, 'CREATE SCHEMA "Odd schema"')
    begin(walk, "")
    both = SHARED.format(members="'a', 'b'", schema=schema, more="")
    assert walk.up_down_up(HEAD + both).count("CREATE TYPE") == 1
    execute(walk.url, "INSERT INTO pages VALUES (1, 'a', '{a}')")
    walk.up_down_up(HEAD + SHARED.format(members="'a'", schema=schema, more=", server_default='a'"))
    execute(walk.url, "DELETE FROM pages")
    one = SHARED.format(members="'a'", schema=schema, more=", server_default='a'").partition("\n\nclass Page")[0]
    assert "DROP TYPE" not in walk.up_down_up(HEAD + one, allow_drops=True)
    walk.up_down_up(HEAD, allow_drops=True)
    assert state(walk.url)[1] == []
    walk.reset()
    walk.migrate()
    walk.reset()
    assert state(walk.url)[1] == []


@pytest.mark.exhaustive
def test_with_asyncpg(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """It sends each statement as a prepared one."""
    url = str(request.getfixturevalue("postgresql").fresh("postgresql+asyncpg"))
    walk_changes(Walk(project, url), [CHANGES["a member renamed, one new, one gone"], CHANGES["a new column"]])


def test_a_sqlmodel(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """Its columns have Python's enums; the file needs nothing of it."""
    head = (
        "from enum import Enum\n\nfrom sqlalchemy.orm import registry\nfrom sqlmodel import Field, SQLModel\n\n\n"
        "class Base(SQLModel, registry=registry()):\n    pass\n\n\nclass Mood(str, Enum):\n    a = 'x'\n"
    )
    model = "\n\nclass Hero(Base, table=True):\n    id: int = Field(primary_key=True)\n    mood: Mood = Mood.a\n"
    walk = walk_on("postgresql", project, request)
    begin(walk, "")
    assert "sqlmodel" not in walk.up_down_up(head + model, allow_drops=True).partition("def upgrade")[2]
    walk.up_down_up(head + "    b = 'y'\n" + model)
    walk.reset()
    assert state(walk.url)[1] == []


REFUSALS = [
    (
        "postgresql",
        ABC,
        AB,
        ("INSERT INTO users VALUES (1, 'c'), (2, 'c'), (3, 'a')",),
        "users.mood has 2 rows with 'c', which the models do not have as a member. Nothing was written.",
    ),
    (
        "mariadb",
        ABC,
        AB,
        ("INSERT INTO users VALUES (1, 'c')",),
        "users.mood has 1 row with 'c', which the models do not have as a member. Nothing was written.",
    ),
    (
        "postgresql",
        mood("a", "b"),
        mood("b", "c"),
        ("INSERT INTO users VALUES (1, 'a')",),
        "users.mood has 1 row with 'a', which the models do not have as a member. Nothing was written.\n"
        "Change these rows first, in a migration made with --empty, or add the member to the models.\n"
        "If one was renamed, and the rows keep it under its new name: --rename=mood.a:c",
    ),
    (
        "sqlite",
        mood("a", "b", more=CHECKED),
        mood("a", more=CHECKED),
        ("INSERT INTO users VALUES (1, 'b')",),
        "users.mood has 1 row with 'b', which the models do not have as a member. Nothing was written.",
    ),
    (
        "postgresql",
        "    mood = mapped_column(String(9))\n",
        AB,
        ("INSERT INTO users VALUES (1, 'z'), (2, NULL)",),
        "users.mood has 1 row with 'z', which the models do not have as a member. Nothing was written.",
    ),
    (
        "postgresql",
        AB,
        mood("a", "it's"),
        (),
        "What was renamed keeps what is in it, what is dropped does not:\n"
        "  Was 'b' of mood renamed to \"it's\"?\n"
        "There is no terminal to ask on, so nothing was written.\n"
        "If nothing was renamed: inv make.migration '…' --no-renames\n",
    ),
    (
        "mariadb",
        AB,
        mood("a", "c"),
        (),
        "What was renamed keeps what is in it, what is dropped does not:\n  Was 'b' of users.mood renamed to 'c'?\n",
    ),
    (
        "postgresql",
        ABC,
        AB,
        ("CREATE VIEW seen AS SELECT mood FROM users",),
        "The type mood has to be replaced (remove 'c' (no rows have it)), and PostgreSQL does not replace it under"
        ": rule _RETURN on view seen. Nothing was written.\nDrop that in a migration before this one",
    ),
    (
        "postgresql",
        "",
        AB + mood("c", column="other"),
        (),
        "Two enums of the models are named mood, with other members: those of users.mood and users.other. Nothing "
        "was written. Give one of them another name: Enum(…, name=…).",
    ),
    (
        "postgresql",
        "",
        "    mood = mapped_column(Enum('a', 'b'))\n",
        (),
        "The enum of users.mood has no name, and PostgreSQL's have one.",
    ),
]


@pytest.mark.parametrize(
    ("server", "before", "after", "statements", "message"),
    [each if at in (0, 5) else pytest.param(*each, marks=pytest.mark.exhaustive) for at, each in enumerate(REFUSALS)],
    ids=[each[-1].partition(".")[0] for each in REFUSALS],
)
def test_what_a_person_has_to_decide(
    project: Sandbox,
    request: pytest.FixtureRequest,
    server: str,
    before: str,
    after: str,
    statements: tuple[str, ...],
    message: str,
) -> None:
    """It is said when the migration is made; no file is left behind."""
    walk = walk_on(server, project, request)
    begin(walk, before, *statements)
    files = sorted(project.root.glob("database/migrations/versions/*.py"))
    with pytest.raises(FastmanError) as refused:
        walk.make(HEAD + after)
    assert str(refused.value).startswith(message)
    assert sorted(project.root.glob("database/migrations/versions/*.py")) == files


def test_a_member_that_cannot_go_again(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """Under a view, a type only grows: its way back says so, and it can be applied again."""
    walk = walk_on("postgresql", project, request)
    begin(walk, AB, "CREATE VIEW seen AS SELECT mood FROM users")
    made = walk.make(HEAD + ABC)
    assert made is not None
    assert "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'c'" in made
    assert "    \"Nothing to undo: the type mood keeps 'c', since PostgreSQL would replace it under: " in made
    walk.migrate()
    walk.rollback()
    walk.migrate()
    assert walk.make(HEAD + ABC) is None


@pytest.mark.exhaustive
def test_a_member_in_use_is_not_rolled_back(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """Rows are never changed in silence: the rollback fails, and nothing of it is kept."""
    walk = walk_on("postgresql", project, request)
    begin(walk, AB)
    walk.make(HEAD + ABC)
    walk.migrate()
    execute(walk.url, "INSERT INTO users VALUES (1, 'c')")
    there = state(walk.url)
    with pytest.raises(MigrationFailed, match='invalid input value for enum mood: "c"'):
        walk.rollback()
    assert state(walk.url) == there


def test_the_commands(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """What is on the screen, offline too; a rollback loses nothing that it could not analyse."""
    url = fresh(request, "postgresql")
    env = {"DATABASE_URL": url}
    project.write("models.py", HEAD + mood("a", "b", server_default="'a'"))
    project.inv("make.migration", "users", "database.migrate", env=env)
    execute(url, ROW)
    project.write("models.py", HEAD + mood("a", "c", server_default="'a'"))
    assert "--rename=mood.b:c\n" in project.inv("make.migration", "moods", env=env, code=5).stderr
    project.write("models.py", HEAD + mood("c", "a", server_default="'a'"))
    made = project.inv("make.migration", "moods", "database.migrate", env=env)
    assert "  change type mood: add 'c', remove 'b' (no rows have it)\n" in made.stdout
    back = project.inv("migrate.rollback", "--pretend", env=env)
    assert "CREATE TYPE mood AS ENUM ('a', 'b')" in back.stdout
    sql = project.alembic("upgrade", "base:head", "--sql", env=env)
    assert "CREATE TYPE mood AS ENUM ('c', 'a');" in sql.stdout
    done = project.inv("migrate.reset", "--force", env=env)
    assert "analysed" not in done.stdout + done.stderr
    assert state(url)[1] == []
    again = project.inv("database.migrate", "make.migration", "more", env=env)
    assert again.stderr == ""
    assert "No changes" in again.stdout or "no migration was written" in again.stdout


# SQLAlchemy 2.0.24 writes the backslash once, which MariaDB takes for an escape: there create_all() loses it, too.
@pytest.mark.thorough
@pytest.mark.parametrize("server", ["mariadb", "sqlite"])
def test_a_backslash_and_a_rename(project: Sandbox, request: pytest.FixtureRequest, server: str) -> None:
    """MariaDB writes a backslash twice, which is no other member; a member's rename loses nothing, up and down."""
    walk = walk_on(server, project, request)
    more = "" if server == "mariadb" else CHECKED
    begin(walk, mood("a", "b\\c", more=more), "INSERT INTO users VALUES (1, 'a')")
    renamed = HEAD + mood("it's", "b\\c", more=more)
    with pytest.raises(RenamesUndecided) as undecided:
        walk.make(renamed)
    assert [each.flag for each in undecided.value.candidates] == ["users.mood.a:it's"]
    made = walk.make(renamed, decisions=Decisions(("users.mood.a:it's",)))
    assert 4 * "\\" not in str(made)
    with opened(project, DATABASE_URL=walk.url) as there:
        assert there.migrator.plan_migrate().losses == ()
    walk.migrate()
    assert execute(walk.url, "SELECT mood FROM users") == [("it's",)]
    with opened(project, DATABASE_URL=walk.url) as there:
        assert there.migrator.plan_rollback(steps=1).losses == ()
    walk.rollback()
    assert execute(walk.url, "SELECT mood FROM users") == [("a",)]
    walk.migrate()
    assert walk.make(renamed) is None


@pytest.mark.exhaustive
def test_a_naming_convention(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """The CHECK of an enum has the name that the convention gives it."""
    convention = 'metadata = MetaData(naming_convention={"ck": "ck_%(table_name)s_%(constraint_name)s"})'
    head = HEAD.replace("    pass\n", f"    {convention}\n").replace("Integer,", "Integer, MetaData,")
    walk = walk_on("sqlite", project, request)
    walk.make(head)
    walk.migrate()
    assert "'ck_users_mood'" in walk.up_down_up(head + mood("a", "b", more=CHECKED))
    assert "'ck_users_mood'" in walk.up_down_up(head + mood("a", "b", "c", more=CHECKED))


@pytest.mark.exhaustive
def test_the_schema_of_the_metadata(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """A type that belongs to the metadata is in the schema that stands there."""
    walk = walk_on("postgresql", project, request)
    execute(walk.url, "CREATE SCHEMA app")
    head = HEAD.replace("    pass\n", '    metadata = MetaData(schema="app")\n').replace(
        "Integer,", "Integer, MetaData,"
    )
    made = walk.make(head + mood("a", "b", more="metadata=Base.metadata"))
    assert made is not None
    assert "CREATE TYPE app.mood AS ENUM ('a', 'b')" in made
    walk.migrate()
    assert state(walk.url)[1] == [("app", "mood", ["a", "b"])]
    walk.reset()
    assert state(walk.url)[1] == []
    walk.migrate()
