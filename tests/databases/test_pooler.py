"""Behind PgBouncer: what cannot hold there is refused, and nothing is left on a session that others get next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

import servers
from command import Sandbox
from servers import Server, connected, execute

DRIVERS = ["postgresql+psycopg", "postgresql+asyncpg"]


@pytest.fixture(params=DRIVERS)
def url(request: pytest.FixtureRequest, project: Sandbox, pgbouncer: Server) -> str:
    """A new database behind PgBouncer, of a project with two migrations and a seeder that sends many statements."""
    project.add_environment()
    concurrently = """
        op.execute("CREATE TABLE a (x INT)")
        with op.get_context().autocommit_block():
            op.create_index("a_x", "a", ["x"], postgresql_concurrently=True)
    """
    project.add_migration("1_a", "1a", None, concurrently, 'op.execute("DROP TABLE a")')
    show = 'assert op.get_bind().exec_driver_sql("SHOW lock_timeout").scalar() == "7s"'
    project.add_migration("2_b", "2b", "1a", show, show)
    seeder = """
        import sqlalchemy as sa

        class RowSeeder:
            def run(self, db):
                for number in range(20):
                    db.execute(sa.text("INSERT INTO a VALUES (:number)"), {"number": number})
                    assert db.scalar(sa.text("SELECT count(*) FROM a WHERE x = :number"), {"number": number})
    """
    project.write("database/seeders/row_seeder.py", seeder)
    found = pgbouncer.fresh(request.param)
    project.write(".env", f"DATABASE_URL={found}\nFASTMAN_DDL_LOCK_TIMEOUT=7s")
    return found


@contextmanager
def sessions(url: str, number: int) -> Iterator[list[tuple[str, ...]]]:
    """What each of the pooler's sessions has that a client could have left there; while all of them are in use."""
    query = (
        "SELECT current_setting('application_name'), current_setting('lock_timeout'), "
        "current_setting('statement_timeout'), current_setting('idle_session_timeout'), "
        "(SELECT count(*) FROM pg_prepared_statements)::text, "
        "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')::text, pg_backend_pid()::text"
    )
    with ExitStack() as stack:
        found = []
        for _ in range(number):
            connection = stack.enter_context(connected(url))
            connection.exec_driver_sql("BEGIN")
            found.append(tuple(connection.exec_driver_sql(query).one()))
        yield found


def require_clean(url: str) -> None:
    """No session has anything of ours."""
    with sessions(url, 5) as found:
        assert len({session[-1] for session in found}) == 5
        assert {session[:-1] for session in found} == {("", "0", "0", "0", "0", "0")}


def test_a_pooler_in_transaction_mode_is_refused(project: Sandbox, url: str) -> None:
    """With the setting to change, before anything is left there; with one session to share, and with several."""
    for _ in range(2):
        for command in ("database.migrate", "database.migrate --seed"):
            result = project.inv(*command.split(), code=2)
            assert "a pooler in transaction mode, such as PgBouncer" in result.stderr
            assert "set FASTMAN_LOCK=off" in result.stderr
            assert "DONE" not in result.stdout
        checked = project.inv("migrate.check", "--replay", code=1)
        assert "cannot hold the lock of a scratch database" in checked.stdout
        assert "Set FASTMAN_SCRATCH_URL to the server itself." in checked.stdout
        require_clean(url)
    assert servers.tables(url) == set()


def test_without_the_lock_everything_works_behind_it(project: Sandbox, url: str) -> None:
    """Migrations with limits, seeds and rollbacks, whichever session each transaction gets."""
    off = {"FASTMAN_LOCK": "off"}
    for _ in range(2):
        project.inv("database.migrate", "--seed", env=off)
        project.inv("database.seed", env=off)
        assert execute(url, "SELECT count(*) FROM a") == [(40,)]
        require_clean(url)
        project.inv("migrate.reset", "--force", env=off)
        require_clean(url)


@pytest.mark.parametrize("url", DRIVERS[:1], indirect=True)
def test_an_env_py_with_an_engine_of_its_own(project: Sandbox, url: str) -> None:
    """Limits are not left on a session there either, where the driver connects by a function of env.py's."""
    env_py = """
        import psycopg
        import sqlalchemy as sa
        from alembic import context

        url = sa.make_url(context.config.get_main_option("sqlalchemy.url"))
        arguments = {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database}
        engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(**arguments))
        with engine.connect() as connection:
            context.configure(connection=connection, transaction_per_migration=True)
            with context.begin_transaction():
                context.run_migrations()
    """
    project.write("database/migrations/env.py", env_py)
    project.inv("database.migrate", env={"FASTMAN_LOCK": "off"})
    require_clean(url)


def test_a_pooler_in_session_mode(project: Sandbox, url: str, postgresql: Server) -> None:
    """It holds the lock like the server itself."""
    with servers.pgbouncer(postgresql, "session") as pooler:
        there = url.replace(f":{url.rpartition(':')[2]}", f":{pooler.port}/{url.rpartition('/')[2]}")
        assert "2 migrations applied." in project.inv("database.migrate", env={"DATABASE_URL": there}).stdout
        assert "DONE" in project.inv("database.seed", env={"DATABASE_URL": there}).stdout
        require_clean(there)
