"""migrate.rollback --phantoms: what other branches have left applied, with sources that this one does not have."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from command import Sandbox
from fastman_tasks import actions, force, named
from fastman_tasks.actions import phantoms
from fastman_tasks.consent import Risk
from fastman_tasks.errors import ConsentMissing, FastmanError, MigrationRefused
from servers import Server, execute, tables
from services import opened

# Of git and of our own table, not of the libraries' versions.
pytestmark = pytest.mark.thorough

VERSIONS = "database/migrations/versions"
PHANTOMS = ("migrate.rollback", "--phantoms")


def git(project: Sandbox, *arguments: str, cwd: Path | None = None) -> None:
    identity = ("-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    command = ["git", *identity, "-c", "init.defaultBranch=main", *arguments]
    subprocess.run(command, cwd=cwd or project.root, check=True, capture_output=True)


def add(project: Sandbox, name: str, after: str | None, down: str = "", *, depends_on: str | None = None) -> Path:
    """A migration that creates a table of its name, and drops it."""
    up = f'op.create_table("{name}", sa.Column("id", sa.Integer, primary_key=True))'
    return project.add_migration(name, f"{name}1", after, up, down or f'op.drop_table("{name}")', depends_on=depends_on)


def set_up(project: Sandbox, down: str = "") -> None:
    """pets and toys of the branch feature/é are applied; main, with users alone, is checked out."""
    project.add_environment()
    project.write(".gitignore", "*.db*\n__pycache__\n.env\n")
    git(project, "init")
    add(project, "users", None)
    git(project, "add", ".")
    git(project, "commit", "-m", "users")
    git(project, "switch", "-c", "feature/é")
    add(project, "pets", "users1", down)
    add(project, "toys", "pets1")
    git(project, "add", ".")
    git(project, "commit", "-m", "pets")
    project.inv("database.migrate")
    git(project, "switch", "main")


@pytest.fixture
def shop(project: Sandbox) -> Sandbox:
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    set_up(project)
    return project


def url_of(project: Sandbox) -> str:
    return f"sqlite:///{project.root}/shop.db"


def there(url: str) -> set[str]:
    return tables(url) - {"alembic_version", "fastman_history"}


def forget_branch(project: Sandbox) -> None:
    """Nothing of it stays in git's objects."""
    git(project, "branch", "-D", "feature/é")
    git(project, "reflog", "expire", "--expire=now", "--all")
    git(project, "gc", "--prune=now", "--aggressive")


@pytest.mark.parametrize(
    "driver", ["sqlite", "postgresql+psycopg", pytest.param("mariadb+pymysql", marks=pytest.mark.thorough)]
)
def test_of_another_branch(project: Sandbox, request: pytest.FixtureRequest, driver: str) -> None:
    """They are rolled back newest first, after the losses are shown; then this branch's own can be applied."""
    url = url_of(project)
    if driver != "sqlite":
        server: Server = request.getfixturevalue(driver.partition("+")[0])
        url = server.fresh(driver)
    project.write(".env", f"DATABASE_URL='{url}'")
    set_up(project)
    execute(url, "INSERT INTO pets VALUES (1)")
    add(project, "carts", "users1")
    # The commands that need the files are refused, and name this one.
    refused = project.inv("database.migrate", "--force", code=1).stderr
    assert "\nTo roll back here what another branch has left: inv migrate.rollback --phantoms\n" in refused
    assert refused.endswith("Next: inv migrate.rollback --phantoms\n")
    asked = project.inv(*PHANTOMS, code=5)
    assert "  toys\n  pets\n" in asked.stdout and "pets: 1 row" in asked.stdout
    assert "Roll back 2 phantom migrations of the branch feature/é on " in asked.stderr
    assert asked.stderr.endswith("To go ahead: inv migrate.rollback --phantoms --force\n")
    assert there(url) == {"users", "pets", "toys"}

    shown = project.inv(*PHANTOMS, "--pretend").stdout
    assert shown.index("DROP TABLE toys") < shown.index("DROP TABLE pets") and there(url) == {"users", "pets", "toys"}
    report = json.loads(project.inv(*PHANTOMS, "--force", "--json").stdout)
    assert [(each["name"], each["state"], each["file"], each["note"]) for each in report["steps"]] == [
        ("toys", "done", None, "source from branch feature/é"),
        ("pets", "done", None, "source from branch feature/é"),
    ]
    assert there(url) == {"users"}
    assert "1 migration applied." in project.inv("database.migrate").stdout
    assert "2 applied, 0 pending.\n" in project.inv("migrate.status").stdout
    assert "Nothing to roll back." in project.inv(*PHANTOMS).stdout


def test_the_branch_is_gone(shop: Sandbox) -> None:
    """git's folder has kept the files; without those, the history's table has them: that is shown, and asked about."""
    forget_branch(shop)
    kept = shop.root / ".git/fastman"
    assert {each.name for each in kept.iterdir()} == {"users1.py", "pets1.py", "toys1.py"}
    assert "phantom  toys" in shop.inv("migrate.status").stdout
    assert "toys: source from .git/fastman\n" in shop.inv(*PHANTOMS, code=5).stdout

    (kept / "toys1.py").unlink()
    url = url_of(shop)
    execute(url, "UPDATE fastman_history SET source = source || '# ' || char(27) || '[2J' WHERE name = 'toys1'")
    refused = shop.inv(*PHANTOMS, "--force", code=5)
    assert "toys: source from the table fastman_history\n" in refused.stdout
    assert '      op.drop_table("toys")\n' in refused.stdout and "  # \\u001b[2J\n" in refused.stdout
    assert "--force is not enough here: the source is code out of the database." in refused.stderr
    assert refused.stderr.endswith("To go ahead: inv migrate.rollback --phantoms --confirm=shop.db\n")
    pretended = shop.inv(*PHANTOMS, "--pretend").stdout
    assert pretended.count("code out of the database") == 2 and "DROP" not in pretended
    assert there(url) == {"users", "pets", "toys"}

    # Without git there is nothing else.
    shutil.rmtree(shop.root / ".git")
    question = "Type the database's name, shop.db, to go ahead:"
    assert "Cancelled" in shop.terminal(*PHANTOMS, "--force", answers=[(question, "yes")], code=5)
    said = shop.terminal(*PHANTOMS, answers=[(question, "shop.db")])
    assert "2 migrations rolled back." in said and there(url) == {"users"}
    assert "1 applied, 0 pending.\n" in shop.inv("migrate.status").stdout


def test_what_database_migrate_offers(shop: Sandbox) -> None:
    """Only on a terminal, whatever the flags; what is cancelled changes nothing."""
    add(shop, "carts", "users1")
    question, url = "Roll back 2 phantom migrations of the branch feature/é on sqlite:///shop.db?", url_of(shop)
    for answer in ("\x03", "", "n"):
        said = shop.terminal("database.migrate", "--force", answers=[(question, answer)], code=5)
        assert "Cancelled; nothing was changed." in said and there(url) == {"users", "pets", "toys"}
    said = shop.terminal("migrate", answers=[(question, "y")])
    assert "2 migrations rolled back.\n" in said and said.endswith("1 migration applied.\n")
    assert said.count("sqlite:///shop.db (") == 1 and there(url) == {"users", "carts"}

    # What was deleted on this very branch is no other branch's.
    git(shop, "add", ".")
    git(shop, "commit", "-m", "carts")
    (shop.root / VERSIONS / "carts.py").unlink()
    said = shop.terminal("database.migrate", code=1)
    assert "The file was deleted here" in said and "--phantoms" not in said


def test_stopped_in_the_middle(project: Sandbox) -> None:
    """The next run goes on: the report names it, as a plain rollback would not have the files."""
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    set_up(
        project,
        'import os\nos.path.exists("kill") and os.kill(os.getpid(), int(open("kill").read()))\nop.drop_table("pets")',
    )
    project.write("kill", f"{int(signal.SIGINT)}")
    failure = json.loads(project.inv(*PHANTOMS, "--force", "--json", code=1).stdout)
    assert "pets was interrupted" in failure["error"]["message"]
    assert failure["error"]["next"] == "inv migrate.rollback --phantoms"
    assert [(each["name"], each["state"], each["file"]) for each in failure["steps"]] == [
        ("toys", "done", None),
        ("pets", "failed", None),
    ]
    project.write("kill", f"{int(signal.SIGKILL)}")
    project.run("invoke", *PHANTOMS, "--force", code=-signal.SIGKILL)
    assert there(url_of(project)) == {"users", "pets"}
    (project.root / "kill").unlink()
    assert "1 migration rolled back." in project.inv(*PHANTOMS, "--force").stdout
    assert there(url_of(project)) == {"users"}


def refuse_all(project: Sandbox, **environ: str) -> str:
    with opened(project, DATABASE_URL=url_of(project), **environ) as here, pytest.raises(FastmanError) as refused:
        actions.rollback_phantoms(here, consent=force)
    assert there(url_of(project)) == {"users", "pets", "toys"}
    assert isinstance(refused.value, ConsentMissing if environ else MigrationRefused)
    return str(refused.value)


def test_what_is_refused(project: Sandbox) -> None:
    """All of it, where one of them cannot be rolled back or its source is not known; and a protected database's."""
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    set_up(project, "raise NotImplementedError")
    said = refuse_all(project)
    assert "\n  pets: its downgrade() raises NotImplementedError\n" in said
    assert all(each in said for each in ("migrate.repair", "migrate.stamp REVISION", "migrate.fresh"))
    assert "phantom migrations are never rolled back there" in refuse_all(project, ENVIRONMENT="production")
    assert "FASTMAN_PROHIBIT_DESTRUCTIVE" in refuse_all(project, FASTMAN_PROHIBIT_DESTRUCTIVE="1")
    said = project.inv("database.migrate", "--force", code=1, env={"ENVIRONMENT": "production"}).stderr
    assert "--phantoms" not in said

    # users, which the other branch builds on, is here within something else.
    users = project.root / VERSIONS / "users.py"
    squashed = add(project, "all", None)
    squashed.write_text(squashed.read_text("utf-8").replace('"""all"""', '"""all\n\nSquashed: users1\n"""'), "utf-8")
    text = users.read_text("utf-8")
    users.unlink()
    assert "users1 was squashed into all1 (all)." in refuse_all(project)
    squashed.unlink()
    users.write_text(text, "utf-8")

    git(project, "branch", "-D", "feature/é")
    (project.root / ".git/fastman/pets1.py").unlink()
    execute(url_of(project), "UPDATE fastman_history SET source = 'This is no Python' WHERE name = 'pets1'")
    assert "not in the history, so nothing was changed:\n  pets1\n" in refuse_all(project)
    usage = project.inv(*PHANTOMS, "--steps=2", code=2).stderr
    assert usage == "--steps and --phantoms are mutually exclusive.\n"


def test_which_source_is_taken(shop: Sandbox) -> None:
    """The first that does what was applied, by its text or by what it does; another one only where there is none."""
    file, kept = shop.root / VERSIONS / "pets.py", shop.root / ".git/fastman/pets1.py"

    def commit(old: str, new: str) -> None:
        git(shop, "switch", "feature/é")
        file.write_text(file.read_text("utf-8").replace(old, new), "utf-8")
        git(shop, "commit", "-am", "edited")
        git(shop, "switch", "main")

    def find() -> tuple[str, bool]:
        with opened(shop, DATABASE_URL=url_of(shop)) as here:
            [found] = [each for each in phantoms.find(here) if each.id == "pets1"]
            return found.where, found.is_as_applied

    assert find() == ("branch feature/é", True)
    commit('"""pets"""', '"""A comment more, as a formatter leaves one."""')
    assert find() == ("branch feature/é", True)
    commit('op.drop_table("pets")', 'op.drop_table("users")')
    assert find() == (".git/fastman", True)
    kept.write_text("Half a fi", "utf-8")
    assert find() == ("the table fastman_history", True)
    execute(url_of(shop), "UPDATE fastman_history SET source = NULL")
    assert find() == ("branch feature/é", False)
    notes: list[str] = []

    def look(risk: Risk) -> None:
        notes.extend(risk.notes)
        raise ConsentMissing

    with opened(shop, DATABASE_URL=url_of(shop)) as here, pytest.raises(ConsentMissing):
        actions.rollback_phantoms(here, consent=look)
    assert "  It does something else than what was applied; the source that was applied is not known." in notes


def test_several_branches_at_once(project: Sandbox) -> None:
    """Also one that depends on a migration that is here; and in a work tree of its own, whose git folder is another."""
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    set_up(project)
    git(project, "switch", "-c", "other", "feature/é")
    add(project, "carts", None, depends_on="users1")
    add(project, "parts", "carts1", depends_on="toys1")
    git(project, "add", ".")
    git(project, "commit", "-m", "carts")
    project.inv("database.migrate", "--to=heads")
    git(project, "switch", "main")
    tree = project.root.parent / "a tree"
    git(project, "worktree", "add", str(tree), "-b", "elsewhere")
    # As it was fetched.
    git(project, "update-ref", "refs/remotes/origin/other", "other")
    git(project, "branch", "-D", "other")
    with opened(project, DATABASE_URL=url_of(project), FASTMAN_HISTORY="off") as here:
        report = actions.rollback_phantoms(here, preview=True)
        assert [each.step.name for each in report.steps] == ["parts", "carts", "toys", "pets"]
    git(project, "update-ref", "-d", "refs/remotes/origin/other")
    env = {"DATABASE_URL": url_of(project)}
    back = json.loads(project.run("invoke", *PHANTOMS, "--force", "--json", cwd=str(tree), env=env).stdout)
    places = [each["note"].removeprefix("source from ") for each in back["steps"]]
    assert places == [".git/fastman", ".git/fastman", "branch feature/é", "branch feature/é"]
    assert there(url_of(project)) == {"users"}


def test_from_python(shop: Sandbox) -> None:
    """Nothing is agreed to by default; not even ``force`` agrees to code out of the database."""
    forget_branch(shop)
    with opened(shop, DATABASE_URL=url_of(shop)) as here:
        with pytest.raises(ConsentMissing, match="consent=force"):
            actions.rollback_phantoms(here)
        shutil.rmtree(shop.root / ".git/fastman")
        with pytest.raises(ConsentMissing, match="consent=named"):
            actions.rollback_phantoms(here, consent=force)
        assert there(url_of(shop)) == {"users", "pets", "toys"}
        report = actions.rollback_phantoms(here, consent=named("shop.db"))
        assert [each.note for each in report.steps] == ["source from the table fastman_history"] * 2
        assert not actions.rollback_phantoms(here).steps
    assert there(url_of(shop)) == {"users"}


def test_what_is_kept(project: Sandbox) -> None:
    """The newest files of a run, as they were when they were applied; nothing of a scratch database, nor where the
    history is off; and a folder that cannot be written stops nothing."""
    project.add_environment()
    git(project, "init")
    file = add(project, "users", None)
    kept = project.root / ".git/fastman"
    with opened(project, FASTMAN_HISTORY="off") as here:
        actions.migrate(here)
        actions.rollback(here, consent=force)
    assert not kept.exists()
    with opened(project) as here:
        actions.migrate(here)
        assert (kept / "users1.py").read_bytes() == file.read_bytes()
        file.write_text(f"{file.read_text('utf-8')}# More\n", "utf-8")
        actions.redo(here, consent=force)
        assert (kept / "users1.py").read_bytes() == file.read_bytes()
        shutil.rmtree(kept)
        kept.write_text("a file", "utf-8")
        actions.redo(here, consent=force)
        kept.unlink()
    for number in range(120):
        project.add_migration(f"{number}", f"r{number}", f"r{number - 1}" if number else "users1")
    with opened(project) as here:
        actions.check(here, replay=True)
        assert not kept.exists()
        actions.migrate(here)
    assert {each.stem for each in kept.iterdir()} == {f"r{number}" for number in range(20, 120)}


@pytest.mark.parametrize("sourceless", [False, True])
def test_an_env_py_that_says_where_the_files_lie(project: Sandbox, sourceless: bool) -> None:
    """The sources are found all the same, also two of one name."""
    project.add_environment()
    git(project, "init")
    if sourceless:
        project.replace("alembic.ini", "[alembic]\n", "[alembic]\nsourceless = true\n")
    else:
        where = 'from alembic import context\n\ncontext.script.version_locations = ["one", "two"]\n'
        project.replace("database/migrations/env.py", "run_migrations()\n", f"{where}run_migrations()\n")
    folders = (f"{VERSIONS}", f"{VERSIONS}") if sourceless else ("one", "two")
    for number, folder in enumerate(folders):
        up = f'op.create_table("t{number}", sa.Column("id", sa.Integer, primary_key=True))'
        name = f"{number if sourceless else ''}same"
        project.add_migration(
            name, f"r{number}", f"r{number - 1}" if number else None, up, f'op.drop_table("t{number}")', folder=folder
        )
    with opened(project) as here:
        actions.migrate(here)
    for folder in folders:
        for file in (project.root / folder).rglob("*.py*"):
            file.unlink()
    with opened(project) as here:
        report = actions.rollback_phantoms(here, consent=force)
    assert [each.step.id for each in report.steps] == ["r1", "r0"]
    assert there(f"sqlite:///{project.root}/app.db") == set()
