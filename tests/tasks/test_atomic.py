"""All or nothing: what a migration leaves that fails, is interrupted or is killed, and what is said of it."""

from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Init, Sandbox
from dumps import dump, schema
from processes import ROUNDS, Running, wait_for
from servers import Server, execute, tables

VERSIONS = "database/migrations/versions"
FreshUrl = Callable[[str], str]


@pytest.fixture
def fresh_url(request: pytest.FixtureRequest, project: Sandbox) -> FreshUrl:
    """Makes an empty database for a driver, names it in .env, and gives its URL."""
    made = 0

    def make(driver: str) -> str:
        nonlocal made
        made += 1
        if driver.startswith("sqlite"):
            url = f"{driver}:///{project.root}/shop_{made}.db"
        else:
            server: Server = request.getfixturevalue("postgresql" if driver.startswith("postgresql") else "mariadb")
            url = server.fresh(driver)
        project.write(".env", f"DATABASE_URL={url}")
        return url

    return make


def statements(*each: str) -> str:
    """The body of an upgrade() that runs raw SQL."""
    return "\n".join(f"op.execute({statement!r})" for statement in each) or "pass"


def add_thirty_migrations(project: Sandbox) -> None:
    """Tables, columns, indexes, constraints and rows, in turn."""
    kinds = (
        'op.create_table("t{0}", sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", sa.String(20)))\n'
        'op.create_index("t{0}_a", "t{0}", ["a"])',
        "op.bulk_insert(sa.table('t{1}', sa.column('id'), sa.column('a')), [{{'id': i, 'a': 'x'}} for i in range(50)])",
        'op.add_column("t{2}", sa.Column("b", sa.Integer, server_default="7"))\n'
        "op.execute('UPDATE t{2} SET b = id')",
        'with op.batch_alter_table("t{3}") as batch:\n'
        '    batch.alter_column("a", existing_type=sa.String(20), type_=sa.String(40), nullable=False)\n'
        '    batch.create_unique_constraint("u{0}", ["b"])',
        'op.create_table("c{0}", sa.Column("id", sa.Integer, primary_key=True),\n'
        '    sa.Column("t_id", sa.Integer, sa.ForeignKey("t{4}.id", name="f{0}", ondelete="CASCADE")))\n'
        'op.execute("INSERT INTO c{0} VALUES (1, 1), (2, 2)")',
    )
    for number in range(30):
        up = kinds[number % 5].format(*(number - back for back in range(5)))
        project.add_migration(f"{number:02}_step", f"aa{number:02}", f"aa{number - 1:02}" if number else None, up)


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+psycopg", "mysql+pymysql"])
def test_a_process_that_is_killed(project: Sandbox, fresh_url: FreshUrl, driver: str) -> None:
    """Killed anywhere in a run of thirty migrations, the same command goes on where that one was cut off; MariaDB,
    which cannot take DDL back, either goes on or names the migration that is half there."""
    project.add_environment()
    add_thirty_migrations(project)
    undisturbed = fresh_url(driver)
    project.inv("database.migrate")
    expected = dump(undisturbed)
    chance = random.Random()
    for _ in range(ROUNDS):
        url = fresh_url(driver)
        run = Running(project, "database.migrate")
        number, pause = chance.randrange(30), chance.random() * 0.02
        run.read_until(f"{number:02}_step" if number else "\n")
        time.sleep(pause)
        run.kill()
        case = f"killed {pause:.4f} s after step {number} was reported"
        stood = execute(url, "SELECT version_num FROM alembic_version") if "alembic_version" in tables(url) else []
        applied = int(stood[0][0][2:]) + 1 if stood else 0

        again = Running(project, "database.migrate").finish(code=None)

        if driver == "mysql+pymysql" and again.code:
            # What the killed process had sent may still have been carried out when it was read.
            assert again.code == 1, case
            failed = re.match(rf"(\d\d)_step failed: {VERSIONS}/\1_step.py:\d+: (.*)\n", again.stderr)
            assert failed, f"{case}\n{again.stderr}"
            assert re.search("already exists|Duplicate|check that column/key exists", failed[2]), again.stderr
            now = int(execute(url, "SELECT version_num FROM alembic_version")[0][0][2:]) + 1 if failed[1] != "00" else 0
            assert int(failed[1]) == now >= applied, case
            assert f"{now} applied now" in again.stderr, f"{case}\n{again.stderr}"
            left = re.findall(r"^  (\d\d)_step$", again.stderr, re.MULTILINE)
            assert left == [f"{each:02}" for each in range(now, 30)], case
            continue
        assert again.code == 0, f"{case}\n{again.stderr}"
        assert dump(url) == expected, case


BODY = [
    "CREATE TABLE posts (id INT PRIMARY KEY, user_id INT REFERENCES users (id))",
    "INSERT INTO posts VALUES (1, 1)",
    "ALTER TABLE users ADD COLUMN email VARCHAR(50)",
    "UPDATE users SET email = name",
    "CREATE UNIQUE INDEX users_email ON users (email)",
    "DELETE FROM users WHERE id = 2",
    "DROP TABLE old",
]
FIRST = [
    "CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(50))",
    "INSERT INTO users VALUES (1, 'Ada'), (2, 'Bob')",
    "CREATE TABLE old (a INT)",
    "INSERT INTO old VALUES (1)",
]
# Fails for the database, not for its parser, where there is data: a transaction that is open is committed before it.
BROKEN = "CREATE TABLE users (a INT)"


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+psycopg", "mysql+pymysql"])
def test_failing_at_each_statement(project: Sandbox, fresh_url: FreshUrl, driver: str) -> None:
    """Schema and rows are afterwards as they were; on MariaDB they are what the report says. Mended, it runs."""
    project.add_environment()
    project.add_migration("1_first", "1a", None, statements(*FIRST))
    fresh_url(driver)
    project.inv("database.migrate")
    for position in range(len(BODY) + 1):
        url = fresh_url(driver)
        for statement in (*FIRST, "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"):
            execute(url, statement)
        execute(url, "INSERT INTO alembic_version VALUES ('1a')")
        before = dump(url)
        project.add_migration("2_second", "2b", "1a", statements(*BODY[:position], BROKEN, *BODY[position:]))

        failed = project.inv("database.migrate", code=1)

        assert f"2_second failed: {VERSIONS}/2_second.py:{13 + position}: " in failed.stderr
        assert "already exists" in failed.stderr.splitlines()[0]
        assert f"Statement: {BROKEN}\n" in failed.stderr
        if driver != "mysql+pymysql":
            assert "Nothing of the failed one was kept." in failed.stderr
            assert dump(url) == before, position
            continue
        kept, _, left = failed.stderr.partition("Statement: ")[2].partition("Not carried out:\n")
        carried_out = re.findall(r"^  ((?:CREATE|INSERT|ALTER|UPDATE|DELETE|DROP) .*)$", kept, re.MULTILINE)
        assert carried_out == BODY[:position], "a DDL statement that fails commits what was before it"
        reference = fresh_url(driver)
        for statement in (*FIRST, *carried_out):
            execute(reference, statement)
        without = {name: value for name, value in dump(url).items() if name not in ("alembic_version", "rows")}
        assert without == schema(reference), f"{position}: {failed.stderr}"
        rows = {name: value for name, value in dump(url)["rows"].items() if name != "alembic_version"}
        assert rows == dump(reference)["rows"], f"{position}: {failed.stderr}"
        if carried_out:
            not_carried_out = re.findall(r"^  ((?:CREATE|INSERT|ALTER|DELETE|DROP|UPDATE) .*)$", left, re.MULTILINE)
            assert not_carried_out[:-1] == [BROKEN, *BODY[position:]], failed.stderr
    project.write(".env", f"DATABASE_URL={url}")
    if driver != "mysql+pymysql":
        project.add_migration("2_second", "2b", "1a", statements(*BODY))
        project.inv("database.migrate")
        assert execute(url, "SELECT * FROM users") == [(1, "Ada", "Ada")]
