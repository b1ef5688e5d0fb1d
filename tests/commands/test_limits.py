"""The locks of tables, and how long a statement may take."""

from __future__ import annotations

import re

import pytest

import services
from command import Sandbox
from dumps import dump, held_table
from fastman_tasks import Observer, actions, force
from fastman_tasks.errors import MigrationFailed
from fastman_tasks.migrating import executor
from fastman_tasks.plans import Step
from processes import Running
from servers import Server, execute
from services import opened

WAITING = {"FASTMAN_DDL_LOCK_TIMEOUT": "200ms"}


def shop(project: Sandbox, server: Server, driver: str) -> str:
    """A project whose one migration alters a table that is there already; gives the database's URL."""
    url = server.fresh(driver)
    execute(url, "CREATE TABLE users (a INT)")
    project.add_environment()
    project.write(".env", f"DATABASE_URL={url}")
    project.add_migration("1_alter", "1a", None, 'op.execute("ALTER TABLE users ADD COLUMN b INT")')
    return url


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg", "mysql+pymysql"])
def test_a_table_that_is_locked_for_a_while(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> None:
    """The migration gives way, says so, and succeeds once the table is free."""
    server: Server = request.getfixturevalue("postgresql" if driver.startswith("postgresql") else "mariadb")
    url = shop(project, server, driver)
    with held_table(url, "users"):
        run = Running(project, "database.migrate", env=WAITING)
        run.read_until("1_alter: a lock was not free; rolled back, retrying in 1 s")
    done = run.finish()
    assert re.search(r"1_alter \.\.\..* DONE\n\n1 migration applied\.", done.stdout)
    execute(url, "SELECT b FROM users")


class Retries(Observer):
    """Notes how long each retry waits."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def step_retrying(self, step: Step, pause: float) -> None:
        self.pauses.append(pause)


def test_a_table_that_stays_locked(project: Sandbox, postgresql: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three more tries with growing pauses, then code 1 and nothing kept; and so where a statement takes too long."""
    assert executor.PAUSES == (1.0, 3.0, 9.0)
    monkeypatch.setattr(executor, "PAUSES", (0.01, 0.03, 0.09))
    url, retries = shop(project, postgresql, "postgresql+psycopg"), Retries()
    before = dump(url)
    with held_table(url, "users"), opened(project, **WAITING) as here, pytest.raises(MigrationFailed) as failed:
        actions.migrate(here, consent=force, observer=retries)
    assert retries.pauses == [0.01, 0.03, 0.09]
    assert failed.value.code == 1
    assert "canceling statement due to lock timeout" in str(failed.value)
    assert "The failed migration was rolled back.\n0 applied now. Remaining:\n  1_alter\n" in str(failed.value)
    after = dump(url)
    after.pop("alembic_version", None)
    assert after["rows"].pop("alembic_version", []) == []
    assert {name for name in before if not name.startswith("SELECT")} == {
        name for name in after if not name.startswith("SELECT")
    }
    assert after["users"] == before["users"]


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "mysql+pymysql"])
def test_what_is_set(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> None:
    """The limits are those of the settings; when protected five seconds and none, otherwise off; a migration may
    raise its own, and the limits are no business of a migration's transaction."""
    server: Server = request.getfixturevalue("postgresql" if driver.startswith("postgresql") else "mariadb")
    url = server.fresh(driver)
    project.add_environment()
    project.write(".env", f"DATABASE_URL={url}")
    if driver.startswith("postgresql"):
        shown = "current_setting('lock_timeout') || ' ' || current_setting('statement_timeout')"
        expected = ["0 0", "5s 0", "700ms 2s", "0 0"]
    else:
        shown = "concat(@@lock_wait_timeout, ' ', @@max_statement_time)"
        usual = execute(url, f"SELECT {shown}")[0][0]
        expected = [usual, f"5 {usual.split()[1]}", "1 2.000000", usual]
    settings = (
        {},
        {"ENVIRONMENT": "production"},
        {"FASTMAN_DDL_LOCK_TIMEOUT": "700ms", "FASTMAN_STATEMENT_TIMEOUT": "2s"},
        {"ENVIRONMENT": "production", "FASTMAN_DDL_LOCK_TIMEOUT": "0"},
    )
    project.add_migration("0_seen", "a0", None, 'op.execute("CREATE TABLE seen (n INT, limits VARCHAR(50))")')
    for number, environ in enumerate(settings, 1):
        up = f'op.execute("INSERT INTO seen SELECT {number}, {shown}")'
        project.add_migration(f"{number}_see", f"a{number}", f"a{number - 1}", up)
        with opened(project, **environ) as here:
            services.migrate(here)
    assert [row[1] for row in execute(url, "SELECT n, limits FROM seen ORDER BY n")] == expected


@pytest.mark.parametrize("name", ["FASTMAN_LOCK_TIMEOUT", "FASTMAN_DDL_LOCK_TIMEOUT", "FASTMAN_STATEMENT_TIMEOUT"])
@pytest.mark.parametrize(
    "value", ["5", "five", "-1s", "5 parsecs", "1e3s", "5s5s", "1,5s", "inf", "nan s", "٣s", "off"]
)
def test_durations(project: Sandbox, name: str, value: str) -> None:
    """What is not a valid duration is a usage error that names it, before anything is touched; 0 and off are none."""
    from fastman_tasks import settings
    from fastman_tasks.errors import UsageError

    if value == "off":
        assert settings.load(project.root, {name: value}) == settings.load(project.root, {name: "0"})
        return
    with pytest.raises(UsageError, match=re.escape(f"{name}={value} is not a valid duration.")):
        settings.load(project.root, {name: value})
    for text in ("500ms", "5s", "2m", "1h", "0.5s", " 5 s "):
        settings.load(project.root, {name: text})


def test_a_wrong_duration_on_the_command_line(project: Sandbox) -> None:
    """Code 2, and there is no database yet."""
    project.add_environment()
    project.add_migration("1_users", "1a", None, 'op.execute("CREATE TABLE users (a INT)")')
    before = project.files()
    for name in ("FASTMAN_LOCK_TIMEOUT", "FASTMAN_STATEMENT_TIMEOUT"):
        refused = project.inv("database.migrate", env={name: "5 minutes"}, code=2)
        assert refused.stderr == f"{name}=5 minutes is not a valid duration. Write 500ms, 5s or 2m; 0 for none.\n"
    assert project.files() == before


def test_pretending_asks_no_server(project: Sandbox, postgresql: Server) -> None:
    """Nobody waits behind a preview: a table that the application holds is not touched by it."""
    url = shop(project, postgresql, "postgresql+psycopg")
    up = 'op.execute("ALTER TABLE users ADD COLUMN b INT")\nop.get_bind().execute(sa.text("SELECT 1")).scalar()'
    project.add_migration("1_alter", "1a", None, up)
    with held_table(url, "users"):
        said = project.inv("database.migrate", "--pretend", env=WAITING).stdout
    assert "-- 1_alter\n-- Not all of it can be shown: it needs the live database: " in said
    assert "ALTER TABLE users ADD COLUMN b INT;" in said
