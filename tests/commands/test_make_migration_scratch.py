"""make.migration --scratch: the models against the replayed migrations, without a database."""

from __future__ import annotations

import json

import pytest

from command import Sandbox
from servers import Server, execute, tables

# It is put together from what is tested on every version.
pytestmark = pytest.mark.thorough

MODELS = """
    import sqlalchemy as sa

    metadata = sa.MetaData()
    users = sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True))
"""


@pytest.fixture(params=["sqlite", "postgresql+psycopg", "mariadb+pymysql"])
def shop(request: pytest.FixtureRequest, project: Sandbox) -> tuple[Sandbox, str]:
    """A project with a model and no migration; its database does not exist, its server does."""
    project.write("models.py", MODELS)
    url = f"sqlite:///{project.root}/live.db"
    if request.param != "sqlite":
        server: Server = request.getfixturevalue(str(request.param).partition("+")[0])
        server.allow_scratch()
        exists = server.fresh(str(request.param))
        name = exists.rpartition("/")[2]
        execute(server.admin, f"DROP DATABASE {name}")
        url = exists
    project.write(".env", f"DATABASE_URL={url}")
    return project, url


def test_a_project_from_its_first_migration_on(shop: tuple[Sandbox, str]) -> None:
    """The first one brings the environment along; the next has what is new; then there is nothing to do. The database
    is not made. What is asked about is named with the flag."""
    project, url = shop
    said = project.inv("make.migration", "create users", "--scratch").stdout
    assert said.startswith("The migrations, replayed in a scratch database\n\nCreated alembic.ini\n")
    assert "  create table users\nCreated database/migrations/versions/" in said
    project.inv("make.migration", "--scratch", "--check")
    project.replace("models.py", "primary_key=True)", 'primary_key=True), sa.Column("name", sa.String(20))')
    assert "  add column users.name\n" in project.inv("make.migration", "--scratch", "--check", code=3).stdout
    before = project.files()
    assert "Nothing was written." in project.inv("make.migration", "add name", "--scratch", "--pretend").stdout
    assert project.files() == before
    answer = json.loads(project.inv("make.migration", "add name", "--scratch", "--json").stdout)
    assert answer["database"] is None and answer["steps"][0]["note"] == "add column users.name"
    assert "No difference" in project.inv("make.migration", "again", "--scratch").stdout
    project.replace("models.py", '"name", sa.String(20)', '"full_name", sa.String(20)')
    refused = project.inv("make.migration", "rename it", "--scratch", code=5)
    assert "--scratch" in refused.stderr.rpartition("To go ahead: ")[2]
    if url.startswith("sqlite"):
        assert not (project.root / "live.db").exists()
        project.inv("database.migrate")
        assert tables(url) == {"alembic_version", "users"}


def test_flags_that_contradict_it(project: Sandbox) -> None:
    """Wrong usage."""
    for flag in ("--empty", "--baseline"):
        refused = project.inv("make.migration", "x", "--scratch", flag, code=2).stderr
        assert f"{flag} and --scratch are mutually exclusive." in refused
