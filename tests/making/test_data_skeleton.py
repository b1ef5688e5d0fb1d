"""make.migration --data: runs as it was written, changes rows in batches once told how, and can be rolled back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from command import Sandbox
from fastman_tasks.making.request import Request
from servers import execute
from services import opened

pytestmark = pytest.mark.thorough
TABLES = {
    "plain": "CREATE TABLE plain (id INTEGER PRIMARY KEY, name VARCHAR(20), price NUMERIC(10, 2), at TIMESTAMP NULL)",
    "pairs": "CREATE TABLE pairs (a INTEGER NOT NULL, b VARCHAR(9) NOT NULL, name VARCHAR(20), PRIMARY KEY (a, b))",
    "keyless": "CREATE TABLE keyless (name VARCHAR(20))",
    # Names that Python, or the file itself, has for something else.
    "class": 'CREATE TABLE "class" ("def" INTEGER PRIMARY KEY, "nick name" VARCHAR(20), "keys" VARCHAR(20))',
    "keys": 'CREATE TABLE "keys" (id INTEGER PRIMARY KEY, name VARCHAR(20))',
}
NUMBER = 1201


def written(project: Sandbox, url: str, message: str, **flags: str) -> tuple[Path, str | None]:
    """The file of ``make.migration MESSAGE --data``, and its note."""
    with opened(project, DATABASE_URL=url) as shop:
        draft = shop.migration_writer.write(Request.of(message, data=True, **flags))
    assert draft.file is not None
    os.utime(draft.file, (0, 0))
    return draft.file, draft.note


@pytest.mark.parametrize("server", ["sqlite", "postgresql", "mariadb"])
def test_it_runs_as_it_is_and_filled_in(project: Sandbox, request: pytest.FixtureRequest, server: str) -> None:
    """For each kind of key, on more rows than a batch has."""
    url = f"sqlite:///{project.root / 'app.db'}"
    if server != "sqlite":
        driver = {"postgresql": "postgresql+psycopg", "mariadb": "mysql+pymysql"}[server]
        url = request.getfixturevalue(server).fresh(driver)
    quote = "`" if server == "mariadb" else '"'
    rows = ", ".join(f"({number}, 'x{number}')" for number in range(NUMBER))
    for statement in TABLES.values():
        execute(url, statement.replace('"', quote))
    execute(url, f"INSERT INTO plain (id, name) VALUES {rows}")
    execute(url, f"INSERT INTO pairs (a, b) VALUES {rows}")
    execute(url, "INSERT INTO keyless VALUES ('x')")
    env = {"DATABASE_URL": url}
    project.add_environment()
    files = []
    for table in TABLES:
        files.append(written(project, url, f"change {table}", table=table)[0])
        project.inv("database.migrate", env=env)

    ran = project.inv("migrate.reset", "--force", env=env).stdout
    assert "5 migrations rolled back." in ran
    assert "could not be analysed" not in ran.lower()
    assert execute(url, "SELECT count(name) FROM pairs") == [(0,)]

    for file in files:
        lines = file.read_text("utf-8").splitlines()
        at = next(number for number, line in enumerate(lines) if "# connection.execute(" in line)
        filled = lines[at].replace("# connection", "connection").replace(": ...", ": 'y'").replace("...", "sa.true()")
        file.write_text("\n".join([*lines[:at], filled, *lines[at + 1 :], ""]), "utf-8")
        # Another second than the bytecode's.
        os.utime(file, (1, 1))
    project.inv("database.migrate", "migrate.reset", "--force", env=env)
    for table, number in (("plain", NUMBER), ("pairs", NUMBER), ("keyless", 1)):
        assert execute(url, f"SELECT count(*) FROM {table} WHERE name = 'y'") == [(number,)]


def test_what_is_written(project: Sandbox) -> None:
    """Columns with the types that SQLAlchemy has for every database; an example without a table; a note where there is
    none of that name, or it is not known yet."""
    url = f"sqlite:///{project.root / 'app.db'}"
    execute(url, TABLES["plain"])
    project.add_environment()
    first, note = written(project, url, "first", table="plain")
    text = first.read_text("utf-8")
    assert note is None
    assert "sa.column('price', sa.Numeric(precision=10, scale=2)),\n        sa.column('at', sa.DateTime()),\n" in text
    assert "in_(keys)).values({plain.c.name: ...}))\n" in text
    assert '"""Nothing to undo: what the rows held before is not kept."""\n' in text
    pending, note = written(project, url, "second", table="plain")
    assert note == "1 migration pending, so the tables are not known yet"
    project.inv("database.migrate")
    example, note = written(project, url, "third")
    assert note is None
    for file in (pending, example):
        assert "--table=TABLE fills this in.\n" in file.read_text("utf-8")
    assert "3 applied, 0 pending." in project.inv("database.migrate", "migrate.status").stdout


def test_the_command(project: Sandbox) -> None:
    """It says that the body is an example, and refuses flags that say something else."""
    said = project.inv("make.migration", "fill", "--data", "--table=nope").stdout
    assert "The body is an example: there is no table nope in the database.\n" in said
    wrong = project.inv("make.migration", "fill", "--data", "--empty", code=2)
    assert wrong.stderr == "--data and --empty are mutually exclusive.\n"


@pytest.mark.parametrize("flags", [["--data"], []])
def test_a_table_that_is_not_there(project: Sandbox, flags: list[str]) -> None:
    """A wrong name, where the tables are known: the nearest first. Where there are none, or some are pending, no."""
    project.inv("make.migration", "x", "--table=user", *flags, "--pretend")
    project.add_environment()
    project.add_migration("a", "a", None, "op.create_table('users', sa.Column('id', sa.Integer))")
    project.inv("make.migration", "x", "--table=user", *flags, "--pretend")
    project.inv("database.migrate")
    before = project.files()
    refused = project.inv("make.migration", "x", "--table=user", *flags, code=2)
    assert refused.stderr == "There is no table user in the database. Did you mean users? Known: users.\n"
    assert project.files() == before
    project.inv("make.migration", "x", "--table=users", *flags)
