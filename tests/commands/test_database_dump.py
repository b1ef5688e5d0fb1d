"""database.dump and database.load: the schema as a file that stands for the migrations, where it fits."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from command import Sandbox
from processes import Running, wait_for
from rich_project import BACKENDS, TABLE, Place
from servers import Server, execute, tables

# The parts that this combines have tests on the oldest versions.
pytestmark = pytest.mark.thorough

# That a migration has inserted, or of an event that begins then.
TIMES = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.\d+]*|\"snapshot\": \"\w+\"")


def without_times(statements: tuple[str, ...]) -> list[bytes]:
    return [TIMES.sub(b"", each.encode()) for each in statements]


@pytest.fixture(params=BACKENDS)
def place(project: Sandbox, request: pytest.FixtureRequest) -> Place:
    project.add_environment()
    kind = str(request.param).partition("+")[0]
    server = request.getfixturevalue(kind) if kind != "sqlite" else None
    return Place(project, str(request.param), server)


def test_a_dump_stands_for_the_migrations(place: Place) -> None:
    """Twice the same bytes; loading them makes what the migrations make, rows too, without any program."""
    project = place.project
    project.run("invoke", "database.migrate")
    schema, statements = place.look()
    missing = project.run("invoke", "database.dump", "--check", code=3)
    assert "it does not exist" in missing.stdout
    assert "2 migrations" in project.run("invoke", "database.dump").stdout
    written = place.file.read_bytes()
    assert "is up to date" in project.run("invoke", "database.dump").stdout
    place.file.unlink()
    project.run("invoke", "database.dump")
    assert TIMES.sub(b"", place.file.read_bytes()) == TIMES.sub(b"", written)
    first = json.loads(written.splitlines()[0].removeprefix(b"-- fastman-tasks dump "))
    assert first["heads"] == ["r2"] and len(first["migrations"]) == len(first["snapshot"]) == 64
    for noise in (b"AUTO_INCREMENT=", b"DEFINER", b"OWNER", b"\n\\", b"\nSET search_path"):
        assert noise not in written
    full = project.run("invoke", "database.load", code=1)
    assert "only loaded into an empty database" in full.stderr

    place.start_over()
    tried = project.run("invoke", "database.migrate", "--pretend")
    assert "CREATE TABLE" in tried.stdout
    assert place.server is not None or not (project.root / "shop.db").exists()
    loaded = project.run("invoke", "database.load", env={"PATH": ""})
    assert "2 migrations loaded from database/schema" in loaded.stdout
    found, rows = place.look()
    assert not schema.differences(found) and without_times(rows) == without_times(statements)
    assert "r2 (head)" in project.alembic("current").stdout
    assert "Nothing to migrate" in project.run("invoke", "database.migrate").stdout

    project.add_migration("3_m", "r3", "r2", TABLE.format("t3"), "op.drop_table('t3')")
    stale = project.run("invoke", "database.dump", "--check", "--json", code=3)
    assert "without 3_m" in json.loads(stale.stdout)["steps"][0]["note"]
    again = project.run("invoke", "migrate.fresh", "--force")
    assert "2 migrations loaded from database/schema" in again.stdout and "1 migration applied" in again.stdout
    place.start_over()
    rest = project.run("invoke", "database.migrate", "--pretend").stdout
    assert "t3" in rest
    both = project.run("invoke", "database.migrate").stdout
    assert "2 migrations loaded from database/schema" in both and "1 migration applied" in both
    project.run("invoke", "migrate.rollback", "--force")
    assert not schema.differences(place.look()[0])


def test_one_that_does_not_fit_is_not_loaded(place: Place) -> None:
    """Migrations that were edited, a dump that was, or of another database. What breaks in it names its line, and
    nothing is kept."""
    project = place.project
    project.run("invoke", "database.dump")
    written = place.file.read_text("utf-8")
    stops = project.run("invoke", "database.migrate", "--to=r1").stdout
    assert "1 migration applied" in stops and "schema" not in stops
    place.start_over()

    place.file.write_text(f"{written}\nCREATE TABLE extra (id int);\n\nCREATE TABEL t (id int)\n;\n", "utf-8")
    edited = project.run("invoke", "database.migrate").stdout
    assert "is not loaded: it was edited by hand" in edited and "2 migrations applied" in edited
    assert "edited by hand" in project.run("invoke", "database.dump", "--check", code=3).stdout
    place.start_over()
    broken = project.run("invoke", "database.load", code=1)
    line = place.file.read_text("utf-8").splitlines().index("CREATE TABEL t (id int)") + 1
    assert f"line {line - 2}" in broken.stderr or f"line {line}" in broken.stderr
    assert "All changes were rolled back" in broken.stderr
    assert tables(place.url) <= {"alembic_version"}

    place.file.write_text(written.replace('"backend": "', '"backend": "x', 1), "utf-8")
    other = project.run("invoke", "database.load", code=1)
    assert "it is a dump of x" in other.stderr
    place.file.write_text("-- something else\n", "utf-8")
    assert "it is not a dump of fastman-tasks" in project.run("invoke", "database.load", code=1).stderr
    place.file.write_text(written, "utf-8")
    version = next((project.root / "database/migrations/versions").glob("2_m.py"))
    version.write_text(f"{version.read_text()}\n# changed\n")
    changed = project.run("invoke", "database.migrate", "--json")
    assert [(step["action"], step["state"]) for step in json.loads(changed.stdout)["steps"]] == [
        ("load", "skipped"),
        ("apply", "done"),
        ("apply", "done"),
    ]
    assert "have changed" in json.loads(changed.stdout)["steps"][0]["note"]


@pytest.mark.parametrize("backend", ["postgresql+psycopg", "mariadb+pymysql"])
def test_eight_at_once(project: Sandbox, backend: str, request: pytest.FixtureRequest) -> None:
    """One loads, and one migrates what is newer."""
    project.add_environment()
    place = Place(project, backend, request.getfixturevalue(backend.partition("+")[0]))
    project.run("invoke", "database.dump")
    project.add_migration("3_m", "r3", "r2", TABLE.format("t3"), "op.drop_table('t3')")
    running = [Running(project, "database.migrate", "--json") for _ in range(8)]
    ended = [json.loads(each.finish().stdout) for each in running]
    steps = [(each["name"], each["state"]) for found in ended for each in found["steps"]]
    done = sorted(name for name, state in steps if state == "done")
    assert done == ["3_m", f"database/schema/{place.file.name}"]


def test_what_it_cannot_carry_is_named(project: Sandbox, postgresql: Server) -> None:
    """And nothing is written."""
    project.add_environment()
    project.write(".env", f"DATABASE_URL={postgresql.fresh('postgresql+psycopg')}")
    postgresql.allow_scratch()
    project.add_migration("1_m", "r1", None, TABLE.format("t"), "pass")
    project.add_migration("2_m", "r2", "r1", "op.execute('GRANT SELECT ON t TO PUBLIC')", "pass")
    refused = project.run("invoke", "database.dump", code=1)
    assert "the grants on t" in refused.stderr and "was not written" in refused.stderr
    assert not (project.root / "database/schema").exists()
    # What is kept of a scratch database, and how to go on there, would mislead.
    project.replace("database/migrations/versions/2_m.py", "GRANT SELECT ON t TO PUBLIC", "nonsense")
    failed = project.run("invoke", "database.dump", code=1).stderr
    assert failed.startswith("2_m failed: ") and "\n  Statement: nonsense\n" in failed
    assert failed.endswith("\nIt was run in a scratch database. Nothing was changed.\n")


def test_a_version_table_whose_name_is_quoted(project: Sandbox, postgresql: Server) -> None:
    """It is not in the dump: Alembic makes its own."""
    project.add_environment()
    url = postgresql.fresh("postgresql+psycopg")
    project.write(".env", f"DATABASE_URL={url}\nFASTMAN_EXPORT_ENV=1")
    postgresql.allow_scratch()
    project.write(
        "database/migrations/env.py",
        """
        import os
        from alembic import context
        from sqlalchemy import create_engine

        with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
            connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS meta")
            connection.commit()
            context.configure(connection=connection, version_table="v v", version_table_schema="meta")
            with context.begin_transaction():
                context.run_migrations()
        """,
    )
    project.add_migration("1_m", "r1", None, TABLE.format("t"), "pass")
    project.run("invoke", "database.dump")
    assert '"v v"' not in (project.root / "database/schema/postgresql.sql").read_text()
    assert "1 migration loaded" in project.run("invoke", "database.migrate").stdout
    assert execute(url, 'SELECT * FROM meta."v v"') == [("r1",)]


def test_killed_while_loading(project: Sandbox, postgresql: Server) -> None:
    """Nothing is kept, and the next run loads it."""
    project.add_environment()
    url = postgresql.fresh("postgresql+psycopg")
    project.write(".env", f"DATABASE_URL={url}")
    postgresql.allow_scratch()
    project.add_migration("1_m", "r1", None, TABLE.format("t"), "pass")
    project.run("invoke", "database.dump")
    file = project.root / "database/schema/postgresql.sql"
    written = file.read_bytes()
    file.write_bytes(written + b"\nSELECT pg_sleep(60)\n;\n")
    running = Running(project, "database.load")
    asleep = """SELECT pid FROM pg_stat_activity
        WHERE strpos(query, 'pg_sleep(60)') > 0 AND datname = current_database() AND pid <> pg_backend_pid()"""
    wait_for(lambda: execute(url, asleep))
    running.kill()
    execute(url, f"SELECT pg_terminate_backend(pid) FROM ({asleep}) AS found")
    file.write_bytes(written)
    assert "1 migration loaded" in project.run("invoke", "database.migrate").stdout
    assert tables(url) == {"alembic_version", "t"}


def test_line_ends_of_windows(project: Sandbox) -> None:
    """Git writes them there; a text with its own ones keeps them."""
    project.add_environment()
    rows = r"""op.execute("CREATE TABLE t (id integer PRIMARY KEY, a text)")
op.execute("INSERT INTO t (a) VALUES ('one\ntwo')")"""
    project.add_migration("1_m", "r1", None, rows, "pass")
    project.run("invoke", "database.dump")
    file = project.root / "database/schema/sqlite.sql"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert "1 migration loaded" in project.run("invoke", "database.migrate").stdout
    assert execute(f"sqlite:///{project.root}/app.db", "SELECT a FROM t") == [("one\ntwo",)]


def test_a_folder_that_cannot_be_written(project: Sandbox) -> None:
    project.add_environment()
    project.add_migration("1_m", "r1", None, TABLE.format("t"), "pass")
    (project.root / "database/schema").write_text("a file")
    refused = project.run("invoke", "database.dump", code=1)
    assert "cannot be written" in refused.stderr
    assert Path(project.root / "database/schema").read_text() == "a file"
