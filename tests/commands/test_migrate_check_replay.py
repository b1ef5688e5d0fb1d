"""migrate.check: models, database and round trip, in a scratch database of which nothing is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from command import Sandbox
from servers import Server, execute

# It is put together from what is tested on every version.
pytestmark = pytest.mark.thorough

UP = """
    op.create_table('users', sa.Column('id', sa.Integer, primary_key=True), sa.Column('name', sa.String(20)))
    op.create_index('ix_users_name', 'users', ['name'])
"""
MODELS = """
    import sqlalchemy as sa

    metadata = sa.MetaData()
    name = sa.Column("name", sa.String(20))
    users = sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True), name)
    sa.Index("ix_users_name", users.c.name)
    pets = sa.Table("pets", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("age", sa.Integer))
"""
PETS = "op.create_table('pets', sa.Column('id', sa.Integer, primary_key=True))"
AGE = "op.add_column('pets', sa.Column('age', sa.Integer))"
VERSIONS = "database/migrations/versions"


@pytest.fixture
def shop(project: Sandbox) -> Sandbox:
    """A project with three migrations, and the models that they make."""
    project.add_environment()
    project.write("models.py", MODELS)
    project.add_migration("create_users", "a1", None, UP, "op.drop_table('users')")
    project.add_migration("create_pets", "b2", "a1", PETS, "op.drop_table('pets')")
    project.add_migration("add_age", "c3", "b2", AGE, "op.drop_column('pets', 'age')")
    return project


@pytest.fixture(params=["sqlite", "postgresql+psycopg", "postgresql+asyncpg", "mariadb+pymysql"])
def url(request: pytest.FixtureRequest, shop: Sandbox) -> str:
    """A database whose owner may create others; that of the project."""
    url = f"sqlite:///{shop.root}/live.db"
    if request.param != "sqlite":
        server: Server = request.getfixturevalue(str(request.param).partition("+")[0])
        server.allow_scratch()
        url = server.fresh(str(request.param))
    if request.param == "mariadb+pymysql":
        # As database.create does, and not as the server would.
        execute(url, "ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    shop.write(".env", f"DATABASE_URL={url}")
    return url


def left(url: str) -> list[str]:
    """The scratch databases on the server, or the folders of scratch files."""
    if url.startswith("sqlite"):
        return [each.name for each in Path(tempfile.gettempdir()).glob("fastman_scratch_*")]
    query = "SELECT datname FROM pg_database" if url.startswith("postgresql") else "SHOW DATABASES"
    return [name for (name,) in execute(url, query) if name.startswith("fastman_scratch_")]


def test_everything_that_is_possible(shop: Sandbox, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All pass; then each names what is wrong, and only that."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    inside = {"TMPDIR": str(tmp_path)}
    shop.inv("database.migrate", "--to=b2")
    said = shop.inv("migrate.check", env=inside).stdout
    assert [line.split()[0] for line in said.splitlines()] == ["passed", "skipped", "passed", "passed", "passed"]
    assert "at b2, 2 migrations replayed" in said and "3 migrations up, down and up" in said

    execute(url, "ALTER TABLE users ADD COLUMN by_hand INTEGER")
    shop.replace("models.py", 'sa.Column("age", sa.Integer)', 'sa.Column("year", sa.Date)')
    shop.replace(f"{VERSIONS}/add_age.py", "op.drop_column('pets', 'age')", "op.create_index('ix_a', 'pets', ['age'])")
    said = shop.inv("migrate.check", code=3, env=inside).stdout
    assert [line.split()[0] for line in said.splitlines() if line[2:7] != "     "] == [
        "passed", "skipped", "found", "found", "found",
    ]  # fmt: skip
    found = [line.strip() for line in said.splitlines() if line.startswith(" " * 20)]
    assert sum("by_hand is in no migration" in line for line in found) == 1
    assert {"add column pets.year", "drop column pets.age"} <= set(found)
    place = f"{VERSIONS}/add_age.py:16: downgrade() of add_age leaves the "
    assert [line.startswith(place) for line in found[-2:]] == [True, True] and "ix_a" in found[-1]
    assert [line for line in found if "create_pets" in line or "create_users" in line] == []
    assert left(url) == []


def test_what_fails_on_the_way(shop: Sandbox) -> None:
    """A migration that fails is named without what would be done about a database that is there; one that cannot be
    rolled back ends the round trip; one that makes what the models say is said; two heads are listed once."""
    shop.write(".env", "DATABASE_URL=sqlite:///live.db")
    shop.replace(f"{VERSIONS}/create_pets.py", "op.drop_table('pets')", "raise NotImplementedError")
    reason = "not create_pets, nor what is before it: its downgrade() raises NotImplementedError"
    assert f"1 migration up, down and up; {reason}" in shop.inv("migrate.check", "--replay").stdout
    shop.replace(f"{VERSIONS}/add_age.py", "op.drop_column('pets', 'age')", "op.drop_column('pets', 'aeg')")
    said = shop.inv("migrate.check", "--replay", code=3).stdout
    assert "\n                        add_age failed: database/migrations/versions/add_age.py:17: " in said
    shop.replace(
        f"{VERSIONS}/create_users.py", "op.drop_table('users')", "# metadata.create_all(op.get_bind())\n    pass"
    )
    assert (
        "create_users calls create_all(): what it makes cannot differ" in shop.inv("migrate.check", "--models").stdout
    )
    shop.replace(f"{VERSIONS}/create_users.py", "op.create_index", "op.make_index")
    said = shop.inv("migrate.check", "--models", "--replay", code=1).stdout
    assert said.count("  failed   ") == said.count("create_users failed: ") == 2
    assert "Correct the file first" not in said and "inv " not in said
    shop.replace(f"{VERSIONS}/create_users.py", "op.make_index", "op.create_index")
    shop.replace(f"{VERSIONS}/add_age.py", "down_revision = 'b2'", "down_revision = 'a1'")
    said = shop.inv("migrate.check", "--models", code=3).stdout
    assert said.endswith(" models       there is more than one head, as said above\n") and said.count("add_age") == 1
    assert not (shop.root / "live.db").exists()


def test_what_is_not_possible(shop: Sandbox, postgresql: Server) -> None:
    """It is skipped with the reason where everything is checked, and fails where it was asked for."""
    postgresql.allow_scratch(False)
    shop.write(".env", f"DATABASE_URL={postgresql.fresh('postgresql+psycopg')}")
    said = shop.inv("migrate.check").stdout
    assert said.count("skipped") == 4 and said.count("ALTER ROLE fastman CREATEDB") == 3
    assert said.count("FASTMAN_SCRATCH_URL") == 3
    assert "failed   models " in shop.inv("migrate.check", "--models", code=1).stdout
    postgresql.allow_scratch()
    shop.write(".env", f"DATABASE_URL={postgresql.url('postgresql+psycopg', 'not_there')}")
    said = shop.inv("migrate.check").stdout
    assert [line.split()[0] for line in said.splitlines()] == ["passed", "skipped", "passed", "skipped", "passed"]
    told = json.loads(shop.inv("migrate.check", "--database", "--json", code=1).stdout)
    assert [each["state"] for each in told["steps"]] == ["passed", "failed"] and told["error"] is None
    shop.write(".env", "DATABASE_URL=sqlite:///not_there.db")
    (shop.root / "models.py").unlink()
    said = shop.inv("migrate.check", "--database", "--models", code=1).stdout
    assert [line.split()[0] for line in said.splitlines()] == ["passed", "failed", "failed"]
    assert shop.inv("migrate.check").stdout.count("skipped") == 3


HANG = """
    import pathlib, time
    pathlib.Path("started").touch()
    time.sleep(60)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("database", ["sqlite", "postgresql+psycopg"])
def test_nothing_is_left_after_a_signal(
    shop: Sandbox, request: pytest.FixtureRequest, tmp_path: Path, how: signal.Signals, database: str
) -> None:
    """After Ctrl-C at once, after SIGKILL with the next check."""
    url = "sqlite:///live.db"
    if database != "sqlite":
        server: Server = request.getfixturevalue("postgresql")
        server.allow_scratch()
        url = server.fresh(database)
    shop.write(".env", f"DATABASE_URL={url}")
    shop.add_migration("hang", "d4", "c3", HANG)
    (folder := tmp_path / "tmp").mkdir()
    environ = shop.environ({"TMPDIR": str(folder)})
    command = [sys.executable, "-m", "invoke", "migrate.check", "--replay"]
    running = subprocess.Popen(
        command, cwd=shop.root, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    started = shop.root / "started"
    while not started.exists():
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(how)
    assert running.wait(30) != 0

    def remains() -> list[str]:
        return left(url) if database != "sqlite" else [each.name for each in folder.glob("fastman_scratch_*")]

    assert len(remains()) == (how == signal.SIGKILL)
    (shop.root / VERSIONS / "hang.py").unlink()
    for each in folder.iterdir():
        # As if it had been long ago.
        os.utime(each, (0, 0))
    shop.inv("migrate.check", "--replay", env={"TMPDIR": str(folder)})
    assert remains() == []
