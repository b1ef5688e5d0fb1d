"""make.migration: a comparison one can trust, skeletons otherwise, and nothing half written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from command import Sandbox
from servers import Server, execute, tables

VERSIONS = "database/migrations/versions"
BASE = """
    from sqlalchemy import ForeignKey, String
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


    class Base(DeclarativeBase):
        pass
"""
USER = """

    class User(Base):
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str] = mapped_column(String(100), unique=True, index=True)
"""
POST = """

    class Post(Base):
        __tablename__ = "posts"
        id: Mapped[int] = mapped_column(primary_key=True)
        user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
"""


def url(project: Sandbox) -> str:
    """The database of a project that names none."""
    return f"sqlite:///{project.root / 'app.db'}"


def versions(project: Sandbox) -> list[Path]:
    """The version files, oldest first."""
    return sorted((project.root / VERSIONS).glob("*.py"))


def contents(project: Sandbox) -> dict[str, bytes | None]:
    """Every file of the project with what is in it, and every folder."""
    return {path: None if (file := project.root / path).is_dir() else file.read_bytes() for path in project.files()}


def test_the_first_migration(project: Sandbox) -> None:
    """It brings the environment along and says so; the file sorts by time; plain alembic finds all as it should be."""
    project.write("models.py", BASE + USER + POST)

    said = project.inv("make.migration", "Create users table!").stdout

    (file,) = versions(project)
    assert re.fullmatch(r"2\d{3}_\d\d_\d\d_\d{6}_create_users_table\.py", file.name)
    assert said == (
        "sqlite:///app.db (development, by default: no DATABASE_URL is set)\n\n"
        "Created alembic.ini\n"
        "Created database/migrations/env.py\n"
        "Created database/migrations/script.py.mako\n"
        "  create table users\n"
        "  create index ix_users_email on users\n"
        "  create table posts\n"
        f"Created {VERSIONS}/{file.name}\n"
    )
    assert file.read_text("utf-8").startswith('"""Create users table!\n\nRevision ID: ')
    assert not (project.root / "app.db").exists()

    project.alembic("upgrade", "head")
    assert tables(url(project)) == {"users", "posts", "alembic_version"}
    assert "No new upgrade operations detected" in project.alembic("check").stdout
    assert "2 migrations" not in project.inv("migrate.status", "--check").stdout
    project.inv("migrate.reset", "--force", "database.migrate")
    assert tables(url(project)) == {"users", "posts", "alembic_version"}


def test_what_changed_and_what_did_not(project: Sandbox) -> None:
    """Pending: refused. Migrated, no difference: no file and the way to an empty one. Then only what changed."""
    project.write("models.py", BASE + USER)
    project.inv("make.migration", "users")
    before = contents(project)

    refused = project.inv("make.migration", "more", code=1)
    assert refused.stderr == (
        "1 migration pending, so the database cannot be compared with the models:\n"
        f"  {versions(project)[0].stem}\n"
        "Nothing was written. First: inv database.migrate\n"
    )
    assert contents(project) == before

    same = project.inv("database.migrate", "make.migration", "more").stdout
    assert same.endswith(
        "No difference between models and database: no migration was written.\nAn empty one: add --empty.\n"
    )
    assert len(versions(project)) == 1

    project.write("models.py", BASE + USER.replace("String(100)", "String(200)") + POST)
    project.replace("models.py", 'ForeignKey("users.id"))', 'ForeignKey("users.id"))\n    title: Mapped[str]')
    changed = project.inv("make.migration", "posts", "make.migration", "note", "--empty").stdout
    assert "is set)\n\n  create table posts\n  change column users.email (type)\n" in changed
    assert len(versions(project)) == 3
    project.inv("database.migrate", "migrate.rollback", "--steps=2", "--force")
    assert tables(url(project)) == {"users", "alembic_version"}
    project.alembic("upgrade", "head")
    assert "No new upgrade operations detected" in project.alembic("check").stdout


def test_drops_need_a_word(project: Sandbox) -> None:
    """What the models have no longer is listed and refused; nothing is written; with --allow-drops it is done."""
    project.write("models.py", BASE + USER + POST)
    project.inv("make.migration", "all", "database.migrate")
    project.write("models.py", BASE + USER.replace("        email", "        mail"))
    before = contents(project)

    for arguments in ([], ["--pretend"]):
        refused = project.inv("make.migration", "less", "--no-renames", *arguments, code=1)
        assert refused.stderr.startswith(
            "In the database but not in the models:\n  drop table posts\n  drop column users.email\n"
        )
        pretend = "".join(f"{each} " for each in arguments)
        assert refused.stderr.endswith(
            f"Nothing was written.\nNext: inv make.migration less {pretend}--no-renames --allow-drops\n"
        )
        assert contents(project) == before

    project.replace("models.py", "String(100)", "String(100), server_default='x'")
    allowed = project.inv("make.migration", "less", "--no-renames", "--allow-drops").stdout
    assert {"  drop table posts", "  drop column users.email", "  add column users.mail"} < set(allowed.splitlines())
    project.inv("database.migrate", "migrate.reset", "--force")
    assert tables(url(project)) == {"alembic_version"}


def test_a_first_migration_that_is_refused_leaves_nothing(project: Sandbox) -> None:
    """On a database with tables that no model has, the environment that was begun is taken away again."""
    execute(url(project), "CREATE TABLE legacy (id INTEGER PRIMARY KEY)")
    project.write("models.py", BASE + USER)
    before = contents(project)
    refused = project.inv("make.migration", "users", code=1)
    assert "  drop table legacy\n" in refused.stderr
    assert contents(project) == before


def test_an_import_error_is_fatal(project: Sandbox) -> None:
    """One model that cannot be imported must never become a dropped table: exit 1, file and line, nothing written."""
    project.write("app/features/user/models.py", BASE + USER)
    project.write("app/features/post/models.py", "x = 1\nimport absent_library\n")
    execute(url(project), "CREATE TABLE posts (id INTEGER PRIMARY KEY)")
    before = contents(project)
    failed = project.inv("make.migration", "users", "--allow-drops", code=1)
    assert failed.stderr == (
        "The models in app.features.post.models cannot be imported: app/features/post/models.py:2: "
        "ModuleNotFoundError: No module named 'absent_library'\n"
    )
    assert contents(project) == before


def test_reading_never_writes(project: Sandbox) -> None:
    """Comparing, previewing and status leave folder and database as they are: no file, no version table."""
    project.add_environment()
    project.add_migration("2026_01_01_000000_users", "1a1a", None, 'op.execute("CREATE TABLE users (id INTEGER)")')
    project.write("models.py", BASE + USER)
    before = contents(project)
    project.inv("migrate.status", "migrate.status", "--json", "database.migrate", "--pretend", "migrate.rollback")
    project.inv("make.migration", "x", code=1)
    project.inv("make.migration", "x", "--empty", "--pretend")
    assert contents(project) == before

    execute(url(project), "CREATE TABLE other (id INTEGER)")
    (project.root / VERSIONS / "2026_01_01_000000_users.py").unlink()
    before = contents(project)
    project.inv("migrate.status", "make.migration", "x", "--allow-drops", "--pretend", "migrate.reset")
    assert contents(project) == before
    assert tables(url(project)) == {"other"}


def test_pretend_and_dry_write_nothing(project: Sandbox) -> None:
    """--pretend, and Invoke's --dry, print the migration that would be written, in a project that has nothing yet."""
    project.write("models.py", BASE + USER)
    before = contents(project)
    for arguments in (["make.migration", "users", "--pretend"], ["--dry", "make.migration", "users"]):
        said = project.inv(*arguments).stdout
        assert "def upgrade():\n    # ### commands" in said
        assert "op.create_table('users'," in said
        assert said.endswith("Nothing was written.\n")
        assert contents(project) == before


BASES = {
    "app/models/user.py": BASE + USER,
    "src/billing/models.py": """
        from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column


        class Base(MappedAsDataclass, DeclarativeBase):
            pass


        class Invoice(Base):
            __tablename__ = "invoices"
            id: Mapped[int] = mapped_column(primary_key=True, init=False)
    """,
    "app/api/hero/models.py": """
        from typing import Optional

        from sqlmodel import Field, SQLModel


        class Hero(SQLModel, table=True):
            id: Optional[int] = Field(default=None, primary_key=True)
            name: str
    """,
    "app/features/price/models.py": """
        from sqlalchemy import Column, Integer, Numeric, TypeDecorator
        from sqlalchemy.orm import declarative_base

        Base = declarative_base()


        class Money(TypeDecorator):
            impl = Numeric(10, 2)
            cache_ok = True


        class Price(Base):
            __tablename__ = "prices"
            id = Column(Integer, primary_key=True)
            amount = Column(Money, nullable=False)
    """,
}


def test_several_bases_in_one_project(project: Sandbox) -> None:
    """A plain, a dataclass, an old and SQLModel's base: one migration of all, with the imports that its types need."""
    for path, text in BASES.items():
        project.write(path, text)
    project.write("src/billing/__init__.py", "")

    project.inv("make.migration", "everything", "database.migrate")

    assert tables(url(project)) == {"users", "invoices", "hero", "prices", "alembic_version"}
    text = versions(project)[0].read_text("utf-8")
    assert "import sqlmodel" in text
    assert "import app.features.price.models" in text
    assert "No new upgrade operations detected" in project.alembic("check").stdout
    project.inv("migrate.reset", "--force")

    named = {"FASTMAN_MODELS": "billing.models"}
    (project.root / "app.db").unlink()
    versions(project)[0].unlink()
    only = project.inv("make.migration", "invoices", "database.migrate", env=named).stdout
    assert only.count("  create table ") == 1
    assert tables(url(project)) == {"invoices", "alembic_version"}


def test_models_on_servers(project: Sandbox, postgresql: Server, mariadb: Server) -> None:
    """On PostgreSQL and MariaDB the generated file runs up and down, and afterwards there is no difference."""
    project.write("models.py", BASE + USER + POST)
    for database in (postgresql.fresh("postgresql+asyncpg"), mariadb.fresh("mysql+pymysql")):
        env = {"DATABASE_URL": database}
        commands = ("make.migration", "all", "database.migrate", "make.migration", "more")
        said = project.inv(*commands, env=env).stdout
        assert said.endswith("no migration was written.\nAn empty one: add --empty.\n")
        assert tables(database) == {"users", "posts", "alembic_version"}
        project.inv("migrate.reset", "--force", env=env)
        assert tables(database) == {"alembic_version"}
        versions(project)[0].unlink()


def test_skeletons_without_models(project: Sandbox) -> None:
    """With nothing but a tasks.py: create, migrate, change, migrate, roll back, each file untouched."""
    said = project.inv("make.migration", "create posts table", "database.migrate", "migrate.rollback", "--force").stdout
    assert said.count("Created ") == 4
    assert "1 migration rolled back." in said
    assert tables(url(project)) == {"alembic_version"}

    project.inv("database.migrate", "make.migration", "add slug to posts", "make.migration", "drop users table")
    noted = project.inv("make.migration", "rename posts to articles").stdout
    assert "The body is empty: 2 migrations pending, so the tables are not known yet.\n" in noted
    assert re.search(r"add_column\(sa\.Column\('slug'", versions(project)[1].read_text("utf-8"))
    project.inv("database.migrate", "migrate.reset", "--force")
    assert tables(url(project)) == {"alembic_version"}
    project.alembic("upgrade", "head")
    assert tables(url(project)) == {"alembic_version", "posts"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([""], 'The message is empty. For example: inv make.migration "create users table"\n'),
        (["--help"], "'--help' is not a message. For help: inv --help make.migration\n"),
        (["x" * 300], "The message has 300 characters; the limit is 200.\n"),
        (["x", "--create"], "--create needs a value: --create=…\n"),
        (["x", "--create=a;b"], "--create='a;b' is not the name of a table.\n"),
    ],
)
def test_wrong_usage(project: Sandbox, arguments: list[str], complaint: str) -> None:
    """What cannot be a message or a table's name: exit code 2, the reason alone, nothing written."""
    before = project.files()
    refused = project.inv("make.migration", *arguments, code=2)
    assert (refused.stdout, refused.stderr) == ("", complaint)
    assert project.files() == before


def test_a_hostile_message_end_to_end(project: Sandbox) -> None:
    """Quotes, backslashes and dots of a shell's argument end up in a docstring, and nothing outside the folder."""
    message = '../../x \'""" \\ ${1/0} größe'
    project.inv("make.migration", message, "database.migrate", "migrate.reset", "--force")
    (file,) = versions(project)
    assert file.name.endswith("_x_1_0_größe.py")
    assert {path.name for path in project.root.parent.iterdir()} == {project.root.name}
    entry = project.inv("migrate.status", "--json").stdout
    assert "größe" in entry


def limited(project: Sandbox, *args: str) -> subprocess.CompletedProcess[str]:
    """Run ``inv`` without root's power to write where permissions say no."""
    command = [sys.executable, "-m", "invoke", *args]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", *command]
    return subprocess.run(command, cwd=project.root, env=project.environ(), capture_output=True, encoding="utf-8")


@pytest.mark.thorough
def test_a_read_only_project(project: Sandbox) -> None:
    """Where nothing may be written, that is said in one line, and nothing is left half written."""
    project.write("models.py", BASE + USER)
    for folder in ("database", "."):
        (project.root / folder).mkdir(exist_ok=True)
        before = contents(project)
        (project.root / folder).chmod(0o555)
        try:
            for command in (["make.migration", "users"], ["make.seeder", "user"]):
                failed = limited(project, *command)
                assert (failed.returncode, "Traceback" in failed.stderr) == (1, False), failed.stderr
                assert "cannot be written: " in failed.stderr
                assert "Permission denied" in failed.stderr
                assert contents(project) == before
        finally:
            (project.root / folder).chmod(0o755)
        if folder != ".":
            (project.root / folder).rmdir()


def test_a_read_only_versions_folder(project: Sandbox) -> None:
    """With the environment there and its versions folder read-only: told with the file's name, nothing changed."""
    project.add_environment()
    before = contents(project)
    (project.root / VERSIONS).chmod(0o555)
    failed = limited(project, "make.migration", "create users table")
    assert failed.returncode == 1
    assert re.search(r"versions/2.*_create_users_table\.py cannot be written: Permission denied\.$", failed.stderr)
    assert contents(project) == before


def test_files_in_the_way(project: Sandbox) -> None:
    """An env.py without an alembic.ini, and a file where a folder is to be, are left alone; nothing else is begun."""
    project.write("database/migrations/env.py", "mine = True\n")
    before = contents(project)
    failed = project.inv("make.migration", "users", code=1)
    assert failed.stderr.startswith("database/migrations/env.py exists, but no alembic.ini that names it.")
    assert contents(project) == before

    (project.root / "database/migrations/env.py").unlink()
    (project.root / "database/migrations").rmdir()
    (project.root / "database").rmdir()
    project.write("database", "mine\n")
    before = contents(project)
    failed = project.inv("make.migration", "users", code=1)
    assert "database/migrations/env.py cannot be written: " in failed.stderr
    assert contents(project) == before


def test_an_existing_environment_is_used_as_it_is(project: Sandbox) -> None:
    """In a project of ``alembic init`` the file goes where its script_location says, named as its ini says."""
    project.alembic("init", "alembic")
    project.write("models.py", BASE + USER)
    project.write(".env", "DATABASE_URL=sqlite:///app.db")
    before = contents(project)
    said = project.inv("make.migration", "create users").stdout
    (new,) = set(contents(project)) - set(before)
    assert re.fullmatch(r"alembic/versions/[0-9a-f]{12}_create_users\.py", new)
    assert "Created alembic.ini" not in said
    assert {path: content for path, content in contents(project).items() if path != new} == before
    project.inv("database.migrate", "migrate.reset", "--force")
    assert tables(url(project)) == {"alembic_version"}


def test_a_part_of_the_models(project: Sandbox) -> None:
    """A foreign key to a model that was not imported: which table is missing, and why."""
    project.write("app/base.py", BASE)
    project.write("app/teams.py", 'from app.base import *\n\n\nclass Team(Base):\n    __tablename__ = "teams"\n'
                  "    id: Mapped[int] = mapped_column(primary_key=True)\n")  # fmt: skip
    project.write("app/models.py", 'from app.base import *\n\n\nclass Member(Base):\n    __tablename__ = "members"\n'
                  '    id: Mapped[int] = mapped_column(ForeignKey("teams.id"), primary_key=True)\n')  # fmt: skip
    said = "members.id refers to the table teams, which is missing. {}\n"
    for task in ("make.migration", "make.seeder"):
        failed = project.inv(task, "member", code=1)
        assert failed.stderr == said.format("No such model was imported; FASTMAN_MODELS names the modules that are.")
        failed = project.inv(task, "member", env={"FASTMAN_MODELS": "app.models"}, code=1)
        assert failed.stderr == said.format(
            "FASTMAN_MODELS=app.models names only a part of the models: add the module that has it."
        )
    project.inv("make.migration", "all", env={"FASTMAN_MODELS": "app.models,app.teams"})
