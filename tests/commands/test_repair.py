"""migrate.repair: the ways out of a revision that no file has, one of which is chosen on the terminal."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from command import Sandbox
from fastman_tasks import Project, actions, force
from fastman_tasks.consent import Risk
from fastman_tasks.errors import ConsentMissing, UsageError
from servers import Server, execute, tables

# What it asks of the libraries, other tests ask of their oldest versions.
pytestmark = pytest.mark.thorough


def git(project: Sandbox, *arguments: str) -> None:
    identity = ("-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    command = ["git", *identity, "-c", "init.defaultBranch=main", *arguments]
    subprocess.run(command, cwd=project.root, check=True, capture_output=True)


def add(project: Sandbox, name: str, after: str | None, down: str | None = None) -> Path:
    """A migration that creates a table of its name, and drops it."""
    up = f'op.create_table("{name}", sa.Column("id", sa.Integer, primary_key=True))'
    return project.add_migration(f"{name}_é", name, after, up, down or f'op.drop_table("{name}")')


def switched(project: Sandbox) -> None:
    """b1 and b2 of the branch feature/pets are applied, and main is checked out."""
    project.add_environment()
    project.write(".gitignore", "*.db*\n__pycache__\n")
    add(project, "a1", None)
    git(project, "init")
    git(project, "add", ".")
    git(project, "commit", "-m", "users")
    git(project, "switch", "-c", "feature/pets")
    add(project, "b1", "a1")
    add(project, "b2", "b1")
    git(project, "add", ".")
    git(project, "commit", "-m", "pets")
    project.inv("database.migrate")
    git(project, "switch", "main")


@pytest.fixture(params=["sqlite", "postgresql+psycopg", pytest.param("mariadb+pymysql", marks=pytest.mark.thorough)])
def url(project: Sandbox, request: pytest.FixtureRequest) -> str:
    """The URL of the database of such a project."""
    found = "sqlite:///shop.db"
    if request.param != "sqlite":
        server: Server = request.getfixturevalue(str(request.param).partition("+")[0])
        found = server.fresh(str(request.param))
        server.allow_scratch()
    project.write(".env", f"DATABASE_URL={found}")
    switched(project)
    return found if request.param != "sqlite" else f"sqlite:///{project.root}/shop.db"


@pytest.fixture
def shop(project: Sandbox) -> Sandbox:
    """The same on SQLite."""
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    switched(project)
    return project


def versions(project: Sandbox) -> set[str]:
    return {file.name for file in (project.root / "database/migrations/versions").iterdir() if file.is_file()}


ASKED = "What is to be done?"


def test_without_a_terminal_the_ways_are_listed(shop: Sandbox) -> None:
    """With the commands; other commands name this one."""
    refused = shop.inv("database.migrate", code=1).stderr
    assert "inv migrate.repair\n" in refused and refused.endswith("Next: inv migrate.rollback --phantoms\n")
    refused = shop.inv("migrate.repair", "--force", code=5).stderr
    paths = " ".join(f"':/database/migrations/versions/{name}_é.py'" for name in ("b2", "b1"))
    assert refused == (
        "The database has a revision that no file here has. Nothing was changed.\n"
        "  b2  branch feature/pets: database/migrations/versions/b2_é.py\n"
        "Choose one on a terminal, or by these commands:\n"
        "  Restore b2_é.py, b1_é.py from feature/pets:\n"
        f"    git restore --source=feature/pets -- {paths}\n"
        "  Roll back b2, b1 with these files, which are not kept:\n"
        "    git switch feature/pets, then inv migrate.rollback --steps=2\n"
        "  Record a1 instead: what b2, b1 did is not in the database:\n"
        "    inv migrate.stamp a1\n"
        "  Start over: drop everything, its rows too, and apply all migrations:\n"
        "    inv migrate.fresh\n"
    )
    told = json.loads(shop.inv("migrate.repair", "--json", code=5).stdout)
    error = told["error"]
    assert told["database"] == "sqlite:///shop.db" and error["code"] == 5 and "inv migrate.fresh" in error["message"]
    assert versions(shop) == {"a1_é.py"}


def test_restore(shop: Sandbox) -> None:
    """The files are there again, and nothing else has changed; --pretend only says so."""
    said = shop.terminal("migrate.repair", "--pretend", answers=[(ASKED, "1")])
    assert "\n  b2  branch feature/pets: database/migrations/versions/b2_é.py" in said.replace("\r", "")
    assert "Nothing was changed." in said and versions(shop) == {"a1_é.py"}
    said = shop.terminal("migrate.repair", answers=[(ASKED, "1")])
    assert "Restored database/migrations/versions/b1_é.py from branch feature/pets" in said
    git(shop, "add", ".")
    git(shop, "diff", "--cached", "--quiet", "feature/pets")
    assert "3 applied, 0 pending." in shop.inv("migrate.status").stdout
    assert "Nothing to repair" in shop.inv("migrate.repair").stdout


def test_roll_back(project: Sandbox, url: str) -> None:
    """With files that are only there for as long as it takes; also where it is declined, or fails."""
    for answer in ("", "9", "\x03"):
        project.terminal("migrate.repair", answers=[(ASKED, answer)], code=5)
    seen: list[set[str]] = []

    def decline(risk: Risk) -> None:
        seen.append(versions(project))
        raise ConsentMissing("no")

    with pytest.raises(ConsentMissing):
        actions.repair(Project.open(project.root), "roll back", consent=decline)
    # Not even while it is asked: a process that is killed then would leave them.
    assert seen == [{"a1_é.py"}]
    project.terminal("migrate.repair", answers=[(ASKED, "2"), ("Roll back 2 migrations", "n")], code=5)
    assert versions(project) == {"a1_é.py"} and "b2" in tables(url)
    said = project.terminal("migrate.repair", answers=[(ASKED, "2"), ("Roll back 2 migrations", "y")])
    assert "2 migrations rolled back." in said
    assert versions(project) == {"a1_é.py"}
    assert tables(url) == {"a1", "alembic_version"}
    assert project.alembic("current").stdout == "a1 (head)\n"


def test_of_two_branches(shop: Sandbox) -> None:
    """Both are rolled back, whatever else is pending here."""
    git(shop, "switch", "-c", "toys")
    add(shop, "d1", "a1")
    git(shop, "add", ".")
    git(shop, "commit", "-m", "toys")
    git(shop, "merge", "feature/pets")
    shop.inv("database.migrate", "--to=heads")
    git(shop, "switch", "main")
    git(shop, "branch", "-f", "toys", "toys~1")
    add(shop, "c1", "a1")
    said = shop.terminal("migrate.repair", answers=[(ASKED, "2"), ("Roll back 3 migrations", "y")])
    assert "\n  b2  branch feature/pets: database/" in said and "\n  d1  branch toys: database/" in said
    assert "1 applied, 1 pending." in shop.inv("migrate.status").stdout
    assert versions(shop) == {"a1_é.py", "c1_é.py"}


def test_of_a_remote_branch(shop: Sandbox) -> None:
    """As it was fetched, where no local branch has them; there is no local branch of it afterwards, either."""
    git(shop, "update-ref", "refs/remotes/origin/pets", "feature/pets")
    git(shop, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/pets")
    git(shop, "branch", "-D", "feature/pets")
    refused = shop.inv("migrate.repair", code=5).stderr
    assert "  b2  branch origin/pets: database/migrations/versions/b2_é.py\n" in refused
    assert "    git restore --source=origin/pets -- " in refused
    assert "    git switch --detach origin/pets, then inv migrate.rollback --steps=2\n" in refused
    actions.repair(Project.open(shop.root), "roll back", consent=force)
    assert tables(f"sqlite:///{shop.root}/shop.db") == {"a1", "alembic_version"}
    assert versions(shop) == {"a1_é.py"}


def test_interrupted(shop: Sandbox) -> None:
    """No file stays; the report says what is applied, and to run it again, as only this command has the files."""
    git(shop, "switch", "feature/pets")
    stop = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    shop.replace("database/migrations/versions/b1_é.py", 'op.drop_table("b1")', f'op.drop_table("b1"); {stop}')
    git(shop, "commit", "-am", "stop")
    git(shop, "switch", "main")
    said = shop.terminal("migrate.repair", answers=[(ASKED, "2"), ("Roll back 2 migrations", "y")], code=1)
    assert "1 migration before it was rolled back; 2 applied now." in said and "Next: inv migrate.repair\n" in said
    assert versions(shop) == {"a1_é.py"}
    assert tables(f"sqlite:///{shop.root}/shop.db") == {"a1", "b1", "alembic_version"}


def test_record_another_revision(shop: Sandbox) -> None:
    """Where what they did is not in the database."""
    url = f"sqlite:///{shop.root}/shop.db"
    execute(url, "DROP TABLE b1")
    execute(url, "DROP TABLE b2")
    shop.terminal("migrate.repair", answers=[(ASKED, "3"), ("Record a1_é as applied, instead of b2", "y")])
    assert "1 applied, 0 pending." in shop.inv("migrate.status").stdout


def test_what_else_is_applied_stays_recorded(shop: Sandbox) -> None:
    """A migration of this branch that is applied too; what the database still has of the other one is said."""
    url = f"sqlite:///{shop.root}/shop.db"
    git(shop, "switch", "feature/pets")
    add(shop, "c1", "a1")
    shop.inv("database.migrate", "--to=heads")
    (shop.root / "database/migrations/versions/c1_é.py").rename(shop.root / "c1_é.py")
    git(shop, "switch", "main")
    (shop.root / "c1_é.py").rename(shop.root / "database/migrations/versions/c1_é.py")
    execute(url, "DROP TABLE b2")
    listed = shop.inv("migrate.repair", code=5).stderr
    assert "Record c1 instead: what b2, b1 did is not in the database" in listed and "inv migrate.stamp c1\n" in listed
    said = shop.terminal("migrate.repair", answers=[(ASKED, "3"), ("Record c1_é as applied, instead of b2, c1", "y")])
    assert "table b1 is in no migration" in said and "a1" not in said.partition("does not look like that")[2]
    assert shop.alembic("current").stdout == "c1 (head)\n"


def test_start_over(project: Sandbox, url: str) -> None:
    """As migrate.fresh does, with its consent."""
    project.terminal("migrate.repair", "--force", answers=[(ASKED, "4")])
    assert tables(url) == {"a1", "alembic_version"}


def test_in_no_branch(project: Sandbox, url: str) -> None:
    """The newest revision that the schema has everything of is found; without one, there is only the last way."""
    (project.root / ".git").rename(project.root / ".not")
    add(project, "c1", "a1")
    add(project, "d1", "c1")
    execute(url, "CREATE TABLE c1 (id INTEGER NOT NULL PRIMARY KEY)")
    refused = project.inv("migrate.repair", code=5).stderr
    assert "  b2  in no git branch\n" in refused
    assert "Record c1 instead" in refused
    assert "inv migrate.fresh" in refused and "git" not in refused.replace("git branch", "")


def test_from_python(shop: Sandbox) -> None:
    """The way by its name; one that is not possible is wrong usage, and one that cannot be undone leaves no file."""
    git(shop, "switch", "feature/pets")
    shop.replace("database/migrations/versions/b1_é.py", 'op.drop_table("b1")', "raise NotImplementedError")
    git(shop, "commit", "-am", "no way back")
    git(shop, "switch", "main")
    project = Project.open(shop.root)
    with pytest.raises(Exception, match="b1_é: its downgrade"):
        actions.repair(project, "roll back", consent=force)
    assert versions(shop) == {"a1_é.py"}
    actions.repair(project, "restore")
    assert versions(shop) == {"a1_é.py", "b1_é.py", "b2_é.py"}
    # That file is not as it was applied.
    [accepted] = actions.repair(Project.open(shop.root), consent=force).steps
    assert (accepted.step.action, accepted.step.id) == ("accept", "b1")
    assert not actions.repair(Project.open(shop.root)).steps
    shop.inv("migrate.rollback", "--force")
    (shop.root / "database/migrations/versions/b1_é.py").unlink()
    (shop.root / "database/migrations/versions/b2_é.py").unlink()
    git(shop, "branch", "-D", "feature/pets")
    with pytest.raises(UsageError, match="restore is not possible here"):
        actions.repair(Project.open(shop.root), "restore")
