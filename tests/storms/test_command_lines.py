"""Random command lines: none hangs, shows a traceback, prints what a terminal obeys, or ends with a code of its own."""

from __future__ import annotations

import json
import random
import re
import shutil
from pathlib import Path

import pytest
from invoke import Collection

from command import Sandbox
from fastman_tasks import database, make, migrate
from processes import chance

# Texts are the same on every version.
pytestmark = pytest.mark.thorough

COLLECTION = Collection(database, make, migrate)
FLAGS = {
    name: [flag for argument in COLLECTION[name].get_arguments() for flag in argument.names if not argument.positional]
    for name in COLLECTION.task_names
}
EVERY_FLAG = sorted({flag for flags in FLAGS.values() for flag in flags})
RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
# Numbers, revisions, names, what shells, Alembic, rich, Python's formats and terminals make something of.
VALUES = [
    "", " ", "0", "1", "-1", "+1", "1e3", "9" * 30, "NaN", "inf", "\u0661", "1a", "2b", "zz", "base", "head", "heads",
    "1a:2b", "shop@head", "1a@", "..", "../x", "/etc/passwd", "users", "User", "UserSeeder", "user,post", ",", "app.db",
    "users.name:title", "users.name=x", "a:b:c", "=", "'", '"', "`x`", "$(touch evil)", "a;touch evil", "*", "--", "-",
    "--force", "%s", "%(here)s", "{x}", "{0}", "[red]", "[link=x]", "\\", "a\nb", "\r", "\x1b[31mx", "\x9b", "\x7f",
    "\u202ex", "\u2028", "\udcff", "é", "🦆", "create users table", "add name to users", "class", "None", "x" * 5000,
]  # fmt: skip


def words(choose: random.Random) -> list[str]:
    """A command line without ``inv``."""
    line = ["--dry"] if choose.random() < 0.1 else []
    for _ in range(choose.choice([1, 1, 1, 2])):
        command = choose.choice(sorted(FLAGS))
        line.append(command if choose.random() < 0.95 else choose.choice([command[:-1], f"x{choose.choice(VALUES)}"]))
        if command.startswith("make.") or choose.random() < 0.1:
            line.append(choose.choice(VALUES))
        for _ in range(choose.choice([0, 1, 1, 2, 3])):
            flag = choose.choice(FLAGS[command] or EVERY_FLAG) if choose.random() < 0.9 else choose.choice(EVERY_FLAG)
            flag = f"--{flag}" if choose.random() < 0.98 else f"--{choose.choice(VALUES)}"
            value = choose.choice(VALUES)
            line += choose.choice([[flag], [f"{flag}={value}"], [flag, value]])
        if choose.random() < 0.3:
            line.append("--json")
    return line


@pytest.fixture
def shop(project: Sandbox) -> Sandbox:
    """A project with migrations, a seeder, a model and rows."""
    project.add_environment()
    project.write(".env", "DATABASE_URL=sqlite:///app.db")
    users = 'op.create_table("users", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))'
    project.add_migration("1_users", "1a", None, f"{users}\nop.execute('INSERT INTO users VALUES (1, NULL)')", "pass")
    project.add_migration("2_posts", "2b", "1a", 'op.execute("CREATE TABLE posts (a INT)")', 'op.drop_table("posts")')
    project.add_migration("3_fails", "3c", "2b", 'op.execute("nonsense \\x1b[31m")')
    project.write("database/seeders/user_seeder.py", "class UserSeeder:\n    def run(self, db): ...\n")
    project.write(
        "models.py",
        """
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase): ...

        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
            title: Mapped[str]
        """,
    )
    return project


@pytest.mark.parametrize("number", [40, pytest.param(2000, marks=pytest.mark.exhaustive)])
def test_random_command_lines(shop: Sandbox, tmp_path: Path, number: int) -> None:
    """Whatever was typed, and whatever the lines before it have done."""
    choose = chance()
    pristine = shutil.copytree(shop.root, tmp_path / "pristine")
    outside = set(tmp_path.iterdir())
    for count in range(number):
        if count % 20 == 0:
            shutil.rmtree(shop.root)
            shutil.copytree(pristine, shop.root)
        line = words(choose)
        environment = {"ENVIRONMENT": choose.choice(["", "", "production", "x"])}
        result = shop.run("invoke", *line, env=environment, code=None)
        shown = f"{line} {environment} ended with {result.code}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
        assert result.code in range(6), shown
        assert "Traceback" not in result.stdout + result.stderr, shown
        assert "Unexpected" not in result.stderr, shown
        assert not RAW.search(result.stdout + result.stderr), shown
        assert not (shop.root / "evil").exists() and set(tmp_path.iterdir()) == outside, shown
        # Invoke reads nothing after two dashes.
        if "--json" in line and "--" not in line and sum(each in FLAGS for each in line) == 1 and result.stdout:
            json.loads(result.stdout)
