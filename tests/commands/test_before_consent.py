"""Before consent no body of a migration runs; a preview runs it once at most, and the run itself once."""

from __future__ import annotations

from pathlib import Path

import pytest

from command import Sandbox
from servers import Server, tables

# What runs when is the same on every version.
pytestmark = pytest.mark.thorough

DRIVERS = ["sqlite", "postgresql+psycopg"]


@pytest.fixture(params=DRIVERS)
def url(request: pytest.FixtureRequest, project: Sandbox) -> str:
    """A database, named in .env, of a project with one migration whose bodies leave a trace."""
    if request.param == "sqlite":
        url = f"sqlite:///{project.root}/shop.db"
    else:
        server: Server = request.getfixturevalue("postgresql")
        url = server.fresh(request.param)
    project.add_environment()
    project.write(".env", f'DATABASE_URL="{url}"')
    trace = project.root / "trace"
    file = project.add_migration(
        "1_users",
        "1a",
        None,
        """
        note("upgrade")
        op.create_table("users", sa.Column("a", sa.Integer))
        op.execute("INSERT INTO users VALUES (1)")
        """,
        """
        note("downgrade")
        with open(TRACE, "a") as file:
            file.write("body" + chr(10))
        op.drop_table("users")
        """,
    )
    helper = "\n\ndef note(text):\n    with open(TRACE, 'a') as file:\n        file.write(text + chr(10))\n"
    file.write_text(f"{file.read_text('utf-8')}{helper}\n\nTRACE = {str(trace)!r}\n", "utf-8")
    return url


def traced(project: Sandbox) -> list[str]:
    """What the bodies have left since this was asked last."""
    trace: Path = project.root / "trace"
    lines = trace.read_text("utf-8").splitlines() if trace.exists() else []
    trace.unlink(missing_ok=True)
    return lines


@pytest.mark.parametrize("command", ["migrate.rollback", "migrate.reset"])
def test_rolling_back(project: Sandbox, url: str, command: str) -> None:
    """A refusal runs nothing, also on a protected database and with a wrong name; consent runs the body once."""
    production = {"ENVIRONMENT": "production"}
    project.inv("database.migrate")
    assert traced(project) == ["upgrade"]

    for arguments, env in (((), {}), (("--force",), production), ((), production)):
        refused = project.inv(command, *arguments, env=env, code=5)
        assert "  users: 1 row\n" in refused.stdout
        assert "open(TRACE, 'a')" in refused.stdout
    project.inv(command, "--confirm=other", code=2)
    project.inv(command, env={"FASTMAN_PROHIBIT_DESTRUCTIVE": "1"}, code=5)
    project.inv("migrate.status")
    assert traced(project) == []

    assert "DROP TABLE users" in project.inv(command, "--pretend").stdout
    assert traced(project) == ["downgrade", "body"]
    assert "users" in tables(url)

    project.inv(command, "--force")
    assert traced(project) == ["downgrade", "body"]
    assert "users" not in tables(url)


def test_answering(project: Sandbox, url: str) -> None:
    """On a terminal: no is no, yes runs it once."""
    project.inv("database.migrate")
    traced(project)
    project.terminal("migrate.rollback", answers=[("[y/N]", "n")], code=5)
    assert traced(project) == []
    project.terminal("migrate.rollback", answers=[("[y/N]", "y")])
    assert traced(project) == ["downgrade", "body"]


def test_applying(project: Sandbox, url: str) -> None:
    """Forward it is the same."""
    production = {"ENVIRONMENT": "production"}
    project.inv("database.migrate", env=production, code=5)
    project.inv("database.migrate", "--confirm=other", code=2)
    project.inv("migrate.status", "--pending")
    assert traced(project) == []
    assert "CREATE TABLE users" in project.inv("database.migrate", "--pretend").stdout
    assert traced(project) == ["upgrade"]
    assert "users" not in tables(url)
    project.inv("database.migrate", "--force", env=production)
    assert traced(project) == ["upgrade"]
