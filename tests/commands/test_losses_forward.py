"""What pending migrations drop is named, and costs a protected database's name where there is data in it."""

from __future__ import annotations

import pytest

from command import Sandbox
from servers import Server, execute, tables

# The parts that this combines have tests on the oldest versions.
pytestmark = pytest.mark.thorough

PRODUCTION = {"ENVIRONMENT": "production"}


@pytest.fixture(params=["sqlite", "postgresql+psycopg"])
def url(request: pytest.FixtureRequest, project: Sandbox) -> str:
    """A database with two tables that have rows and one that has none."""
    if request.param == "sqlite":
        url = f"sqlite:///{project.root}/shop.db"
    else:
        server: Server = request.getfixturevalue("postgresql")
        url = server.fresh(request.param)
    project.add_environment()
    project.write(".env", f'DATABASE_URL="{url}"')
    up = """
        op.create_table("users", sa.Column("id", sa.Integer), sa.Column("email", sa.String(50)))
        op.create_table("posts", sa.Column("id", sa.Integer))
        op.create_table("drafts", sa.Column("id", sa.Integer))
        op.execute("INSERT INTO users VALUES (1, 'a'), (2, NULL)")
        op.execute("INSERT INTO posts VALUES (1)")
    """
    project.add_migration("1_tables", "1a", None, up)
    project.inv("database.migrate")
    return url


def name(url: str) -> str:
    """What the database at ``url`` is called."""
    return url.rpartition("/")[2]


DROPS = {
    'op.drop_table("posts")': "This drops, with the data in them:\n  posts: 1 row\n",
    'with op.batch_alter_table("users") as batch:\n    batch.drop_column("email")': "  users.email: 1 value\n",
    'op.rename_table("posts", "old")\nop.drop_table("old")': "  posts: 1 row\n",
    'op.execute("DROP TABLE Posts")': "  osts: 1 row\n",
    'op.execute("ALTER TABLE posts RENAME TO old")\nop.drop_table("old")': "  posts: 1 row\n",
    'op.execute(sa.text("DELETE FROM users WHERE id = 2"))': (
        "This deletes rows:\n  2_drop: DELETE FROM users WHERE id = 2  (users: 2 rows)\n"
    ),
    'op.execute("CREATE TABLE users_new (id INT)")\nop.execute("INSERT INTO users_new (id) SELECT id FROM users")\n'
    'op.drop_table("users")\nop.rename_table("users_new", "users")': (
        "This drops, with the data in them:\n  users.email: 1 value\n\n"
    ),
    'op.execute("CREATE TABLE users_new (id INT, email INT)")\n'
    'op.execute("INSERT INTO users_new (id) SELECT id FROM users WHERE id = 1")\n'
    'op.drop_table("users")\nop.rename_table("users_new", "users")': "  users: 2 rows\n",
    'op.get_bind().execute(sa.text("-- all\\nDELETE FROM posts"))': "  2_drop: DELETE FROM posts  (posts: 1 row)\n",
}


@pytest.mark.parametrize("up", DROPS)
def test_what_is_dropped(project: Sandbox, url: str, up: str) -> None:
    """It is listed everywhere; where it is protected, --force is not enough, and the name is."""
    listed = DROPS[up].replace("  osts", "  Posts" if url.startswith("sqlite") else "  posts")
    project.add_migration("2_drop", "2b", "1a", up, "op.drop_table('nothing')")
    for arguments in ((), ("--force",)):
        refused = project.inv("database.migrate", *arguments, env=PRODUCTION, code=5)
        assert listed in refused.stdout
        assert refused.stderr.endswith(f"To go ahead: inv database.migrate --confirm={name(url)}\n")
        assert ("--force is not enough here: data would be lost." in refused.stderr) is bool(arguments)
    assert "DONE" not in refused.stdout
    assert "analysed" not in refused.stdout
    assert listed in (said := project.inv("database.migrate", f"--confirm={name(url)}", env=PRODUCTION).stdout)
    assert "1 migration applied." in said


def test_what_is_dropped_by_a_function_that_is_not_for_it(project: Sandbox, url: str) -> None:
    """A downgrade() counts where the upgrade() calls it, and only there."""
    project.add_migration("2_kept", "2b", "1a", "pass", 'op.drop_table("users")')
    project.add_migration("3_drop", "3c", "2b", "downgrade()", 'op.drop_table("posts")')
    said = project.inv("database.migrate", "--force", env=PRODUCTION, code=5)
    assert "This drops, with the data in them:\n  posts: 1 row\n" in said.stdout


def test_elsewhere_it_goes_on(project: Sandbox, url: str) -> None:
    """A database that is not protected is not asked about; a name that is given has to be right there, too."""
    project.add_migration("2_drop", "2b", "1a", 'op.drop_table("posts")\nop.drop_table("drafts")')
    assert "--confirm=other is not" in project.inv("database.migrate", "--confirm=other", code=2).stderr
    shown = project.inv("database.migrate", "--pretend", env=PRODUCTION)
    assert "with what is in them" not in shown.stdout and "posts" in tables(url)
    said = project.inv("database.migrate").stdout
    assert "This drops, with the data in them:\n  posts: 1 row\n  drafts: 0 rows\n\n" in said
    assert said.index("drafts: 0 rows") < said.index("DONE")
    assert "1 migration applied." in said
    assert project.inv("database.migrate").stdout.endswith("Nothing to migrate.\n")


HARMLESS = [
    'op.create_table("t", sa.Column("a", sa.Integer))\nop.drop_table("t")',
    'op.execute("CREATE TABLE users_new (id INT, email VARCHAR(50))")\n'
    'op.execute("INSERT INTO users_new SELECT * FROM users")\nop.execute("DROP TABLE users")\n'
    'op.execute("ALTER TABLE users_new RENAME TO users")',
    'op.execute("CREATE TABLE t (a INT)")\nop.execute("INSERT INTO t VALUES (1)")\nop.execute("DROP TABLE t")',
    'op.execute("DROP TABLE IF EXISTS gone")',
    'op.execute("DELETE FROM drafts")',
    "op.execute(\"UPDATE users SET email = 'b'\")",
    """
    for row in op.get_bind().execute(sa.text("SELECT id FROM users")):
        op.execute(f"UPDATE users SET id = {row.id}")
    """,
    """
    from sqlalchemy.orm import Session
    Session(bind=op.get_bind()).execute(sa.select(sa.text("1")))
    """,
    "op.execute(sa.table('users', sa.column('id')).update().values(id=3))",
    'if sa.inspect(op.get_bind()).has_table("gone"):\n    op.drop_table("gone")',
    'op.drop_table("drafts")',
]


def test_what_needs_no_name(project: Sandbox, url: str) -> None:
    """What has no rows, is not there or is the plan's own, and what is not certain to drop anything: as ever."""
    for number, up in enumerate(HARMLESS, 2):
        project.add_migration(f"{number}_change", f"{number}a", f"{number - 1}a", up)
    refused = project.inv("database.migrate", env=PRODUCTION, code=5)
    assert refused.stderr.endswith("To go ahead: inv database.migrate --force\n")
    said = project.inv("database.migrate", "--force", env=PRODUCTION).stdout
    assert "This drops, with the data in them:\n  drafts: 0 rows\n\n  2_change" in said
    assert "11 migrations applied." in said
    assert "analysed" not in said and "deletes" not in said


def test_a_new_database(project: Sandbox, url: str) -> None:
    """A whole history of drops is no obstacle where nothing is there yet."""
    project.add_migration("2_drop", "2b", "1a", 'op.drop_table("posts")\nop.drop_column("users", "email")')
    for table in tables(url):
        execute(url, f"DROP TABLE {table}")
    said = project.inv("database.migrate", "--force", env=PRODUCTION).stdout
    assert "2 migrations applied." in said
    assert "This drops" not in said


def test_on_a_terminal(project: Sandbox, url: str) -> None:
    """The name is asked for; yes is not enough."""
    project.add_migration("2_drop", "2b", "1a", 'op.drop_table("posts")')
    question = f"Type the database's name, {name(url)}, to go ahead:"
    project.terminal("database.migrate", answers=[(question, "yes")], env=PRODUCTION, code=5)
    assert "posts" in tables(url)
    said = project.terminal("database.migrate", answers=[(question, name(url))], env=PRODUCTION)
    assert "posts: 1 row" in said.partition(question)[0]
    assert "posts" not in tables(url)
