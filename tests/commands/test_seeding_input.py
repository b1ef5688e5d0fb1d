"""What is wrong with seeders, and what make.seeder writes: through the command line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from command import Sandbox
from seeds import ASYNC, EVERY, add_seeder, add_shop, dump, new_url
from servers import execute

# The parts that this combines have tests on the oldest versions.
pytestmark = pytest.mark.thorough

GOOD = "class GoodSeeder:\n    def run(self, db):\n        db.add(Role(name='good'))\n"
BAD = {
    "def broken(:": "database/seeders/bad_seeder.py cannot be imported: database/seeders/bad_seeder.py:7: SyntaxError",
    "class GoodSeeder:\n    def run(self, db): ...": (
        "Two seeders are named GoodSeeder: database/seeders/a/good_seeder.py:7 and database/seeders/bad_seeder.py:7."
    ),
    "class BadSeeder:\n    depends_on = ['GodSeeder']\n    def run(self, db): ...": (
        "BadSeeder depends on GodSeeder, which does not exist: BadSeeder -> GodSeeder "
        "(database/seeders/bad_seeder.py:7). Did you mean GoodSeeder? Known: GoodSeeder, BadSeeder."
    ),
}


def test_bad_seeders(project: Sandbox) -> None:
    """Each is named with file and line, exit code 1, and no seeder has run."""
    add_shop(project)
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    url = f"sqlite:///{project.root}/shop.db"
    none = "There are no seeders in database/seeders. Make one: inv make.seeder user\n"
    assert project.inv("database.migrate", "database.seed", code=1).stderr == none
    (project.root / "database/seeders").mkdir()
    assert project.inv("database.seed", code=1).stderr == none
    project.write("database/seeders/roles.py", "class SeederOfRoles: ...\n")
    misnamed = (
        "There are no seeders in database/seeders: no class …Seeder in roles.py. Make one: inv make.seeder user\n"
    )
    assert project.inv("database.seed", code=1).stderr == misnamed
    add_seeder(project, "a/good_seeder", GOOD)
    before = dump(url)
    for body, said in BAD.items():
        add_seeder(project, "bad_seeder", f"{body}\n")
        # A name that no seeder has is a wrong name wherever it stands.
        failed = project.inv("database.seed", code=2 if "GodSeeder" in body else 1)
        assert said in failed.stderr, body
        assert "DONE" not in failed.stdout
    assert dump(url) == before


def test_modules_that_import_each_other(project: Sandbox) -> None:
    """Relatively, also beside a module that has the folder's name, and from a folder outside of the project."""
    add_shop(project)
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    project.inv("database.migrate")
    (project.root / "database.py").touch()
    for folder in ("database/seeders", "../more seeders"):
        project.write(f"{folder}/role_seeder.py", "class RoleSeeder:\n    def run(self, db): ...\n")
        body = "class AUserSeeder:\n    depends_on = [RoleSeeder]\n    def run(self, db): ...\n"
        project.write(f"{folder}/a_user_seeder.py", f"from .role_seeder import RoleSeeder\n\n{body}")
        done = project.inv("database.seed", env={"FASTMAN_SEEDERS": folder})
        assert "2 seeders ran." in done.stdout
        assert done.stdout.index("RoleSeeder") < done.stdout.index("AUserSeeder")


def test_data_files_stay_in_the_folder(project: Sandbox) -> None:
    """A relative path leads to a file beside the seeder or in the seeders' folder, an absolute one anywhere."""
    add_shop(project)
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    project.inv("database.migrate")
    project.write("secret.csv", "email\nout@x.org\n")
    project.write("database/seeders/users.csv", "email\nin@x.org\n")
    (project.root / "database/seeders/linked.csv").symlink_to(project.root / "secret.csv")
    outside = "is outside of {}. Move the file there, or write the whole path."
    body = "class UserSeeder:\n    def run(self, db):\n        load(db, User, {!r})\n"
    for path, said in {
        "../../secret.csv": outside,
        "../../../seeders/../../secret.csv": outside,
        "../users.csv": None,
        "../linked.csv": None,
        f"{project.root}/secret.csv": None,
    }.items():
        add_seeder(project, "more/user_seeder", body.format(path))
        done = project.inv("database.seed", "--pretend", code=1 if said else 0)
        if said:
            assert f"{path} {said.format(project.root / 'database/seeders')}" in done.stderr
        else:
            assert "1 created" in done.stdout


LOADS = """
    class UserSeeder:
        @staticmethod
        def run(db):
            db.add(Role(name="before"))
            print(load(db, User, "users.csv"), "loaded")
"""
FILES = {
    "email,colour\na,b\n": "users.csv:1: User has no attribute 'colour'",
    "age\n1\n": "users.csv:1: User needs email, which the file does not have",
    "email,age\na@x.org,1\nb@x.org,old\n": "users.csv:3, column age: ",
    "email,age\na@x.org\n": "users.csv:2: 1 field instead of 2",
}


@pytest.mark.parametrize("driver", EVERY)
def test_a_file_that_cannot_be_loaded(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> None:
    """File, line and column are named, with the seeder's line; nothing is kept. An empty file is 0 rows, and said."""
    add_shop(project)
    url = new_url(request, project, driver)
    add_seeder(project, "user_seeder", LOADS)
    project.inv("database.migrate")
    before = dump(url)
    for content, said in FILES.items() if driver == "sqlite" else list(FILES.items())[2:3]:
        project.write("database/seeders/users.csv", content)
        failed = project.inv("database.seed", code=1)
        assert f"UserSeeder failed: database/seeders/user_seeder.py:11: {said}" in failed.stderr
        assert failed.stderr.endswith("All changes were rolled back.\n")
        assert dump(url) == before
    project.write("database/seeders/users.csv", "")
    done = project.inv("database.seed", "--pretend")
    assert "0 loaded" in done.stdout
    assert "UserSeeder  roles: 1 created; users: 0 created ..." in done.stdout
    if driver in ASYNC:
        seeder = "class UserSeeder:\n    async def run(self, db):\n        await load(db, User, 'users.csv')\n"
        add_seeder(project, "user_seeder", seeder)
        project.write("database/seeders/users.csv", "email,age\na@x.org,7\nb@x.org,\n")
        assert "UserSeeder  users: 2 created ..." in project.inv("database.seed").stdout
        assert sorted(row[2] or 0 for row in dump(url)["users"]) == [0, 7]


MODELS = """
    from __future__ import annotations

    import enum
    from decimal import Decimal

    from sqlalchemy import CheckConstraint, ForeignKey, Numeric, String
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


    class Base(DeclarativeBase):
        pass


    class Level(enum.Enum):
        LOW = "low"
        HIGH = "high"


    class Role(Base):
        __tablename__ = "roles"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None] = mapped_column(String(50), unique=True)


    class Member(Base):
        __tablename__ = "members"
        __table_args__ = (
            CheckConstraint("age >= 18 AND age < 100"),
            CheckConstraint("price > 0 AND price <= 0.05"),
            CheckConstraint("state IN ('on', 'off')"),
            CheckConstraint("length(code) >= 12"),
            CheckConstraint("stars BETWEEN 4 AND 5"),
        )

        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str] = mapped_column(String(50), unique=True)
        age: Mapped[int]
        price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
        state: Mapped[str] = mapped_column(String(5))
        code: Mapped[str] = mapped_column(String(20))
        stars: Mapped[int]
        level: Mapped[Level]
        role_id: Mapped[int] = mapped_column(ForeignKey("roles.id"))
"""


@pytest.mark.parametrize("driver", EVERY)
def test_make_seeder(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> None:
    """What make.seeder writes runs untouched, twice, the second time changing nothing, and is formatted and tidy."""
    url = new_url(request, project, driver)
    project.write("models.py", MODELS)
    project.inv("make.seeder", "role", "make.seeder", "member")
    project.inv("make.migration", "create tables", "database.migrate")

    first = project.inv("database.seed").stdout
    assert "  RoleSeeder  roles: 2 created ..." in first
    assert "  MemberSeeder  members: 2 created ..." in first
    assert first.index("RoleSeeder") < first.index("MemberSeeder")
    before = dump(url)
    assert len(before["members"]) == 2
    again = project.inv("database.seed").stdout
    assert "  RoleSeeder  roles: 0 created, 2 unchanged ..." in again
    assert "  MemberSeeder  members: 0 created, 2 unchanged ..." in again
    assert dump(url) == before
    execute(url, "UPDATE members SET age = 99 WHERE email = 'user1@example.com'")
    assert "members: 1 updated, 1 unchanged" in project.inv("database.seed", "--class=member").stdout

    text = (project.root / "database/seeders/member_seeder.py").read_text("utf-8")
    assert '    depends_on = ["RoleSeeder"]\n' in text
    assert 'upsert(db, Member, rows, key=["email"])' in text
    if driver == "sqlite":
        for check in (("format", "--check", "--diff"), ("check", "--select=F,I,E,W")):
            command = [
                sys.executable,
                "-m",
                "ruff",
                *check,
                "--isolated",
                "--no-cache",
                "--line-length=120",
                "database/seeders",
            ]
            done = subprocess.run(command, cwd=project.root, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
