"""A history that cannot be written stops nothing, and one that can be is in the migrations' own transactions."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from command import Sandbox
from fastman_tasks.databases.tables import HISTORY_TABLE
from processes import Running, chance
from servers import Server, all_tables, execute, tables

DRIVERS = ["sqlite", "postgresql+psycopg", "mariadb+pymysql"]
UNWRITTEN = f"The history ({HISTORY_TABLE}) cannot be written: "
NEWEST_FIRST = f"SELECT action, name FROM {HISTORY_TABLE} WHERE action <> 'failed' ORDER BY id DESC"


@pytest.fixture
def fresh_url(request: pytest.FixtureRequest, project: Sandbox) -> Callable[[str], str]:
    """Makes an empty database for a driver, names it in .env, and gives its URL."""
    made = 0

    def make(driver: str) -> str:
        nonlocal made
        made += 1
        url = f"sqlite:///{project.root}/shop_{made}.db"
        if driver != "sqlite":
            server: Server = request.getfixturevalue(driver.partition("+")[0])
            url = server.fresh(driver)
        project.write(".env", f"DATABASE_URL='{url}'")
        return url

    return make


def add_migrations(project: Sandbox, count: int) -> None:
    """Each makes a table with a row."""
    if not (project.root / "database").exists():
        project.add_environment()
    for number in range(1, count + 1):
        table = f"t{number:02}"
        up = f'op.create_table("{table}", sa.Column("id", sa.Integer, primary_key=True))\n'
        up += f'op.execute("INSERT INTO {table} VALUES (1)")'
        after = f"r{number - 1:02}" if number > 1 else None
        project.add_migration(f"{number:02}_step", f"r{number:02}", after, up, f'op.drop_table("{table}")')


def version(url: str) -> int:
    """How many migrations the version table has."""
    found = execute(url, "SELECT version_num FROM alembic_version") if "alembic_version" in tables(url) else []
    return int(found[0][0][1:]) if found else 0


def standing(url: str) -> list[int]:
    """The migrations that count as applied in the history, in the order of its rows."""
    found: list[int] = []
    rows = execute(url, NEWEST_FIRST) if HISTORY_TABLE in all_tables(url) else []
    for action, name in reversed(rows):
        number = int(name[1:])
        (found.append if action in ("apply", "mark") else found.remove)(number)
    return found


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_table_of_another_version(project: Sandbox, fresh_url: Callable[[str], str], driver: str) -> None:
    """A column more, without a default, or one less: one warning, and everything is done."""
    for change in ("ADD COLUMN newer INTEGER NOT NULL", "DROP COLUMN git_branch"):
        url = fresh_url(driver)
        add_migrations(project, 3)
        project.inv("database.migrate", "--to=r01")
        if driver == "sqlite" and "NOT NULL" in change:
            # SQLite adds none to a table with rows.
            execute(url, f"DELETE FROM {HISTORY_TABLE}")
            change = "ADD COLUMN newer INTEGER NOT NULL CHECK (newer > 0) DEFAULT 0"
        if driver == "postgresql+psycopg" and "NOT NULL" in change:
            change += " DEFAULT 0"
        execute(url, f"ALTER TABLE {HISTORY_TABLE} {change}")
        if driver == "postgresql+psycopg" and "NOT NULL" in change:
            execute(url, f"ALTER TABLE {HISTORY_TABLE} ALTER COLUMN newer DROP DEFAULT")
        strict = driver != "mariadb+pymysql" or "NOT NULL" not in change
        before = execute(url, f"SELECT count(*) FROM {HISTORY_TABLE}")
        for command, reached in (("database.migrate", 3), ("migrate.rollback", 0)):
            said = project.inv(command, "--force")
            assert version(url) == reached if command == "database.migrate" else version(url) < 3
            if strict or HISTORY_TABLE in said.stderr:
                assert said.stderr.count(UNWRITTEN) == 1 and len(said.stderr.splitlines()) == 1, said.stderr
                assert execute(url, f"SELECT count(*) FROM {HISTORY_TABLE}") == before
        project.inv("migrate.status")
        assert tables(url) >= {"t01", "t02"}


@pytest.mark.parametrize("right", ["CREATE", "INSERT"])
def test_without_rights(project: Sandbox, fresh_url: Callable[[str], str], postgresql: Server, right: str) -> None:
    """A user who may not create the table, or not write it, migrates all the same."""
    url = fresh_url("postgresql+psycopg")
    admin = postgresql.admin.set(database=url.rpartition("/")[2])
    user = postgresql.user
    if right == "CREATE":
        # The project's tables have a schema of their own; the version table lies where an administrator has put it.
        execute(admin, "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
        execute(admin, f"GRANT ALL ON alembic_version TO {user}")
        execute(admin, f"CREATE SCHEMA shop AUTHORIZATION {user}")
        execute(admin, "ALTER SCHEMA public OWNER TO postgres")
        execute(admin, f"REVOKE CREATE ON SCHEMA public FROM PUBLIC, {user}")
        project.add_environment()
        for number in (1, 2):
            up, down = f'op.execute("CREATE TABLE shop.t{number} (id INT)")', f'op.execute("DROP TABLE shop.t{number}")'
            project.add_migration(f"{number}_step", f"r{number}", "r1" if number == 2 else None, up, down)
    else:
        add_migrations(project, 2)
        project.inv("database.migrate", "--to=r01")
        execute(admin, f"ALTER TABLE {HISTORY_TABLE} OWNER TO postgres")
        execute(admin, f"GRANT SELECT ON {HISTORY_TABLE} TO {user}")
    said = project.inv("database.migrate")
    assert said.stderr.count(UNWRITTEN) == 1 and "permission denied" in said.stderr, said.stderr
    assert "Committed" not in said.stdout + said.stderr
    assert version(url) == 2
    said = project.inv("migrate.rollback", "--force")
    assert said.stderr.count(UNWRITTEN) == 1 and version(url) == 1
    # What plain alembic has done since is not known, and nobody is told a lie.
    assert project.inv("migrate.status", "--check", code=3).stderr == ""


@pytest.mark.thorough
def test_a_clock_that_runs_backwards(project: Sandbox, fresh_url: Callable[[str], str]) -> None:
    """The order of the rows is that of their ids."""
    url = fresh_url("sqlite")
    add_migrations(project, 2)
    project.inv("database.migrate", "--to=r01")
    project.inv("database.migrate")
    project.inv("migrate.rollback", "--force")
    project.inv("database.migrate")
    execute(url, f"UPDATE {HISTORY_TABLE} SET at = datetime('2030-01-01', '-' || id || ' days')")
    said = project.inv("migrate.history", "--runs").stdout
    assert said.index("Batch 4") < said.index("Batch 3") < said.index("Batch 1"), said
    assert standing(url) == [1, 2]
    assert "2 applied, 0 pending" in project.inv("migrate.status", "--check").stdout
    project.inv("migrate.rollback", "--batch", "--force")
    assert version(url) == 1


def kill_once(project: Sandbox, url: str, count: int, case: str) -> None:
    """What a killed run has left is the same in both tables; MariaDB's history may lack the last one."""
    applied, known = version(url), standing(url)
    if url.startswith("mariadb"):
        assert known in (list(range(1, applied + 1)), list(range(1, applied)), list(range(1, applied + 2))), case
    else:
        assert known == list(range(1, applied + 1)), case
    again = Running(project, "database.migrate").finish(code=None)
    if again.code:
        # MariaDB keeps the table of a migration that was cut off.
        assert url.startswith("mariadb") and "already exists" in again.stderr, f"{case}\n{again.stderr}"
        return
    assert version(url) == count and standing(url) == list(range(1, count + 1)), case
    assert len(execute(url, f"SELECT * FROM {HISTORY_TABLE} WHERE action IN ('apply', 'mark')")) == count, case


def kill_rounds(project: Sandbox, fresh: Callable[[str], str], driver: str, rounds: int) -> None:
    count = 20
    add_migrations(project, count)
    random = chance()
    for _ in range(rounds):
        url = fresh(driver)
        run = Running(project, "database.migrate")
        number, pause = random.randrange(count), random.random() * 0.01
        run.read_until(f"{number:02}_step" if number else "\n")
        time.sleep(pause)
        ended = run.kill()
        assert ended in (-signal.SIGKILL, 0)
        kill_once(project, url, count, f"{driver}: killed {pause:.4f} s after step {number} was reported")


@pytest.mark.thorough
@pytest.mark.parametrize("driver", DRIVERS)
def test_killed_between_migration_and_history(project: Sandbox, fresh_url: Callable[[str], str], driver: str) -> None:
    """Both are there or none."""
    kill_rounds(project, fresh_url, driver, 3)


@pytest.mark.exhaustive
@pytest.mark.parametrize("driver", DRIVERS)
def test_killed_thirty_times(project: Sandbox, fresh_url: Callable[[str], str], driver: str) -> None:
    """The long form."""
    kill_rounds(project, fresh_url, driver, 30)


def test_mariadb_killed_before_the_row(project: Sandbox, fresh_url: Callable[[str], str]) -> None:
    """DDL is committed by itself: a migration whose row is lost was applied by another tool, as far as anyone knows."""
    url = fresh_url("mariadb+pymysql")
    add_migrations(project, 3)
    project.inv("database.migrate", "--to=r02")
    execute(url, f"DELETE FROM {HISTORY_TABLE} WHERE name = 'r02'")
    project.inv("database.migrate")
    assert execute(url, f"SELECT name, kind, message FROM {HISTORY_TABLE} ORDER BY id") == [
        ("r01", "migration", None),
        ("r02", "outside", "applied outside the history"),
        ("r03", "migration", None),
    ]
    project.inv("migrate.status", "--check")


@pytest.mark.parametrize("driver", DRIVERS)
def test_eight_at_once(project: Sandbox, fresh_url: Callable[[str], str], driver: str) -> None:
    """Each row is written once, and each batch is one process's."""
    url = fresh_url(driver)
    add_migrations(project, 6)
    running = [Running(project, "database.migrate") for _ in range(8)]
    for each in running:
        each.finish()
    assert execute(url, f"SELECT kind, action, name FROM {HISTORY_TABLE} ORDER BY id") == [
        ("migration", "apply", f"r{number:02}") for number in range(1, 7)
    ]
    assert len(execute(url, f"SELECT DISTINCT batch FROM {HISTORY_TABLE}")) == 1


@pytest.mark.thorough
@pytest.mark.parametrize("driver", DRIVERS)
def test_statements_of_ours_are_not_reported(project: Sandbox, fresh_url: Callable[[str], str], driver: str) -> None:
    """What a failed migration has left, and what it has not come to, are its own statements."""
    url = fresh_url(driver)
    add_migrations(project, 1)
    project.add_migration(
        "02_fails", "r02", "r01", 'op.execute("CREATE TABLE a (id INT)")\nop.execute("SELECT absent FROM nowhere")'
    )
    said = project.inv("database.migrate", code=1)
    assert HISTORY_TABLE not in said.stdout + said.stderr and "SAVEPOINT" not in said.stdout + said.stderr
    assert version(url) == 1 and standing(url) == [1]
    assert execute(url, f"SELECT name FROM {HISTORY_TABLE} WHERE action = 'failed'") == [("r02",)]


@pytest.mark.thorough
def test_a_source_that_no_longer_compiles(project: Sandbox, fresh_url: Callable[[str], str]) -> None:
    """It differs from the file that is there, which is told, shown and accepted as any edit."""
    url = fresh_url("sqlite")
    add_migrations(project, 2)
    project.inv("database.migrate")
    execute(url, f"UPDATE {HISTORY_TABLE} SET source = 'def upgrade(:', checksum = 'x' WHERE name = 'r01'")
    assert "1 applied, 0 pending, 1 edited" in project.inv("migrate.status").stdout
    assert "def upgrade(:" in project.inv("migrate.repair", "--pretend").stdout
    project.inv("migrate.repair", "--force")
    assert "2 applied, 0 pending" in project.inv("migrate.status", "--check").stdout
    # And where nothing was kept at all, nothing is edited.
    execute(url, f"UPDATE {HISTORY_TABLE} SET source = NULL, checksum = NULL")
    assert "2 applied, 0 pending" in project.inv("migrate.status", "--check").stdout
    project.inv("migrate.rollback", "--force")
    assert version(url) == 1


def test_nothing_is_created_that_is_not_needed(project: Sandbox, fresh_url: Callable[[str], str]) -> None:
    """Reading and previews create no table, and neither does a run that has nothing to do."""
    url = fresh_url("postgresql+psycopg")
    add_migrations(project, 1)
    project.inv("migrate.status", "migrate.history", "database.migrate", "--pretend")
    assert all_tables(url) == set()
    project.alembic("upgrade", "head")
    project.inv("migrate.status", "--check")
    assert HISTORY_TABLE not in all_tables(url)
    assert "fastman" not in project.alembic("check", code=255).stdout


@pytest.mark.thorough
@pytest.mark.parametrize("driver", DRIVERS)
def test_autocommit_block(project: Sandbox, fresh_url: Callable[[str], str], driver: str) -> None:
    """The row follows what such a block has committed."""
    url = fresh_url(driver)
    add_migrations(project, 1)
    body = 'with op.get_context().autocommit_block():\n    op.execute("CREATE TABLE a (id INT)")'
    project.add_migration("02_block", "r02", "r01", body, 'op.drop_table("a")')
    project.add_migration("03_last", "r03", "r02", body.replace("TABLE a", "TABLE b"), 'op.drop_table("b")')
    project.inv("database.migrate")
    assert standing(url) == [1, 2, 3] and version(url) == 3
    project.inv("migrate.rollback", "--steps=3", "--force")
    assert standing(url) == []
