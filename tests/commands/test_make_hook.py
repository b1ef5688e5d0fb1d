"""make.hook: after a switch of branches git tells of migrations that the other branch has left applied."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from command import Sandbox
from fastman_tasks.tasks.after_checkout import describe

# Of git and of our own table, not of the libraries' versions.
pytestmark = pytest.mark.thorough

TABLE = 'op.create_table("{0}", sa.Column("id", sa.Integer, primary_key=True))'
WITHOUT_HOOKS = {
    "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": os.devnull,
}  # fmt: skip
TOLD = "1 phantom migration of another branch is applied; to roll it back: inv migrate.rollback --phantoms"


def git(project: Sandbox, *arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run git in the project's folder, as somebody with a name; returns all that it printed."""
    identity = ("-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=cwd or project.root,
        env=project.environ({"GIT_CONFIG_GLOBAL": os.devnull, **(env or {})}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout + done.stderr


@pytest.fixture
def shop(project: Sandbox) -> Sandbox:
    """A project in a subfolder, with a space, of a repository; feature, which is checked out, has a migration that is
    applied, and main a commit of its own."""
    git(project, "init", "--initial-branch=main", "..")
    project.write(".gitignore", "*.db\n*.lock\n__pycache__/\n")
    project.add_environment()
    project.add_migration("1_users", "a1", None, TABLE.format("users"), "pass")
    git(project, "add", ".")
    git(project, "commit", "--message=users")
    git(project, "switch", "--create", "feature")
    project.add_migration("2_pets", "b2", "a1", TABLE.format("pets"), "pass")
    git(project, "add", ".")
    git(project, "commit", "--message=pets")
    project.inv("database.migrate")
    git(project, "switch", "main")
    project.write("README", "A shop.")
    git(project, "add", ".")
    git(project, "commit", "--message=readme")
    git(project, "switch", "feature")
    return project


def hook_of(project: Sandbox) -> Path:
    return project.root.parent / ".git/hooks/post-checkout"


def test_a_switch_of_branches(shop: Sandbox) -> None:
    """It is told after a switch to a branch that lacks the file, and only then: not for files, nor in a rebase, nor if
    the interpreter is gone."""
    pretended = shop.inv("make.hook", "--pretend").stdout
    assert "#!/bin/sh\n" in pretended and not hook_of(shop).exists()
    written = shop.inv("make.hook").stdout
    assert str(hook_of(shop)) in written and os.access(hook_of(shop), os.X_OK)
    assert "is up to date" in shop.inv("make.hook").stdout

    assert TOLD in git(shop, "switch", "main")
    assert TOLD not in git(shop, "checkout", "--", "README")
    # Nothing has changed.
    assert TOLD not in git(shop, "switch", "--create", "other")
    assert TOLD not in git(shop, "rebase", "main", "feature")
    hook_of(shop).write_text(hook_of(shop).read_text("utf-8").replace(sys.executable, "/gone/python"), "utf-8")
    assert git(shop, "switch", "main").strip() == "Switched to branch 'main'"
    assert "Wrote" in shop.inv("make.hook").stdout
    assert sys.executable in hook_of(shop).read_text("utf-8") and "/gone" not in hook_of(shop).read_text("utf-8")


@pytest.mark.thorough
@pytest.mark.parametrize("broken", ["a server that is down", "a URL", "env.py"])
def test_nothing_makes_a_checkout_fail(shop: Sandbox, broken: str) -> None:
    """Nor is anything said of it: the next command does that."""
    shop.inv("make.hook")
    env = {}
    if broken == "env.py":
        git(shop, "switch", "main", env=WITHOUT_HOOKS)
        shop.write("database/migrations/env.py", "print('out')\nraise SystemExit('no')")
        git(shop, "commit", "--all", "--message=broken")
        git(shop, "switch", "feature", env=WITHOUT_HOOKS)
    else:
        env["DATABASE_URL"] = "nonsense" if broken == "a URL" else "postgresql+psycopg://nobody@127.0.0.1:1/shop"
    assert git(shop, "switch", "main", env=env).strip() == "Switched to branch 'main'"


@pytest.mark.thorough
def test_a_server_that_is_silent(shop: Sandbox) -> None:
    """It is not waited for longer than five seconds."""
    shop.inv("make.hook")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg://nobody@127.0.0.1:{silent.getsockname()[1]}/shop"
        env = {"DATABASE_URL": url, "FASTMAN_CONNECT_TIMEOUT": "60s"}
        started = time.monotonic()
        assert git(shop, "switch", "main", env=env).strip() == "Switched to branch 'main'"
    assert time.monotonic() - started < 20


def test_another_project_of_the_repository(shop: Sandbox) -> None:
    """Each has lines of its own, in another work tree too, and those of the other stay."""
    shop.inv("make.hook")
    first = hook_of(shop).read_text("utf-8")
    other = Sandbox(shop.root.parent / "o'ther")
    other.inv("make.hook")
    both = hook_of(shop).read_text("utf-8")
    assert both.startswith(first) and len(both) > len(first)
    assert json.loads(shop.inv("make.hook", "--json").stdout)["steps"][0]["state"] == "skipped"
    tree = shop.root.parent / "tree"
    git(shop, "worktree", "add", str(tree), "main", env=WITHOUT_HOOKS)
    elsewhere = shop.run("invoke", "make.hook", "--json", cwd=str(tree / shop.root.name)).stdout
    [step] = json.loads(elsewhere)["steps"]
    assert (step["state"], step["file"]) == ("skipped", str(hook_of(shop)))
    subprocess.run(["sh", "-n", str(hook_of(shop))], check=True)


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        (".git/hooks", "#!/bin/sh\necho mine\n", "exists already; it was left as it is."),
        (".git/hooks", "#!/usr/bin/env bash\n# File generated by pre-commit: https://pre-commit.com\n", ".legacy, a"),
        (".husky/_", "", "are Husky's"),
        ("../everywhere", "", "other repositories as well"),
    ],
)
def test_hooks_of_others(shop: Sandbox, path: str, text: str, said: str) -> None:
    """They are left as they are, and the lines to add are printed; with those it is nothing to do."""
    hook = shop.root.parent / path / "post-checkout"
    if path != ".git/hooks":
        git(shop, "config", "core.hooksPath", path)
    if text:
        hook.write_text(text, "utf-8")
    refused = shop.inv("make.hook", code=1).stderr
    assert said in refused and "Nothing was written. Add these lines to" in refused
    assert hook.exists() == bool(text) and (not text or hook.read_text("utf-8") == text)
    lines = refused[refused.index("if [") :]
    hook.parent.mkdir(parents=True, exist_ok=True)
    hook.write_text(f"{text or '#!/bin/sh'}\n{lines}", "utf-8")
    hook.chmod(0o755)
    assert "is up to date" in shop.inv("make.hook").stdout
    if "mine" in text:
        said = git(shop, "switch", "main")
        assert "mine\n" in said and TOLD in said


def test_a_folder_of_hooks_in_the_project(shop: Sandbox) -> None:
    """It is git's; what is written there may be committed, and should not be."""
    git(shop, "config", "core.hooksPath", ".githooks")
    assert "do not commit it" in shop.inv("make.hook").stdout
    hook = shop.root.parent / ".githooks/post-checkout"
    hook.unlink()
    hook.mkdir()
    assert "cannot be read: Is a directory." in shop.inv("make.hook", code=1).stderr
    hook.rmdir()
    hook.parent.rmdir()
    hook.parent.write_text("", "utf-8")
    assert "cannot be written: " in shop.inv("make.hook", code=1).stderr


def test_no_repository(project: Sandbox) -> None:
    """It is said."""
    refused = project.inv("make.hook", code=1, env={"GIT_CEILING_DIRECTORIES": str(project.root.parent)})
    assert "not a git repository" in refused.stderr


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (["applied", "pending"], ""),
        (["phantom", "applied", "phantom", "missing"], "2 phantom migrations of another branch are applied; to roll "),
        (["phantom"], "1 phantom migration of another branch is applied; to roll it back: inv migrate.rollback --ph"),
        (["missing", "missing"], "2 applied migrations have no file here: inv migrate.repair"),
    ],
)
def test_what_is_told(states: list[str], said: str) -> None:
    """Phantoms can be rolled back; of those whose file nobody knows, the ways out are listed."""
    assert describe(states).startswith(said) and bool(describe(states)) == bool(said)
