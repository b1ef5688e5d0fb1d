"""A database that create_all() made: seen, begun from with --baseline, and the same everywhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from command import Sandbox
from fastman_tasks.errors import MigrationRefused
from fastman_tasks.making.request import Request
from servers import Server, execute, tables
from services import opened

pytestmark = pytest.mark.thorough
MODELS = """
    import enum

    from sqlalchemy import CheckConstraint, ForeignKey, Numeric, String, Text, UniqueConstraint
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


    class Base(DeclarativeBase):
        pass


    class Mood(enum.Enum):
        good = "g"
        bad = "b"


    class Post(Base):
        __tablename__ = "posts"
        id: Mapped[int] = mapped_column(primary_key=True)
        user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
        title: Mapped[str] = mapped_column(String(50), index=True, server_default="it's :new")
        mood: Mapped[Mood | None]


    class User(Base):
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str] = mapped_column(String(50), unique=True)
        age: Mapped[int] = mapped_column(CheckConstraint("age > 0"))
        mood: Mapped[Mood | None]
        price: Mapped[float | None] = mapped_column(Numeric(10, 2))
"""
AHEAD = (
    ('    title: Mapped[str] = mapped_column(String(50), index=True, server_default="it\'s :new")\n', ""),
    ("    price: Mapped[float | None] = mapped_column(Numeric(10, 2))\n", "    note: Mapped[str | None]\n"),
)
TAG = """

class Tag(Base):
    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(primary_key=True)
"""
SERVERS = ("sqlite", "postgresql", "mariadb")


def fresh(project: Sandbox, request: pytest.FixtureRequest, server: str, name: str = "app") -> str:
    """A new database."""
    if server == "sqlite":
        return f"sqlite:///{project.root / f'{name}.db'}"
    driver = {"postgresql": "postgresql+psycopg", "mariadb": "mysql+pymysql"}[server]
    return str(request.getfixturevalue(server).fresh(driver))


def create_all(project: Sandbox, url: str) -> None:
    """Make the models' tables, with a row, as an application does that has no migrations yet."""
    code = f"""
        import sqlalchemy as sa
        from models import Base

        engine = sa.create_engine({url!r}, poolclass=sa.NullPool)
        Base.metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(sa.text("INSERT INTO users (id, email, age, mood) VALUES (1, 'a', 1, 'good')"))
    """
    with opened(project):
        exec(compile("\n".join(line[8:] for line in code.splitlines()), "create_all", "exec"), {})


def versions(project: Sandbox) -> list[Path]:
    """The version files, oldest first."""
    return sorted((project.root / "database/migrations/versions").glob("*.py"))


def shape(url: str) -> dict[str, object]:
    """What the database has: columns, keys and constraints, by their names too."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    found = sa.inspect(engine)
    return {
        table: (
            sorted((c["name"], str(c["type"]), c["nullable"], str(c["default"])) for c in found.get_columns(table)),
            # MariaDB makes one for a foreign key, whose name depends on whether the key was given one.
            sorted(
                (str(i["name"]), *map(str, i["column_names"]))
                for i in found.get_indexes(table)
                if i["column_names"] != ["user_id"]
            ),
            sorted((str(k["name"]), *k["constrained_columns"]) for k in found.get_foreign_keys(table)),
            sorted((str(u["name"]), *u["column_names"]) for u in found.get_unique_constraints(table)),
            # SQLAlchemy overlooks those that MariaDB keeps in a column's definition.
            len(found.get_check_constraints(table)) if engine.name == "postgresql" else None,
        )
        for table in found.get_table_names()
        if table != "fastman_history"
    }


@pytest.mark.parametrize("server", SERVERS)
def test_begun_from_what_is_there(project: Sandbox, request: pytest.FixtureRequest, server: str) -> None:
    """make.migration says what it sees; --baseline writes a migration that counts as applied here and, by plain alembic
    as well, makes the same elsewhere, down to the names that a later migration drops by."""
    url, other = fresh(project, request, server), fresh(project, request, server, "other")
    env = {"DATABASE_URL": url}
    project.write("models.py", MODELS)
    create_all(project, url)
    before = project.files()

    for arguments in (["initial"], ["--check"], ["initial", "--allow-drops"]):
        refused = project.inv("make.migration", *arguments, env=env, code=1)
        assert refused.stderr == (
            "2 tables of the models are in the database already, and no migration creates them (posts, users): "
            "create_all() did, perhaps. Nothing was written.\nAdd --baseline to begin from what is there: the "
            "migration creates it in every other database, and is marked as applied in this one.\n"
        )
    shown = project.inv("make.migration", "initial", "--baseline", "--pretend", env=env).stdout
    assert "op.create_table('users'" in shown
    assert project.files() == before
    assert "alembic_version" not in tables(url)

    said = project.inv("make.migration", "initial", "--baseline", env=env)
    assert said.stderr == ""
    assert said.stdout.endswith(
        "  create table users\n  create table posts\n  create index ix_posts_title on posts\n"
        "  create index ix_posts_user_id on posts\n"
        f"Created {versions(project)[0].relative_to(project.root)}\nIt is marked as applied in this database.\n"
    )
    status = project.inv("migrate.status", "--check", "make.migration", "--check", env=env).stdout
    assert "1 applied, 0 pending." in status
    assert status.endswith("No difference between models and database.\n")

    # An enum type, which both tables share, would be in the way the second time.
    for command in (["upgrade", "head"], ["downgrade", "base"], ["upgrade", "head"]):
        project.alembic(*command, env={"DATABASE_URL": other})
    assert "No difference" in project.inv("make.migration", "--check", env={"DATABASE_URL": other}).stdout
    assert shape(other) == shape(url)
    project.alembic("downgrade", "base", env={"DATABASE_URL": other})
    assert tables(other) == {"alembic_version"}
    assert execute(url, "SELECT email FROM users") == [("a",)]


@pytest.mark.parametrize("server", SERVERS)
def test_models_that_are_ahead(project: Sandbox, request: pytest.FixtureRequest, server: str) -> None:
    """The baseline is what the database has: a table that differs is written as it is there; the difference is named,
    and the next migration makes it, here and elsewhere."""
    url, other = fresh(project, request, server), fresh(project, request, server, "other")
    env = {"DATABASE_URL": url}
    project.write("models.py", MODELS)
    create_all(project, url)
    execute(url, "CREATE TABLE legacy (id INTEGER PRIMARY KEY)")
    for old, new in AHEAD:
        project.replace("models.py", old, new.replace("str | None]", "str | None] = mapped_column(Text)"))
    project.write("models.py", (project.root / "models.py").read_text() + TAG)

    said = project.inv("make.migration", "initial", "--baseline", env=env).stdout
    left = said.partition('The next migration (inv make.migration "…") would be:\n')[2].splitlines()
    assert sorted(left) == [
        "  add column users.note", "  create table tags", "  drop column posts.title", "  drop column users.price",
        "  drop index ix_posts_title on posts", "  drop table legacy",
    ]  # fmt: skip
    env["FASTMAN_IGNORE_TABLES"] = "legacy"
    before = shape(url)
    project.inv("make.migration", "catch up", "--allow-drops", "database.migrate", "make.migration", "--check", env=env)
    there = {**env, "DATABASE_URL": other}
    project.inv("database.migrate", "--to=initial", env=there)
    before.pop("legacy")
    assert tables(other) == {"users", "posts", "alembic_version"}
    assert shape(other) == {**before, "alembic_version": shape(other)["alembic_version"]}
    project.inv("database.migrate", "make.migration", "--check", env=there)
    project.inv("migrate.reset", "--force", env=there)
    assert tables(other) == {"alembic_version"}
    assert execute(url, "SELECT email, note FROM users") == [("a", None)]


def test_a_baseline_that_does_not_fit(project: Sandbox) -> None:
    """Without a table of the models, with migrations already, and beside flags for skeletons: nothing is written."""
    project.write("models.py", MODELS)
    before = project.files()
    refused = project.inv("make.migration", "initial", "--baseline", code=1)
    assert refused.stderr.startswith("The database has none of the models' tables, so there is nothing to begin from.")
    for flags in (["--empty"], ["--data"], ["--create=x"], ["--table=x"]):
        wrong = project.inv("make.migration", "initial", "--baseline", *flags, code=2)
        assert wrong.stderr == f"--baseline and {flags[0].partition('=')[0]} are mutually exclusive.\n"
    assert {each for each in project.files() if not each.endswith(".lock")} == before
    project.inv("make.migration", "tables", "database.migrate")
    refused = project.inv("make.migration", "initial", "--baseline", code=1)
    assert refused.stderr == (
        "There is 1 migration already, and --baseline is for the first one. Nothing was written. "
        "See inv migrate.status\n"
    )


def test_a_protected_database_asks(project: Sandbox) -> None:
    """Marking changes the database: in production it is asked for, and refused where nobody can be."""
    url = f"sqlite:///{project.root / 'app.db'}"
    env = {"DATABASE_URL": url, "ENVIRONMENT": "production"}
    project.write("models.py", MODELS)
    create_all(project, url)
    before = project.files()
    refused = project.inv("make.migration", "my tables", "--baseline", env=env, code=5)
    assert refused.stderr == (
        "Mark the migration 'my tables' as applied on sqlite:///app.db? There is no terminal to ask on, so nothing was "
        "changed. To go ahead: inv make.migration 'my tables' --baseline --force\n"
    )
    project.terminal("make.migration", "x", "--baseline", answers=[("[y/N]", "n")], env=env, code=5)
    assert project.files() == before
    said = project.terminal("make.migration", "x", "--baseline", answers=[("[y/N]", "y")], env=env)
    assert said.endswith("It is marked as applied in this database.\n")


def test_somebody_else_was_first(project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the database has a revision by the time that it is to be marked, no file stays behind."""
    url = f"sqlite:///{project.root / 'app.db'}"
    project.write("models.py", MODELS)
    create_all(project, url)
    before = project.files()
    with opened(project, DATABASE_URL=url) as shop:
        from fastman_tasks.making import baseline

        stamp = baseline.stamp

        def late(*arguments: object) -> None:
            execute(url, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
            execute(url, "INSERT INTO alembic_version VALUES ('0a0a')")
            stamp(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(baseline, "stamp", late)
        with pytest.raises(MigrationRefused, match="Another process migrated this database in the meantime"):
            shop.migration_writer.write(Request.of("initial", baseline=True))
    assert project.files() == before


def test_under_an_async_url(project: Sandbox, postgresql: Server) -> None:
    """The models' own driver marks it."""
    url = postgresql.fresh("postgresql+asyncpg")
    project.write("models.py", MODELS)
    create_all(project, url.replace("asyncpg", "psycopg"))
    said = project.inv(
        "make.migration", "initial", "--baseline", "make.migration", "--check", env={"DATABASE_URL": url}
    )
    assert said.stdout.endswith("No difference between models and database.\n")
