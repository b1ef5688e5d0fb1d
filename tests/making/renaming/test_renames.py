"""Renamed columns and tables: the data stays, up and down, and what hangs on them follows."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

import pytest

from command import Sandbox
from fastman_tasks.errors import RenamesUndecided, UsageError
from fastman_tasks.making.decisions import Decisions
from fastman_tasks.making.renaming.view import rename_words
from generated import HEAD, Walk
from renamed import SERVERS, begun
from servers import execute
from services import opened

CONVENTION = """metadata = MetaData(naming_convention={
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(column_0_label)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    })"""


def users(columns: str, *, table: str = "users", args: str = "", more: str = "") -> str:
    """Models of teams, of users, whose id posts refer to, and ``more``."""
    return (
        HEAD
        + f"""

class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)


class User(Base):
    __tablename__ = "{table}"
    id: Mapped[int] = mapped_column(primary_key=True)
{columns}
    __table_args__ = ({args})


class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("{table}.id"))
{more}"""
    )


@dataclass(frozen=True)
class Case:
    """Models before and after, what --rename says, and the old and the new place of what is kept."""

    before: str
    after: str
    flags: tuple[str, ...]
    old: tuple[str, str] = ("users", "name")
    new: tuple[str, str] = ("users", "full_name")


def column(definition: str) -> tuple[str, str]:
    """A column's definition under its old name and under its new one."""
    return f"    name: {definition}", f"    full_name: {definition}"


def case(definition: str, args: str = "", **changes: str) -> Case:
    """``name`` becomes ``full_name``, and so in ``args``."""
    old, new = column(definition)
    return Case(
        users(old, args=args),
        users(new, args=args.replace('"name', '"full_name'), **changes),
        ("users.name:full_name",),
    )


CASES = {
    "a column": case("Mapped[str] = mapped_column(String(50))"),
    "with unique=True": case("Mapped[str] = mapped_column(String(50), unique=True)"),
    "with index=True": case("Mapped[str] = mapped_column(String(50), index=True)"),
    "with a unique index": case("Mapped[str] = mapped_column(String(50), index=True, unique=True)"),
    "in an index with a name": case("Mapped[str] = mapped_column(String(50))", 'Index("by_it", "name", "id"),'),
    "in a UNIQUE with a name": case("Mapped[str] = mapped_column(String(50))", 'UniqueConstraint("name", name="one"),'),
    "with a server default": case('Mapped[str] = mapped_column(String(50), server_default="it\'s :x")'),
    "in a CHECK": case("Mapped[str] = mapped_column(String(50))", "CheckConstraint(\"name <> 'name'\"),"),
    "in a CHECK with a name": case(
        "Mapped[str] = mapped_column(String(50))", "CheckConstraint(\"name <> 'name'\", name='odd'),"
    ),
    "with a foreign key": Case(
        users("    name: Mapped[int] = mapped_column(ForeignKey('teams.id'))"),
        users("    full_name: Mapped[int] = mapped_column(ForeignKey('teams.id'))"),
        ("users.name:full_name",),
    ),
    "with a foreign key and an index": Case(
        users("    name: Mapped[int] = mapped_column(ForeignKey('teams.id'), index=True)"),
        users("    full_name: Mapped[int] = mapped_column(ForeignKey('teams.id'), index=True)"),
        ("users.name:full_name",),
    ),
    "that others refer to": Case(
        users(
            "    name: Mapped[int] = mapped_column(unique=True)",
            more='    named: Mapped[int | None] = mapped_column(ForeignKey("users.name"))\n',
        ),
        users(
            "    full_name: Mapped[int] = mapped_column(unique=True)",
            more='    named: Mapped[int | None] = mapped_column(ForeignKey("users.full_name"))\n',
        ),
        ("name:full_name",),
    ),
    "and made longer and optional": Case(
        users("    name: Mapped[str] = mapped_column(String(50))"),
        users("    full_name: Mapped[str | None] = mapped_column(String(80))"),
        ("users.name:users.full_name",),
    ),
    "a table": Case(
        users("    name: Mapped[str] = mapped_column(String(50), unique=True, index=True)"),
        users("    name: Mapped[str] = mapped_column(String(50), unique=True, index=True)", table="people"),
        ("users:people",),
        new=("people", "name"),
    ),
    "a table and a column of it": Case(
        users(
            "    name: Mapped[str] = mapped_column(String(50), index=True)\n    age: Mapped[int]",
            args="CheckConstraint('age > 0'),",
        ),
        users(
            "    full_name: Mapped[str] = mapped_column(String(50), index=True)\n    age: Mapped[int]",
            table="people",
            args="CheckConstraint('age > 0'),",
        ),
        ("users:people", "name:full_name"),
        new=("people", "full_name"),
    ),
    "a table, a column of it and what refers to it": Case(
        users("    name: Mapped[str] = mapped_column(String(50), index=True)\n    age: Mapped[int]"),
        users(
            "    full_name: Mapped[str] = mapped_column(String(50), index=True)\n    age: Mapped[int]", table="people"
        ).replace("user_id:", "person_id:"),
        ("users:people", "name:full_name", "user_id:person_id"),
        new=("people", "full_name"),
    ),
}
QUICK = ("with a unique index", "a table and a column of it", "a table, a column of it and what refers to it")
PARAMETERS = [each if each in QUICK else pytest.param(each, marks=pytest.mark.exhaustive) for each in CASES]


def fill(walk: Walk, models: str) -> list[tuple[object, ...]]:
    """Rows in all three tables; returns what users.name has."""
    execute(walk.url, "INSERT INTO teams VALUES (1), (2)")
    age = ", age" if "age: Mapped" in models else ""
    execute(walk.url, f"INSERT INTO users (id, name{age}) VALUES (1, '1'{age and ', 7'}), (2, '2'{age and ', 8'})")
    execute(walk.url, "INSERT INTO posts (id, user_id) VALUES (1, 2)")
    return content(walk, "users", "name")


def content(walk: Walk, table: str, name: str) -> list[tuple[object, ...]]:
    """The values of a column."""
    return execute(walk.url, f"SELECT id, {name} FROM {table} ORDER BY id")


@pytest.mark.parametrize("convention", [False, pytest.param(True, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("name", PARAMETERS)
def test_a_rename_up_down_and_up(
    project: Sandbox, request: pytest.FixtureRequest, server: str, name: str, convention: bool
) -> None:
    """The values are there under the new name, under the old one again, and afterwards there is no difference."""
    case = CASES[name]
    before, after = (
        text.replace("class Base(DeclarativeBase):\n    pass", f"class Base(DeclarativeBase):\n    {CONVENTION}")
        if convention
        else text
        for text in (case.before, case.after)
    )
    walk = begun(project, request, server, before)
    values = fill(walk, before)
    made = walk.make(after, decisions=Decisions(case.flags))
    assert made is not None
    assert "drop_column" not in made, made
    assert "drop_table" not in made, made
    walk.migrate()
    assert content(walk, *case.new) == values
    walk.rollback()
    assert content(walk, *case.old) == values
    walk.migrate()
    assert content(walk, *case.new) == values
    assert walk.make(after) is None


NAME, FULL_NAME = (users(each) for each in column("Mapped[str] = mapped_column(String(50))"))
PEOPLE = users(column("Mapped[str] = mapped_column(String(50))")[0], table="people")


@pytest.mark.parametrize(
    ("message", "after", "place"),
    [
        ("rename name to full_name in users", FULL_NAME, ("users", "full_name")),
        ("rename users table to people", PEOPLE, ("people", "name")),
    ],
)
def test_a_message_that_says_it_needs_no_flag(
    project: Sandbox, request: pytest.FixtureRequest, message: str, after: str, place: tuple[str, str]
) -> None:
    """The names in it are those of the difference."""
    walk = begun(project, request, "sqlite", NAME)
    values = fill(walk, NAME)
    walk.make(after, message=message)
    walk.migrate()
    assert content(walk, *place) == values


@pytest.mark.parametrize("said", ["user", "users"])
@pytest.mark.parametrize("table", ["user", "users"])
def test_a_message_with_the_plural(project: Sandbox, request: pytest.FixtureRequest, said: str, table: str) -> None:
    """The table is found under its singular and its plural."""
    old, new = column("Mapped[str] = mapped_column(String(50))")
    walk = begun(project, request, "sqlite", users(old, table=table))
    made = walk.make(users(new, table=table), message=f"rename name to full_name in {said}")
    assert "new_column_name='full_name'" in str(made)


def test_a_message_where_both_are_tables(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """Then only the one that is said is meant."""
    old, new = column("Mapped[str] = mapped_column(String(50))")
    more = '\n\nclass One(Base):\n    __tablename__ = "user"\n    id: Mapped[int] = mapped_column(primary_key=True)\n'
    walk = begun(project, request, "sqlite", users(old, more=f"{more}{old}\n"))
    with pytest.raises(RenamesUndecided) as undecided:
        walk.make(users(new, more=f"{more}{new}\n"), message="rename name to full_name in user")
    assert [each.flag for each in undecided.value.candidates] == ["users.name:full_name"]


@pytest.mark.parametrize(
    ("renames", "said"),
    [
        ("users.nam:full_name", "--rename=users.nam:full_name names no difference"),
        ("posts.name:full_name", "What could be renamed:\n  --rename=users.name:full_name"),
        ("name", "is not a pair old:new"),
        (":name", "is not a pair old:new"),
        ("a:b:c", "is not a pair old:new"),
    ],
)
def test_a_rename_that_makes_no_sense(project: Sandbox, renames: str, said: str) -> None:
    """It is named, with what could be renamed; nothing is written."""
    project.write("models.py", NAME)
    project.inv("make.migration", "tables", "database.migrate")
    project.write("models.py", FULL_NAME)
    refused = project.inv("make.migration", "more", f"--rename={renames}", code=2)
    assert said in refused.stderr
    assert len(list((project.root / "database/migrations/versions").glob("*.py"))) == 1


def test_a_short_name_that_can_mean_several(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """Then the table has to be named."""
    more = "    {}: Mapped[str | None] = mapped_column(String(50))\n"
    old, new = column("Mapped[str] = mapped_column(String(50))")
    walk = begun(project, request, "sqlite", users(old, more=more.format("name")))
    after = users(new, more=more.format("full_name"))
    with pytest.raises(UsageError, match=r"can mean several.*\n  --rename=posts\.name:.*\n  --rename=users\.name:"):
        walk.make(after, decisions=Decisions(("name:full_name",)))
    made = walk.make(after, decisions=Decisions(("users.name:full_name", "posts.name:full_name")))
    assert str(made).count("new_column_name='full_name'") == 2


def test_without_a_terminal(project: Sandbox) -> None:
    """Both sides are shown, and the commands that decide; the one for a rename does it."""
    project.write("models.py", NAME)
    project.inv("make.migration", "tables", "database.migrate")
    project.write("models.py", FULL_NAME)
    refused = project.inv("make.migration", "a full name", "--pretend", code=5)
    assert "  Was users.name renamed to users.full_name (VARCHAR(50))?\n" in refused.stderr
    yes = "inv make.migration 'a full name' --pretend --rename=users.name:full_name"
    no = "inv make.migration 'a full name' --pretend --no-renames --allow-drops"
    assert refused.stderr.endswith(
        f"If nothing was renamed: {no}\nIf it was renamed, it keeps what is in it. To go ahead: {yes}\n"
    )
    said = project.inv("make.migration", "a full name", "--rename=users.name:full_name").stdout
    assert "  rename column users.name to full_name\n" in said
    shown = project.inv("make.migration", "x", "--no-renames", "--allow-drops", "--pretend", code=1).stderr
    assert "1 migration pending" in shown


OPEN = users(
    "    name: Mapped[str | None] = mapped_column(String(50))\n    size: Mapped[str] = mapped_column(String(9))",
    args='CheckConstraint("1 = 1", name="always"),',
)
DECIDED = (
    users(
        "    full_name: Mapped[str] = mapped_column(String(50))\n    town: Mapped[int]\n    size: Mapped[int]",
        args='CheckConstraint("1 = 1", name="always"),',
    )
    .replace("class Team", "class Group")
    .replace('"teams"', '"groups"')
)


@pytest.mark.parametrize("server", SERVERS)
def test_all_that_is_open_at_once(project: Sandbox, request: pytest.FixtureRequest, server: str) -> None:
    """One refusal, whose command goes on; so does the other one, for where nothing was renamed. In JSON as well."""
    walk = begun(project, request, server, OPEN)
    execute(walk.url, "INSERT INTO users (id, name, size) VALUES (1, NULL, 'x')")
    env = {"DATABASE_URL": walk.url}
    project.write("models.py", DECIDED)
    said = project.inv("make.migration", "much", "--json", env=env, code=5)
    error = json.loads(said.stdout)["error"]
    assert error["next"] == (
        "inv make.migration much --json --rename=users.name:full_name --allow-drops "
        "--backfill=users.town=VALUE --backfill=users.full_name=VALUE"
    )
    asked = (
        "Was users.name renamed to users.full_name (VARCHAR(50))?",
        "users.full_name becomes required (NOT NULL), and 1 row has no value for it.",
        "users.town becomes required (NOT NULL), and 1 row has no value for it.",
        "  drop table teams\n",
    )
    assert [each for each in asked if each not in error["message"]] == []
    other = next(line for line in error["message"].splitlines() if line.startswith("If nothing was renamed: inv "))
    for command in (error["next"], other.partition(": inv ")[2]):
        words = shlex.split(command.replace("VALUE", "7").removeprefix("inv "))
        written = json.loads(project.inv(*words, "--pretend", env=env).stdout)
        assert written["error"] is None


@pytest.mark.parametrize("is_required", [False, True])
def test_a_value_that_only_a_new_column_needs(project: Sandbox, is_required: bool) -> None:
    """The command for a rename does not ask for one, the other does."""
    project.write("models.py", NAME)
    project.inv("make.migration", "tables", "database.migrate")
    if is_required:
        execute(f"sqlite:///{project.root / 'app.db'}", "INSERT INTO users (id, name) VALUES (1, 'a')")
    project.write("models.py", FULL_NAME)
    refused = project.inv("make.migration", "more", code=5).stderr
    assert refused.endswith(" To go ahead: inv make.migration more --rename=users.name:full_name\n")
    value = " --backfill=users.full_name=VALUE" if is_required else ""
    assert f"If nothing was renamed: inv make.migration more --no-renames --allow-drops{value}\n" in refused


@pytest.mark.parametrize("server", SERVERS)
def test_a_type_that_stays_is_shown_once(project: Sandbox, request: pytest.FixtureRequest, server: str) -> None:
    """MariaDB says INTEGER(11) of what the models call INTEGER."""
    old, new = column("Mapped[int | None]")
    walk = begun(project, request, server, users(old))
    with pytest.raises(RenamesUndecided, match=r"Was users\.name renamed to users\.full_name \(INTEGER\)\?"):
        walk.make(users(new))


@pytest.mark.thorough
def test_on_a_terminal(project: Sandbox) -> None:
    """It is asked, pair by pair; Ctrl-D cancels, no means that the data is dropped, which is refused."""
    project.write("models.py", NAME)
    project.inv("make.migration", "tables", "database.migrate")
    project.write("models.py", FULL_NAME)
    question = "Was users.name renamed to users.full_name (VARCHAR(50))? [y/N]"
    said = project.terminal("make.migration", "more", answers=[(question, "\x04")], code=5)
    assert "Cancelled; nothing was written." in said
    said = project.terminal("make.migration", "more", answers=[(question, "n")], code=1)
    assert "drop column users.name" in said
    said = project.terminal("make.migration", "more", answers=[(question, "y")])
    assert "rename column users.name to full_name" in said


def test_another_answer_for_each(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """Of two candidates for one column the likelier comes first; one that is taken is no candidate any more."""
    two = "    name: Mapped[str] = mapped_column(String(50))\n    town: Mapped[str] = mapped_column(String(50))"
    walk = begun(project, request, "sqlite", users(two))
    after = users(two.replace("name:", "full_name:").replace("town:", "home_town:"))
    with pytest.raises(RenamesUndecided) as undecided:
        walk.make(after)
    assert [each.flag for each in undecided.value.candidates] == [
        "users.name:full_name",
        "users.town:full_name",
        "users.town:home_town",
        "users.name:home_town",
    ]
    with pytest.raises(UsageError, match=r"--rename=users\.name:home_town contradicts another --rename"):
        walk.make(after, decisions=Decisions(("name:full_name", "name:home_town")))
    with pytest.raises(RenamesUndecided) as undecided:
        walk.make(after, decisions=Decisions(("name:full_name", "users.name:full_name")))
    assert [each.flag for each in undecided.value.candidates] == ["users.town:home_town"]


def test_the_names_in_a_condition() -> None:
    """Columns are renamed; texts, functions, types and parts of other words are not."""
    sql = "name <> 'name' AND \"name\" > name(first_name, name::name) AND `NAME` = [name]"
    assert rename_words(sql, {"name": "n"}) == "n <> 'name' AND \"n\" > name(first_name, n::name) AND `NAME` = [n]"


def test_sqlite_keeps_what_hangs_on_the_table(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """It renames in place: triggers and views are there afterwards, and say the new name."""
    walk = begun(project, request, "sqlite", NAME)
    fill(walk, NAME)
    execute(walk.url, "CREATE TRIGGER t AFTER INSERT ON posts BEGIN UPDATE users SET name = 'seen'; END")
    execute(walk.url, "CREATE VIEW v AS SELECT name FROM users")
    walk.make(FULL_NAME, decisions=Decisions(("users.name:full_name",)))
    walk.migrate()
    execute(walk.url, "INSERT INTO posts VALUES (9, 1)")
    assert execute(walk.url, "SELECT full_name FROM users") == execute(walk.url, "SELECT * FROM v")
    walk.rollback()
    assert execute(walk.url, "SELECT name FROM v") == [("seen",), ("seen",)]


@pytest.mark.parametrize("server", SERVERS)
def test_a_rename_loses_nothing(project: Sandbox, request: pytest.FixtureRequest, server: str) -> None:
    """Nor does what follows it: up and down no loss is named."""
    indexed = "Mapped[str] = mapped_column(String(50), index=True, unique=True)"
    before, after = (users(each) for each in column(indexed))
    walk = begun(project, request, server, before)
    fill(walk, before)
    walk.make(after, decisions=Decisions(("name:full_name",)))
    with opened(project, DATABASE_URL=walk.url) as there:
        assert there.migrator.plan_migrate().losses == ()
    walk.migrate()
    with opened(project, DATABASE_URL=walk.url) as there:
        assert there.migrator.plan_rollback(steps=1).losses == ()
