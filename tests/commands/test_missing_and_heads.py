"""Revisions that no file has, and several heads: found before anything is touched, and explained."""

from __future__ import annotations

import re
import subprocess

import pytest

from command import Sandbox
from dumps import sqlite_dump
from servers import tables


def git(project: Sandbox, *arguments: str) -> None:
    """Run git in the project, whoever has configured what."""
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *identity, *arguments], cwd=project.root, check=True, capture_output=True)


@pytest.fixture
def url(project: Sandbox) -> str:
    """A SQLite database, named in .env, of a project with an Alembic environment."""
    project.add_environment()
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    return f"sqlite:///{project.root}/shop.db"


def add(project: Sandbox, name: str, revision: str, after: str | None, label: str | None = None) -> None:
    """A migration that creates a table of its name, and drops it."""
    project.add_migration(
        name,
        revision,
        after,
        f"op.execute('CREATE TABLE \"{name}\" (a INT)')",
        f'op.drop_table("{name}")',
        label=label,
    )


def test_a_branch_was_switched(project: Sandbox, url: str) -> None:
    """All three commands stop, name the revision and the branches and files that have it, and touch nothing; the way
    out that is named works."""
    add(project, "1_users", "1a", None)
    git(project, "init")
    git(project, "add", "database", "alembic.ini", "tasks.py")
    git(project, "commit", "-m", "users")
    git(project, "switch", "-c", "feature/mail")
    add(project, "2_mäil box", "2b2b", "1a")
    git(project, "add", "database")
    git(project, "commit", "-m", "mail")
    project.inv("database.migrate")
    git(project, "switch", "main")
    before = sqlite_dump(project.root / "shop.db")
    add(project, "3_more", "3c", "1a")

    for command in (["database.migrate"], ["migrate.rollback", "--force"], ["migrate.reset", "--force"]):
        refused = project.inv(*command, code=1)
        assert refused.stderr.startswith("The database has a revision that no file here has. Nothing was changed.\n")
        assert "  2b2b  branch feature/mail: database/migrations/versions/2_mäil box.py\n" in refused.stderr
        assert "git switch feature/mail, then inv migrate.rollback\n" in refused.stderr
        assert sqlite_dump(project.root / "shop.db") == before
    said = project.inv("migrate.status").stdout
    assert re.search(r"phantom +2_mäil box +2b2b ", said), said
    assert "\n2_mäil box has no file here (branch feature/mail: database/migrations/versions/2_" in said

    git(project, "switch", "feature/mail")
    (project.root / "database/migrations/versions/3_more.py").unlink()
    project.inv("migrate.rollback", "--force")
    git(project, "switch", "main")
    project.inv("migrate.status", "--check")
    assert tables(url) == {"1_users", "alembic_version"}


def test_in_no_branch(project: Sandbox, url: str) -> None:
    """Without git, and for an id that is part of another or looks like a pattern, no branch is named."""
    add(project, "1_users", "1a", None)
    add(project, "2_gone", "2.b", "1a")
    project.inv("database.migrate")
    (project.root / "database/migrations/versions/2_gone.py").unlink()
    assert "  2.b  in no git branch\n" in project.inv("database.migrate", code=1).stderr
    add(project, "2_other", "2xb", "1a")
    git(project, "init")
    git(project, "add", ".")
    git(project, "commit", "-m", "all")
    refused = project.inv("migrate.reset", "--force", code=1)
    assert "  2.b  in no git branch\n" in refused.stderr
    assert "inv migrate.stamp REVISION" in refused.stderr


def test_several_heads(project: Sandbox, url: str) -> None:
    """Both chains are named with files and messages; nothing is touched; each way out works."""
    add(project, "1_root", "1a", None)
    add(project, "2_left", "2b", "1a")
    add(project, "3_right", "3c", "1a")
    add(project, "4_right_too", "4d", "3c")
    before = project.files()

    refused = project.inv("database.migrate", code=1)

    assert refused.stderr == (
        "There are 2 heads; choose one. Nothing was changed.\n"
        "To 4d:\n"
        "  3_right  3 right\n"
        "  4_right_too  4 right too\n"
        "To 2b:\n"
        "  2_left  2 left\n"
        "Merge them: inv migrate.merge. Or, if nobody else has 4d, rebase it: inv migrate.rebase 4d --onto=2b\n"
        "Or choose one: --to=REVISION, or --to=heads for all.\n"
    )
    assert project.files() == before
    done = project.inv("database.migrate", "--to=2b", "migrate.reset", "--force", "database.migrate", "--to=heads")
    assert "4 migrations applied." in done.stdout
    project.alembic("merge", "heads", "-m", "both")
    assert "1 migration applied." in project.inv("database.migrate").stdout


def test_a_head_that_another_one_depends_on(project: Sandbox, url: str) -> None:
    """It is on the way to that one, and can only be merged with it before another migration is made."""
    add(project, "1_root", "1a", None)
    add(project, "2_left", "2b", "1a")
    add(project, "3_right", "3c", "1a")
    file = project.root / "database/migrations/versions/3_right.py"
    file.write_text(file.read_text() + '\ndepends_on = "2b"\n')
    assert project.inv("make.migration", "more", code=1).stderr == (
        "There are 2 heads; choose one. Nothing was changed.\n"
        "To 2b:\n"
        "  2_left  2 left\n"
        "To 3c:\n"
        "  3_right  3 right\n"
        "3c depends on the others. Merge them: inv migrate.merge\n"
        'Or continue one of them with Alembic: alembic revision --head=REVISION -m "…"\n'
        "Next: inv migrate.merge\n"
    )
    project.inv("migrate.merge")
    assert "4 migrations applied." in project.inv("database.migrate").stdout


def test_independent_branches(project: Sandbox, url: str) -> None:
    """Branches with a label each are all meant."""
    add(project, "1_shop", "1a", None, label="shop")
    add(project, "2_stock", "2b", None, label="stock")
    add(project, "3_shop", "3c", "1a")
    assert "3 migrations applied." in project.inv("database.migrate").stdout
    assert tables(url) == {"1_shop", "2_stock", "3_shop", "alembic_version"}
    assert "1 migration applied." not in project.inv("migrate.rollback", "--to=shop@1a", "--force").stdout
    assert tables(url) == {"1_shop", "alembic_version"}
