"""How often a command runs env.py: it may import a whole application, and open connections."""

from __future__ import annotations

import pytest

from command import Sandbox
from servers import Server

DROPS = 'op.drop_table("kept")'


def write(project: Sandbox, url: str = "sqlite:///shop.db") -> None:
    """A project whose env.py notes that it runs, with a table that has rows."""
    project.write(".env", f"DATABASE_URL={url}\n")
    project.add_environment()
    text = (project.root / "database/migrations/env.py").read_text("utf-8")
    note = 'from pathlib import Path\n\nwith Path("runs").open("a") as file:\n    file.write("x")\n'
    project.write("database/migrations/env.py", f"{note}\n{text}")
    project.add_migration(
        "1_kept",
        "1a",
        None,
        'op.create_table("kept", sa.Column("id", sa.Integer))\nop.execute("INSERT INTO kept VALUES (1)")',
        DROPS,
    )


def runs(project: Sandbox, *command: str) -> int:
    """How often ``command`` runs env.py."""
    counter = project.root / "runs"
    counter.unlink(missing_ok=True)
    project.inv(*command)
    return len(counter.read_text("utf-8"))


def check(project: Sandbox) -> None:
    """Once to read; once more to change anything, whatever it loses and however many heads there are."""
    assert runs(project, "migrate.status") == 1
    assert runs(project, "database.migrate") == 2
    assert runs(project, "database.migrate") == 1
    assert runs(project, "migrate.status") == 1
    project.add_migration("2_drop", "2b", "1a", DROPS, 'op.create_table("kept", sa.Column("id", sa.Integer))')
    assert runs(project, "database.migrate", "--force") == 2
    assert runs(project, "migrate.rollback", "--force") == 2
    assert runs(project, "migrate.rollback", "--force") == 2
    project.add_migration("3_other", "3c", "1a", 'op.create_table("other", sa.Column("id", sa.Integer))', "pass")
    assert runs(project, "database.migrate", "--to=heads", "--force") == 2
    assert runs(project, "database.migrate", "--to=heads") == 1
    assert runs(project, "migrate.status") == 1
    assert runs(project, "migrate.rollback", "--accept-empty", "--force") == 2


def test_on_sqlite(project: Sandbox) -> None:
    """With the lock, which is a file beside the database's."""
    write(project)
    check(project)


@pytest.mark.parametrize("lock", ["on", "off"])
def test_on_postgresql(project: Sandbox, postgresql: Server, lock: str) -> None:
    """With the lock, which has a connection of its own, and without it."""
    write(project, postgresql.fresh("postgresql+psycopg"))
    with (project.root / ".env").open("a") as file:
        file.write(f"FASTMAN_LOCK={lock}\n")
    check(project)
