"""Each command in the README's table for those who come from another framework runs, in the table's order."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from command import Sandbox

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
MODELS = """from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
"""


def commands() -> list[list[str]]:
    table = README.partition("Coming from another framework:")[2].partition("| reference |")[0]
    last = [line.split("|")[-2] for line in table.splitlines() if line.startswith("| ")][1:]
    return [shlex.split(code) for cell in last for code in re.findall(r"`inv ([^`]+)`", cell)]


@pytest.mark.thorough
def test_each_row_runs(project: Sandbox) -> None:
    """What asks is run again with --force, as it says."""
    project.write("models.py", MODELS)
    file = project.root / "app.db"
    versions = project.root / "database/migrations/versions"

    def fork() -> None:
        (first,) = versions.glob("*.py")
        id = re.search(r"^revision\b.*= ['\"](\w+)['\"]", first.read_text(), re.MULTILINE)
        assert id
        (versions / "fork.py").write_text(first.read_text().replace(id[1], "fork").replace("users", "people"))

    def commit() -> None:
        # Otherwise the database would be in the middle of what is squashed.
        file.unlink()
        for words in (["init"], ["add", "."], ["-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-m", "all"]):
            subprocess.run(["git", *words], cwd=project.root, check=True, capture_output=True)

    def migrate() -> None:
        project.run("invoke", "database.migrate")

    before = {
        "migrate.reset": migrate,
        "migrate.refresh": migrate,
        "migrate.redo": migrate,
        "database.create": lambda: file.unlink(),
        "database.load": lambda: file.unlink(missing_ok=True),
        "migrate.merge": fork,
        "migrate.squash": commit,
    }
    ran = commands()
    assert len(ran) > 25
    for command in ran:
        before.get(command[0], lambda: None)()
        done = project.run("invoke", *command, code=None)
        if done.code == 5:
            assert "--force" in done.stderr, command
            done = project.run("invoke", *command, "--force")
        assert done.code == 0, (command, done)
    assert "Squashes 3 migrations" in done.stdout
