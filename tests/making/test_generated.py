"""Changes of models whose constraints have no name: generated, applied, rolled back and applied again."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from command import Sandbox
from fastman_tasks.errors import MigrationRefused
from generated import HEAD, Walk, fresh
from servers import execute

TEAM = """

class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
"""
USER = """

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(50))
    age: Mapped[int]
"""
ROWS = ["INSERT INTO teams VALUES (1, 'a')", "INSERT INTO users (id, email, age) VALUES (1, 'a@b', 20), (2, 'b@b', 21)"]


def user(*columns: str, args: str = "", **changed: str) -> str:
    """The model of a user with more ``columns``, table arguments, and other definitions of the columns it has."""
    text = USER
    for name, definition in changed.items():
        old = next(line for line in USER.splitlines() if line.startswith(f"    {name}:"))
        text = text.replace(old, f"    {definition}" if definition else "")
    text += "".join(f"    {column}\n" for column in columns)
    return text + (f"    __table_args__ = ({args},)\n" if args else "")


CYCLE = """

class Parent(Base):
    __tablename__ = "parents"
    id: Mapped[int] = mapped_column(primary_key=True)
    favourite_id: Mapped[int | None] = mapped_column(ForeignKey("children.id"))


class Child(Base):
    __tablename__ = "children"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("parents.id"))
"""
UNIQUE = user(email="email: Mapped[str] = mapped_column(String(50), unique=True)")
CHECKED = user(args='CheckConstraint("age > 0")')
ON_COLUMN = user(age='age: Mapped[int] = mapped_column(CheckConstraint("age > 0"))')
TEAM_KEY = 'team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id"))'

TEAM_INDEX = TEAM_KEY.replace("))", "), index=True)")
MEMBER = f"""

class Member(Base):
    __tablename__ = "members"
    id: Mapped[int] = mapped_column(primary_key=True)
    {TEAM_INDEX}
"""


@dataclass(frozen=True)
class Change:
    """Models before and after; whether columns or tables go; names that the written file must have."""

    before: str
    after: str
    names: tuple[str, ...] = ()
    drops: bool = False


LONG = "a_table_with_a_name_that_is_longer_than_anybody_would_type_ever"
CHANGES = {
    "a foreign key in a new column": Change(TEAM + USER, TEAM + user(TEAM_KEY), ("users_team_id_fkey",)),
    "unique=True": Change(TEAM + USER, TEAM + UNIQUE, ("users_email_key",)),
    "no unique=True": Change(TEAM + UNIQUE, TEAM + USER),
    "a CHECK": Change(TEAM + USER, TEAM + CHECKED, ("users_age_check",)),
    "no CHECK": Change(TEAM + CHECKED, TEAM + USER, ("users_age_check",)),
    "a CHECK on a column": Change(TEAM + USER, TEAM + ON_COLUMN, ("users_age_check",)),
    "a CHECK in a new column": Change(
        TEAM + USER,
        TEAM + user('size: Mapped[int | None] = mapped_column(CheckConstraint("size IN (1, 2)"))'),
        ("users_size_check",),
    ),
    "no column that has a CHECK": Change(
        TEAM + user('size: Mapped[int | None] = mapped_column(CheckConstraint("size > 0"))'),
        TEAM + USER,
        ("users_size_check",),
        drops=True,
    ),
    "a CHECK of two columns": Change(
        TEAM + USER, TEAM + user(args="CheckConstraint(\"age % 2 < 3 AND email <> '\\\\:x'\")"), ("users_check",)
    ),
    "two CHECKs of a column, one more": Change(
        TEAM + CHECKED,
        TEAM + user(args='CheckConstraint("age < 99"), CheckConstraint("age > 0")'),
        ("users_age_check1",),
    ),
    "a UNIQUE of two columns": Change(
        TEAM + USER, TEAM + user(args='UniqueConstraint("email", "age")'), ("users_email_age_key",)
    ),
    "no UNIQUE of two columns": Change(TEAM + user(args='UniqueConstraint("email", "age")'), TEAM + USER),
    "a foreign key on a column that is there": Change(
        TEAM + user("team_id: Mapped[int | None]"), TEAM + user(TEAM_KEY), ("users_team_id_fkey",)
    ),
    "no foreign key": Change(TEAM + user(TEAM_KEY), TEAM + user("team_id: Mapped[int | None]")),
    "no column with a foreign key": Change(TEAM + user(TEAM_KEY), TEAM + USER, drops=True),
    "a foreign key to a new table": Change(
        TEAM + USER,
        TEAM
        + TEAM.replace("Team", "Club").replace("teams", "clubs")
        + user('club_id: Mapped[int | None] = mapped_column(ForeignKey("clubs.id", ondelete="SET NULL"))'),
        ("users_club_id_fkey",),
    ),
    "no table that a foreign key refers to": Change(
        TEAM
        + TEAM.replace("Team", "Club").replace("teams", "clubs")
        + user('club_id: Mapped[int | None] = mapped_column(ForeignKey("clubs.id"))'),
        TEAM + USER,
        drops=True,
    ),
    "an index of a foreign key": Change(TEAM + user(TEAM_KEY), TEAM + user(TEAM_INDEX)),
    "no index of a foreign key": Change(TEAM + user(TEAM_INDEX), TEAM + user(TEAM_KEY)),
    "no unique=True of a foreign key": Change(
        TEAM + user(TEAM_INDEX.replace("index", "unique")), TEAM + user(TEAM_KEY)
    ),
    "no column with an index of a foreign key": Change(TEAM + user(TEAM_INDEX), TEAM + USER, drops=True),
    "no table with an index of a foreign key": Change(TEAM + USER + MEMBER, TEAM + USER, drops=True),
    "a table with an index of a foreign key": Change(TEAM + USER, TEAM + USER + MEMBER),
    "two foreign keys to a table": Change(
        TEAM + USER,
        TEAM
        + user(
            TEAM_KEY,
            'other_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id"))',
        ),
        ("users_team_id_fkey", "users_other_id_fkey"),
    ),
    "a foreign key to the table itself": Change(
        TEAM + USER,
        TEAM + user('boss_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))'),
        ("users_boss_id_fkey",),
    ),
    "another target": Change(
        TEAM + user('boss_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))'),
        TEAM + user('boss_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id"))'),
        ("users_boss_id_fkey",),
    ),
    "a long name": Change(
        TEAM + USER,
        TEAM
        + USER
        + f"""

class Long(Base):
    __tablename__ = "{LONG}"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_with_a_long_name_too: Mapped[int] = mapped_column(ForeignKey("teams.id"), unique=True)
""",
        ("a_table_with_a_name_that_is_long_team_with_a_long_name_too_fkey",),
    ),
    "a new table with CHECKs on its columns": Change(
        TEAM + USER,
        TEAM
        + USER
        + """

class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[int] = mapped_column(CheckConstraint("price > 0"), CheckConstraint("price % 100 < 99"))
    state: Mapped[str] = mapped_column(
        String(9), CheckConstraint("state LIKE '%%' AND state <> '\\\\:x'", name="known_state")
    )
""",
        ("items_price_check", "items_price_check1", "known_state"),
    ),
    "two tables that refer to each other": Change(
        TEAM + USER,
        TEAM + USER + CYCLE,
        ("parents_favourite_id_fkey", "children_parent_id_fkey"),
    ),
    "a naming convention": Change(
        TEAM + USER,
        TEAM + UNIQUE,
        ("uq_users_email",),
    ),
}
#: On SQLite, tables that were made without names: what Alembic alone would have written.
UNNAMED = {
    "no unique=True": "age INTEGER NOT NULL,\nUNIQUE (email)",
    "no CHECK": "age INTEGER NOT NULL, CHECK (age > 0)",
    "no foreign key": "age INTEGER NOT NULL, team_id INTEGER REFERENCES teams (id)",
    "no column with a foreign key": (
        "age INTEGER NOT NULL, team_id INTEGER,\nFOREIGN KEY(team_id) REFERENCES teams (id)"
    ),
}
QUICK = ("a foreign key in a new column", "no unique=True", "no CHECK")


def models(change: str, text: str) -> str:
    """A whole models.py."""
    head = HEAD
    if change == "a naming convention":
        head = head.replace(
            "pass", "metadata = MetaData(naming_convention={'uq': 'uq_%(table_name)s_%(column_0_name)s'})"
        )
    return head + text


@pytest.mark.parametrize(
    "name", [each if each in QUICK else pytest.param(each, marks=pytest.mark.exhaustive) for each in CHANGES]
)
def test_a_change_up_down_and_up(project: Sandbox, name: str) -> None:
    """With rows there, the generated file runs up, down and up again, and afterwards there is no difference."""
    change, walk = CHANGES[name], Walk(project, f"sqlite:///{project.root / 'app.db'}")
    walk.make(models(name, change.before))
    walk.migrate()
    for statement in ROWS:
        execute(walk.url, statement)
    made = walk.up_down_up(models(name, change.after), allow_drops=change.drops)
    for expected in change.names:
        assert f"'{expected}'" in made, made


@pytest.mark.parametrize("server", [pytest.param("sqlite", marks=pytest.mark.thorough), "postgresql", "mariadb"])
def test_all_changes(project: Sandbox, request: pytest.FixtureRequest, server: str) -> None:
    """The same with all of them in one migration, each with tables of its own: a walk for each takes its time."""
    walk = Walk(project, f"sqlite:///{project.root / 'app.db'}" if server == "sqlite" else fresh(request, server))
    before = {
        f"models/m{at}.py": own(at, models(name, change.before)) for at, (name, change) in enumerate(CHANGES.items())
    }
    after = {
        f"models/m{at}.py": own(at, models(name, change.after)) for at, (name, change) in enumerate(CHANGES.items())
    }
    walk.make({"models/__init__.py": "", **before})
    walk.migrate()
    for at in range(len(CHANGES)):
        for statement in ROWS:
            execute(walk.url, own(at, statement))
    made = walk.up_down_up(after, allow_drops=True)
    for at, change in enumerate(CHANGES.values()):
        for expected in change.names:
            assert f"'{own(at, expected)}'" in made, made


def own(at: int, text: str) -> str:
    """``text`` with names of tables that no other change has; the long one keeps its length."""
    text = re.sub(r"(?<![A-Za-z])(teams|users|members|clubs|items|parents|children|known_state)", rf"x{at}_\1", text)
    return text.replace("a_table", f"x{at:02}able")


@pytest.mark.parametrize("server", ["sqlite", "postgresql", "mariadb"])
def test_the_commands(project: Sandbox, request: pytest.FixtureRequest, server: str) -> None:
    """The tutorial's change, typed: nothing but what the commands have to say is on the screen."""
    url = f"sqlite:///{project.root / 'app.db'}" if server == "sqlite" else fresh(request, server)
    env = {"DATABASE_URL": url}
    project.write("models.py", HEAD + TEAM + USER)
    project.inv("make.migration", "tables", "database.migrate", env=env)
    for statement in ROWS:
        execute(url, statement)
    project.write("models.py", HEAD + TEAM + CYCLE + user(TEAM_KEY, args='CheckConstraint("age > 0")'))
    once = project.inv("make.migration", "team", "database.migrate", "migrate.rollback", "--force", env=env)
    again = project.inv("database.migrate", "make.migration", "more", env=env)
    assert once.stderr + again.stderr == ""
    for name in ("users_team_id_fkey", "users_age_check"):
        assert f"  add constraint {name} on users\n" in once.stdout
    assert again.stdout.endswith("no migration was written.\nAn empty one: add --empty.\n")


@pytest.fixture
def begun(project: Sandbox) -> Callable[[str], Walk]:
    """Makes a SQLite database whose users are what Alembic alone would have made of them: without names."""

    def begin(columns: str) -> Walk:
        team = "CREATE TABLE teams (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(50) NOT NULL)"
        users = f"CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY,\nemail VARCHAR(50) NOT NULL,\n{columns}\n)"
        statements = "\n".join(f"op.get_bind().exec_driver_sql({sql!r})" for sql in (team, users, *ROWS))
        project.add_environment()
        project.add_migration("0", "1a1a", None, statements)
        walk = Walk(project, f"sqlite:///{project.root / 'app.db'}")
        walk.migrate()
        return walk

    return begin


@pytest.mark.parametrize("name", UNNAMED)
def test_what_has_no_name_in_sqlite(begun: Callable[[str], Walk], name: str) -> None:
    """A constraint that was made without a name is found and dropped, and comes back with one."""
    change, walk = CHANGES[name], begun(UNNAMED[name])
    assert walk.make(models(name, change.before)) is None
    walk.up_down_up(models(name, change.after), allow_drops=change.drops)


def test_checks_without_a_name_are_kept(begun: Callable[[str], Walk]) -> None:
    """Where SQLite's table is replaced for another change, its unnamed CHECKs stay, up and down."""
    walk = begun("age INTEGER NOT NULL,\nCHECK (email <> ':x'),\nCHECK (age > 0)")
    checks = "CheckConstraint(\"email <> '\\\\:x'\"), CheckConstraint('age > 0')"
    before = HEAD + TEAM + user(args=checks)
    assert walk.make(before) is None
    walk.up_down_up(HEAD + TEAM + user(args=f"{checks}, UniqueConstraint('age')"))
    assert str(execute(walk.url, "SELECT sql FROM sqlite_master WHERE name = 'users'")).count("CHECK") == 2


@pytest.mark.parametrize(
    ("columns", "args", "reason"),
    [
        (
            "age INTEGER NOT NULL",
            "CheckConstraint(func.length(bindparam('x', 1, type_=Odd())) > 0)",
            "The CHECK users_check of users cannot be written as SQL.",
        ),
    ],
)
def test_what_cannot_be_written_is_refused(begun: Callable[[str], Walk], columns: str, args: str, reason: str) -> None:
    """When the migration is made, with the reason; no file is left behind."""
    walk = begun(columns)
    odd = "from sqlalchemy import bindparam, func\nfrom sqlalchemy.types import UserDefinedType as Odd\n"
    with pytest.raises(MigrationRefused) as refused:
        walk.make(odd + HEAD + TEAM + user(args=args))
    assert str(refused.value).startswith(reason)


def test_sqlite_without_batch_mode_is_refused(begun: Callable[[str], Walk], project: Sandbox) -> None:
    """SQLite cannot alter constraints in place; the migration would fail when it is applied."""
    walk = begun("age INTEGER NOT NULL")
    project.write(
        "database/migrations/env.py",
        """
        from alembic import context
        from sqlalchemy import create_engine, NullPool

        from models import Base

        with create_engine("sqlite:///app.db", poolclass=NullPool).connect() as connection:
            context.configure(connection=connection, target_metadata=Base.metadata)
            with context.begin_transaction():
                context.run_migrations()
        """,
    )
    with pytest.raises(MigrationRefused, match=r"The constraints of users change.* render_as_batch=True"):
        walk.make(HEAD + TEAM + UNIQUE)
