"""migrate.fresh, refresh and redo: everything or nothing, on PostgreSQL and SQLite; said beforehand where not."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from command import Sandbox
from fastman_tasks import actions
from fastman_tasks.consent import Risk
from fastman_tasks.errors import LossGrew
from servers import Server, all_tables, execute, tables
from services import opened

# The parts that this combines have tests on the oldest versions.
pytestmark = pytest.mark.thorough

CREATE = "op.create_table('{0}', sa.Column('id', sa.Integer, primary_key=True))"
DROP = "op.drop_table('{0}')"

LOCKED_ALIKE = ("postgresql+asyncpg", "mariadb+pymysql")


@pytest.fixture(
    params=[
        "sqlite",
        "postgresql+psycopg",
        pytest.param("postgresql+asyncpg", marks=pytest.mark.thorough),
        "mariadb+pymysql",
    ]
)
def shop(project: Sandbox, request: pytest.FixtureRequest) -> tuple[Sandbox, str]:
    """A project with two migrations, applied, with rows in both tables; and its database's URL."""
    project.add_environment()
    url = f"sqlite:///{project.root}/shop.db"
    if request.param != "sqlite":
        server: Server = request.getfixturevalue(str(request.param).partition("+")[0])
        url = server.fresh(str(request.param))
    project.write(".env", f"DATABASE_URL={url if request.param != 'sqlite' else 'sqlite:///shop.db'}")
    project.add_migration("1_users", "a1", None, CREATE.format("users"), DROP.format("users"))
    project.add_migration("2_pets", "b2", "a1", CREATE.format("pets"), DROP.format("pets"))
    project.run("invoke", "database.migrate")
    for table in ("users", "pets"):
        execute(url, f"INSERT INTO {table} (id) VALUES (1)")
    return project, url


def rows(url: str) -> list[int]:
    """How many rows users and pets have."""
    return [execute(url, f"SELECT count(*) FROM {table}")[0][0] for table in ("users", "pets")]


def is_atomic(url: str) -> bool:
    """Whether the database has transactions for DDL."""
    return not url.startswith("mariadb")


def test_fresh_drops_everything(shop: tuple[Sandbox, str]) -> None:
    """Also what no migration has made; and it seeds. Without consent nothing, and in an empty database it migrates."""
    project, url = shop
    execute(url, "CREATE TABLE junk (id INTEGER)")
    project.write("database/seeders/user_seeder.py", SEEDER)
    refused = project.run("invoke", "migrate.fresh", code=5)
    assert "users: 1 row" in refused.stdout and "junk: 0 rows" in refused.stdout
    assert f"Everything is dropped: 5 tables{'' if is_atomic(url) else '.'}" in refused.stdout
    assert ("Not in one transaction" in refused.stdout) == (not is_atomic(url))
    assert "To go ahead: inv migrate.fresh --force" in refused.stderr
    assert rows(url) == [1, 1]
    told = project.run("invoke", "migrate.fresh", "--force", "--seed").stdout
    assert "  drop 5 tables ...." in told and "2 migrations applied." in told and "1 seeder ran." in told
    assert tables(url) == {"users", "pets", "alembic_version"}
    assert rows(url) == [3, 0]
    assert len(project.alembic("current").stdout.splitlines()) == 1
    for table in all_tables(url):
        execute(url, f"DROP TABLE {table}")
    assert "drop" not in project.run("invoke", "migrate.fresh").stdout
    assert rows(url) == [0, 0]


SEEDER = """
    import sqlalchemy as sa


    class UserSeeder:
        def run(self, session):
            session.execute(sa.text("INSERT INTO users (id) VALUES (1), (2), (3)"))
"""


@pytest.mark.parametrize("command", ["fresh", "refresh"])
def test_one_that_fails_changes_nothing(shop: tuple[Sandbox, str], command: str) -> None:
    """The rows are still there, and --json says that the steps before it were rolled back. A syntax error is found
    before anything is dropped, on MariaDB too."""
    project, url = shop
    file = "database/migrations/versions/2_pets.py"
    whole = (project.root / file).read_text("utf-8")
    project.replace(file, "def upgrade():", "def upgrade():\n    op.execute('nonsense')")
    result = project.run("invoke", f"migrate.{command}", "--force", "--json", code=1)
    answer = json.loads(result.stdout)
    assert "nonsense" in answer["error"]["message"]
    if is_atomic(url):
        assert answer["error"]["message"].endswith("All changes were rolled back: the database is as it was.")
        steps = [step for step in answer["steps"] if step["action"] != "back up"]
        assert steps[-1]["state"] == "failed"
        assert {step["state"] for step in steps[:-1]} == {"rolled back"}
        assert rows(url) == [1, 1]
    else:
        assert "pets" not in tables(url)
        return
    project.write(file, f"{whole}\nnonsense nonsense\n")
    project.run("invoke", f"migrate.{command}", "--force", code=1)
    assert rows(url) == [1, 1]


@pytest.mark.parametrize("name", ["fresh", "redo"])
def test_rows_that_come_after_the_question(shop: tuple[Sandbox, str], name: str) -> None:
    """More than was agreed to is refused under the lock, and nothing is changed."""
    project, url = shop

    def agree(risk: Risk) -> None:
        for number in range(2, 22):
            execute(url, f"INSERT INTO pets (id) VALUES ({number})")

    with opened(project) as entered, pytest.raises(LossGrew) as refused:
        getattr(actions, name)(entered, consent=agree)
    assert "pets: 21 rows (confirmed: 1" in str(refused.value) and refused.value.code == 5
    assert rows(url) == [1, 21]


def test_refresh_and_redo(shop: tuple[Sandbox, str]) -> None:
    """Everything, or only the newest; what is pending is for refresh alone."""
    project, url = shop
    project.add_migration("3_toys", "c3", "b2", CREATE.format("toys"), DROP.format("toys"))
    told = project.run("invoke", "migrate.redo", "--force").stdout
    assert "1 migration rolled back, 1 migration applied." in told
    assert "  roll back 2_pets ..." in told and "  apply 2_pets ..." in told
    assert rows(url) == [1, 0] and "toys" not in tables(url)
    project.run("invoke", "migrate.refresh", "--steps=1", "--force")
    assert rows(url) == [1, 0] and "toys" in tables(url)
    assert (
        "3 migrations rolled back, 3 migrations applied." in project.run("invoke", "migrate.refresh", "--force").stdout
    )
    assert rows(url) == [0, 0]
    assert "--steps=0 is not valid" in project.run("invoke", "migrate.redo", "--steps=0", code=2).stderr


def test_what_cannot_be_rolled_back(shop: tuple[Sandbox, str]) -> None:
    """It is found before the first step, and the way out is named; what is prohibited is, by any of them."""
    project, url = shop
    file = project.root / "database/migrations/versions/1_users.py"
    file.write_text(file.read_text("utf-8").replace("op.drop_table('users')", "pass"), "utf-8")
    refused = project.run("invoke", "migrate.refresh", "--force", code=1)
    assert "1_users: its downgrade() is empty" in refused.stderr and "inv migrate.fresh" in refused.stderr
    assert rows(url) == [1, 1]


def test_who_may_not(shop: tuple[Sandbox, str]) -> None:
    """What is prohibited is so by any of them; in production, the database's name is asked for."""
    project, url = shop
    for command in ("fresh", "refresh", "redo"):
        prohibited = {"FASTMAN_PROHIBIT_DESTRUCTIVE": "1"}
        told = project.run("invoke", f"migrate.{command}", "--force", env=prohibited, code=5).stderr
        assert "FASTMAN_PROHIBIT_DESTRUCTIVE" in told
        told = project.run("invoke", f"migrate.{command}", "--force", env={"ENVIRONMENT": "production"}, code=5).stderr
        assert f"--confirm={url.rpartition('/')[2]}" in told
    assert rows(url) == [1, 1]


def test_pretend_changes_nothing(shop: tuple[Sandbox, str]) -> None:
    """It prints what is dropped and what is created, of each of them."""
    project, url = shop
    for command in ("fresh", "refresh", "redo"):
        told = project.run("invoke", f"migrate.{command}", "--pretend").stdout
        assert "DROP TABLE" in told and "CREATE TABLE pets" in told and told.endswith("Nothing was changed.\n")
    assert rows(url) == [1, 1]


def test_a_round_trip(shop: tuple[Sandbox, str]) -> None:
    """What a downgrade has left behind is named, with code 3."""
    project, _ = shop
    told = project.run("invoke", "migrate.redo", "--round-trip", "--force").stdout
    assert told.endswith("The schema is what it was.\n")
    leaves = f"{DROP.format('toys')}\n{CREATE.format('extra')}"
    project.add_migration("3_toys", "c3", "b2", CREATE.format("toys"), leaves)
    project.run("invoke", "database.migrate")
    result = project.run("invoke", "migrate.redo", "--round-trip", "--force", "--json", code=3)
    check = json.loads(result.stdout)["steps"][-1]
    assert (check["action"], check["state"]) == ("check", "failed")
    assert "extra is new" in check["note"] and "toys" not in check["note"]


@pytest.mark.parametrize(
    "shop",
    # That the lock holds on every driver is what test_locking.py proves.
    ["sqlite", "postgresql+psycopg", *(pytest.param(each, marks=pytest.mark.exhaustive) for each in LOCKED_ALIKE)],
    indirect=True,
)
def test_eight_at_once(shop: tuple[Sandbox, str]) -> None:
    """One after the other, each a whole one; who has planned for something else is told so."""
    project, url = shop
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: project.run("invoke", "migrate.fresh", "--force", code=None), range(8)))
    told = [result.stderr for result in results if result.code]
    expected = ["Another process", "More data would be lost"]
    assert len(told) < 8 and all(any(words in text for words in expected) for text in told), told
    assert rows(url) == [0, 0]


def test_a_migration_outside_of_transactions(shop: tuple[Sandbox, str]) -> None:
    """An autocommit_block() cannot be in the one transaction: it is said, and works."""
    project, url = shop
    body = "with op.get_context().autocommit_block():\n    op.execute('SELECT 1')"
    project.add_migration("3_outside", "c3", "b2", body, "pass")
    project.run("invoke", "database.migrate")
    told = project.run("invoke", "migrate.fresh", "--force").stdout
    assert "Not in one transaction: " in told
    assert rows(url) == [0, 0]
    file = "database/migrations/versions/3_outside.py"
    project.write(file, f"{(project.root / file).read_text()}\ndef (")
    before = tables(url)
    failed = project.run("invoke", "migrate.fresh", "--force", code=1)
    assert failed.stderr.startswith(f"{file}:") and failed.stderr.endswith(": SyntaxError: invalid syntax\n")
    assert "DONE" not in failed.stdout and tables(url) == before


def test_refresh_where_nothing_is_applied(shop: tuple[Sandbox, str]) -> None:
    """It applies what is pending; afterwards a failing seeder says that the migrations stay."""
    project, url = shop
    project.run("invoke", "migrate.reset", "--force")
    production = {"ENVIRONMENT": "production", "DATABASE_URL": url}
    asked = project.run("invoke", "migrate.refresh", env=production, code=5).stderr
    assert asked.startswith("Apply 2 migrations on ")
    project.write("database/seeders/user_seeder.py", SEEDER.replace("INSERT INTO users", "INSERT INTO nowhere"))
    told = project.run("invoke", "migrate.refresh", "--force", "--seed", code=1)
    assert "2 migrations applied." in told.stdout and "The migrations stay applied." in told.stderr
    assert rows(url) == [0, 0]


def test_keep_and_schemas(project: Sandbox, postgresql: Server) -> None:
    """Schemas that migrations name are emptied too; what is kept has its rows; another schema's view stops it."""
    project.add_environment()
    url = postgresql.fresh("postgresql+psycopg")
    project.write(".env", f"DATABASE_URL={url}")
    create = "op.create_table('log', sa.Column('id', sa.Integer), schema='audit')"
    create = f"op.execute('CREATE SCHEMA IF NOT EXISTS audit')\n{create}"
    project.add_migration("1_log", "a1", None, create, "op.drop_table('log', schema='audit')")
    project.run("invoke", "database.migrate")
    execute(url, "CREATE TABLE spatial (id integer)")
    execute(url, "INSERT INTO spatial VALUES (1)")
    execute(url, "INSERT INTO audit.log VALUES (1)")
    project.run("invoke", "migrate.fresh", "--force", "--keep=spatial")
    assert execute(url, "SELECT * FROM spatial") == [(1,)] and execute(url, "SELECT * FROM audit.log") == []
    execute(url, "CREATE SCHEMA other")
    execute(url, "CREATE VIEW other.seen AS SELECT * FROM spatial")
    refused = project.run("invoke", "migrate.fresh", "--force", code=1).stderr
    assert "which is to stay:\n  view other.seen" in refused
    project.run("invoke", "migrate.fresh", "--force", "--schemas=public,other,audit")
    assert tables(url) == {"alembic_version"}
    assert "there is no such table" in project.run("invoke", "migrate.fresh", "--keep=nope", code=2).stderr
