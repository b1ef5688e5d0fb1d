"""migrate.squash: one migration that does what many did, or no file is touched."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from command import Sandbox
from fastman_tasks.databases import snapshot
from servers import Server, connected, execute, tables

# The parts that this combines have tests on the oldest versions.
pytestmark = pytest.mark.thorough

USERS = """op.create_table(
    "users",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(50), nullable=False),
    sa.Column("mood", sa.Enum("happy", "it's", name="mood"), server_default="happy"),
)"""
POSTS = """op.create_table(
    "posts",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), index=True),
    sa.Column("old", sa.Integer),
)"""
ROWS = r"""op.execute("INSERT INTO users (id, name) VALUES (1, 'O''Hara \\: 100 \\:percent %'), (2, 'Zoë')")
op.execute("INSERT INTO posts (id, user_id) VALUES (5, 2)")"""
VIEW = """op.execute("CREATE VIEW names AS SELECT name FROM users WHERE name LIKE '%a%'")"""
TRIGGERS = {
    "sqlite": "CREATE TRIGGER shout AFTER INSERT ON users BEGIN UPDATE users SET name = upper(name); END",
    "mariadb": "CREATE TRIGGER shout BEFORE INSERT ON users FOR EACH ROW SET NEW.name = upper(NEW.name)",
    "postgresql": """CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.name := upper(NEW.name); RETURN NEW; END $$;
        CREATE TRIGGER shout BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION shout()""",
}
NUMBER = 40


def git(project: Sandbox, *arguments: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=project.root, check=True, capture_output=True, text=True).stdout


@pytest.fixture(params=["sqlite", "postgresql+psycopg", "mariadb+pymysql"])
def shop(project: Sandbox, request: pytest.FixtureRequest) -> tuple[Sandbox, str]:
    """A project with forty migrations under git, and its database's URL."""
    project.add_environment()
    server: Server | None = None
    url = f"sqlite:///{project.root}/shop.db"
    if request.param != "sqlite":
        server = request.getfixturevalue(str(request.param).partition("+")[0])
        assert server is not None
        url = server.fresh(str(request.param))
        server.allow_scratch()
    project.write(".env", f"DATABASE_URL={url if server else 'sqlite:///shop.db'}")
    trigger = TRIGGERS[str(request.param).partition("+")[0]]
    column = 'with op.batch_alter_table("posts") as batch:\n    batch.drop_column("old")'
    bodies = [USERS, POSTS, ROWS, VIEW, f'op.execute("""{trigger}""")', column]
    for number in range(1, NUMBER + 1):
        table = f'op.create_table("t{number}", sa.Column("id", sa.Integer, primary_key=True))'
        up = bodies[number - 1] if number <= len(bodies) else table
        project.add_migration(f"{number:02}_m", f"r{number}", f"r{number - 1}" if number > 1 else None, up, "pass")
    git(project, "init")
    git(project, "add", ".")
    git(project, "commit", "-m", "migrations")
    return project, url


def versions(project: Sandbox) -> list[Path]:
    return sorted((project.root / "database/migrations/versions").glob("*.py"))


def state(url: str) -> tuple[snapshot.Snapshot, list[object]]:
    """The schema, and the rows."""
    with connected(url) as connection:
        found = snapshot.read(connection)
    return found, [*execute(url, "SELECT * FROM users ORDER BY id"), *execute(url, "SELECT * FROM posts")]


def test_forty_migrations_become_one(shop: tuple[Sandbox, str]) -> None:
    """A database at the head needs nothing, an empty one becomes the same, and rolling back leaves it empty. One in the
    middle is refused, before and afterwards; so is a change that git does not have."""
    project, url = shop
    project.run("invoke", "database.migrate", "--to=r7")
    between = project.run("invoke", "migrate.squash", code=1)
    assert "This database is at r7, in the middle" in between.stderr
    assert "inv database.migrate --to=r40" in between.stderr
    project.run("invoke", "database.migrate")
    before, files = state(url), versions(project)
    tried = project.run("invoke", "migrate.squash", "--pretend")
    assert "CREATE TABLE" in tried.stdout and "Nothing was changed." in tried.stdout
    files[3].write_text(files[3].read_text() + "\n")
    dirty = project.run("invoke", "migrate.squash", code=1)
    assert "04_m.py" in dirty.stderr and "Commit them, or add --force." in dirty.stderr
    assert versions(project) == files
    git(project, "checkout", ".")

    told = project.run("invoke", "migrate.squash", "--archive=old migrations")
    assert "Squashes 40 migrations into database/migrations/versions/40_m.py." in told.stdout
    assert "moved to old migrations" in told.stdout
    assert versions(project) == [files[-1]]
    assert {file.name for file in (project.root / "old migrations").glob("*.py")} == {file.name for file in files}
    assert "Nothing to migrate" in project.run("invoke", "database.migrate").stdout
    assert "r40 (head)" in project.alembic("current").stdout

    project.run("invoke", "migrate.fresh", "--force")
    assert state(url) == before
    asked = project.run("invoke", "migrate.reset", code=5)
    assert "users: 2 rows" in asked.stdout and "Could not be analysed" not in asked.stdout
    project.run("invoke", "migrate.reset", "--force")
    assert tables(url) == {"alembic_version"}
    project.alembic("upgrade", "head")
    assert state(url) == before

    execute(url, "UPDATE alembic_version SET version_num = 'r7'")
    late = project.run("invoke", "database.migrate", code=1)
    assert "r7 was squashed into r40" in late.stderr
    again = project.run("invoke", "migrate.squash", code=0)
    assert "There is one migration; nothing to squash." in again.stdout


def test_what_is_refused(project: Sandbox) -> None:
    """A fork in the middle, files that are nowhere else, an archive that Alembic reads; a part can be squashed."""
    project.add_environment()
    create = "op.create_table('{0}', sa.Column('id', sa.Integer, primary_key=True))"
    for number, after in ((1, None), (2, "r1"), (3, "r2"), (4, "r3")):
        project.add_migration(f"{number}_m", f"r{number}", after, create.format(f"t{number}"), "pass")
    files = versions(project)
    nowhere = project.run("invoke", "migrate.squash", code=1)
    assert "not a git repository" in nowhere.stderr
    inside = project.run("invoke", "migrate.squash", "--archive=database/migrations/versions/old", code=2)
    assert "Alembic may read it" in inside.stderr
    assert "--to=nope" in project.run("invoke", "migrate.squash", "--to=nope", code=2).stderr
    project.add_migration("5_fork", "r5", "r2", create.format("t5"), "pass")
    assert "2 heads" in project.run("invoke", "migrate.squash", code=1).stderr
    fork = project.run("invoke", "migrate.squash", "--to=r3", "--force", code=1)
    assert "5_fork builds on 2_m, in the middle" in fork.stderr
    assert versions(project)[:4] == files
    done = json.loads(project.run("invoke", "migrate.squash", "--to=r2", "--force", "--json").stdout)
    assert [(step["action"], step["name"]) for step in done["steps"]] == [("write", "2_m"), ("remove", "1_m")]
    assert [file.name for file in versions(project)] == ["2_m.py", "3_m.py", "4_m.py", "5_fork.py"]
    assert not list(project.root.glob("app.db"))
    assert "4_m" in project.alembic("heads", "--verbose").stdout


def test_what_it_cannot_carry_is_said(project: Sandbox, postgresql: Server) -> None:
    """Grants are named in the output and in the file."""
    project.add_environment()
    project.write(".env", f"DATABASE_URL={postgresql.fresh('postgresql+psycopg')}")
    postgresql.allow_scratch()
    project.add_migration("1_m", "r1", None, "op.create_table('t', sa.Column('id', sa.Integer))", "pass")
    project.add_migration("2_m", "r2", "r1", "op.execute('GRANT SELECT ON t TO PUBLIC')", "pass")
    told = project.run("invoke", "migrate.squash", "--force")
    assert "to be added by hand: the grants on t" in told.stdout
    assert "# Not in here, and to be added by hand: the grants on t" in versions(project)[0].read_text()
