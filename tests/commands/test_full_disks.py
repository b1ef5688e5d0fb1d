"""What the generators write on a disk that is full, or to a folder that is read-only: all of a file or nothing."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from collections.abc import Callable

import pytest

from command import Result, Sandbox
from ordinary import as_ordinary_user, unwritable

# What a disk does is the same on every version.
pytestmark = pytest.mark.thorough

FULL = "The disk of the database is full. Free some space, then run the same command again."
MODELS = """
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
"""


def shop(project: Sandbox, *, environment: bool = True) -> set[str]:
    """A project with models; gives the files that it has."""
    project.write("models.py", MODELS)
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    if environment:
        project.add_environment()
        (project.root / "database/migrations/versions").rmdir()
        (project.root / "database/seeders").mkdir()
    return project.files()


def limited(bytes: int) -> Callable[[], None]:
    """In a process that is started with this, no file gets longer: the system refuses it in the middle of writing."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, bytes))


MAKES = {
    "a migration": (["make.migration", "create users table"], True, r"database/migrations/versions/\S+\.py"),
    "the environment": (["make.migration", "create users table"], False, r"alembic\.ini"),
    "a seeder": (["make.seeder", "user"], True, r"database/seeders/user_seeder\.py"),
}


@pytest.mark.parametrize(("makes", "longest"), [("a migration", 0), *((makes, 200) for makes in MAKES)])
def test_a_file_that_cannot_be_finished(project: Sandbox, makes: str, longest: int) -> None:
    """It is named with the reason, and nothing of it is left, nor a folder for it."""
    command, environment, file = MAKES[makes]
    before = shop(project, environment=environment)
    failed = as_ordinary_user(project, *command, first=limited(longest))
    assert_refused(project, failed, before, file, "File too large")


@pytest.mark.parametrize("makes", MAKES)
def test_a_folder_that_is_read_only(project: Sandbox, makes: str) -> None:
    """The same where nothing can be written at all."""
    command, environment, file = MAKES[makes]
    before = shop(project, environment=environment)
    folder = {"a migration": "database/migrations", "a seeder": "database/seeders"}.get(makes, ".")
    with unwritable(project.root / folder):
        failed = as_ordinary_user(project, *command)
    assert_refused(project, failed, before, file.replace(r"/\S+\.py", ""), "Permission denied")


def assert_refused(project: Sandbox, failed: Result, before: set[str], file: str, reason: str) -> None:
    """Code 1, one line, and the files as they were."""
    assert failed.code == 1, failed
    assert project.files() == before
    root = str(project.root)
    assert failed.stderr.startswith(root), failed.stderr
    import re

    assert re.search(rf"^{re.escape(root)}/{file} cannot be written: .*{reason}\.$", failed.stderr.strip()), (
        failed.stderr
    )


def test_the_command_afterwards(project: Sandbox) -> None:
    """What failed for want of room is made when there is some."""
    shop(project)
    assert as_ordinary_user(project, "make.migration", "create users table", first=limited(100)).code == 1
    project.inv("make.migration", "create users table", "database.migrate", "make.seeder", "user", "database.seed")


ON_A_SMALL_DISK = """
set -eu
mount -t tmpfs -o size=256k none "$1/database"
cp -r "$1/outside/." "$1/database"
cd "$1"
export DATABASE_URL="sqlite:///$1/database/shop.db"
inv() { "$PYTHON" -m invoke "$@" || echo "code $?"; }
inv database.migrate --to=1a >/dev/null
dd if=/dev/zero of=database/fill bs=1k 2>/dev/null || true
find database | sort >before.txt
inv make.migration --empty "more" 2>&1
inv make.seeder role 2>&1
inv database.migrate 2>&1
find database | sort | diff before.txt -
rm database/fill
echo "There is room."
inv database.migrate
inv database.seed
echo "Full again."
dd if=/dev/zero of=database/fill bs=1k 2>/dev/null || true
inv migrate.fresh --force 2>&1
find database/backups -name "*shop*"
rm database/fill
inv database.show --counts
"""


@pytest.mark.thorough
def test_a_small_disk(project: Sandbox) -> None:
    """A file system of 256 kB, and on it the project's files and its SQLite database."""
    namespace = ["unshare", "--map-root-user", "--mount"]
    mount = [*namespace, "mount", "-t", "tmpfs", "-o", "size=256k", "none", str(project.root)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted here (unshare --map-root-user --mount)")
    shop(project)
    project.add_migration("1_users", "1a", None, 'op.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")')
    large = 'op.execute("INSERT INTO users (name) VALUES (hex(zeroblob(30000)))")'
    project.add_migration("2_large", "2b", "1a", large)
    seeder = """
        from sqlalchemy import text


        class UserSeeder:
            def run(self, db):
                db.execute(text("INSERT INTO users (name) VALUES (hex(zeroblob(30000)))"))
    """
    project.write("database/seeders/user_seeder.py", seeder)
    (project.root / "database").rename(project.root / "outside")
    (project.root / "database").mkdir()
    done = subprocess.run(
        [*namespace, "sh", "-c", ON_A_SMALL_DISK, "sh", str(project.root)],
        env=project.environ({"PYTHON": sys.executable, "PYTHONDONTWRITEBYTECODE": "1"}),
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    full, rest = done.stdout.split("There is room.\n")
    room, again = rest.split("Full again.\n")
    assert len(re.findall(r"_more\.py cannot be written: No space left on device\.\ncode 1\n", full)) == 1, full
    assert "role_seeder.py cannot be written: No space left on device.\ncode 1\n" in full
    assert f"2_large\n{FULL}\nNext: inv database.migrate\ncode 1\n" in full
    assert "1 migration applied." in room
    assert "1 seeder ran." in room
    assert "There is no backup, so migrate.fresh was not started" in again and "code 1" in again
    assert "backups/" not in again.partition("code 1")[2]
    assert re.search(r"users +2 ", again), again
