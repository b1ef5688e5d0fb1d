"""Our history table is no part of the project's schema, and its rows are nobody's loss."""

from __future__ import annotations

import pytest

from command import Sandbox
from fastman_tasks.databases.tables import HISTORY_TABLE
from servers import Server, all_tables, execute

TEAMS = 'op.create_table("teams", sa.Column("id", sa.Integer, primary_key=True))'
USERS = """op.create_table("users", sa.Column("id", sa.Integer, primary_key=True))
op.execute("INSERT INTO users (id) VALUES (1)")"""


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+psycopg", "mariadb+pymysql"])
def test_nothing_takes_it_for_the_project_s(project: Sandbox, request: pytest.FixtureRequest, driver: str) -> None:
    """Dumps, comparisons with a replay, squashing and what is asked about leave it out; starting over drops it."""
    url = f"sqlite:///{project.root}/shop.db"
    if driver != "sqlite":
        server: Server = request.getfixturevalue(driver.partition("+")[0])
        url = server.fresh(driver)
        server.allow_scratch()
    project.add_environment()
    project.write(".env", f"DATABASE_URL='{url}'")
    project.add_migration("1_teams", "r1", None, TEAMS, 'op.drop_table("teams")')
    project.add_migration("2_users", "r2", "r1", USERS, 'op.drop_table("users")')
    project.inv("database.migrate")
    execute(url, f"ALTER TABLE {HISTORY_TABLE} ADD COLUMN here INTEGER")

    project.inv("migrate.check", "--database")
    project.inv("database.dump")
    [dump] = (project.root / "database/schema").iterdir()
    assert "users" in dump.read_text("utf-8") and HISTORY_TABLE not in dump.read_text("utf-8")
    squashed = project.inv("migrate.squash", "--pretend", "--force").stdout
    assert "CREATE TABLE" in squashed and HISTORY_TABLE not in squashed
    for command in ("migrate.fresh", "database.drop"):
        asked = project.inv(command, code=5).stdout
        assert "users: 1 row" in asked and f"{HISTORY_TABLE}:" not in asked

    # Without the users it counts as an empty database, into which a dump is loaded.
    project.inv("migrate.reset", "--force")
    assert all_tables(url) == {HISTORY_TABLE, "alembic_version"}
    assert "2 migrations loaded from" in project.inv("database.load").stdout
    assert execute(url, f"SELECT count(here), count(*) FROM {HISTORY_TABLE}") == [(0, 6)]

    dump.unlink()
    project.inv("migrate.fresh", "--force")
    assert execute(url, f"SELECT name FROM {HISTORY_TABLE} ORDER BY id") == [("r1",), ("r2",)]
