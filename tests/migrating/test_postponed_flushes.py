"""On PostgreSQL only the last commit of a run waits for the disk, and so does whatever ends a run before it."""

from __future__ import annotations

import textwrap

import pytest

import servers
from command import Sandbox
from fastman_tasks import Observer, actions, force
from fastman_tasks.errors import MigrationFailed
from fastman_tasks.plans import StepResult
from services import migrate, opened, reset

SETTING = "current_setting('synchronous_commit')"
# It is set before the commit, and not before that is needed.
AT_COMMIT = (
    "CREATE TABLE seen (step INT, setting TEXT, number SERIAL)",
    f"""CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN UPDATE seen SET setting = {SETTING} WHERE number = NEW.number; RETURN NULL; END $$""",
    """CREATE CONSTRAINT TRIGGER note AFTER INSERT ON seen DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION note()""",
)


def fill(project: Sandbox, *ups: str) -> None:
    """A migration for each of ``ups``; they and their ways back note what the setting is."""
    for number, up in enumerate(ups):
        note = f'op.execute("INSERT INTO seen VALUES ({number}, {SETTING})")'
        after = str(number - 1) if number else None
        project.add_migration(f"{number}_step", str(number), after, f"{note}\n{textwrap.dedent(up)}", note)


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg"])
def test_every_commit_but_the_last(postgresql: servers.Server, project: Sandbox, driver: str) -> None:
    """Up and down, and a migration that commits in between: what it commits itself is flushed."""
    url = postgresql.fresh(driver)
    for statement in AT_COMMIT:
        servers.execute(url, statement)
    in_between = f"""
        with op.get_context().autocommit_block():
            op.execute("INSERT INTO seen VALUES (10, {SETTING})")
        op.execute("INSERT INTO seen VALUES (11, {SETTING})")
    """
    project.add_environment()
    fill(project, "", in_between, "")
    seen = "SELECT step, setting FROM seen ORDER BY number"
    with opened(project, DATABASE_URL=url) as shop:
        migrate(shop)
        assert servers.execute(url, seen) == [(0, "off"), (1, "on"), (10, "on"), (11, "off"), (2, "on")]
        servers.execute(url, "TRUNCATE seen")
        reset(shop)
        assert servers.execute(url, seen) == [(2, "off"), (1, "off"), (0, "on")]
        servers.execute(url, "TRUNCATE seen")
        migrate(shop, to="0")
        assert servers.execute(url, seen) == [(0, "on")]


class Interrupts(Observer):
    """Ctrl-C between the second migration and the third; ``position`` is where the server's log ended then."""

    def __init__(self, url: str) -> None:
        self.url, self.position = url, ""

    def step_finished(self, result: StepResult) -> None:
        if result.step.id == "1":
            self.position = servers.execute(self.url, "SELECT pg_current_wal_insert_lsn()::text")[0][0]
            raise KeyboardInterrupt


FAILS = 'raise ValueError(op.get_bind().exec_driver_sql("SELECT pg_current_wal_insert_lsn()").scalar())'
CRASHES = """
    import os, time, psycopg
    with psycopg.connect({dsn!r}) as other:
        crashed = other.info.backend_pid
        os.kill(crashed, 9)
    while True:
        try:
            psycopg.connect({dsn!r}).close()
            break
        except psycopg.OperationalError:
            time.sleep(0.01)
    op.execute("SELECT 1")
"""


@pytest.mark.thorough
def test_a_run_that_ends_early(project: Sandbox) -> None:
    """A failure and Ctrl-C: what was applied is on the disk. A server that crashes: what it has lost is said."""
    # Left alone, it would write its log in ten seconds only.
    with servers.postgresql(wal_writer_delay="10s") as server:
        url = server.fresh("postgresql+psycopg")

        def is_flushed(position: str) -> bool:
            return bool(servers.execute(url, f"SELECT pg_current_wal_flush_lsn() >= '{position}'")[0][0])

        servers.execute(url, "CREATE TABLE seen (step INT, setting TEXT)")
        project.add_environment()
        fill(project, "", "", FAILS)
        with opened(project, DATABASE_URL=url) as shop, pytest.raises(MigrationFailed) as failed:
            migrate(shop)
        assert "2 migrations before it were applied; 2 applied now" in str(failed.value)
        assert is_flushed(str(failed.value.__cause__))

        with opened(project, DATABASE_URL=url) as shop:
            reset(shop)
            observer = Interrupts(url)
            with pytest.raises(KeyboardInterrupt):
                actions.migrate(shop, consent=force, observer=observer)
            assert is_flushed(observer.position)
            reset(shop)

        dsn = server.url("postgresql", url.rpartition("/")[2])
        fill(project, "", "", CRASHES.format(dsn=dsn))
        with opened(project, DATABASE_URL=url) as shop, pytest.raises(MigrationFailed) as failed:
            migrate(shop)
        assert "0 applied now" in str(failed.value)
        assert str(failed.value).endswith("Nothing of them is left:\n  0_step\n  1_step")
        assert failed.value.report is not None
        states = [(result.step.name, result.state) for result in failed.value.report.steps]
        assert states == [("0_step", "rolled back"), ("1_step", "rolled back"), ("2_step", "failed")]
        assert servers.execute(url, "SELECT version_num FROM alembic_version") == []
