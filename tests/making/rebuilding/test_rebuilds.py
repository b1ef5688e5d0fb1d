"""What a SQLite table has and Alembic's batch mode would lose stays, when the table is replaced and put back."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from alembic.autogenerate import render_python_code
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Integer, String, create_engine

from command import Sandbox
from fastman_tasks.errors import MigrationRefused
from fastman_tasks.making.rebuilding import rebuilds
from generated import Walk

HEAD = """
from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, String, Text, UniqueConstraint, event, func, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


@event.listens_for(Engine, "connect")
def enforce(connection, record):
    if type(connection).__module__.startswith("sqlite3"):
        connection.execute("PRAGMA foreign_keys=ON")


class Base(DeclarativeBase):
    pass


class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)


class Child(Base):
    __tablename__ = "children"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))


class Log(Base):
    __tablename__ = "log"
    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str | None]


class User(Base):
    __tablename__ = "users"
"""
COLUMNS = {
    "id": "id: Mapped[int] = mapped_column(primary_key=True)",
}
OTHERS = [
    "CREATE TABLE teams (id INTEGER NOT NULL PRIMARY KEY)",
    "CREATE TABLE log (id INTEGER NOT NULL PRIMARY KEY, what VARCHAR)",
    "INSERT INTO teams VALUES (1)",
]
CHILDREN = [
    "CREATE TABLE children (id INTEGER NOT NULL PRIMARY KEY, user_id INTEGER,\n"
    "FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE)",
]
ROWS = [
    "INSERT INTO users (id, email, age) VALUES (1, 'a@b', 20), (2, 'c@d', 21), (3, 'e@f', 22)",
    "DELETE FROM users WHERE id = 3",
    "INSERT INTO children VALUES (1, 1), (2, 1), (3, 2)",
]


@dataclass(frozen=True)
class Thing:
    """Something that is to be kept: the columns and constraints of users, statements that follow, what the model has
    of it, and what a statement says or does because it is there."""

    table: str
    more: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    args: str = ""
    does: tuple[tuple[str, Any], ...] = ()
    options: str = ""
    email: str = "String(50)"
    age: str = ""


ID = "id INTEGER NOT NULL PRIMARY KEY"
PLAIN = f"{ID}, email VARCHAR(50) NOT NULL, age INTEGER"
ORDINARY = "id INTEGER NOT NULL, email VARCHAR(50) NOT NULL, age INTEGER, PRIMARY KEY (id)"
REFUSED = sqlite3.IntegrityError
THINGS = {
    "a trigger": Thing(
        PLAIN,
        (
            "CREATE TRIGGER users_log AFTER UPDATE ON users\nBEGIN\n  DELETE FROM log WHERE id = 9;\n"
            "  INSERT INTO \"log\" (what) VALUES ('it''s :x \\y' || CASE new.age WHEN 9 THEN '' ELSE '!' END);\nEND",
        ),
        does=(("UPDATE users SET age = 1 WHERE id = 1", None), ("SELECT what FROM log", "it's :x \\y!")),
    ),
    "COLLATE": Thing(
        f"{ID}, email VARCHAR(50) COLLATE NOCASE NOT NULL, age INTEGER",
        does=(("SELECT id FROM users WHERE email = 'A@B'", 1),),
    ),
    "AUTOINCREMENT": Thing(
        f"{ID} AUTOINCREMENT, email VARCHAR(50) NOT NULL, age INTEGER",
        does=(("INSERT INTO users (email) VALUES ('g')", None), ("SELECT id FROM users WHERE email = 'g'", 4)),
    ),
    "a CHECK of a column": Thing(
        f"{ID}, email VARCHAR(50) NOT NULL, age INTEGER CHECK (age > 0)",
        args="CheckConstraint('age > 0')",
        does=(("UPDATE users SET age = -1", REFUSED),),
    ),
    "CHECKs on one line": Thing(
        f"{PLAIN}, CHECK (age > 0), CONSTRAINT young CHECK (age < 99), CHECK (email <> ':x')",
        args="CheckConstraint('age > 0'), CheckConstraint('age < 99', name='young'), "
        "CheckConstraint(\"email <> '\\\\:x'\")",
        does=(
            ("UPDATE users SET age = -1", REFUSED),
            ("UPDATE users SET age = 99", REFUSED),
            ("UPDATE users SET email = ':x'", REFUSED),
        ),
    ),
    "an index of an expression": Thing(
        PLAIN,
        ("CREATE UNIQUE INDEX ix_lower ON users (lower(email), age DESC) WHERE email <> ':x'",),
        args="Index('ix_lower', func.lower(text('email')), text('age DESC'), unique=True, "
        "sqlite_where=text(\"email <> '\\\\:x'\"))",
        does=(("INSERT INTO users (email, age) VALUES ('A@B', 20)", REFUSED),),
    ),
    "a partial index": Thing(
        ORDINARY,
        ("CREATE UNIQUE INDEX ix_old ON users (age) WHERE age > 20",),
        args="Index('ix_old', 'age', unique=True, sqlite_where=text('age > 20'))",
        does=(
            ("INSERT INTO users (email, age) VALUES ('g', 20)", None),
            ("INSERT INTO users (email, age) VALUES ('g', 21)", REFUSED),
        ),
    ),
    "an index in descending order": Thing(
        PLAIN, ("CREATE INDEX ix_age ON users (age DESC)",), args="Index('ix_age', age.desc())"
    ),
    "computed columns": Thing(
        f"{PLAIN}, twice INTEGER GENERATED ALWAYS AS (age * 2) STORED, thrice INTEGER AS (age * 3)",
        columns=(
            "twice: Mapped[int | None] = mapped_column(Computed('age * 2', persisted=True))",
            "thrice: Mapped[int | None] = mapped_column(Computed('age * 3', persisted=False))",
        ),
        does=(("SELECT twice + thrice FROM users WHERE id = 1", 100), ("UPDATE users SET twice = 1", Exception)),
    ),
    "a colon in a default": Thing(
        f"{PLAIN}, word VARCHAR(9) DEFAULT 'a :word', clock VARCHAR(9) DEFAULT '12:30'",
        columns=(
            "word: Mapped[str | None] = mapped_column(String(9), server_default='a :word')",
            "clock: Mapped[str | None] = mapped_column(String(9), server_default='12:30')",
        ),
        does=(("SELECT word FROM users WHERE id = 1", "a :word"),),
    ),
    "WITHOUT ROWID": Thing(PLAIN, options="WITHOUT ROWID", does=(("SELECT rowid FROM users", Exception),)),
    "STRICT": Thing(
        f"{ID}, email TEXT NOT NULL, age INTEGER",
        options="STRICT",
        email="Text",
        does=(("UPDATE users SET age = 'x'", REFUSED),),
    ),
    "ON CONFLICT": Thing(
        f"{ID}, email VARCHAR(50) NOT NULL, age INTEGER, UNIQUE (email) ON CONFLICT IGNORE",
        args="UniqueConstraint('email')",
        does=(
            ("INSERT INTO users (email, age) VALUES ('a@b', 30)", None),
            ("SELECT count(*) FROM users WHERE email = 'a@b'", 1),
        ),
    ),
    "DEFERRABLE": Thing(
        f"{PLAIN}, team_id INTEGER REFERENCES teams (id) DEFERRABLE INITIALLY DEFERRED",
        columns=("team_id: Mapped[int | None] = mapped_column(ForeignKey('teams.id'))",),
        does=(("UPDATE users SET team_id = 5", None), ("UPDATE users SET team_id = 1", None)),
    ),
    "a type of its own": Thing(f"{ID}, email VARCHAR(50) NOT NULL, age MEDIUMINT"),
    "a view": Thing(
        PLAIN,
        (
            "CREATE VIEW adults AS SELECT id, email FROM users WHERE age > 18",
            "CREATE VIEW names AS SELECT email FROM adults",
            "CREATE TRIGGER adults_new INSTEAD OF INSERT ON adults BEGIN "
            "INSERT INTO users (email, age) VALUES (new.email, 30); END",
        ),
        does=(("SELECT count(*) FROM names", 2), ("INSERT INTO adults (email) VALUES ('g')", None)),
    ),
    "a trigger of another table": Thing(
        PLAIN,
        (
            "CREATE TRIGGER child_new AFTER INSERT ON children BEGIN "
            "UPDATE users SET age = 50 WHERE id = new.user_id; END",
        ),
        does=(("INSERT INTO children VALUES (9, 1)", None), ("SELECT age FROM users WHERE id = 1", 50)),
    ),
    "nothing of the kind": Thing(ORDINARY, ("CREATE INDEX ix_age ON users (age)",), args="Index('ix_age', 'age')"),
}
#: Everything that goes together.
TOGETHER = Thing(
    f"{ID} AUTOINCREMENT, email VARCHAR(50) COLLATE NOCASE NOT NULL, age INTEGER CHECK (age > 0), "
    "twice INTEGER GENERATED ALWAYS AS (age * 2) STORED, word VARCHAR(9) DEFAULT 'a :word', "
    "team_id INTEGER REFERENCES teams (id) DEFERRABLE INITIALLY DEFERRED, UNIQUE (email) ON CONFLICT IGNORE",
    tuple(each for name in ("a trigger", "a view", "a trigger of another table", "an index of an expression")
          for each in THINGS[name].more),
    (
        *THINGS["computed columns"].columns[:1],
        *THINGS["a colon in a default"].columns[:1],
        *THINGS["DEFERRABLE"].columns,
    ),
    ", ".join(THINGS[name].args for name in ("a CHECK of a column", "ON CONFLICT", "an index of an expression")),
    tuple(each for name in ("COLLATE", "a CHECK of a column", "a view", "a trigger", "a trigger of another table",
                            "a colon in a default", "ON CONFLICT")
          for each in THINGS[name].does),
)  # fmt: skip
THINGS["all together"] = TOGETHER

EMAIL_80 = "email: Mapped[str] = mapped_column(String(80))"
#: As much of it as says nothing of the age.
SOME = Thing(
    f"{ID} AUTOINCREMENT, email VARCHAR(50) COLLATE NOCASE NOT NULL, age INTEGER DEFAULT 5, "
    "word VARCHAR(9) DEFAULT 'a :word', CHECK (email <> ''), UNIQUE (email) ON CONFLICT IGNORE",
    ("CREATE TRIGGER users_log AFTER UPDATE ON users BEGIN INSERT INTO log (what) VALUES (new.email); END",),
    THINGS["a colon in a default"].columns[:1],
    "CheckConstraint(\"email <> ''\"), UniqueConstraint('email')",
    THINGS["COLLATE"].does,
    age="server_default=text('5')",
)
NICK = "nick: Mapped[str | None] = mapped_column(Text)"


def models(thing: Thing, *more: str, args: str = "", **changed: str) -> str:
    """A models.py with what ``thing`` says, ``more`` columns of the user, and other definitions of those it has."""
    own = {
        "email": f"email: Mapped[str] = mapped_column({thing.email})",
        "age": f"age: Mapped[int | None] = mapped_column({thing.age})",
    }
    columns = COLUMNS | own | changed
    several = [*filter(None, columns.values()), *thing.columns, *more]
    both = ", ".join(filter(None, [thing.args, args]))
    return HEAD + "".join(f"    {line}\n" for line in several) + (f"    __table_args__ = ({both},)\n" if both else "")


def new_email(thing: Thing) -> str:
    """Its new type, and that it can be NULL: SQLite can do neither in place."""
    return f"email: Mapped[str | None] = mapped_column({thing.email.replace('50', '80')})"


@contextmanager
def database(project: Sandbox) -> Iterator[sqlite3.Connection]:
    """The database, with foreign keys."""
    with closing(sqlite3.connect(project.root / "app.db")) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        yield connection


def contents(project: Sandbox) -> dict[str, Any]:
    """The text of everything but tables word for word; the text of tables but for quotes and spaces; and the rows."""
    with database(project) as connection:
        made = connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE sql NOT NULL AND name <> 'fastman_history'"
        ).fetchall()
        names = [name for type_, name, _ in made if type_ == "table" and name != "alembic_version"]
        return {
            **{name: re.sub(r'[\s"]+', "", sql) if type_ == "table" else sql for type_, name, sql in made},
            "rows": {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names},
        }


def check(project: Sandbox, thing: Thing) -> None:
    """What is there because of ``thing`` works, all of it in a transaction that is rolled back."""
    with database(project) as connection:
        for statement, expected in thing.does:
            if isinstance(expected, type):
                with pytest.raises(expected):
                    connection.execute(statement)
            else:
                found = connection.execute(statement).fetchone()
                assert expected is None or found == (expected,), statement


@pytest.fixture
def begin(project: Sandbox) -> Any:
    """Makes the database of a ``Thing``, by hand, with rows."""

    def made(thing: Thing) -> Walk:
        users = f"CREATE TABLE users ({thing.table}) {thing.options}"
        several = [*OTHERS, users, *CHILDREN, *ROWS, *thing.more]
        statements = "\n".join(f"op.get_bind().exec_driver_sql({sql!r})" for sql in several)
        project.add_environment()
        project.add_migration("0", "1a1a", None, statements)
        walk = Walk(project, f"sqlite:///{project.root / 'app.db'}")
        walk.migrate()
        check(project, thing)
        return walk

    return made


def up_down_up(project: Sandbox, walk: Walk, thing: Thing, text: str, *, allow_drops: bool = False) -> str:
    """To the models ``text``, back and there again; then the same with plain ``alembic``. Returns the file's text."""
    before = contents(project)
    made = walk.make(text, allow_drops=allow_drops)
    assert made is not None
    walk.migrate()
    there = contents(project)
    assert {table: len(rows) for table, rows in there["rows"].items()} == {
        table: len(rows) for table, rows in before["rows"].items()
    }
    check(project, thing)
    walk.rollback()
    if allow_drops:
        # The values are gone, and nothing else.
        before = contents(project) | {each: before[each] for each in before if each != "rows"}
    assert contents(project) == before
    walk.migrate()
    assert contents(project) == there
    assert walk.make(text) is None
    env = {"DATABASE_URL": walk.url}
    project.run("alembic", "downgrade", "-1", env=env)
    assert contents(project) == before
    project.run("alembic", "upgrade", "head", env=env)
    assert contents(project) == there
    check(project, thing)
    return made


@pytest.mark.parametrize("name", THINGS)
def test_what_is_kept(project: Sandbox, begin: Any, name: str) -> None:
    """Where one column gets another type, and one is added."""
    thing = THINGS[name]
    walk = begin(thing)
    assert walk.make(models(thing)) is None
    made = up_down_up(project, walk, thing, models(thing, NICK, email=new_email(thing)))
    assert ("batch_alter_table('users'" in made) is (name in ("nothing of the kind", "a partial index"))


CHANGES: dict[str, tuple[dict[str, str], tuple[str, ...], str]] = {
    "a column without NULL": ({"age": "age: Mapped[int] = mapped_column()"}, (), ""),
    "a column less": ({"age": ""}, (), ""),
    "a foreign key": ({}, ("other_id: Mapped[int | None] = mapped_column(ForeignKey('teams.id'))",), ""),
    "a unique column": ({}, ("nick: Mapped[str | None] = mapped_column(String(20), unique=True)",), ""),
    "a CHECK": ({}, (), "CheckConstraint('age <> 13', name='lucky')"),
    "an index of another expression": ({"email": EMAIL_80}, (), "Index('ix_length', func.length(text('email')))"),
    "a computed column": (
        {}, ("more: Mapped[int | None] = mapped_column(Computed('age + 1', persisted=True))",), ""
    ),
    "a column": ({}, (NICK,), ""),
    "several": (
        {"email": EMAIL_80, "age": "age: Mapped[int] = mapped_column()"},
        (NICK, "other_id: Mapped[int | None] = mapped_column(ForeignKey('teams.id'))"),
        "CheckConstraint('age <> 13'), Index('ix_email_age', 'email', 'age')",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_other_changes(project: Sandbox, begin: Any, name: str) -> None:
    """Each kind of change to a table that has some of everything."""
    columns, more, args = CHANGES[name]
    thing = SOME if name == "a column less" else TOGETHER
    walk = begin(thing)
    assert walk.make(models(thing)) is None
    up_down_up(project, walk, thing, models(thing, *more, args=args, **columns), allow_drops=not all(columns.values()))


def test_constraints_without_a_name_go(project: Sandbox, begin: Any) -> None:
    """Those that the models do not have, and no other; they come back without a name."""
    there = Thing(
        f"{ID}, email VARCHAR(50) NOT NULL UNIQUE, age INTEGER CHECK (age > 0), team_id INTEGER REFERENCES teams (id), "
        "CHECK (age > 1), UNIQUE (email, age), FOREIGN KEY (age) REFERENCES teams (id), CHECK (age < 99)",
        columns=("team_id: Mapped[int | None] = mapped_column(ForeignKey('teams.id'))",),
        args="CheckConstraint('age < 99'), UniqueConstraint('email', 'age')",
        does=(("UPDATE users SET age = 99", REFUSED),),
    )
    walk = begin(there)
    made = up_down_up(project, walk, there, models(there))
    assert "UNIQUE (email, age),\\n" in made
    assert "CHECK(age<99)" in contents(project)["users"]
    with database(project) as connection:
        connection.execute("UPDATE users SET age = -id, email = 'x'")


def test_a_table_that_is_dropped_comes_back_as_it_was(project: Sandbox, begin: Any) -> None:
    """With all it had, but for its rows."""
    walk = begin(SOME)
    before = contents(project)
    assert walk.make(models(SOME)) is None
    text = models(SOME).partition("class User(")[0].replace(', ForeignKey("users.id", ondelete="CASCADE")', "")
    assert walk.make(text.replace('ForeignKey("users.id", ondelete="CASCADE")', ""), allow_drops=True) is not None
    walk.migrate()
    assert "users" not in contents(project)
    walk.rollback()
    after = contents(project)
    assert {**after, "rows": None, "children": None} == {**before, "rows": None, "children": None}


def test_a_view_of_a_column_that_would_go(project: Sandbox, begin: Any) -> None:
    """It is refused beforehand, and says which view."""
    walk = begin(THINGS["a view"])
    with pytest.raises(
        MigrationRefused, match="SQLite refuses the change of users: error in view adults: no such column: age"
    ):
        walk.make(models(THINGS["a view"], age=""), allow_drops=True)


def test_collations_of_the_application(project: Sandbox, begin: Any) -> None:
    """What only the application's connections know is no reason to refuse; nor is a function in a view."""
    walk = begin(THINGS["a view"])
    with database(project) as connection:
        connection.create_collation("german", lambda one, other: (one > other) - (one < other))
        connection.execute("CREATE TABLE words (a INTEGER PRIMARY KEY, b TEXT COLLATE german)")
        connection.execute("CREATE INDEX ix_words ON words (b)")
        connection.execute("CREATE VIEW ranked AS SELECT german_rank(b) FROM words JOIN users")
    made = walk.make(models(THINGS["a view"], NICK, email=EMAIL_80), allow_drops=True)
    assert made is not None
    assert "CREATE TABLE users_new" in made


def test_a_column_gets_another_name(project: Sandbox, begin: Any) -> None:
    """In place, so that views, triggers, indexes and the keys of other tables follow; a rebuild after it knows it."""
    walk = begin(TOGETHER)
    before = contents(project)
    there = [
        ops.ModifyTableOps("users", [renamed("age", "years"), nullable("years", False)]),
        ops.ModifyTableOps("users", [renamed("id", "number")]),
    ]
    back = [
        ops.ModifyTableOps("users", [renamed("number", "id")]),
        ops.ModifyTableOps("users", [nullable("years", True), renamed("years", "age")]),
    ]
    made = project.write("database/migrations/versions/1.py", written(walk, there, back))
    text = made.read_text("utf-8")
    assert "op.alter_column('users', 'age'," in text
    walk.migrate()
    after = contents(project)
    assert "lower(email), years DESC" in after["ix_lower"]
    assert "WHERE years > 18" in after["adults"]
    assert "REFERENCESusers(number)" in after["children"]
    assert "yearsINTEGERCHECK(years>0)NOTNULL" in after["users"]
    assert "years*2" in after["users"]
    walk.rollback()
    assert contents(project)["rows"] == before["rows"]
    assert {**contents(project), "users": None} == {**before, "users": None}
    walk.migrate()
    assert contents(project) == after


def test_rows_are_filled_in_between(project: Sandbox, begin: Any) -> None:
    """A column is added in place, gets its values, and then needs one: the replaced table has all that was there."""
    walk = begin(TOGETHER)
    before = contents(project)
    column = Column("nick", String(20), nullable=True)
    there: list[ops.MigrateOperation] = [
        ops.ModifyTableOps("users", [ops.AddColumnOp("users", column)]),
        ops.ExecuteSQLOp("UPDATE users SET nick = 'x' WHERE nick IS NULL"),
        ops.ModifyTableOps(
            "users", [ops.AlterColumnOp("users", "nick", modify_nullable=False, existing_type=String(20))]
        ),
    ]
    back: list[ops.MigrateOperation] = [ops.ModifyTableOps("users", [ops.DropColumnOp("users", "nick")])]
    project.write("database/migrations/versions/1.py", written(walk, there, back))
    walk.migrate()
    after = contents(project)
    assert "nickVARCHAR(20)NOTNULL" in after["users"]
    assert [row[-1] for row in after["rows"]["users"]] == ["x", "x"]
    check(project, THINGS["COLLATE"])
    walk.rollback()
    assert {**contents(project), "rows": None} == {**before, "rows": None}
    assert contents(project)["rows"]["users"] == before["rows"]["users"]


def renamed(old: str, new: str) -> ops.AlterColumnOp:
    """Another name for a column of the users."""
    return ops.AlterColumnOp("users", old, modify_name=new, existing_type=Integer())


def nullable(column: str, can_be: bool) -> ops.AlterColumnOp:
    """Whether a column of the users can be NULL."""
    return ops.AlterColumnOp("users", column, modify_nullable=can_be, existing_type=Integer())


def written(walk: Walk, there: list[ops.MigrateOperation], back: list[ops.MigrateOperation]) -> str:
    """A version file with these operations, and what is made of them."""
    engine = create_engine(walk.url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"render_as_batch": True})
        script = ops.MigrationScript("b", ops.UpgradeOps(there), ops.DowngradeOps(back))
        rebuilds.keep(context, script)
        up, down = (
            render_python_code(each, render_as_batch=True, migration_context=context)
            for each in (script.upgrade_ops, script.downgrade_ops)
            if each is not None
        )
    engine.dispose()
    head = "import sqlalchemy as sa\nfrom alembic import op\n\nrevision = '2b2b'\ndown_revision = '1a1a'\n"
    return f"{head}\n\ndef upgrade():\n    {up}\n\n\ndef downgrade():\n    {down}\n"


def test_the_commands(project: Sandbox, begin: Any) -> None:
    """What a user sees: the change without what reflection asks for, no table that is lost, and what is."""
    walk = begin(TOGETHER)
    env = {"DATABASE_URL": walk.url, "ENVIRONMENT": "production"}
    project.write("models.py", models(TOGETHER, NICK, email=EMAIL_80))
    said = project.inv("make.migration", "more", "database.migrate", "--pretend", env=env).stdout
    assert "\n  change column users.email (type)\n" in said
    shown = said.partition("_more\n")[2].partition("Nothing was changed.")[0]
    assert shown.startswith("CREATE TABLE users_new (\n")
    assert "'a :word'" in shown
    assert not re.search("table_x?info|sqlite_master", shown)
    said = project.inv("--debug", "database.migrate", "--pretend", env=env).stdout
    assert said.partition("_more\n")[2].startswith("CREATE TABLE users_new (\n")
    assert "This drops" not in project.inv("database.migrate", "--force", env=env).stdout
    asked = project.inv("migrate.rollback", env=env, code=5).stdout
    assert asked.endswith("This drops, with the data in them:\n  users.nick: 0 values\n\n")


def test_a_preview_of_batch_mode(project: Sandbox, begin: Any) -> None:
    """The change is shown; what batch mode asks SQLite for is shown with --debug."""
    walk = begin(THINGS["nothing of the kind"])
    env = {"DATABASE_URL": walk.url}
    project.write("models.py", models(THINGS["nothing of the kind"], email=EMAIL_80))
    said = project.inv("make.migration", "more", "database.migrate", "--pretend", env=env).stdout
    assert said.partition("_more\n")[2].startswith("CREATE TABLE _alembic_tmp_users (\n")
    assert "PRAGMA" not in said
    assert "PRAGMA" in project.inv("--debug", "database.migrate", "--pretend", env=env).stdout
