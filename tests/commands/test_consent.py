"""Consent that fits the danger: asked on a terminal, refused without one, and what the flags can say."""

from __future__ import annotations

import json
import shlex

import pytest

from command import Sandbox
from fastman_tasks.actions.carry_out import hold_lock
from fastman_tasks.plans import Observer
from processes import Running
from servers import Server, execute, tables
from services import opened

# Who is asked, and what is an answer, is the same on every version.
pytestmark = pytest.mark.thorough


@pytest.fixture
def shop(project: Sandbox) -> Sandbox:
    """A project with two migrations and a row; its database's name has a space."""
    project.add_environment()
    project.write(".env", "DATABASE_URL='sqlite:///my shop.db'\n")
    up = 'op.execute("CREATE TABLE users (id INT)")\nop.execute("INSERT INTO users VALUES (1), (2)")'
    project.add_migration("1_users", "1a", None, up, 'op.drop_table("users")')
    project.add_migration("2_empty", "2b", "1a", 'op.execute("CREATE TABLE e (id INT)")', 'op.drop_table("e")')
    project.write("database/seeders/user_seeder.py", "class UserSeeder:\n    def run(self, db):\n        pass\n")
    project.inv("database.migrate")
    return project


def standing(shop: Sandbox) -> set[str]:
    """The tables of the project's database."""
    return tables(f"sqlite:///{shop.root}/my shop.db")


ALL = {"users", "e", "alembic_version"}


def test_without_a_terminal(shop: Sandbox) -> None:
    """Refused at once with the exact command that works, code 5; that command works."""
    production = {"ENVIRONMENT": "Production"}
    refused = shop.inv("migrate.rollback", "--steps=2", code=5)
    assert "Roll back 2 migrations on sqlite:///my shop.db?" in refused.stderr
    assert refused.stderr.endswith("To go ahead: inv migrate.rollback --steps=2 --force\n")

    refused = shop.inv("migrate.reset", "--force", env=production, code=5)
    assert "--force is not enough here: data would be lost." in refused.stderr
    assert "  users: 2 rows\n" in refused.stdout
    assert standing(shop) == ALL
    # Without a loss --force does.
    assert "1 migration rolled back." in shop.inv("migrate.rollback", "--force", env=production).stdout
    refused_again = shop.inv("database.migrate", env=production, code=5)
    assert "Apply 1 migration on sqlite:///my shop.db?" in refused_again.stderr
    assert standing(shop) == ALL - {"e"}
    for line in (refused_again.stderr, refused.stderr):
        words = shlex.split(line.rpartition("To go ahead: inv ")[2])
        shop.inv(*words, env=production)
    assert standing(shop) == {"alembic_version"}


@pytest.mark.parametrize(
    ("dotenv", "env"), [("ENVIRONMENT=PROD", {}), ("APP_ENV=live", {}), ("ENVIRONMENT=local", {"ENVIRONMENT": "live"})]
)
def test_where_the_environment_is_named(shop: Sandbox, dotenv: str, env: dict[str, str]) -> None:
    """From .env or the shell, which goes first."""
    shop.write(".env", f"DATABASE_URL='sqlite:///my shop.db'\n{dotenv}\n")
    refused = shop.inv("database.seed", env=env, code=5)
    assert refused.stderr.endswith("To go ahead: inv database.seed --force\n")
    assert "1 seeder ran." in shop.inv("database.seed", "--force", env=env).stdout


def test_prohibited(shop: Sandbox) -> None:
    """FASTMAN_PROHIBIT_DESTRUCTIVE beats every flag and says so; it is no obstacle to what destroys nothing."""
    env = {"FASTMAN_PROHIBIT_DESTRUCTIVE": "1"}
    for command in (["migrate.rollback"], ["migrate.reset", "--confirm=my shop.db", "--force"]):
        refused = shop.inv(*command, env=env, code=5)
        assert refused.stderr.startswith("FASTMAN_PROHIBIT_DESTRUCTIVE is set")
    assert "Nothing was changed." in shop.inv("migrate.reset", "--pretend", "database.seed", env=env).stdout
    assert standing(shop) == ALL


@pytest.mark.parametrize("answer", ["", "my shop.db", "\x03"])
def test_declining(shop: Sandbox, answer: str) -> None:
    """Anything but yes is no, Ctrl-C too: code 5, and nothing is done."""
    said = shop.terminal("migrate.reset", answers=[("? [y/N]", answer)], env={"NO_COLOR": "1"}, code=5)
    assert "  users: 2 rows\n" in said.partition("? [y/N]")[0], "the loss comes before the question"
    assert "Cancelled; nothing was changed." in said
    assert standing(shop) == ALL


def test_answering(shop: Sandbox) -> None:
    """Where data of a protected database goes, yes is not enough; its name is."""
    production = {"ENVIRONMENT": "prod"}
    question = "Type the database's name, my shop.db, to go ahead:"
    for wrong in ("yes", "My Shop.db"):
        shop.terminal("migrate.reset", "--force", answers=[(question, wrong)], env=production, code=5)
    assert standing(shop) == ALL
    # A rollback that loses nothing, and migrate and seed, take a yes.
    shop.terminal("migrate.rollback", answers=[("? [y/N]", "Y")], env=production)
    said = shop.terminal("database.migrate", "--seed", answers=[("? [y/N]", "yes")], env=production)
    assert "Apply 1 migration and run 1 seeder on sqlite:///my shop.db?" in said
    assert standing(shop) == ALL
    said = shop.terminal("migrate.reset", answers=[(question, "my shop.db")], env=production)
    assert "2 migrations rolled back." in said
    assert standing(shop) == {"alembic_version"}
    assert execute(f"sqlite:///{shop.root}/my shop.db", "SELECT * FROM alembic_version") == []


def test_a_name_that_begins_with_a_dash(project: Sandbox) -> None:
    """It is refused with a command that can be typed."""
    project.add_environment()
    project.add_migration("1_users", "1a", None, 'op.execute("CREATE TABLE users (id INT)")', 'op.drop_table("users")')
    env = {"ENVIRONMENT": "production", "DATABASE_URL": "sqlite:///-x"}
    project.inv("database.migrate", "--force", env=env)
    execute(f"sqlite:///{project.root}/-x", "INSERT INTO users VALUES (1)")
    refused = project.inv("migrate.rollback", env=env, code=5)
    assert refused.stderr.endswith("--confirm=-x\n")
    wrong = project.inv("migrate.reset", "--confirm=-y", env=env, code=2)
    assert "--confirm=-y is not this database's name" in wrong.stderr
    assert "1 migration rolled back." in project.inv("migrate.rollback", "--confirm=-x", env=env).stdout


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "mysql+pymysql"])
def test_rows_that_come_while_it_waits_for_the_lock(
    request: pytest.FixtureRequest, project: Sandbox, driver: str
) -> None:
    """Nothing to lose when --force confirmed it, and 5,000 rows when it has the lock: the name is needed after all."""
    server: Server = request.getfixturevalue("postgresql" if driver.startswith("postgresql") else "mariadb")
    url = server.fresh(driver)
    project.add_environment()
    project.add_migration("1_users", "1a", None, 'op.execute("CREATE TABLE users (id INT)")', 'op.drop_table("users")')
    production = {"ENVIRONMENT": "production", "DATABASE_URL": url}
    project.inv("database.migrate", "--force", env=production)
    with opened(project, DATABASE_URL=url) as here, hold_lock(here, Observer()):
        waiting = Running(project, "migrate.rollback", "--force", env=production)
        waiting.read_until("waiting …")
        execute(url, f"INSERT INTO users VALUES {', '.join(['(1)'] * 5000)}")
    refused = waiting.finish(code=5)
    name = url.rpartition("/")[2]
    assert refused.stderr == (
        "More data would be lost now than was confirmed:\n"
        "  users: 5,000 rows (confirmed: 0 rows)\n"
        f"Nothing was changed. To go ahead: inv migrate.rollback --steps=1 --confirm={name}\n"
    )
    assert len(execute(url, "SELECT * FROM users")) == 5000
    back = project.inv("migrate.rollback", "--steps=1", f"--confirm={name}", "--json", env=production)
    assert json.loads(back.stdout)["losses"][0]["rows"] == 5000
    assert "users" not in tables(url)
