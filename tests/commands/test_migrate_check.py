"""migrate.check: the graph, here and merged with another branch, and what others may have applied."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from command import Sandbox

# It is put together from what is tested on every version.
pytestmark = pytest.mark.thorough

CREATE = "op.create_table('{0}', sa.Column('id', sa.Integer, primary_key=True))"
VERSIONS = "database/migrations/versions"


def git(folder: Path, *words: str) -> None:
    """Run git, which asks nobody who it is."""
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def commit(project: Sandbox) -> None:
    """Commit everything."""
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "more")


def add(project: Sandbox, name: str, after: str | None) -> None:
    """A migration that creates the table ``name``, which is its revision, too."""
    project.add_migration(f"create_{name}", name, after, CREATE.format(name), f"op.drop_table('{name}')")


@pytest.fixture
def shop(project: Sandbox) -> Sandbox:
    """A project below the top of a repository, on the branch feature; main and feature have both added a migration. No
    database can be reached."""
    project.add_environment()
    git(project.root.parent, "init", "-q", "-b", "main")
    project.write("../.gitignore", "__pycache__\n")
    project.write(".env", "DATABASE_URL=postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    add(project, "users", None)
    add(project, "pets", "users")
    commit(project)
    git(project.root, "checkout", "-qb", "feature")
    add(project, "toys", "pets")
    commit(project)
    git(project.root, "checkout", "-q", "main")
    add(project, "cars", "pets")
    commit(project)
    git(project.root, "checkout", "-q", "feature")
    return project


def findings(project: Sandbox, *flags: str, code: int = 3) -> dict[str, list[tuple[str, str | None]]]:
    """What each check found, and in which file."""
    answer = json.loads(project.inv("migrate.check", "--against=main", "--json", *flags, code=code).stdout)
    return {
        step["name"]: [(each["text"], each["file"] and Path(each["file"]).stem) for each in step["findings"]]
        for step in answer["steps"]
    }


def test_two_heads_after_a_merge(shop: Sandbox) -> None:
    """Each branch has one head; a merge of both has two. Rebased on the other one, or before its own, it has one."""
    assert "passed   graph        3 migrations\n" in shop.inv("migrate.check").stdout
    heads = "there are 2 heads: create_cars (cars), create_toys (toys)"
    text = f"merged with main: {heads}. Merge them: inv migrate.merge. Or put one after the other: inv migrate.rebase"
    assert findings(shop) == {"graph": [(text, "create_toys")], "append only": []}
    shop.replace(f"{VERSIONS}/create_toys.py", "down_revision = 'pets'", "down_revision = 'cars'")
    assert findings(shop)["graph"] == [("create_toys follows cars, which no file has", "create_toys")]
    git(shop.root, "checkout", "-q", ".")
    git(shop.root, "merge", "-q", "main")
    assert [text for text, _ in findings(shop)["graph"]] == [text.removeprefix("merged with main: ")]
    shop.replace(f"{VERSIONS}/create_toys.py", "down_revision = 'pets'", "down_revision = 'cars'")
    assert findings(shop, code=0) == {"graph": [], "append only": []}


def test_what_others_may_have_applied(shop: Sandbox) -> None:
    """Changed, moved or removed here; not what the branch has changed, or what is only written in another way."""
    git(shop.root, "merge", "-q", "main")
    shop.replace(f"{VERSIONS}/create_toys.py", "down_revision = 'pets'", "down_revision = 'cars'")
    commit(shop)
    git(shop.root, "checkout", "-q", "main")
    shop.replace(f"{VERSIONS}/create_users.py", "'users', sa", "'people', sa")
    commit(shop)
    git(shop.root, "checkout", "-q", "feature")
    pets = shop.root / VERSIONS / "create_pets.py"
    pets.write_bytes(b"# Licence\n" + pets.read_bytes().replace(b"\n", b"\r\n"))
    pets.rename(pets.with_name("create_the_pets.py"))
    assert findings(shop, code=0) == {"graph": [], "append only": []}
    pets.with_name("create_the_pets.py").rename(pets)
    shop.replace(f"{VERSIONS}/create_pets.py", "primary_key=True", "primary_key=False")
    shop.replace(f"{VERSIONS}/create_cars.py", "down_revision = 'pets'", "down_revision = 'users'")
    assert findings(shop)["append only"] == [
        ("create_cars follows users, and in main pets", "create_cars"),
        ("upgrade() of create_pets does something else than in main", "create_pets"),
    ]
    (shop.root / VERSIONS / "create_cars.py").unlink()
    assert findings(shop)["append only"][0] == ("create_cars is in main, and was removed here", "create_cars")


def test_annotations_for_github(shop: Sandbox) -> None:
    """Paths from the top of the repository; what would end a property or a line is escaped."""
    shop.replace(f"{VERSIONS}/create_toys.py", "down_revision = 'pets'", "down_revision = '100%,:'")
    printed = shop.inv("migrate.check", "--against=main", "--format=github", code=3).stdout
    file = f"my shop/{VERSIONS}/create_toys.py"
    text = "create_toys follows 100%25,:, which no file has"
    assert f"\n::error file={file},line=7,title=migrate.check%3A graph::{text}\n" in printed
    both = shop.inv("migrate.check", "--json", "--format=github", code=2)
    assert "--json and --format=github are mutually exclusive." in both.stderr
    assert "--format=svg is not one of text, github." in shop.inv("migrate.check", "--format=svg", code=2).stderr


def test_a_ref_that_is_not_there_and_no_history(shop: Sandbox, tmp_path: Path) -> None:
    """Wrong usage; a shallow clone and a folder without git are said to be that."""
    for ref in ("origin/main", "main..", ":/x", "a b"):
        refused = shop.inv("migrate.check", f"--against={ref}", code=2).stderr
        assert refused == f"{ref} is not a commit in this repository.\n"
    git(shop.root, "checkout", "-qB", "late", "main")
    git(tmp_path, "clone", "-q", "--depth=1", "--no-single-branch", f"file://{tmp_path}", "clone")
    clone = Sandbox(tmp_path / "unused")
    clone.root = tmp_path / "clone" / "my shop"
    said = clone.inv("migrate.check", "--against=origin/feature", code=1).stdout
    assert "failed   append only  The clone is shallow, and does not have the commit" in said
    (tmp_path / ".git").rename(tmp_path / "git")
    said = shop.inv("migrate.check", "--against=main", code=1).stdout
    assert "passed   graph" in said and "failed   append only  git: fatal: not a git repository" in said


def test_in_a_hook_with_an_environment_that_fails(shop: Sandbox) -> None:
    """What git sets for a hook does not matter, nor what env.py needs; a file that cannot be read is found."""
    env_py = shop.root / "database/migrations/env.py"
    env_py.write_text("import nothing_like_this\n" + env_py.read_text("utf-8"), "utf-8")
    hook = {"GIT_DIR": ".git", "GIT_INDEX_FILE": ".git/index", "DATABASE_URL": "nonsense"}
    assert shop.inv("migrate.check", "--against=main", code=3, env=hook).stdout.count("found") == 1
    shop.write(f"{VERSIONS}/broken.py", "revision = (\n")
    shop.write(f"{VERSIONS}/computed.py", "revision = 'a' + 'b'\ndown_revision = 'toys'\n")
    said = shop.inv("migrate.check", code=3, env=hook).stdout
    assert "found    graph        5 migrations\n" in said
    assert f"{VERSIONS}/broken.py: broken cannot be read: SyntaxError" in said and "computed" not in said


def test_without_migrations(project: Sandbox) -> None:
    """It is said; nothing is made."""
    before = project.files()
    assert "This project has no migrations yet" in project.inv("migrate.check", code=1).stderr
    assert project.files() == before
