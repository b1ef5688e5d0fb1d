"""Each database through each driver: up, down, failing in the middle, and not there at all."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from command import Init, Result, Sandbox
from servers import PASSWORD, Server, execute, free_port, tables

SQLITE = ["sqlite", "sqlite+aiosqlite"]
POSTGRESQL = ["postgresql+psycopg", "postgresql+asyncpg"]
MARIADB = ["mysql+pymysql"]
# Pieces of the password, raw, URL-quoted and half way between; no output has any of them.
SECRETS = ("p@ss", "w/rd", "rd%40", quote("p@ss"), quote("w/rd", safe=""), quote("rd%40"))


def is_discreet(result: Result) -> bool:
    """Whether neither stream has a piece of the password."""
    return not any(secret in result.stdout + result.stderr for secret in SECRETS)


def server_of(request: pytest.FixtureRequest, driver: str) -> Server:
    """The running server that ``driver`` talks to."""
    server: Server = request.getfixturevalue("postgresql" if driver in POSTGRESQL else "mariadb")
    return server


@pytest.fixture
def url(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> str:
    """The URL of an empty database for ``driver``, also in .env (where a SQLite file is relative to the project)."""
    if driver in SQLITE:
        project.write(".env", f"DATABASE_URL={driver}:///shop.db")
        return f"{driver}:///{project.root}/shop.db"
    fresh = server_of(request, driver).fresh(driver)
    project.write(".env", f"DATABASE_URL={fresh}")
    return fresh


def add_three_migrations(project: Sandbox) -> None:
    """Set migrations up as the generators do, with a table, a second one that refers to it, and a column."""
    project.add_environment()
    project.add_migration(
        "2026_01_01_000000_create_users",
        "1a1a",
        None,
        """
        op.create_table("users", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(50)))
        op.execute("INSERT INTO users (id, name) VALUES (1, 'Ada 100%')")
        """,
        'op.drop_table("users")',
    )
    project.add_migration(
        "2026_01_02_000000_create_posts",
        "2b2b",
        "1a1a",
        """
        op.create_table(
            "posts",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), nullable=False),
        )
        op.execute("INSERT INTO posts (id, user_id) VALUES (1, 1)")
        """,
        'op.drop_table("posts")',
    )
    project.add_migration(
        "2026_01_03_000000_add_email_to_users",
        "3c3c",
        "2b2b",
        'op.add_column("users", sa.Column("email", sa.String(100)))',
        'op.drop_column("users", "email")',
    )


@pytest.mark.parametrize("driver", [*SQLITE, *POSTGRESQL, *MARIADB])
def test_up_and_down(project: Sandbox, url: str, driver: str) -> None:
    """Status, migrate, rollback and reset, in turns with plain alembic on the same files, on an empty database."""
    add_three_migrations(project)
    before = project.files()
    read = project.inv("migrate.status", "migrate.rollback", "--force")
    assert "0 applied, 3 pending." in read.stdout
    assert "Nothing to roll back." in read.stdout
    assert project.files() == before, "reading wrote a file"
    assert driver in SQLITE or tables(url) == set(), "reading wrote a table"

    project.alembic("upgrade", "head")
    assert execute(url, "SELECT * FROM users") == [(1, "Ada 100%", None)]
    assert execute(url, "SELECT * FROM posts") == [(1, 1)]

    two_back = ("migrate.status", "--check", "migrate.rollback", "--steps=2", "--force")
    done = project.inv(*two_back, "database.migrate", "migrate.reset", "--force", "database.migrate", "--to=1a1a")
    shown = f"{driver}:///shop.db" if driver in SQLITE else url.replace(quote(PASSWORD, safe=""), "***")
    assert done.stdout.startswith(f"{shown} (development, from .env)\n\n")
    assert "3 applied, 0 pending." in done.stdout
    users, posts = "2026_01_01_000000_create_users", "2026_01_02_000000_create_posts"
    email = "2026_01_03_000000_add_email_to_users"
    assert re.findall(r"^  (\S+) \.\.\..* ms  DONE$", done.stdout, re.MULTILINE) == [
        *(email, posts),
        *(posts, email),
        *(email, posts, users),
        users,
    ]
    assert re.findall(r"^\d migrations? .*$", done.stdout, re.MULTILINE) == [
        *("2 migrations rolled back.", "2 migrations applied.", "3 migrations rolled back.", "1 migration applied."),
    ]
    assert tables(url) == {"users", "alembic_version"}
    assert execute(url, "SELECT * FROM users") == [(1, "Ada 100%")]
    assert is_discreet(read)
    assert is_discreet(done)


def break_at(project: Sandbox, function: str) -> int:
    """Rewrite the second migration so that ``function`` fails after its first change; return the failing line."""
    create = 'op.create_table("posts", sa.Column("id", sa.Integer, primary_key=True))'
    drop = 'op.drop_table("posts")'
    rest = ["op.execute(\"UPDATE users SET name = 'changed'\")", 'op.execute("INSERT INTO nowhere VALUES (1)")']
    up, down = (
        "\n".join([first, *(rest if function == name else [])])
        for name, first in (("upgrade", create), ("downgrade", drop))
    )
    file = project.add_migration("2026_01_02_000000_create_posts", "2b2b", "1a1a", up, down)
    lines = file.read_text("utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if "nowhere" in line)


@pytest.mark.parametrize("driver", [*SQLITE, *POSTGRESQL])
def test_a_migration_that_fails_leaves_nothing(project: Sandbox, url: str, driver: str) -> None:
    """What ran before the failing migration is kept, nothing of it is, and mended it runs; downwards the same."""
    add_three_migrations(project)
    line = break_at(project, "upgrade")

    failed = project.inv("database.migrate", code=1)

    assert re.search(r"create_users \.\.\..* DONE\n", failed.stdout)
    assert "create_posts" not in failed.stdout
    assert "applied." not in failed.stdout
    file = "database/migrations/versions/2026_01_02_000000_create_posts.py"
    assert failed.stderr.startswith(f"2026_01_02_000000_create_posts failed: {file}:{line}: ")
    assert "nowhere" in failed.stderr.splitlines()[0], "the database's own message"
    assert "INSERT INTO nowhere VALUES (1)" in failed.stderr
    assert "1 migration before it was applied; 1 applied now." in failed.stderr
    assert "The failed migration was rolled back." in failed.stderr
    assert tables(url) == {"users", "alembic_version"}
    assert execute(url, "SELECT * FROM users") == [(1, "Ada 100%")]
    assert execute(url, "SELECT * FROM alembic_version") == [("1a1a",)]

    line = break_at(project, "downgrade")
    failed = project.inv("database.migrate", "migrate.reset", "--force", code=1)

    back = failed.stdout.partition("2 migrations applied.")[2]
    assert re.search(r"add_email_to_users \.\.\..* DONE\n", back)
    assert "rolled back." not in back
    assert failed.stderr.startswith(f"2026_01_02_000000_create_posts failed: {file}:{line}: ")
    assert "1 migration before it was rolled back; 2 applied now." in failed.stderr
    assert "The failed migration was rolled back." in failed.stderr
    assert tables(url) == {"users", "posts", "alembic_version"}
    assert execute(url, "SELECT * FROM users") == [(1, "Ada 100%")]
    assert execute(url, "SELECT * FROM alembic_version") == [("2b2b",)]


@pytest.mark.parametrize("driver", MARIADB)
def test_a_migration_that_fails_on_mariadb(project: Sandbox, url: str, driver: str) -> None:
    """MariaDB commits each DDL statement by itself: that is said, and the failed migration is not taken as applied."""
    add_three_migrations(project)
    line = break_at(project, "upgrade")

    failed = project.inv("database.migrate", code=1)

    assert f"create_posts.py:{line}: " in failed.stderr.splitlines()[0]
    assert "nowhere" in failed.stderr.splitlines()[0]
    assert "1 migration before it was applied; 1 applied now." in failed.stderr
    said = failed.stderr.partition("This database commits each DDL statement separately.")[2]
    carried_out, _, not_carried_out = said.partition("Not executed:")
    assert "CREATE TABLE posts" in carried_out and "nowhere" not in carried_out
    assert "nowhere" in not_carried_out and "CREATE TABLE posts" not in not_carried_out
    assert "Nothing of the failed one" not in failed.stderr
    assert tables(url) == {"users", "posts", "alembic_version"}
    assert execute(url, "SELECT * FROM alembic_version") == [("1a1a",)]

    break_at(project, "downgrade")
    execute(url, "DROP TABLE posts")
    assert "2 migrations applied." in project.inv("database.migrate").stdout


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "sqlite"])
def test_a_migration_that_fails_under_a_foreign_env_py(
    project: Sandbox, alembic_init: Init, url: str, driver: str
) -> None:
    """alembic init's env.py keeps one transaction around all migrations: none is reported as done that is not kept."""
    alembic_init(project)
    folder = "migrations/versions"
    project.add_migration("1a1a_users", "1a1a", None, 'op.execute("CREATE TABLE users (id INT)")', folder=folder)
    project.add_migration("2b2b_broken", "2b2b", "1a1a", 'op.execute("INSERT INTO nowhere VALUES (1)")', folder=folder)

    failed = project.inv("database.migrate", code=1)

    kept = tables(url)
    assert ("DONE" in failed.stdout) == ("users" in kept), f"kept {kept}\n{failed.stdout}{failed.stderr}"
    assert ("1 migration before it was applied" in failed.stderr) == ("users" in kept)
    assert is_discreet(failed)


def test_a_mistake_in_a_migration_is_told_as_what_it_is(project: Sandbox) -> None:
    """SQLAlchemy's ArgumentError, which a bad URL raises too, is the migration's fault when a migration raises it."""
    project.add_environment()
    up = 'op.create_table("users", sa.Column("id", sa.Integer, sa.Integer))'
    project.add_migration("1a1a_create_users", "1a1a", None, up)

    failed = project.inv("database.migrate", code=1)

    file = "database/migrations/versions/1a1a_create_users.py"
    assert failed.stderr.startswith(f"1a1a_create_users failed: {file}:13: ArgumentError: ")
    assert "URL" not in failed.stderr


PARTS = [
    # In the shell a password needs no quotes; in .env it does, and either kind holds it.
    ("postgresql+psycopg", "pgsql", None),
    ("postgresql+psycopg", "postgres", '"p@ss:w/rd%40#\\"\' "'),
    ("mysql+pymysql", "mysql", None),
    ("mysql+pymysql", "mariadb", "'p@ss:w/rd%40#\"\\' '"),
]


@pytest.mark.parametrize(("driver", "connection", "in_file"), PARTS)
def test_the_password_in_parts(
    request: pytest.FixtureRequest, project: Sandbox, driver: str, connection: str, in_file: str | None
) -> None:
    """DB_PASSWORD holds the password as it is, and it logs in; nothing that is printed has it."""
    server = server_of(request, driver)
    fresh = server.fresh(driver)
    name = fresh.rpartition("/")[2]
    add_three_migrations(project)
    project.write(
        ".env",
        f"DB_CONNECTION={connection}\nDB_HOST={server.host}\nDB_PORT={server.port}\n"
        f"DB_DATABASE={name}\nDB_USERNAME={server.user}\n" + (f"DB_PASSWORD={in_file}\n" if in_file else ""),
    )

    done = project.inv("database.migrate", env={} if in_file else {"DB_PASSWORD": PASSWORD})

    assert tables(fresh) == {"users", "posts", "alembic_version"}
    assert f"//{server.user}:***@{server.host}:{server.port}/{name} (development, from .env)" in done.stdout
    assert is_discreet(done)


@pytest.mark.parametrize("driver", [*POSTGRESQL, *MARIADB])
@pytest.mark.parametrize("trouble", ["server down", "database absent", "wrong password"])
def test_no_connection(request: pytest.FixtureRequest, project: Sandbox, driver: str, trouble: str) -> None:
    """One line names host, port and database, what the database said, and what to do; never the password."""
    server = server_of(request, driver)
    add_three_migrations(project)
    port, name, password = server.port, server.fresh(driver).rpartition("/")[2], PASSWORD
    if trouble == "server down":
        port, remedy = free_port(), "Start the server, or correct its address."
    elif trouble == "database absent":
        # MariaDB tells of a database's absence only to those who may have it.
        name, remedy = "db_absent", "Create the database, or correct its name."
    else:
        password, remedy = f"{PASSWORD}sesame", "Check the user and the password."
    address = f"{server.user}:{quote(password, safe='')}@{server.host}:{port}/{name}"
    project.write(".env", f"DATABASE_URL={driver}://{address}")

    failed = project.inv("database.migrate", code=1)

    assert failed.stdout == ""
    (line,) = failed.stderr.splitlines()
    assert line.startswith(f"Cannot connect to {driver.partition('+')[0]} at {server.host}:{port}, database {name}: ")
    assert line.endswith(f". {remedy}") and "Is the server running" not in line
    assert is_discreet(failed)
    assert "sesame" not in line


def test_no_connection_under_a_foreign_env_py(project: Sandbox, alembic_init: Init, postgresql: Server) -> None:
    """An env.py that connects by itself, and prints what it was given, shows no password either."""
    alembic_init(project)
    project.write(".env", f"DATABASE_URL={postgresql.url('postgresql+psycopg', 'db_absent')}")
    line = f"Cannot connect to postgresql at {postgresql.host}:{postgresql.port}, database db_absent: "
    failed = project.inv("migrate.status", code=1)
    assert failed.stderr.startswith(line)
    assert is_discreet(failed)

    url = 'config.get_main_option("sqlalchemy.url")'
    project.replace(
        "migrations/env.py", "config = context.config\n", f"config = context.config\nraise OSError({url})\n"
    )
    failed = project.inv("migrate.status", code=1)
    assert failed.stderr.startswith("migrations/env.py:")
    assert "OSError: postgresql+psycopg://fastman:***@" in failed.stderr
    assert is_discreet(failed)


@pytest.mark.parametrize(
    ("address", "named", "remedy"),
    [
        ("mysql+mysqldb://shop:sesame@db.example:3307/store", "MySQLdb", "pip install mysqlclient"),
        ("mysql+aiomysql://shop:sesame@db.example/store", "aiomysql", "pip install aiomysql"),
        ("oracel://shop:sesame@db.example/store", "oracel", "sqlite, postgresql or mysql"),
    ],
)
def test_no_driver(project: Sandbox, address: str, named: str, remedy: str) -> None:
    """A driver or a dialect that is not installed is named, for which database it is, and what to install."""
    add_three_migrations(project)
    project.write(".env", f"DATABASE_URL={address}")

    failed = project.inv("migrate.status", code=1)

    (line,) = failed.stderr.splitlines()
    assert named in line
    assert remedy in line.replace('"', "")
    assert "db.example" in line
    assert "store" in line
    assert "sesame" not in failed.stdout + failed.stderr


def test_sqlite_in_a_folder_that_does_not_exist(project: Sandbox) -> None:
    """Such a file reads as empty; migrating it fails, names the folder to create, and creates nothing."""
    add_three_migrations(project)
    project.write(".env", "DATABASE_URL=sqlite:///var/shop.db")
    before = project.files()

    failed = project.inv("migrate.status", "database.migrate", code=1)

    assert "0 applied, 3 pending." in failed.stdout
    assert "DONE" not in failed.stdout
    folder = project.root / "var"
    message = f"The folder of the SQLite file {folder}/shop.db does not exist. Create {folder}.\n"
    assert failed.stderr.startswith(message)
    assert project.files() == before
