"""database.show and database.table: what is there, and where it came from."""

from __future__ import annotations

import json
import secrets

import pytest

from command import Sandbox
from servers import Server, execute

# What it asks of the libraries, other tests ask of their oldest versions.
pytestmark = pytest.mark.thorough

USERS = """
    op.create_table('users', sa.Column('id', sa.Integer, primary_key=True),
        sa.Column('email', sa.String(50), nullable=False), sa.Column('age', sa.Integer, server_default='18'),
        sa.UniqueConstraint('email', name='users_email_key'), sa.CheckConstraint('age > 0', name='users_age_check'))
    op.create_index('ix_users_age', 'users', ['age'])
"""
POSTS = """
    op.create_table('posts', sa.Column('id', sa.Integer, primary_key=True),
        sa.Column('user_id', sa.Integer, sa.ForeignKey('users.id', ondelete='CASCADE', name='posts_user_id_fkey')))
    op.add_column('users', sa.Column('nick', sa.String(10)))
    op.execute('ALTER TABLE users ADD COLUMN raw INTEGER')
"""
NAMES = """
    op.alter_column('users', 'nick', new_column_name='name', existing_type=sa.String(10))
    op.add_column('posts', sa.Column('title', sa.String(10)))
"""
DRIVERS = [
    "sqlite",
    "postgresql+psycopg",
    pytest.param("postgresql+asyncpg", marks=pytest.mark.thorough),
    "mysql+pymysql",
]


@pytest.fixture(params=DRIVERS)
def blog(project: Sandbox, request: pytest.FixtureRequest) -> tuple[Sandbox, str]:
    """A project with three migrations, one of them pending, and rows; its database's URL."""
    project.add_environment()
    url = f"sqlite:///{project.root}/blog.db"
    if request.param != "sqlite":
        server: Server = request.getfixturevalue("postgresql" if "postgresql" in request.param else "mariadb")
        url = server.fresh(request.param)
    project.write(".env", f"DATABASE_URL={url}")
    project.add_migration("1_users", "a1", None, USERS)
    project.add_migration("2_posts", "b2", "a1", POSTS)
    project.add_migration("3_names", "c3", "b2", NAMES)
    project.inv("database.migrate", "--to=b2")
    for number in (1, 2, 3):
        execute(url, f"INSERT INTO users (id, email) VALUES ({number}, 'a{number}')")
    return project, url


def test_show(blog: tuple[Sandbox, str]) -> None:
    """The server with its version, and each table; the rows are counted with --counts."""
    project, url = blog
    told = project.inv("database.show").stdout
    server = {"sqlite": "SQLite 3.", "postgresql": "PostgreSQL 1", "mysql": "MariaDB 1"}[
        url.partition(":")[0].partition("+")[0]
    ]
    assert server in told and ", 4 tables\n" in told
    # No estimate is shown by SQLite, nor by PostgreSQL before it has made one.
    assert ("inv database.show --counts" in told) != url.startswith("mysql")
    counted = project.inv("database.show", "--counts").stdout.splitlines()
    rows = {line.split()[0]: line.split()[1] for line in counted if line.startswith("  ")}
    assert rows == {"table": "rows", "alembic_version": "1", "fastman_history": "2", "posts": "0", "users": "3"}
    found = json.loads(project.inv("database.show", "--counts", "--json").stdout)
    assert found["command"] == "database.show" and found["error"] is None
    [users] = [each for each in found["overview"]["tables"] if each["name"] == "users"]
    assert (users["rows"], users["precision"]) == (3, "exact") and users["indexes"] >= 2
    assert found["overview"]["size"] > 0


def test_table(blog: tuple[Sandbox, str]) -> None:
    """Columns with the migrations that made them, keys in both directions, indexes, rows. What raw SQL made is left
    open."""
    project, _ = blog
    found = json.loads(project.inv("database.table", "users", "--json").stdout)["table"]
    columns = {each["name"]: each for each in found["columns"]}
    assert [*columns] == ["id", "email", "age", "nick", "raw"]
    made = {name: each["migration"] for name, each in columns.items()}
    assert made == {"id": "1_users", "email": "1_users", "age": "1_users", "nick": "2_posts", "raw": None}
    assert not columns["email"]["nullable"] and columns["age"]["nullable"] and "18" in columns["age"]["default"]
    assert "50" in columns["email"]["type"] and columns["email"]["note"] == ""
    assert found["primary_key"] == ["id"] and (found["rows"], found["precision"]) == (3, "exact")
    indexes = {each["name"]: (each["columns"], each["unique"]) for each in found["indexes"]}
    assert indexes["ix_users_age"] == (["age"], False) and indexes["users_email_key"] == (["email"], True)
    assert [name for name, _ in found["checks"]] == ["users_age_check"]
    [key] = found["referring"]
    assert (key["table"], key["columns"], key["to"], key["referred"]) == ("posts", ["user_id"], "users", ["id"])
    assert "CASCADE" in key["options"] and found["foreign_keys"] == []
    told = project.inv("database.table", "posts").stdout
    assert "Foreign keys\n  posts (user_id) -> users (id) ON DELETE CASCADE\n" in told and "posts, 0 rows" in told
    assert "Did you mean users? inv database.show lists them." in project.inv("database.table", "user", code=2).stderr
    project.inv("database.migrate")
    renamed = json.loads(project.inv("database.table", "users", "--json").stdout)["table"]["columns"]
    assert [(each["name"], each["migration"]) for each in renamed if each["name"] in ("nick", "name")] == [
        ("name", "2_posts")
    ]


def test_indexes(blog: tuple[Sandbox, str]) -> None:
    """Which columns are descending, the condition of a partial index, expressions; no warning of any."""
    project, url = blog
    execute(url, "CREATE INDEX ix_down ON users (age DESC, id)")
    expected = {"ix_down: age DESC, id", "ix_users_age: age", "users_email_key: email (unique)"}
    if not url.startswith("mysql"):
        execute(url, "CREATE UNIQUE INDEX ix_part ON users (lower(email) DESC) WHERE id > 3")
        where = "(id > 3)" if url.startswith("postgresql") else "id > 3"
        # PostgreSQL says what type a literal has.
        email = "lower(email::text)" if url.startswith("postgresql") else "lower(email)"
        expected.add(f"ix_part: {email} DESC (unique) WHERE {where}")
    told = project.inv("database.table", "users")
    section = told.stdout.partition("Indexes\n")[2].partition("\n\n")[0]
    assert {line.strip() for line in section.splitlines()} == expected and "Warning" not in told.stderr


def test_a_virtual_table(project: Sandbox) -> None:
    """What SQLite keeps its content in is not listed beside it, but counted."""
    execute(f"sqlite:///{project.root}/app.db", "CREATE VIRTUAL TABLE ft USING fts5(t)")
    [only] = json.loads(project.inv("database.show", "--json").stdout)["overview"]["tables"]
    assert only["name"] == "ft" and only["size"] != 0


def test_on_a_terminal(project: Sandbox) -> None:
    """It is a table with lines; a database that is not there is no file afterwards, either."""
    project.add_environment()
    project.add_migration("1_users", "a1", None, USERS)
    for command in (["database.show"], ["database.table", "users"]):
        missing = project.inv(*command, code=1).stderr
        assert missing == "sqlite:///app.db does not exist yet.\nNext: inv database.setup\n"
    assert not (project.root / "app.db").exists()
    project.inv("database.migrate")
    assert "────" in project.terminal("database.show")
    assert "────" in project.terminal("database.table", "users")


def test_other_schemas(project: Sandbox, postgresql: Server) -> None:
    """On PostgreSQL a table in another schema is qualified, and can be named so; rows that nobody has estimated are not
    shown."""
    project.add_environment()
    url = postgresql.fresh("postgresql+psycopg")
    schema = f"s_{secrets.token_hex(4)}"
    execute(url, f"CREATE SCHEMA {schema}")
    execute(url, f"CREATE TABLE {schema}.log (id integer GENERATED ALWAYS AS IDENTITY, twice integer)")
    env = {"DATABASE_URL": url}
    found = json.loads(project.inv("database.show", "--json", env=env).stdout)["overview"]["tables"]
    assert [(each["name"], each["rows"]) for each in found] == [(f"{schema}.log", None)]
    table = json.loads(project.inv("database.table", f"{schema}.log", "--json", env=env).stdout)["table"]
    assert [each["note"] for each in table["columns"]] == ["identity, always", ""]
    assert f"Did you mean {schema}.log?" in project.inv("database.table", "log", env=env, code=2).stderr
