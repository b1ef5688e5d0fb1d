"""All or nothing: what a migration leaves that fails, is interrupted or is killed, and what is said of it."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import services
from command import Init, Sandbox
from dumps import dump, held_table, schema
from fastman_tasks.errors import MigrationFailed
from processes import ROUNDS, Running, chance, wait_for
from servers import Server, execute, tables
from services import opened

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
        "table = sa.table('t{1}', sa.column('id'), sa.column('a'))\n"
        "op.bulk_insert(table, [{{'id': i, 'a': 'x'}} for i in range(1, 51)])",
        'op.add_column("t{2}", sa.Column("b", sa.Integer, server_default="7"))\nop.execute(\'UPDATE t{2} SET b = id\')',
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


@pytest.mark.thorough
@pytest.mark.parametrize("driver", ["sqlite", "postgresql+psycopg", "mysql+pymysql"])
def test_a_process_that_is_killed(project: Sandbox, fresh_url: FreshUrl, driver: str) -> None:
    """Killed anywhere in a run of thirty migrations, the same command goes on where that one was cut off; MariaDB,
    which cannot take DDL back, either goes on or names the migration that is half there."""
    project.add_environment()
    add_thirty_migrations(project)
    undisturbed = fresh_url(driver)
    project.inv("database.migrate")
    expected = dump(undisturbed)
    random = chance()
    for _ in range(ROUNDS):
        url = fresh_url(driver)
        run = Running(project, "database.migrate")
        number, pause = random.randrange(30), random.random() * 0.02
        run.read_until(f"{number:02}_step" if number else "\n")
        time.sleep(pause)
        ended = run.kill()
        case = f"killed {pause:.4f} s after step {number} was reported, it ended with {ended}"
        stood = execute(url, "SELECT version_num FROM alembic_version") if "alembic_version" in tables(url) else []
        applied = int(stood[0][0][2:]) + 1 if stood else 0
        # It has done all of them where it was quicker than that.
        assert ended == -signal.SIGKILL or (ended, applied) == (0, 30), case

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
            # A statement of this run may have been carried out before the one that the killed run had carried out.
            assert "commits each DDL statement separately" in again.stderr, case
            assert "Nothing of the failed one was kept" not in again.stderr, case
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


def test_a_long_statement(project: Sandbox) -> None:
    """Only its beginning is in the report: one that changes a batch of rows has thousands of parameters."""
    project.add_environment()
    project.add_migration("1_first", "1a", None, statements(f"DELETE FROM users WHERE id IN ({'1, ' * 2000}1)"))
    for arguments in ([], ["--pretend"]):
        report = project.inv("database.migrate", *arguments, code=1).stderr
        assert "\n  Statement: DELETE FROM users WHERE id IN (1, 1, " in report
        assert len(report) < 1500


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+psycopg", "mysql+pymysql"])
def test_failing_at_each_statement(project: Sandbox, fresh_url: FreshUrl, driver: str) -> None:
    """Schema and rows are afterwards as they were; on MariaDB they are what the report says. Mended, it runs."""
    project.add_environment()
    project.add_migration("1_first", "1a", None, statements(*FIRST))
    for position in range(len(BODY) + 1):
        url = fresh_url(driver)
        for statement in (*FIRST, "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"):
            execute(url, statement)
        execute(url, "INSERT INTO alembic_version VALUES ('1a')")
        before = dump(url)
        project.add_migration("2_second", "2b", "1a", statements(*BODY[:position], BROKEN, *BODY[position:]))

        with opened(project, DATABASE_URL=url) as here, pytest.raises(MigrationFailed) as raised:
            services.migrate(here)
        report = str(raised.value)

        assert f"2_second failed: {VERSIONS}/2_second.py:{13 + position}: " in report
        assert "already exists" in report.splitlines()[0]
        assert f"Statement: {BROKEN}\n" in report
        if driver != "mysql+pymysql":
            assert "The failed migration was rolled back." in report
            assert dump(url) == before, position
            continue
        kept, _, left = report.partition("Statement: ")[2].partition("Not executed:\n")
        carried_out = re.findall(r"^  ((?:CREATE|INSERT|ALTER|UPDATE|DELETE|DROP) .*)$", kept, re.MULTILINE)
        assert carried_out == BODY[:position], "a DDL statement that fails commits what was before it"
        reference = fresh_url(driver)
        for statement in (*FIRST, *carried_out):
            execute(reference, statement)
        without = {name: value for name, value in dump(url).items() if name not in ("alembic_version", "rows")}
        assert without == schema(reference), f"{position}: {report}"
        rows = {name: value for name, value in dump(url)["rows"].items() if name != "alembic_version"}
        assert rows == dump(reference)["rows"], f"{position}: {report}"
        if carried_out:
            assert left.startswith(f"  {BROKEN}\n1 applied now."), report
    project.write(".env", f"DATABASE_URL={url}")
    if driver != "mysql+pymysql":
        project.add_migration("2_second", "2b", "1a", statements(*BODY))
        project.inv("database.migrate")
        assert execute(url, "SELECT * FROM users") == [(1, "Ada", "Ada")]


@pytest.mark.parametrize(
    ("driver", "number"),
    [
        ("sqlite", signal.SIGINT),
        ("postgresql+psycopg", signal.SIGINT),
        ("postgresql+psycopg", signal.SIGTERM),
        ("postgresql+asyncpg", signal.SIGINT),
        ("postgresql+asyncpg", signal.SIGTERM),
    ],
)
@pytest.mark.thorough
def test_a_signal(project: Sandbox, fresh_url: FreshUrl, driver: str, number: signal.Signals) -> None:
    """Ctrl-C, and a deploy that is stopped: rolled back, reported, code 1, and the lock is free."""
    url = fresh_url(driver)
    project.add_environment()
    project.add_migration("1_first", "1a", None, statements(*FIRST))
    sleep = "op.execute('SELECT pg_sleep(30)')" if "postgresql" in driver else "time.sleep(30)"
    slow = f"""
        import pathlib, time
        op.execute("CREATE TABLE half (a INT)")
        op.execute("UPDATE users SET name = 'half'")
        if not pathlib.Path("started").exists():
            pathlib.Path("started").touch()
            {sleep}
    """
    project.add_migration("2_slow", "2b", "1a", slow)
    run = Running(project, "database.migrate")
    wait_for(project.root / "started")
    time.sleep(0.3)
    started = time.monotonic()

    run.send(number)

    stopped = run.finish(code=1)
    assert time.monotonic() - started < 5
    assert re.search(r"1_first \.\.\..* DONE\n", stopped.stdout)
    assert stopped.stderr == (
        "2_slow was interrupted.\n"
        "The failed migration was rolled back.\n"
        "1 migration before it was applied; 1 applied now. Remaining:\n"
        "  2_slow\n"
        "Next: inv database.migrate\n"
    )
    assert tables(url) == {"alembic_version", "users", "old"}
    assert execute(url, "SELECT name FROM users") == [("Ada",), ("Bob",)]
    again = project.inv("database.migrate", env={"FASTMAN_LOCK_TIMEOUT": "1s"})
    assert "1 migration applied." in again.stdout


@pytest.mark.thorough
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_on_mariadb(project: Sandbox, fresh_url: FreshUrl, number: signal.Signals) -> None:
    """The server goes on with the statement that it has; the report must not say that nothing of it was kept."""
    url = fresh_url("mysql+pymysql")
    project.add_environment()
    slow = """
        import pathlib
        op.execute("CREATE TABLE one (a INT)")
        op.execute("INSERT INTO one VALUES (1)")
        pathlib.Path("started").touch()
        op.execute("CREATE TABLE two AS SELECT SLEEP(2) AS a")
        op.execute("CREATE TABLE three (a INT)")
    """
    project.add_migration("1_slow", "1a", None, slow)
    run = Running(project, "database.migrate")
    wait_for(project.root / "started")
    time.sleep(0.5)
    run.send(number)

    stopped = run.finish(code=1)

    assert stopped.stderr == (
        "1_slow was interrupted.\n"
        "This database commits each DDL statement separately.\n"
        "Committed:\n"
        "  CREATE TABLE one (a INT)\n"
        "The outcome of these is unknown:\n"
        "  INSERT INTO one VALUES (1)\n"
        "  CREATE TABLE two AS SELECT SLEEP(2) AS a\n"
        "0 applied now. Remaining:\n"
        "  1_slow\n"
        "Next: inv database.migrate\n"
    )
    assert execute(url, "SELECT * FROM one") == [(1,)]
    assert execute(url, "SELECT * FROM alembic_version") == []
    time.sleep(2)
    assert tables(url) - {"two"} == {"alembic_version", "one"}


def test_a_migration_that_commits(project: Sandbox, fresh_url: FreshUrl) -> None:
    """autocommit_block(), a commit of the connection's and a raw COMMIT: the report lists what a rollback leaves."""
    url = fresh_url("postgresql+psycopg")
    project.add_environment()
    bodies = {
        "block": """
            op.execute("CREATE TABLE one (a INT)")
            with op.get_context().autocommit_block():
                op.execute("CREATE INDEX CONCURRENTLY one_a ON one (a)")
            op.execute("CREATE TABLE two (a INT)")
            op.execute("INSERT INTO nowhere VALUES (1)")
            op.execute("CREATE TABLE three (a INT)")
        """,
        "commit": """
            op.execute("CREATE TABLE one (a INT)")
            op.execute("CREATE INDEX one_a ON one (a)")
            op.get_bind().commit()
            op.execute("CREATE TABLE two (a INT)")
            op.execute("INSERT INTO nowhere VALUES (1)")
            op.execute("CREATE TABLE three (a INT)")
        """,
        "raw": """
            op.execute("CREATE TABLE one (a INT)")
            op.execute("CREATE INDEX one_a ON one (a)")
            op.execute("COMMIT")
            op.execute("CREATE TABLE two (a INT)")
            op.execute("INSERT INTO nowhere VALUES (1)")
            op.execute("CREATE TABLE three (a INT)")
        """,
        "right": """
            with op.get_context().autocommit_block():
                op.execute("CREATE INDEX CONCURRENTLY one_a ON one (a)")
            op.execute("CREATE TABLE two (a INT)")
        """,
    }
    for name, body in bodies.items():
        project.add_migration("1_committing", "1a", None, body)
        if name == "right":
            project.inv("database.migrate")
            break
        failed = project.inv("database.migrate", code=1)
        kept, _, left = failed.stderr.partition("Not executed:\n")
        assert "The failed migration was partly committed.\nCommitted:\n" in kept, name
        assert "  CREATE TABLE one (a INT)\n  CREATE INDEX " in kept, name
        assert "CREATE TABLE two" not in kept, name
        assert left.startswith("  CREATE TABLE two (a INT)\n  INSERT INTO nowhere VALUES (1)\n0 applied now."), name
        assert "0 applied now." in failed.stderr
        assert tables(url) - {"alembic_version"} == {"one"}, name
        if name != "raw":
            execute(url, "DROP TABLE one")
        else:
            execute(url, "DROP INDEX one_a")
    assert tables(url) == {"alembic_version", "one", "two"}


def test_a_constraint_that_fails_at_the_commit(project: Sandbox, fresh_url: FreshUrl) -> None:
    """A deferred constraint is checked when the migration commits: then nothing of it was kept either."""
    url = fresh_url("postgresql+psycopg")
    project.add_environment()
    up = statements(
        "CREATE TABLE a (id INT PRIMARY KEY)",
        "CREATE TABLE b (a_id INT REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED)",
        "INSERT INTO b VALUES (1)",
    )
    project.add_migration("1_deferred", "1a", None, up)

    failed = project.inv("database.migrate", code=1)

    assert "violates foreign key constraint" in failed.stderr.splitlines()[0]
    assert "The failed migration was rolled back." in failed.stderr
    assert "DONE" not in failed.stdout
    assert tables(url) - {"alembic_version"} == set()


APPLICATION = """
    import sqlalchemy as sa
    from sqlalchemy import event
    from sqlalchemy.engine import Engine
    from sqlalchemy.orm import DeclarativeBase


    @event.listens_for(Engine, "connect")
    def enforce(connection, record):
        connection.execute("PRAGMA foreign_keys=ON")


    class Base(DeclarativeBase):
        pass
"""


@pytest.mark.parametrize("foreign", [False, True])
def test_foreign_keys_on_sqlite(project: Sandbox, alembic_init: Init, fresh_url: FreshUrl, foreign: bool) -> None:
    """Where the application enforces foreign keys, altering a table in batch mode drops the old one: its children,
    ON DELETE CASCADE, stay."""
    url = fresh_url("sqlite")
    project.write("models.py", APPLICATION)
    if foreign:
        alembic_init(project)
        project.replace("migrations/env.py", "target_metadata = None", "import models\ntarget_metadata = None")
    else:
        project.add_environment()
    folder = "migrations/versions" if foreign else VERSIONS
    up = statements(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(50))",
        "CREATE TABLE posts (id INTEGER PRIMARY KEY, user_id INT REFERENCES users (id) ON DELETE CASCADE)",
        "INSERT INTO users VALUES (1, 'Ada'), (2, 'Bob')",
        "INSERT INTO posts VALUES (1, 1), (2, 2), (3, 2)",
    )
    project.add_migration("1_users", "1a", None, up, folder=folder)
    batch = """
        with op.batch_alter_table("users") as batch:
            batch.alter_column("name", existing_type=sa.String(50), {})
    """
    up, down = batch.format("nullable=False"), batch.format("nullable=True")
    project.add_migration("2_not_null", "2b", "1a", up, down, folder=folder)

    done = project.inv("database.migrate", "migrate.rollback", "--force", "database.migrate", "--to=2b")

    assert "1 migration rolled back." in done.stdout
    assert execute(url, "SELECT * FROM posts") == [(1, 1), (2, 2), (3, 2)]
    assert execute(url, "PRAGMA foreign_key_check") == []
    assert execute(url, "SELECT sql FROM sqlite_master WHERE name = 'users'")[0][0].count("NOT NULL") >= 1


def test_a_migration_fails_in_batch_mode_on_sqlite(project: Sandbox, fresh_url: FreshUrl) -> None:
    """A batch that fails when its rows are copied leaves no temporary table and every row."""
    url = fresh_url("sqlite")
    project.add_environment()
    project.write("models.py", APPLICATION)
    project.add_migration("1_first", "1a", None, statements(*FIRST, "INSERT INTO users VALUES (3, NULL)"))
    batch = """
        op.execute("INSERT INTO users VALUES (4, 'Dan')")
        with op.batch_alter_table("users") as batch:
            batch.alter_column("name", existing_type=sa.String(50), nullable=False)
    """
    project.add_migration("2_not_null", "2b", "1a", batch)

    failed = project.inv("database.migrate", code=1)

    assert "NOT NULL constraint failed: _alembic_tmp_users.name" in failed.stderr
    assert "The failed migration was rolled back." in failed.stderr
    assert tables(url) == {"alembic_version", "users", "old"}
    assert execute(url, "SELECT count(*) FROM users") == [(3,)]
    execute(url, "UPDATE users SET name = '' WHERE name IS NULL")
    project.inv("database.migrate")
    assert execute(url, "SELECT count(*) FROM users") == [(4,)]


def test_an_insert_before_a_locked_table_runs_once(project: Sandbox, fresh_url: FreshUrl) -> None:
    """MariaDB commits an insert before it waits for the table's lock: trying again would insert it twice."""
    url = fresh_url("mysql+pymysql")
    execute(url, "CREATE TABLE users (a INT)")
    execute(url, "CREATE TABLE log (a INT)")
    project.add_environment()
    up = statements("INSERT INTO log VALUES (1)", "ALTER TABLE users ADD COLUMN b INT")
    project.add_migration("1_alter", "1a", None, up)
    with held_table(url, "users"):
        failed = project.inv("database.migrate", env={"FASTMAN_DDL_LOCK_TIMEOUT": "1s"}, code=1)
    assert "trying again" not in failed.stdout
    assert "Committed:\n  INSERT INTO log VALUES (1)\nNot executed:\n  ALTER TABLE" in failed.stderr
    assert execute(url, "SELECT * FROM log") == [(1,)]


def test_files_stay_where_they_are(project: Sandbox, fresh_url: FreshUrl) -> None:
    """A run leaves the database and nothing else."""
    url = fresh_url("sqlite")
    project.add_environment()
    project.add_migration("1_first", "1a", None, statements(*FIRST))
    before = project.files()
    project.inv("database.migrate")
    file = Path(url.removeprefix("sqlite:///")).name
    assert project.files() - before == {file}


def test_the_next_command(project: Sandbox, fresh_url: FreshUrl) -> None:
    """It does what was left of what was asked for, no more: not all that is pending, nor a step that was taken."""
    url = fresh_url("sqlite")
    project.add_environment()
    project.add_migration("1_first", "1a", None, statements("CREATE TABLE a (b INT)"), statements("DROP TABLE a"))
    project.add_migration("2_broken", "2b", "1a", statements("INSERT INTO nowhere VALUES (1)"))
    project.add_migration("3_third", "3c", "2b", statements("CREATE TABLE c (b INT)"), statements("DROP TABLE c"))
    failed = project.inv("database.migrate", "--to=2b", code=1)
    assert failed.stderr.endswith(
        "Remaining:\n  2_broken\nCorrect the file first.\nNext: inv database.migrate --to=2b\n"
    )
    failed = project.inv("database.migrate", code=1)
    assert failed.stderr.endswith("Correct the file first.\nNext: inv database.migrate\n")
    project.add_migration("2_broken", "2b", "1a", "pass", statements("INSERT INTO nowhere VALUES (1)"))
    failed = project.inv("database.migrate", "migrate.reset", "--force", code=1)
    assert failed.stderr.endswith(
        "1 migration before it was rolled back; 2 applied now. Remaining:\n  2_broken\n  1_first\n"
        "Correct the file first.\nNext: inv migrate.rollback --steps=2\n"
    )
    project.add_migration("4_fourth", "4d", "1a", statements("INSERT INTO nowhere VALUES (1)"))
    failed = project.inv("database.migrate", "--to=heads", code=1)
    assert failed.stderr.endswith("Next: inv database.migrate --to=heads\n")
    assert tables(url) == {"a", "alembic_version"}, "Alembic begins with the branch of the fourth"
