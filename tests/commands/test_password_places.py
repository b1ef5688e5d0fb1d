"""One marked password in each place that may have one: no command prints it, whatever fails."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import quote

import pytest

from command import Init, Sandbox
from servers import Server, execute, free_port

pytestmark = pytest.mark.thorough

# However it is quoted, this part of it stays as it is.
MARK = "S3same"
PASSWORD = f"{MARK}@/:%+ '\"\\é"
COMMANDS = (
    ["migrate.status"],
    ["migrate.history"],
    ["migrate.show", "1a"],
    ["database.migrate", "--pretend"],
    ["database.migrate"],
    ["migrate.rollback"],
    ["migrate.rollback", "--steps=9", "--pretend"],
    ["database.seed", "--list"],
    ["database.seed"],
    ["make.migration", "change users", "--pretend"],
    ["migrate.reset", "--force"],
)
# One of each kind, where it is the URL that is told in many ways: what is told is the same for all of them.
OF_EACH_KIND = (["migrate.status"], ["database.migrate"], ["database.seed"])
SEEDING = (["database.seed"],)
MIGRATING = (["database.migrate", "--pretend"], ["database.migrate"], ["migrate.rollback"])
USERS = 'op.create_table("users", sa.Column("id", sa.Integer, primary_key=True), sa.Column("password", sa.Text))'


def run_all(project: Sandbox, env: dict[str, str] | None = None, commands: Sequence[Sequence[str]] = COMMANDS) -> str:
    """Run every one of ``commands``, as text, as JSON and for whoever debugs; returns all that was printed."""
    said = ""
    for command in commands:
        for line in (["--debug", *command], [*command, "--json"]):
            result = project.run("invoke", *line, env=env, code=None)
            for name, text in (("stdout", result.stdout), ("stderr", result.stderr)):
                assert MARK not in text, f"{' '.join(line)}, {name}:\n{text}"
                said += text
            if "--json" in line:
                assert isinstance(json.loads(result.stdout), dict)
    return said


def failing_env_py(project: Sandbox, raised: str) -> None:
    """Have env.py fail with the text ``raised``, an expression, before it has connected to anything."""
    text = (project.root / "migrations/env.py").read_text("utf-8")
    project.write("migrations/env.py", f"{text.split('def run_migrations_offline')[0]}\nraise RuntimeError({raised})\n")


@pytest.mark.parametrize(
    ("told", "commands"),
    [("url", COMMANDS), ("url.replace('%', '%%')", OF_EACH_KIND), ("repr(make_url(url).password)", OF_EACH_KIND)],
    ids=range(3),
)
def test_alembic_ini(project: Sandbox, alembic_init: Init, told: str, commands: Sequence[Sequence[str]]) -> None:
    """Its URL, as it stands there, as Python has it, and decoded, in an error of env.py."""
    url = f"postgresql+psycopg://ada:{quote(PASSWORD, safe='')}@127.0.0.1:1/shop"
    alembic_init(project, url.replace("%", "%%"))
    failing_env_py(
        project,
        f'(lambda url, make_url: f"cannot reach {{{told}}}")'
        "(config.get_main_option('sqlalchemy.url'), __import__('sqlalchemy').make_url)",
    )
    assert "RuntimeError: cannot reach " in run_all(project, commands=commands)


def test_the_text_of_a_driver(project: Sandbox, alembic_init: Init) -> None:
    """What an error says of a connection that is none of ours; tests/test_secrets.py has all the forms."""
    alembic_init(project, "sqlite:///shop.db")
    told = f"postgresql://ada:{MARK}@db/shop failed: host=db password={MARK}; {{'user': 'ada', 'passwd': '{MARK}'}}"
    failing_env_py(project, repr(told))
    assert "host=db password=***; {'user': 'ada', 'passwd': '***'}" in run_all(project)


URLS = [
    f"postgresql+psycopg://ada:{quote(PASSWORD, safe='')}@127.0.0.1:PORT/shop",
    f"postgresql+psycopg://ada:{PASSWORD}@127.0.0.1:PORT/shop",
    f"postgresql+psycopg://127.0.0.1:PORT/shop?user=ada&password={MARK}&sslpassword={MARK}",
    f"postgresql+asyncpg://ada:{MARK}@127.0.0.1:PORT/shop?passfile={MARK}",
    f"mysql+pymysql://ada:x@{MARK}@127.0.0.1:PORT/shop",
    f"nothing://ada:{MARK}@127.0.0.1:PORT/shop",
    f"ada:{MARK}@127.0.0.1",
]


@pytest.mark.parametrize("commands", [OF_EACH_KIND, pytest.param(COMMANDS, marks=pytest.mark.exhaustive)], ids=len)
@pytest.mark.parametrize("url", URLS, ids=range(7))
def test_settings(project: Sandbox, url: str, commands: Sequence[Sequence[str]]) -> None:
    """A URL that leads nowhere."""
    project.add_environment()
    project.add_migration("1_users", "1a", None, USERS)
    said = run_all(project, {"DATABASE_URL": url.replace("PORT", str(free_port()))}, commands)
    assert "Cannot connect" in said or "is not a database URL" in said or "Unknown database" in said


def test_parts_of_a_url(project: Sandbox) -> None:
    """DB_PASSWORD, of a server that is not there."""
    project.add_environment()
    project.write(".env", f"DB_CONNECTION=pgsql\nDB_HOST=127.0.0.1\nDB_PORT={free_port()}\nDB_PASSWORD='{MARK}'")
    assert "Cannot connect" in run_all(project)


SQL = [
    f"CREATE USER x PASSWORD '{MARK}'",
    f"ALTER ROLE x PASSWORD '{MARK}''{MARK}'",
    f"UPDATE users SET id = 1, password = '{MARK}'",
    f"INSERT INTO users (id, password) VALUES (1, '{MARK}'), (2, lower('{MARK}'))",
]


def test_statements(project: Sandbox) -> None:
    """In a preview, in the list of what could not be analysed, in a failure and in a traceback's line."""
    project.add_environment()
    project.write(".env", "DATABASE_URL=sqlite:///app.db")
    down = "\n".join(f'op.execute("{sql}")' for sql in SQL)
    project.add_migration("1_users", "1a", None, USERS, down)
    project.run("invoke", "database.migrate")
    project.add_migration("2_role", "2b", "1a", f'op.execute("{SQL[0]}")')
    said = run_all(project, commands=MIGRATING)
    assert "ALTER ROLE x PASSWORD '***'" in said and "2_role failed" in said


def rows(project: Sandbox) -> None:
    """A table, a seeder and a migration that write rows which the database refuses."""
    project.add_environment()
    project.add_migration("1_users", "1a", None, f'{USERS[:-1]}, sa.Column("name", sa.Text, nullable=False))')
    project.run("invoke", "database.migrate")
    project.write(
        "database/seeders/user_seeder.py",
        f"""
        import sqlalchemy as sa

        users = sa.table("users", *map(sa.column, ["id", "password", "name"]))

        class UserSeeder:
            def run(self, db):
                db.execute(users.insert().values(id=1, password="{MARK}"))
        """,
    )
    insert = f'op.bulk_insert(users, [dict(id=1, password="{MARK}")])'
    table = 'users = sa.table("users", *(sa.column(name, sa.Text) for name in ("id", "password", "name")))'
    project.add_migration("2_ada", "2b", "1a", f"{table}\n{insert}")


def test_rows_of_sqlite(project: Sandbox) -> None:
    """Where the values have no names."""
    project.write(".env", "DATABASE_URL=sqlite:///app.db")
    rows(project)
    assert "2_ada failed" in run_all(project, commands=MIGRATING)
    (project.root / "database/migrations/versions/2_ada.py").unlink()
    assert "Row: (1, '***')" in run_all(project, commands=SEEDING)


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg", "mysql+pymysql"])
def test_rows_of_a_server(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> None:
    """The server's own message has the row that it refused."""
    server: Server = request.getfixturevalue("postgresql" if driver.startswith("postgresql") else "mariadb")
    project.write(".env", f"DATABASE_URL={server.fresh(driver)}")
    rows(project)
    assert "2_ada failed" in run_all(project, commands=MIGRATING)
    (project.root / "database/migrations/versions/2_ada.py").unlink()
    assert "UserSeeder failed" in run_all(project, commands=SEEDING)


@pytest.mark.parametrize(
    "content", ["id,password,api_token\n1,S3same,S3same\n", "id,password,api_token\n1,S3same,1\n"], ids=range(2)
)
@pytest.mark.parametrize("driver", ["sqlite", "postgresql+psycopg"])
def test_data_files(request: pytest.FixtureRequest, project: Sandbox, driver: str, content: str) -> None:
    """A line of a file that a seeder loads."""
    url = "sqlite:///app.db"
    if driver != "sqlite":
        url = request.getfixturevalue("postgresql").fresh(driver)
        execute(url, "CREATE TABLE users (id INT, password TEXT NOT NULL CHECK (password = 'x'), api_token INT)")
    project.write(".env", f"DATABASE_URL={url}")
    project.add_environment()
    project.add_migration("1_users", "1a", None)
    if driver == "sqlite":
        project.add_migration("1_users", "1a", None, f'{USERS[:-1]}, sa.Column("api_token", sa.Integer))')
    project.run("invoke", "database.migrate")
    project.write("database/seeders/data/users.csv", content)
    project.write(
        "database/seeders/user_seeder.py",
        """
        import sqlalchemy as sa
        from fastman_tasks.seeding import load

        users = sa.Table("users", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True),
                         sa.Column("password", sa.Text), sa.Column("api_token", sa.Integer))

        class UserSeeder:
            def run(self, db):
                load(db, users, "data/users.csv")
        """,
    )
    assert "users.csv" in run_all(project, commands=SEEDING)
