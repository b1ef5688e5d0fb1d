"""make.migration --check, and which modules were looked at."""

from __future__ import annotations

import json

import pytest

from command import Init, Sandbox
from servers import Server, execute

MODELS = """
    from sqlalchemy import String
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


    class Base(DeclarativeBase):
        pass


    class User(Base):
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None] = mapped_column(String(9))
"""


def test_a_migration_is_missing(project: Sandbox) -> None:
    """3 with what it would do, drops as well; 0 when there is none; never a file."""
    project.write("models.py", MODELS)
    before = project.files()
    missing = project.inv("make.migration", "--check", code=3)
    assert missing.stdout.endswith(", by default: no DATABASE_URL is set)\n\n  create table users\n")
    assert missing.stderr == 'A migration is missing: inv make.migration "…"\n'
    assert project.files() == before

    project.inv("make.migration", "users")
    before = project.files()
    pending = project.inv("make.migration", "--check", code=1)
    assert pending.stderr.startswith("1 migration pending, so the database cannot be compared with the models:\n")
    same = project.inv("database.migrate", "make.migration", "named too", "--check", "make.migration", "--check").stdout
    assert same.count("No difference between models and database.\n") == 2

    project.replace("models.py", "name:", "full_name:")
    execute(f"sqlite:///{project.root / 'app.db'}", "CREATE TABLE legacy (id INTEGER PRIMARY KEY)")
    missing = project.inv("make.migration", "--check", code=3)
    assert {"  drop table legacy", "  drop column users.name"} < set(missing.stdout.splitlines())
    assert {each for each in project.files() if not each.startswith("app.db")} == before


def test_what_is_not_covered_is_missing(project: Sandbox) -> None:
    """A difference that no migration is generated for is one: 3, with both texts."""
    project.write("models.py", MODELS)
    project.inv("make.migration", "users", "database.migrate")
    project.replace("models.py", "name: Mapped[str | None] = mapped_column(String(9))",
                    "name: Mapped[str] = mapped_column(String(9), primary_key=True)")  # fmt: skip
    project.inv("make.migration", "required", "--backfill=x", "database.migrate")
    missing = project.inv("make.migration", "--check", code=3)
    assert missing.stdout.partition("\n\n")[2] == (
        "Not covered by autogenerate:\n"
        "  users: PRIMARY KEY (id) in the database, PRIMARY KEY (id, name) in the models\n"
    )
    assert missing.stderr == 'A migration is missing, to be written by hand: inv make.migration "…" --empty\n'


MOODS = """
    from sqlalchemy import Enum
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


    class Base(DeclarativeBase):
        pass


    class User(Base):
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        mood: Mapped[str] = mapped_column(Enum("glad", "sad", name="mood"))
"""


def test_a_migration_that_a_person_has_to_decide(project: Sandbox, postgresql: Server) -> None:
    """It is missing as well: why it cannot be written yet is said."""
    env = {"DATABASE_URL": postgresql.fresh("postgresql+psycopg")}
    project.write("models.py", MOODS)
    project.inv("make.migration", "users", "database.migrate", env=env)
    execute(env["DATABASE_URL"], "INSERT INTO users (mood) VALUES ('sad')")
    project.replace("models.py", '"sad"', '"blue"')
    missing = project.inv("make.migration", "--check", env=env, code=3)
    assert "No difference" not in missing.stdout
    assert missing.stderr.startswith("users.mood has 1 row with 'sad', which the models do not have as a member.")
    assert missing.stderr.endswith('\nA migration is missing: inv make.migration "…"\n')


DECISIONS = ["allow-drops", "no-renames", "rename=a:b", "backfill=1"]


@pytest.mark.parametrize("flag", ["empty", "data", "baseline", "create=x", "table=x", *DECISIONS])
def test_what_does_not_go_with_it(project: Sandbox, flag: str) -> None:
    """A skeleton is not compared, and where nothing is written, nothing is decided."""
    refused = project.inv("make.migration", "--check", f"--{flag}", code=2)
    assert refused.stderr == f"--check and --{flag.partition('=')[0]} are mutually exclusive.\n"


@pytest.mark.parametrize("flag", ["empty", "data", "baseline", "create=x", "table=x"])
def test_what_only_a_difference_has(project: Sandbox, flag: str) -> None:
    """Where models and database are not compared, there is nothing to decide, either."""
    refused = project.inv("make.migration", "x", f"--{flag}", "--backfill=1", code=2)
    assert refused.stderr == f"--{flag.partition('=')[0]} and --backfill are mutually exclusive.\n"


def test_the_message_after_it(project: Sandbox) -> None:
    """Invoke does not take it there any more; that is said."""
    refused = project.inv("make.migration", "--check", "a message", code=2)
    assert refused.stderr == "Put 'a message' before --check.\n"


@pytest.mark.parametrize("flag", ["rename", "backfill"])
@pytest.mark.parametrize("others", [(), ("--pretend",)])
def test_a_flag_without_a_value(project: Sandbox, flag: str, others: tuple[str, ...]) -> None:
    """It is not as if it had not been typed."""
    refused = project.inv("make.migration", "x", f"--{flag}", *others, code=2)
    assert refused.stderr.startswith(f"--{flag} needs a value")


def test_without_it_the_message_is_needed(project: Sandbox) -> None:
    """As for any positional argument, Invoke says so itself."""
    refused = project.inv("make.migration", "--empty", code=1)
    assert refused.stderr == "'make.migration' did not receive required positional arguments: 'message'\n"


def test_modules_without_models_are_named(project: Sandbox, alembic_init: Init) -> None:
    """Whenever no model was found, and with --debug."""
    said = project.inv("make.migration", "create carts table").stdout
    assert "No models found; written from the message.\n" in said
    refused = project.inv("make.migration", "--check", code=1)
    assert refused.stderr == "No models found, so there is nothing to compare.\n"
    shown = json.loads(project.inv("make.migration", "--check", "--json", code=1).stdout)
    assert shown["error"]["message"] == "No models found, so there is nothing to compare."
    project.write("app/models.py", "")
    project.write("app/billing/models.py", "x = 1\n")
    said = project.inv("make.migration", "create posts table").stdout
    assert "No models found in app.models, app.billing.models; written from the message.\n" in said
    project.write("app/models.py", MODELS)
    project.inv("database.migrate")
    debugged = project.run("invoke", "--debug", "make.migration", "users", "--no-renames", code=1, anew=True).stderr
    assert "Imported for their models: app.models, app.billing.models\n" in debugged
    assert "drop table carts" in debugged


def test_env_py_with_an_empty_metadata(project: Sandbox, alembic_init: Init) -> None:
    """What the models were not imported for is said, too; nothing is taken for dropped."""
    url = f"sqlite:///{project.root / 'app.db'}"
    alembic_init(project, url)
    project.replace("migrations/env.py", "target_metadata = None", "from sqlalchemy import MetaData as M")
    project.replace("migrations/env.py", "MetaData as M\n", "MetaData as M\ntarget_metadata = M()\n")
    execute(url, "CREATE TABLE users (id INTEGER PRIMARY KEY)")
    said = project.inv("make.migration", "add age to users").stdout
    assert "No models found in the target_metadata of migrations/env.py; written from the message.\n" in said
    assert "add_column" in next((project.root / "migrations/versions").glob("*.py")).read_text("utf-8")
