"""migrate.rebase: what only this branch has follows what others have added, or no file is touched."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from command import Sandbox
from servers import Server, execute, tables

# The parts that this combines have tests on the oldest versions.
pytestmark = pytest.mark.thorough


def git(project: Sandbox, *arguments: str, code: int = 0) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    command = ["git", *identity, "-c", "init.defaultBranch=main", *arguments]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout


def add(project: Sandbox, name: str, after: str | tuple[str, ...] | None) -> Path:
    """A migration that creates a table of its name, and drops it."""
    up = f'op.create_table("{name}", sa.Column("id", sa.Integer, primary_key=True))'
    return project.add_migration(name, name, after, up, f'op.drop_table("{name}")')


def commit(project: Sandbox) -> None:
    git(project, "add", ".")
    git(project, "commit", "-m", "migrations")


def branch(project: Sandbox) -> None:
    """main has added c1 to a1, and the branch that is checked out, which main was merged into, b1 and b2."""
    project.add_environment()
    project.write(".gitignore", "*.db*\n__pycache__\n")
    add(project, "a1", None)
    git(project, "init")
    commit(project)
    git(project, "switch", "-c", "feature/pets")
    add(project, "b1", "a1")
    add(project, "b2", "b1")
    commit(project)
    git(project, "switch", "main")
    add(project, "c1", "a1")
    commit(project)
    git(project, "switch", "feature/pets")
    git(project, "merge", "main")


@pytest.fixture
def shop(project: Sandbox) -> Sandbox:
    """Two branches with migrations of their own; no database yet."""
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    branch(project)
    return project


@pytest.fixture(params=["sqlite", "postgresql+psycopg", pytest.param("mariadb+pymysql", marks=pytest.mark.thorough)])
def url(project: Sandbox, request: pytest.FixtureRequest) -> str:
    """The same, and the URL of its database."""
    found = "sqlite:///shop.db"
    if request.param != "sqlite":
        server: Server = request.getfixturevalue(str(request.param).partition("+")[0])
        found = server.fresh(str(request.param))
    project.write(".env", f"DATABASE_URL={found}")
    branch(project)
    return found if request.param != "sqlite" else f"sqlite:///{project.root}/shop.db"


def changed(project: Sandbox) -> list[str]:
    """The lines that are gone and that are new, as git sees them."""
    lines = git(project, "diff", "--unified=0").splitlines()
    return [line for line in lines if line.startswith(("-", "+")) and not line.startswith(("---", "+++"))]


MOVED = ["-down_revision = 'a1'", "+down_revision = 'c1'"]


def test_both_ways_out_are_named_and_work(shop: Sandbox) -> None:
    """database.migrate and make.migration say which fits, and why; --pretend touches nothing; Alembic then sees one
    line, and the second run has nothing to do."""
    for command, where in (
        (["database.migrate"], ", and not applied here"),
        (["make.migration", "add toys"], ", and not applied here"),
        # In the scratch database, everything is applied.
        (["make.migration", "add toys", "--scratch"], ""),
    ):
        refused = shop.inv(*command, code=1).stderr
        assert "To b2:\n  b1  b1\n  b2  b2\n" in refused
        assert f"b2 is only on this branch{where}: rebase it. Or merge them: inv migrate.merge" in refused
        assert refused.endswith("\nNext: inv migrate.rebase b2 --onto=c1\n")
    files = shop.files()

    planned = shop.inv("migrate.rebase", "--pretend").stdout
    assert "b1: revises c1, instead of a1.\nNothing was changed.\n" in planned
    assert not changed(shop) and shop.files() == files

    done = json.loads(shop.inv("migrate.rebase", "--json").stdout)
    (step,) = done["steps"]
    assert (done["command"], step["action"], step["revision"], step["state"]) == (
        "migrate.rebase",
        "rebase",
        "b1",
        "done",
    )
    assert changed(shop) == MOVED
    assert shop.alembic("heads").stdout == "b2 (head)\n"
    git(shop, "commit", "-am", "rebased")
    assert "Nothing to rebase." in shop.inv("migrate.rebase").stdout
    assert "4 migrations applied." in shop.inv("database.migrate").stdout
    assert shop.alembic("current").stdout == "b2 (head)\n"


def test_what_is_applied_is_refused(shop: Sandbox) -> None:
    """Without a terminal the three commands are named, one after the other, and they work."""
    shop.inv("database.migrate", "--to=b2")
    refused = shop.inv("database.migrate", code=1).stderr
    assert "b2 is only on this branch, but applied here: merge them, which keeps its rows. Or rebase it" in refused
    assert refused.endswith("Next: inv migrate.merge\n")
    refused = shop.inv("migrate.rebase", code=5).stderr
    assert "Applied here: b2, b1." in refused
    commands = [line.strip() for line in refused.splitlines() if line.startswith("  inv ")]
    assert commands == ["inv migrate.rollback --to=a1", "inv migrate.rebase b2 --onto=c1", "inv database.migrate"]
    assert not changed(shop)
    assert json.loads(shop.inv("migrate.rebase", "--json", code=5).stdout)["error"]["code"] == 5
    planned = json.loads(shop.inv("migrate.rebase", "--pretend", "--json").stdout)["steps"]
    assert [f"{each['action']} {each['revision']}" for each in planned] == [
        *("roll back b2", "roll back b1", "rebase b1", "apply c1", "apply b1", "apply b2"),
    ]
    shop.inv("migrate.rollback", "--to=a1", "--force")
    shop.inv("migrate.rebase", "b2", "--onto=c1")
    shop.inv("database.migrate")
    assert changed(shop) == MOVED


def test_what_is_applied_is_rolled_back_and_applied_again(project: Sandbox, url: str) -> None:
    """On a terminal, after one question: one plan, also where it is declined."""
    project.inv("database.migrate", "--to=b1")
    execute(url, "INSERT INTO a1 VALUES (7)")
    question = "Roll back 1 migration, rebase, and apply 2"
    project.terminal("migrate.rebase", answers=[(question, "n")], code=5)
    assert not changed(project) and tables(url) == {"a1", "b1", "alembic_version"}
    said = project.terminal("migrate.rebase", answers=[(question, "y")])
    assert "b1: revises c1, instead of a1." in said
    assert changed(project) == MOVED
    assert project.alembic("current").stdout == "b1\n"
    assert tables(url) == {"a1", "b1", "c1", "alembic_version"}
    assert execute(url, "SELECT id FROM a1") == [(7,)]


def test_what_does_not_fit_any_more(shop: Sandbox) -> None:
    """A migration that fails after what it follows now: the files are rebased, and database.migrate goes on."""
    file = "database/migrations/versions/b1.py"
    shop.replace(file, "def upgrade():", "def upgrade():\n    op.execute('CREATE TABLE c1 (a INT)')")
    shop.replace(file, "def downgrade():", "def downgrade():\n    op.drop_table('c1')")
    git(shop, "commit", "-qam", "c1, too")
    shop.inv("database.migrate", "--to=b2")
    said = shop.terminal("migrate.rebase", answers=[("[y/N]", "y")], code=1)
    assert "b1.py" in said and "table c1 already exists" in said and "Next: inv database.migrate" in said
    assert changed(shop) == MOVED
    assert shop.alembic("current").stdout == "c1\n"
    shop.replace(file, "    op.execute('CREATE TABLE c1 (a INT)')\n", "")
    assert "2 migrations applied." in shop.inv("database.migrate").stdout


def test_what_fails_when_it_is_applied_again(shop: Sandbox) -> None:
    """While rolling back: nothing is rebased. While applying: the files are rebased by then, none half."""
    shop.inv("database.migrate", "--to=b2")
    shop.replace("database/migrations/versions/c1.py", 'op.create_table("c1"', 'op.create_table("a1"')
    commit(shop)
    shop.replace("database/migrations/versions/b1.py", 'op.drop_table("b1")', 'op.drop_table("b7")')
    commit(shop)
    said = shop.terminal("migrate.rebase", answers=[("Roll back 2 migrations", "y")], code=1)
    assert "b1 failed" in said and "Next: inv migrate.rebase" in said
    assert not changed(shop)
    shop.replace("database/migrations/versions/b1.py", 'op.drop_table("b7")', 'op.drop_table("b1")')
    commit(shop)
    said = shop.terminal("migrate.rebase", answers=[("Roll back 1 migration", "y")], code=1)
    assert "c1 failed" in said and "Next: inv database.migrate" in said
    assert changed(shop) == MOVED
    assert shop.alembic("current").stdout == "a1\n"
    shop.replace("database/migrations/versions/c1.py", 'op.create_table("a1"', 'op.create_table("c1"')
    assert "3 migrations applied." in shop.inv("database.migrate").stdout


def test_protected_databases_want_their_name(shop: Sandbox) -> None:
    """As for any rollback that loses rows; and FASTMAN_PROHIBIT_DESTRUCTIVE forbids it."""
    shop.inv("database.migrate", "--to=b1")
    execute(f"sqlite:///{shop.root}/shop.db", "INSERT INTO b1 VALUES (7)")
    production = {"ENVIRONMENT": "production"}
    said = shop.terminal("migrate.rebase", answers=[("Type the database's name", "no")], env=production, code=5)
    assert "1 row" in said
    shop.terminal("migrate.rebase", env={"FASTMAN_PROHIBIT_DESTRUCTIVE": "1"}, code=5)
    assert not changed(shop)


def test_what_others_have_stays(shop: Sandbox) -> None:
    """The branch that it goes into has it, or nobody could know: merged, then each direction by name."""
    refused = shop.inv("migrate.rebase", "c1", "--onto=b2", code=1).stderr
    assert "c1 is in main already, and others may have applied it" in refused
    assert refused.endswith("Next: inv migrate.merge\n")
    git(shop, "switch", "main")
    git(shop, "merge", "feature/pets")
    git(shop, "switch", "-c", "other")
    assert "Others have all of it already" in shop.inv("migrate.rebase", code=1).stderr
    assert "Both are published, pushed or applied here: merge them." in shop.inv("database.migrate", code=1).stderr
    assert not changed(shop)


def test_in_the_middle_of_a_git_rebase(project: Sandbox, tmp_path: Path) -> None:
    """``git pull --rebase`` has stopped: what the branch itself has is only here, also on the default branch."""
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    project.add_environment()
    project.write(".gitignore", "*.db*\n__pycache__\n")
    add(project, "a1", None)
    git(project, "init")
    commit(project)
    git(project, "clone", "--bare", ".", str(tmp_path / "origin"))
    git(project, "remote", "add", "origin", str(tmp_path / "origin"))
    add(project, "c1", "a1")
    commit(project)
    git(project, "push", "--set-upstream", "origin", "main")
    git(project, "reset", "--hard", "HEAD~1")
    add(project, "b1", "a1")
    commit(project)
    git(project, "rebase", "--exec", "exit 1", "origin/main", code=1)

    project.inv("migrate.rebase")
    assert changed(project) == MOVED


def test_what_was_pushed_needs_force(shop: Sandbox, tmp_path: Path) -> None:
    """To a branch of its own: only others who have applied it need to know."""
    git(shop, "init", "--bare", str(tmp_path / "origin.git"))
    git(shop, "remote", "add", "origin", str(tmp_path / "origin.git"))
    git(shop, "push", "-u", "origin", "main", "feature/pets")
    refused = shop.inv("migrate.rebase", code=5).stderr
    assert "This was pushed to origin/feature/pets." in refused
    assert refused.endswith("To go ahead: inv migrate.rebase --force\n")
    shop.inv("migrate.rebase", "--force")
    assert changed(shop) == MOVED


def test_several_to_follow(shop: Sandbox) -> None:
    """Where the others have two heads, each is offered, and taken."""
    git(shop, "switch", "main")
    add(shop, "d1", "a1")
    commit(shop)
    git(shop, "switch", "feature/pets")
    git(shop, "merge", "main")
    refused = shop.inv("migrate.rebase", code=5).stderr
    assert refused.startswith("Choose what b2 is to follow; there are 2 other heads. Nothing was changed.\n")
    assert sorted(refused.splitlines()[1:]) == [f"  inv migrate.rebase b2 --onto={each}" for each in ("c1", "d1")]
    shop.terminal("migrate.rebase", answers=[("Which command?", "1")])
    assert len(changed(shop)) == 2


def test_uncommitted_files_need_force(shop: Sandbox) -> None:
    """What is changed, and what is new; other files do not matter."""
    shop.write("notes.py", "new")
    shop.replace("database/migrations/versions/b2.py", "b2", "b2")
    add(shop, "b3", "b2")
    refused = shop.inv("migrate.rebase", code=5).stderr
    assert "changes that are not committed:\n  database/migrations/versions/b3.py\nCommit them first." in refused
    assert not changed(shop)
    git(shop, "rm", "-r", "-q", "--cached", "database")
    shop.write(".git/info/exclude", "/database/")
    git(shop, "commit", "-m", "ignored")
    assert "versions/b2.py" in shop.inv("migrate.rebase", code=5).stderr
    git(shop, "reset", "-q", "HEAD^")
    shop.inv("migrate.rebase", "--force")
    assert changed(shop) == MOVED


def test_without_git_it_asks(project: Sandbox) -> None:
    """By number on a terminal; without one, both commands are named."""
    project.add_environment()
    for name, after in (("a1", None), ("b1", "a1"), ("c1", "a1")):
        add(project, name, after)
    refused = project.inv("migrate.rebase", code=5).stderr
    assert "git does not tell" in refused
    commands = [line.strip() for line in refused.splitlines() if line.startswith("  inv ")]
    assert sorted(commands) == ["inv migrate.rebase b1 --onto=c1", "inv migrate.rebase c1 --onto=b1"]
    project.terminal("migrate.rebase", answers=[("Which command?", "3")], code=5)
    project.terminal(
        "migrate.rebase", answers=[("Which command?", str(commands.index("inv migrate.rebase c1 --onto=b1") + 1))]
    )
    assert project.alembic("heads").stdout == "c1 (head)\n"
    assert "down_revision = 'b1'" in (project.root / "database/migrations/versions/c1.py").read_text()


def test_wrong_usage(shop: Sandbox) -> None:
    """An unknown revision has the nearest named; a revision that is below, an empty history, a detached HEAD."""
    assert "Did you mean:\n  b2" in shop.inv("migrate.rebase", "bb2", code=2).stderr
    assert "--onto=cc1" in shop.inv("migrate.rebase", "--onto=cc1", code=2).stderr
    assert "a1 cannot be moved onto c1: it leads to it." in shop.inv("migrate.rebase", "a1", "--onto=c1", code=2).stderr
    assert "that revision" in shop.inv("migrate.rebase", "c1", "--onto=c1", code=2).stderr
    assert "heads" in shop.inv("migrate.rebase", "heads", code=2).stderr
    assert "leads to every head" in shop.inv("migrate.rebase", "a1", code=2).stderr
    assert not changed(shop)
    git(shop, "switch", "--detach")
    # A word by itself is the revision, wherever it stands, and ends before the next command.
    shop.inv("migrate.rebase", "--onto", "c1", "b2", "migrate.heads")
    assert changed(shop) == MOVED


def test_no_migrations(project: Sandbox) -> None:
    """No environment, and one without a migration."""
    project.inv("migrate.rebase", code=1)
    project.add_environment()
    assert "Nothing to rebase." in project.inv("migrate.rebase").stdout
    for command in ("heads", "history", "merge", "status"):
        assert project.inv(f"migrate.{command}").stdout.endswith("No migrations yet.\n")


def test_a_merge_that_is_not_needed_any_more(shop: Sandbox) -> None:
    """main has also got a merge of what the branch moves; and a migration with two parents keeps the other."""
    add(shop, "m1", ("b2", "c1"))
    add(shop, "d1", "c1")
    commit(shop)
    shop.inv("migrate.rebase", "m1", "--onto=d1")
    assert changed(shop) == [
        "-down_revision = 'a1'",
        "+down_revision = 'd1'",
        "-down_revision = ('b2', 'c1')",
        "+down_revision = 'b2'",
    ]
    assert shop.alembic("heads").stdout == "m1 (head)\n"
    assert "6 migrations applied." in shop.inv("database.migrate").stdout


def test_a_file_that_cannot_be_rewritten(shop: Sandbox) -> None:
    """It is named, with what to write; nothing is changed."""
    shop.replace("database/migrations/versions/b1.py", "down_revision = 'a1'", "down_revision = 'a' + '1'")
    commit(shop)
    shop.inv("migrate.rebase")
    assert changed(shop) == ["-down_revision = 'a' + '1'", MOVED[1]]
    git(shop, "checkout", "--", ".")
    shop.replace("database/migrations/versions/b1.py", "down_revision = 'a' + '1'", "down_revision = x = 'a1'")
    commit(shop)
    refused = shop.inv("migrate.rebase", code=1).stderr
    assert "b1.py cannot be rewritten" in refused
    assert not changed(shop)


def test_a_database_that_cannot_be_reached(shop: Sandbox) -> None:
    """Whether it is applied is not known."""
    env = {"DATABASE_URL": "postgresql+psycopg://x:geheim@127.0.0.1:1/shop"}
    refused = shop.inv("migrate.rebase", env=env, code=5).stderr
    assert "Whether these migrations are applied is not known" in refused and "geheim" not in refused
    shop.inv("migrate.rebase", "--force", env=env)
    assert changed(shop) == MOVED
