"""migrate.rollback --batch: what one run has applied, on whichever branch, as far as it is applied still."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command import Sandbox
from fastman_tasks import actions, consent
from fastman_tasks.errors import UsageError
from servers import tables
from services import opened

# Of git and of our own table, not of the libraries' versions.
pytestmark = pytest.mark.thorough


def add(project: Sandbox, name: str, revision: str, after: str | tuple[str, ...] | None) -> Path:
    up = f'op.create_table("{name[2:]}", sa.Column("id", sa.Integer, primary_key=True))'
    return project.add_migration(name, revision, after, up, f'op.drop_table("{name[2:]}")')


@pytest.fixture
def shop(project: Sandbox) -> Sandbox:
    """Two lines of migrations, applied in three runs: users; pets and one of the other line, toys; owners."""
    project.add_environment()
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    add(project, "1_users", "a1", None)
    project.inv("database.migrate")
    add(project, "2_pets", "b2", "a1")
    add(project, "3_toys", "c3", None)
    project.inv("database.migrate", "--to=heads")
    add(project, "4_owners", "d4", "b2")
    project.inv("database.migrate", "--to=heads")
    return project


def there(project: Sandbox) -> set[str]:
    return tables(f"sqlite:///{project.root}/shop.db") - {"alembic_version"}


def test_the_last_run_and_the_one_before(shop: Sandbox) -> None:
    """Each takes back what it has applied, of both lines; then that run has nothing left."""
    refused = shop.inv("migrate.rollback", "--batch=2", code=1).stderr
    assert "build on those of batch 2, so nothing was changed:\n  4_owners  batch 3\n" in refused
    assert "first: inv migrate.rollback --batch=3, then inv migrate.rollback --batch=2\n" in refused
    assert "together: inv migrate.rollback --steps=3\n" in refused
    asked = shop.inv("migrate.rollback", "--batch", code=5)
    assert "4_owners" in asked.stdout and "pets" not in asked.stdout
    assert "inv migrate.rollback --batch --force" in asked.stderr
    shop.inv("migrate.rollback", "--batch", "--force")
    assert there(shop) == {"users", "pets", "toys"}

    assert "DROP TABLE pets" in shop.inv("migrate.rollback", "--batch", "--pretend").stdout
    back = json.loads(shop.inv("migrate.rollback", "--batch", "--force", "--json").stdout)
    assert [(each["name"], each["state"]) for each in back["steps"]] == [("3_toys", "done"), ("2_pets", "done")]
    assert there(shop) == {"users"}

    assert "Nothing to roll back." in shop.inv("migrate.rollback", "--batch=3").stdout
    # Applied again, they belong to the new run.
    shop.inv("database.migrate", "--to=heads")
    assert "Nothing to roll back." in shop.inv("migrate.rollback", "--batch=3").stdout
    unknown = shop.inv("migrate.rollback", "--batch=9", code=2).stderr
    assert unknown == "--batch=9 is not a run in the history: the last one is 6. See inv migrate.history --runs\n"
    assert "--steps and --batch are mutually" in shop.inv("migrate.rollback", "--batch", "--steps=1", code=2).stderr
    assert "--batch=x is not a whole number" in shop.inv("migrate.rollback", "--batch=x", code=2).stderr
    assert there(shop) == {"users", "pets", "toys", "owners"}


def test_what_others_have_done(shop: Sandbox) -> None:
    """What plain alembic has rolled back is of no run any more, and what it applies blocks one without being one."""
    url = f"sqlite:///{shop.root}/shop.db"
    shop.alembic("downgrade", "b2")
    with opened(shop, DATABASE_URL=url) as here:
        report = actions.rollback(here, batch=True, preview=True)
        assert [each.step.name for each in report.steps] == ["3_toys", "2_pets"]
        with pytest.raises(UsageError, match="batch=0 is not valid"):
            actions.rollback(here, batch=0, consent=consent.force)
    shop.alembic("upgrade", "d4")
    add(shop, "5_walks", "e5", "d4")
    shop.alembic("upgrade", "e5")
    refused = shop.inv("migrate.rollback", "--batch=2", code=1).stderr
    assert "5_walks  recorded, or applied outside the history" in refused
    assert "first" not in refused and "--steps=4" in refused


def test_without_a_history(shop: Sandbox) -> None:
    """It is said, and how to roll back all the same; where nothing is applied there is nothing to do."""
    off = {"FASTMAN_HISTORY": "off"}
    refused = shop.inv("migrate.rollback", "--batch", env=off, code=1).stderr
    assert "(fastman_history) is not kept, as FASTMAN_HISTORY is off" in refused
    assert "inv migrate.rollback --steps=N" in refused
    assert "FASTMAN_HISTORY is off" in shop.inv("migrate.history", "--runs", env=off, code=1).stderr
    shop.inv("migrate.reset", "--force", env=off)
    assert "Nothing to roll back." in shop.inv("migrate.rollback", "--batch", env=off).stdout


def test_what_fails_goes_on_with_the_same_run(project: Sandbox) -> None:
    """A number of steps, or --to, would also roll back other branches."""
    project.add_environment()
    project.write(".env", f"DATABASE_URL='sqlite:///{project.root}/shop.db'\nENVIRONMENT=staging\n")
    project.add_migration("1_base", "r1", None)
    for name in ("a", "b"):
        project.add_migration(f"2_{name}", f"r{name}", "r1")
    project.add_migration("2_c", "rc", "r1", "pass", "op.execute('SELECT * FROM nowhere')")
    for name in ("b", "c", "a"):
        project.inv("database.migrate", f"--to=r{name}")
    failed = project.inv("migrate.rollback", "--batch=2", "--force", code=1).stderr
    assert failed.endswith("\nNext: inv migrate.rollback --batch=2\n")
