"""What the history says: when, by whom, how long; what was edited, put below, or done by another tool."""

from __future__ import annotations

import json
from typing import Any

import pytest

from command import Sandbox
from fastman_tasks.actions.repair import repair
from fastman_tasks.consent import Risk
from fastman_tasks.errors import MigrationRefused
from servers import Server, all_tables, execute
from services import opened

USERS = 'op.create_table("users", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(40)))'
DOWN = 'op.drop_column("users", "email")'
DRIVERS = ["sqlite", "postgresql+psycopg", "postgresql+asyncpg", "mariadb+pymysql"]


def prepare(project: Sandbox, request: pytest.FixtureRequest, driver: str) -> str:
    """A project with two migrations; returns its database's URL."""
    url = f"sqlite:///{project.root}/shop.db"
    if driver != "sqlite":
        server: Server = request.getfixturevalue(driver.partition("+")[0])
        url = server.fresh(driver)
    project.add_environment()
    project.write(".env", f"DATABASE_URL='{url}'\nENVIRONMENT=staging\n")
    project.add_migration("1_users", "r1", None, USERS, 'op.drop_table("users")')
    project.add_migration("2_email", "r2", "r1", 'op.add_column("users", sa.Column("email", sa.String(80)))', DOWN)
    return url


def status(project: Sandbox, *flags: str, code: int = 0) -> dict[str, dict[str, Any]]:
    """What ``migrate.status`` says of each revision."""
    found = json.loads(project.inv("migrate.status", "--json", *flags, code=code).stdout)
    return {each["revision"]: each for each in found["steps"]}


def states(project: Sandbox) -> dict[str, str]:
    return {revision: each["state"] for revision, each in status(project).items()}


def runs(project: Sandbox) -> list[tuple[int, str, str, str | None]]:
    """Batch, action, revision and message of each entry, the newest run first."""
    found = json.loads(project.inv("migrate.history", "--runs", "--json").stdout)["steps"]
    kept = [each["history"] for each in found]
    return [(each["batch"], each["action"], each["name"], each["message"]) for each in kept]


@pytest.mark.parametrize("driver", DRIVERS)
def test_who_did_what_and_when(project: Sandbox, request: pytest.FixtureRequest, driver: str) -> None:
    """Each run has a number; a failure is in the history, too; reading creates no table."""
    url = prepare(project, request, driver)
    assert states(project) == {"r1": "pending", "r2": "pending"}
    if driver != "sqlite":
        assert all_tables(url) == set()
    project.inv("database.migrate", "--to=r1")
    project.inv("database.migrate")

    entry = status(project)["r2"]["history"]
    assert (entry["batch"], entry["action"], entry["environment"]) == (2, "apply", "staging")
    assert entry["seconds"] > 0 and entry["at"].endswith("Z") and entry["os_user"] and entry["host"]
    assert entry["file"] == "database/migrations/versions/2_email.py" and entry["tool"].startswith("fastman-tasks")
    shown = project.inv("migrate.status").stdout
    assert "batch 2, " in shown and f"{entry['os_user']}@{entry['host']}" in shown
    narrow = project.terminal("migrate.status", env={"COLUMNS": "48"})
    assert f"{entry['at'][:4]}-" in narrow and "batch" not in narrow

    project.inv("migrate.rollback", "--force")
    project.add_migration("3_wrong", "r3", "r2", 'op.execute("SELECT absent FROM nowhere")', "pass")
    project.inv("database.migrate", code=1)
    found = runs(project)
    assert [each[:3] for each in found] == [
        (4, "apply", "r2"),
        (4, "failed", "r3"),
        (3, "revert", "r2"),
        (2, "apply", "r2"),
        (1, "apply", "r1"),
    ]
    assert "nowhere" in str(found[1][3])
    assert "Batch 4" in project.inv("migrate.history", "--runs", "--limit=1").stdout


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+psycopg"])
def test_edited(project: Sandbox, request: pytest.FixtureRequest, driver: str) -> None:
    """What a formatter changes is no edit; one length is, until it is accepted."""
    prepare(project, request, driver)
    project.inv("database.migrate")
    file = project.root / "database/migrations/versions/1_users.py"
    before = file.read_text("utf-8")

    file.write_bytes(("# Copyright\n" + before.replace('"', "'")).replace("\n", "\r\n").encode())
    assert states(project) == {"r1": "applied", "r2": "applied"}
    file.write_text(before.replace("drop_table(", "execute('SELECT 1'); op.drop_table("), "utf-8")
    assert status(project)["r1"]["note"] == "downgrade() was edited"
    project.inv("migrate.status", "--check")
    file.write_text(before.replace("40", "50"), "utf-8")
    assert states(project) == {"r1": "edited", "r2": "applied"}
    assert "1_users was edited after it had been applied" in project.inv("migrate.status", "--check", code=3).stdout

    refused = project.inv("migrate.repair", code=5)
    assert "String(40)" in refused.stdout and "String(50)" in refused.stdout and "--force" in refused.stderr
    assert "String(50)" in project.inv("migrate.repair", "--pretend").stdout
    planned = json.loads(project.inv("migrate.repair", "--pretend", "--json").stdout)["steps"]
    assert [(each["action"], each["revision"]) for each in planned] == [("accept", "r1")]
    assert states(project)["r1"] == "edited"
    project.inv("migrate.repair", "--force")
    entry = status(project, "--check")["r1"]["history"]
    assert (entry["action"], entry["batch"]) == ("apply", 1)
    assert "none was edited" in project.inv("migrate.repair").stdout

    file.write_text("def upgrade(:\n", "utf-8")
    file.write_text(before.replace("def upgrade", "def upgrade(:\n\n\ndef upgrade"), "utf-8")
    assert "not valid Python" in status(project)["r1"]["note"]


@pytest.mark.parametrize("driver", DRIVERS)
def test_other_tools(project: Sandbox, request: pytest.FixtureRequest, driver: str) -> None:
    """A database that another tool has brought here is adopted in silence; what it does later is noted as its doing."""
    prepare(project, request, driver)
    project.alembic("upgrade", "r1")
    assert states(project) == {"r1": "applied", "r2": "pending"}
    project.inv("database.migrate")
    assert runs(project)[0] == (1, "mark", "r1", "applied before the history began")
    assert states(project) == {"r1": "applied", "r2": "applied"}
    assert "fastman_history" not in project.alembic("check", code=255).stdout

    project.alembic("downgrade", "r1")
    project.alembic("upgrade", "r2")
    project.alembic("downgrade", "r1")
    project.inv("database.migrate")
    assert runs(project)[:2] == [(2, "unmark", "r2", "rolled back outside the history"), (2, "apply", "r2", None)]

    # One that is put below what was applied never runs.
    project.add_migration("2_a", "r1a", "r1", "pass", "pass")
    project.replace("database/migrations/versions/2_email.py", "down_revision = 'r1'", "down_revision = 'r1a'")
    assert states(project) == {"r1": "applied", "r1a": "skipped", "r2": "applied"}
    project.inv("migrate.status", "--check", code=3)
    assert "2_a never ran here" in project.inv("migrate.repair", code=5).stdout
    project.inv("migrate.repair", "--force")
    assert runs(project)[0][:3] == (3, "mark", "r1a")
    project.inv("migrate.status", "--check")


def test_stamped_and_switched_off(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """What is recorded without running is recorded as that; with FASTMAN_HISTORY=off nothing is written."""
    url = prepare(project, request, "sqlite")
    project.inv("database.migrate", env={"FASTMAN_HISTORY": "off"})
    assert all_tables(url) == {"alembic_version", "users"}
    project.inv("migrate.stamp", "r1", "--force")
    project.inv("migrate.stamp", "r2", "--force")
    assert [each[:3] for each in runs(project)] == [
        (2, "mark", "r2"),
        (1, "mark", "r1"),
        (1, "mark", "r2"),
        (1, "unmark", "r2"),
    ]
    assert (
        json.loads(project.inv("migrate.status", "--json", env={"FASTMAN_HISTORY": "off"}).stdout)["steps"][0][
            "history"
        ]
        is None
    )
    execute(url, "DROP TABLE fastman_history")
    execute(url, "CREATE TABLE fastman_history (id INTEGER PRIMARY KEY)")
    assert "cannot be read" in project.inv("migrate.status").stdout
    assert "cannot be read" in project.inv("migrate.history", "--runs", code=1).stderr
    assert execute(url, "SELECT * FROM fastman_history") == []


def test_squashed(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """What was squashed after it had been applied is not edited, and no other tool has rolled it back."""
    prepare(project, request, "sqlite")
    project.add_migration("3_last", "r3", "r2", "pass", "pass")
    project.inv("database.migrate")
    files = {name: (project.root / f"database/migrations/versions/{name}.py") for name in ("1_users", "2_email")}
    before = {file: file.read_text("utf-8") for file in files.values()}
    project.inv("migrate.squash", "--to=r2", "--force")
    assert states(project) == {"r2": "applied", "r3": "applied"}
    project.inv("migrate.redo", "--force")
    assert states(project) == {"r2": "applied", "r3": "applied"}
    assert [each[1] for each in runs(project)] == ["revert", "apply", "apply", "apply", "apply"]

    squash = files["2_email"].read_text("utf-8")
    for file, text in before.items():
        file.write_text(text, "utf-8")
    project.inv("migrate.status", "--check")
    files["1_users"].unlink()
    files["2_email"].write_text(squash, "utf-8")
    project.inv("migrate.reset", "--force")
    project.inv("database.migrate")
    assert ("unmark", "r1", "squashed into r2") in [each[1:] for each in runs(project)]
    files["2_email"].write_text(squash.replace("VARCHAR(80)", "VARCHAR(90)"), "utf-8")
    assert states(project)["r2"] == "edited"


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+psycopg"])
def test_fresh_that_fails(project: Sandbox, request: pytest.FixtureRequest, driver: str) -> None:
    """It was rolled back: what had been applied, and by whom, stays in the history. What cannot be compared, as the
    table has no texts, is not edited."""
    url = prepare(project, request, driver)
    project.inv("database.migrate")
    email = project.root / "database/migrations/versions/2_email.py"
    before = email.read_text("utf-8")
    email.write_text(before.replace("users", "nowhere"), "utf-8")
    project.inv("migrate.fresh", "--force", code=1)
    assert [each[:3] for each in runs(project)] == [(2, "failed", "r2"), (1, "apply", "r1"), (1, "apply", "r2")]
    assert states(project) == {"r1": "applied", "r2": "edited"}

    execute(url, "ALTER TABLE fastman_history DROP COLUMN source")
    assert states(project) == {"r1": "applied", "r2": "applied"}


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+psycopg", "mariadb+pymysql"])
def test_any_text(project: Sandbox, request: pytest.FixtureRequest, driver: str) -> None:
    """Every character of a file and of an error is kept, also where the database has another character set. A file in
    another encoding is compared in that."""
    url = prepare(project, request, driver)
    if driver.startswith("mariadb"):
        execute(url, "ALTER DATABASE CHARACTER SET latin1")
    versions = project.root / "database/migrations/versions"
    project.add_migration("3_emoji", "r3", "r2", "pass  # \N{ROCKET}", "pass")
    text = project.add_migration("4_latin", "r4", "r3", "print('\u00e9')", "pass").read_text("utf-8")
    latin = versions / "4_latin.py"
    latin.write_bytes(f"# -*- coding: latin-1 -*-\n{text}".encode("latin-1"))
    project.add_migration("5_wrong", "r5", "r4", "raise ValueError('\\0 \\ud800 \N{ROCKET}')", "pass")
    assert "cannot be written" not in project.inv("database.migrate", code=1).stderr
    assert runs(project)[-1] == (1, "failed", "r5", "ValueError: \\u0000 \\ud800 \N{ROCKET}")

    latin.write_bytes(latin.read_bytes().replace(b"'\xe9'", b'"\xe9"'))
    assert states(project)["r4"] == "applied"
    latin.write_bytes(latin.read_bytes().replace(b"\xe9", b"\xe8"))
    assert states(project)["r4"] == "edited"


def test_a_text_that_the_database_cannot_hold(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """It stops no migration."""
    prepare(project, request, "sqlite")
    server: Server = request.getfixturevalue("postgresql")
    latin = server.fresh("postgresql+psycopg").rpartition("/")[2]
    execute(server.admin, f"DROP DATABASE {latin}")
    execute(
        server.admin,
        f"CREATE DATABASE {latin} OWNER {server.user} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    )
    project.write(".env", f"DATABASE_URL='{server.url('postgresql+psycopg', latin)}'\nENVIRONMENT=staging\n")
    project.add_migration("3_emoji", "r3", "r2", "pass  # \N{ROCKET}", "pass")
    assert project.inv("database.migrate").stderr.count("cannot be written") == 1
    assert states(project) == {"r1": "applied", "r2": "applied", "r3": "applied"}


def test_a_baseline(project: Sandbox) -> None:
    """Whoever takes an existing database over is in the history."""
    project.write(
        "models.py",
        """
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


        class Base(DeclarativeBase):
            pass


        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
        """,
    )
    url = f"sqlite:///{project.root}/shop.db"
    project.write(".env", f"DATABASE_URL='{url}'\n")
    execute(url, "CREATE TABLE users (id INTEGER PRIMARY KEY NOT NULL)")
    project.inv("make.migration", "start", "--baseline")
    (entry,) = [each["history"] for each in status(project).values()]
    assert (entry["kind"], entry["action"], entry["message"]) == ("stamp", "mark", "recorded without running it")
    assert entry["os_user"] and entry["checksum"]


def test_a_time_that_is_none(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """It stops no command, and is said."""
    url = prepare(project, request, "sqlite")
    project.inv("database.migrate", "--to=r1")
    execute(url, "UPDATE fastman_history SET at = 'yesterday'")
    assert "cannot be read: " in project.inv("migrate.status").stdout
    assert "yesterday" in project.inv("migrate.history", "--runs", code=1).stderr
    assert project.inv("database.migrate").stderr.count("cannot be written") == 1
    assert states(project) == {"r1": "applied", "r2": "applied"}


def test_a_history_that_cannot_be_written(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """Nothing is said to be accepted then."""
    url = prepare(project, request, "sqlite")
    project.inv("database.migrate")
    project.replace("database/migrations/versions/1_users.py", "40", "50")
    refuse = "BEGIN SELECT RAISE(ABORT, 'read only'); END"
    execute(url, f"CREATE TRIGGER refuse BEFORE INSERT ON fastman_history {refuse}")
    refused = project.inv("migrate.repair", "--force", code=1).stderr
    assert "cannot be written: read only" in refused and "Nothing was accepted" in refused
    assert states(project) == {"r1": "edited", "r2": "applied"}


def test_what_was_not_shown_is_not_accepted(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """A file that changes while the question stands is refused, and still edited."""
    prepare(project, request, "sqlite")
    project.inv("database.migrate")
    project.replace("database/migrations/versions/1_users.py", "40", "50")

    def agree(risk: Risk) -> None:
        assert any("String(50)" in note for note in risk.notes)
        project.replace("database/migrations/versions/1_users.py", "50", "60")

    with opened(project) as shop, pytest.raises(MigrationRefused, match="in the meantime"):
        repair(shop, consent=agree)
    assert states(project)["r1"] == "edited"
