"""Names and messages from files, databases and git: no terminal obeys them, and they forge no line."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import subprocess
from pathlib import Path

import pytest

from command import Result, Sandbox

# How names are printed is the same on every version.
pytestmark = pytest.mark.thorough

# Colours, a bell, the reversal of letters, a link for rich, and a line that is none of ours.
EVIL = "\x1b[31m\x07\x9b1m\u202e[red]x[link=y]"
FORGED = "\r\nFORGED"
RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def run(project: Sandbox, *args: str) -> Result:
    """Run ``inv``, as text and as JSON, and see that nothing is printed as it is."""
    result = project.run("invoke", *args, code=None)
    told = project.run("invoke", *args, "--json", code=None)
    for text in (result.stdout, result.stderr, told.stdout, told.stderr):
        assert not RAW.search(text), text
        assert not re.search("^FORGED", text, re.MULTILINE), text
        assert "Traceback" not in text
    assert isinstance(json.loads(told.stdout), dict)
    return result


@pytest.fixture
def hostile(project: Sandbox) -> Sandbox:
    """A project whose files, tables and messages are called what nobody calls them."""
    project.add_environment()
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    table = f"users{EVIL}"
    insert = f'INSERT INTO "{table}" VALUES (1)'
    up = f"op.create_table({table!r}, sa.Column('id', sa.Integer))\nop.execute({insert!r})"
    message = f"no {EVIL}{FORGED}"
    _rename(project.add_migration("1", "1a", None, up, f"op.drop_table({table!r})"), f"1_users{EVIL}.py")
    project.add_migration("2_fails", "2b", "1a", f"raise RuntimeError({message!r})")
    project.write(
        f"database/seeders/{EVIL}_seeder.py",
        f"""
        class UserSeeder:
            def run(self, db):
                raise RuntimeError({message!r})
        """,
    )
    return project


def _rename(file: Path, name: str) -> None:
    file.rename(file.with_name(name))


def test_files_tables_and_messages(hostile: Sandbox) -> None:
    """Each command that shows them."""
    assert "1_users\\u001b[31m\\u0007\\u009b1m\\u202e[red]x[link=y]" in run(hostile, "migrate.status").stdout
    for command in (["migrate.history"], ["migrate.show", "1a"], ["migrate.heads"]):
        assert run(hostile, *command).code == 0
    assert run(hostile, "database.migrate", "--pretend").code == 1
    assert "no \\u001b[31m" in run(hostile, "database.migrate").stderr
    assert "users\\u001b[31m" in run(hostile, "migrate.rollback", "--pretend").stdout
    assert "users\\u001b[31m" in run(hostile, "migrate.rollback").stdout
    assert run(hostile, "make.migration", "drop things", "--empty").code == 0
    assert "--to=\\u001b[31m" in run(hostile, "database.migrate", f"--to={EVIL}{FORGED}").stderr
    (hostile.root / "database/migrations/versions/2_fails.py").unlink()
    for each in (hostile.root / "database/migrations/versions").glob("*drop_things.py"):
        each.unlink()
    assert "no \\u001b[31m" in run(hostile, "database.seed").stderr
    assert "_seeder.py" in run(hostile, "database.seed", "--list").stdout


def test_revisions_of_the_database(hostile: Sandbox) -> None:
    """A revision that no file has is shown, and looked for, as one word."""
    subprocess.run(["git", "init"], cwd=hostile.root, check=True, capture_output=True)
    project = hostile
    project.run("invoke", "database.migrate", "--to=1a")
    with sqlite3.connect(project.root / "shop.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [f"9{EVIL}{FORGED}"])
    connection.close()
    for command in (["migrate.status"], ["database.migrate"], ["migrate.reset", "--force"]):
        result = run(project, *command)
        assert "\\u001b[31m\\u0007\\u009b1m\\u202e[red]x[link=y]\\u000d\\u000aFORGED" in result.stdout + result.stderr


def test_on_a_terminal(hostile: Sandbox) -> None:
    """In colour, too; what the terminal is to obey are our colours alone."""
    said = hostile.terminal("migrate.status")
    assert "1_users\\u001b[31m\\u0007\\u009b1m\\u202e[red]x[link=y]" in said
    assert "\x1b[32m" in said or "\x1b[33m" in said
    hostile.run("invoke", "database.migrate", "--to=1a")
    asked = hostile.terminal("migrate.rollback", answers=[("[y/N]", "n")], code=5)
    assert "\x07" not in asked and "\x9b" not in asked


def test_branches_and_paths_of_git(project: Sandbox) -> None:
    """A branch that is called as an option of git grep, which runs a program, is a branch; the command that is
    suggested can be typed as it stands."""
    project.add_environment()
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    project.write("evil.sh", "#!/bin/sh\ntouch executed\n").chmod(0o755)
    project.add_migration("1_users", "1a", None)
    project.add_migration("2_it's $HOME", "2b", "1a")
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")

    def git(*arguments: str) -> str:
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=project.root, check=True, capture_output=True, encoding="utf-8").stdout

    git("init")
    git("add", ".")
    git("commit", "-m", "all")
    project.inv("database.migrate")
    git("update-ref", "refs/heads/-O./evil.sh", "HEAD")
    file = project.root / "database/migrations/versions/2_it's $HOME.py"
    file.unlink()

    refused = project.inv("database.migrate", code=1).stderr
    assert "branch -O./evil.sh: database/migrations/versions/2_it's $HOME.py" in refused
    suggested = re.search(r"The file was deleted here: (git restore .*)", refused)
    assert suggested is not None
    subprocess.run(suggested[1], shell=True, cwd=project.root / "database", check=True)
    assert file.exists()

    file.unlink()
    git("commit", "-am", "gone")
    refused = project.inv("database.migrate", code=1).stderr
    suggested = re.search(r"Roll it back from there: (git switch .*), then inv migrate.rollback", refused)
    assert suggested is not None and shlex.split(suggested[1])[-1] == "-O./evil.sh"
    subprocess.run(suggested[1], shell=True, cwd=project.root, check=True)
    assert git("symbolic-ref", "HEAD").strip() == "refs/heads/-O./evil.sh"
    assert not (project.root / "executed").exists()


@pytest.mark.parametrize("name", ["a b", "it's", '"q"', "$(touch x)", "a;b"])
def test_suggested_commands_are_quoted(project: Sandbox, name: str) -> None:
    """What is suggested after a refusal can be pasted into a shell."""
    project.add_environment()
    project.add_migration("1_users", "1a", None, 'op.execute("CREATE TABLE a (id INT)")', 'op.drop_table("a")')
    project.run("invoke", "database.migrate", env={"DATABASE_URL": f"sqlite:///{name}.db"})
    with sqlite3.connect(project.root / f"{name}.db") as connection:
        connection.execute("INSERT INTO a VALUES (1)")
    connection.close()
    production = {"ENVIRONMENT": "production", "DATABASE_URL": f"sqlite:///{name}.db"}
    refused = project.run("invoke", "migrate.rollback", "--json", env=production, code=5)
    suggested = json.loads(refused.stdout)["error"]["next"]
    assert shlex.split(suggested)[-2:] == [f"--confirm={name}.db", "--json"]
    project.inv(*shlex.split(suggested)[1:], env=production)
