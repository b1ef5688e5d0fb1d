"""Changes of models whose constraints have no name: generated, applied, rolled back and applied again."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import pytest
from command import Sandbox
from dumps import dump
from servers import execute

HEAD = """
from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, MetaData, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass
"""
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


UNIQUE = user(email="email: Mapped[str] = mapped_column(String(50), unique=True)")
CHECKED = user(args='CheckConstraint("age > 0")')
ON_COLUMN = user(age='age: Mapped[int] = mapped_column(CheckConstraint("age > 0"))')
TEAM_KEY = 'team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id"))'


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
        TEAM + USER, TEAM + user(args="CheckConstraint(\"age > 0 AND email <> 'x:y'\")"), ("users_check",)
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
    state: Mapped[str] = mapped_column(String(9), CheckConstraint("state LIKE '%%' AND state <> '\\\\:x'", name="known_state"))
""",
        ("items_price_check", "items_price_check1", "known_state"),
    ),
    "two tables that refer to each other": Change(
        TEAM + USER,
        TEAM
        + USER
        + """

class Parent(Base):
    __tablename__ = "parents"
    id: Mapped[int] = mapped_column(primary_key=True)
    favourite_id: Mapped[int | None] = mapped_column(ForeignKey("children.id"))


class Child(Base):
    __tablename__ = "children"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("parents.id"))
""",
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
    "no unique=True": "email VARCHAR(50) NOT NULL, age INTEGER NOT NULL,\nUNIQUE (email)",
    "no CHECK": "email VARCHAR(50) NOT NULL, age INTEGER NOT NULL, CHECK (age > 0)",
    "no foreign key": "email VARCHAR(50) NOT NULL, age INTEGER NOT NULL, team_id INTEGER REFERENCES teams (id)",
    "no column with a foreign key": (
        "email VARCHAR(50) NOT NULL, age INTEGER NOT NULL, team_id INTEGER,\nFOREIGN KEY(team_id) REFERENCES teams (id)"
    ),
}
SERVERS = ("sqlite", "postgresql", "mariadb")
QUICK = ("a foreign key in a new column", "no unique=True", "no CHECK")


def models(change: str, text: str) -> str:
    """A whole models.py."""
    head = HEAD
    if change == "a naming convention":
        head = head.replace(
            "pass", "metadata = MetaData(naming_convention={'uq': 'uq_%(table_name)s_%(column_0_name)s'})"
        )
    return textwrap.dedent(head) + text


@pytest.mark.parametrize("database", SERVERS)
@pytest.mark.parametrize(
    "name", [each if each in QUICK else pytest.param(each, marks=pytest.mark.exhaustive) for each in CHANGES]
)
def test_a_change_up_down_and_up(project: Sandbox, request: pytest.FixtureRequest, name: str, database: str) -> None:
    """With rows there: the file runs up, down and up again, and afterwards there is no difference."""
    change = CHANGES[name]
    url = fresh(project, request, database)
    env = {"DATABASE_URL": url}
    project.write("models.py", models(name, change.before))
    project.inv("make.migration", "before", "database.migrate", env=env)
    for statement in ROWS:
        execute(url, statement)
    walk(project, change, models(name, change.after), url)
    text = newest(project)
    for expected in change.names:
        assert f"'{expected}'" in text, text


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", UNNAMED)
def test_what_has_no_name_in_sqlite(project: Sandbox, name: str) -> None:
    """A constraint that was made without a name is found and dropped; down, it is there again."""
    url = f"sqlite:///{project.root / 'app.db'}"
    change = CHANGES[name]
    team = "CREATE TABLE teams (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(50) NOT NULL)"
    users = f"CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY,\n{UNNAMED[name]}\n)"
    project.add_environment()
    project.add_migration(
        "2026_01_01_000000_begin", "1a1a", None, f'op.execute("{team}")\nop.execute("""{users}""")', "pass"
    )
    project.write("models.py", models(name, change.before))
    said = project.inv("database.migrate", "make.migration", "nothing").stdout
    assert "No difference" in said
    for statement in ROWS:
        execute(url, statement)
    walk(project, change, models(name, change.after), url)


@pytest.mark.exhaustive
def test_a_check_without_a_name_is_kept(project: Sandbox) -> None:
    """Where SQLite's table is replaced for another change, its unnamed CHECKs stay, up and down."""
    url = f"sqlite:///{project.root / 'app.db'}"
    project.add_environment()
    users = (
        "CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY, email VARCHAR(50) NOT NULL,\n"
        "age INTEGER NOT NULL,\nCHECK (email <> '\\\\:x'),\nCHECK (age > 0)\n)"
    )
    project.add_migration("2026_01_01_000000_begin", "1a1a", None, f'op.execute("""{users}""")', "pass")
    checks = 'CheckConstraint(r"email <> \'\\:x\'"), CheckConstraint("age > 0")'
    project.write("models.py", HEAD + user(args=checks))
    project.inv("database.migrate")
    execute(url, ROWS[1])
    change = Change("", "")
    walk(project, change, HEAD + user(args=f'{checks}, UniqueConstraint("age")'), url)
    sql = str(execute(url, "SELECT sql FROM sqlite_master WHERE name = 'users'"))
    assert sql.count("CHECK") == 2, sql


def newest(project: Sandbox) -> str:
    """The text of the newest migration."""
    return max((project.root / "database/migrations/versions").glob("*.py")).read_text("utf-8")


def walk(project: Sandbox, change: Change, after: str, url: str) -> None:
    """From the models before to those ``after``."""
    env = {"DATABASE_URL": url}
    before = dump(url)
    project.write("models.py", after)
    drops = ["--allow-drops"] if change.drops else []
    made = project.inv("make.migration", "after", *drops, "database.migrate", env=env)
    assert "Warning" not in made.stderr
    there = dump(url)
    project.inv("migrate.rollback", "--force", env=env)
    assert dump(url)["rows"]["users"] == before["rows"]["users"]
    again = project.inv("database.migrate", "make.migration", "more", env=env)
    assert "Warning" not in again.stderr
    assert again.stdout.endswith("no migration was written.\nAn empty one: add --empty.\n"), again.stdout
    assert dump(url) == there
    text = newest(project)
    imports = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
    assert {line.split()[1].split(".")[0] for line in imports} <= {"alembic", "sqlalchemy", "__future__", "typing"}


def fresh(project: Sandbox, request: pytest.FixtureRequest, database: str) -> str:
    """The URL of a new database."""
    if database == "sqlite":
        return f"sqlite:///{project.root / 'app.db'}"
    driver = {"postgresql": "postgresql+psycopg", "mariadb": "mysql+pymysql"}[database]
    return str(request.getfixturevalue(database).fresh(driver))
