"""database.seed: which seeders run, what is kept, and what is said when one cannot run."""

from __future__ import annotations

import json

import pytest

from command import Sandbox
from fastman_tasks.errors import SeederFailed, UsageError
from servers import Server, execute
from services import opened

TABLE = """
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(40), nullable=False, unique=True),
    )
"""
SEEDER = """
    from sqlalchemy import text


    class {name}:
        {decorator}
        def run({arguments}):
            db.execute(text("INSERT INTO users (name) VALUES ('{row}')"))
            {then}
"""


def seeder(
    project: Sandbox,
    name: str,
    row: str,
    *,
    decorator: str = "@staticmethod",
    arguments: str = "db",
    then: str = "db.commit()",
) -> None:
    """A seeder ``name`` in a module of that name, which adds the user ``row``."""
    stem = name.removesuffix("Seeder").lower()
    text = SEEDER.format(name=name, row=row, decorator=decorator, arguments=arguments, then=then)
    project.write(f"database/seeders/{stem}_seeder.py", text)


@pytest.fixture
def shop(project: Sandbox) -> Sandbox:
    """A project with a migrated SQLite database and an empty table users."""
    project.add_environment()
    project.add_migration("2026_01_01_000000_users", "1a1a", None, TABLE, 'op.drop_table("users")')
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    execute(url(project), "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    execute(url(project), "INSERT INTO alembic_version VALUES ('1a1a')")
    execute(url(project), "CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL UNIQUE)")
    return project


def url(project: Sandbox) -> str:
    """The database of ``project``."""
    return f"sqlite:///{project.root / 'shop.db'}"


def users(project: Sandbox) -> list[str]:
    """The names in the table users, in the order in which they came."""
    return [name for (name,) in execute(url(project), "SELECT name FROM users ORDER BY id")]


def test_every_kind_of_method_and_name(shop: Sandbox) -> None:
    """Static, class and plain methods run, with or without a commit, by file name; one by its class's or module's."""
    seeder(shop, "CustomSeeder", "custom", decorator="@classmethod", arguments="cls, db")
    seeder(shop, "AdminSeeder", "admin")
    seeder(shop, "UserSeeder", "user", decorator='"""Plain."""', arguments="self, db", then="pass")
    (shop.root / "docs").mkdir()

    said = shop.inv("database.seed", cwd="docs").stdout
    assert users(shop) == ["admin", "custom", "user"]
    assert said.startswith("sqlite:///shop.db (development, from .env)\n\n  AdminSeeder  users: 1 created ...")
    assert said.endswith("\n3 seeders ran.\n")
    assert said.count("DONE") == 3

    execute(url(shop), "DELETE FROM users")
    one = shop.inv("database.seed", "--class=UserSeeder", "database.seed", "--class", "admin_seeder").stdout
    assert users(shop) == ["user", "admin"]
    assert one.count("1 seeder ran.") == 2


def test_pretend_runs_and_takes_back(shop: Sandbox) -> None:
    """--pretend and Invoke's --dry run the seeders on the real database, commits included, and keep nothing."""
    seeder(shop, "UserSeeder", "user")
    file = shop.root / "shop.db"
    before = file.read_bytes()
    for arguments in (["database.seed", "--pretend"], ["--dry", "database.seed"]):
        said = shop.inv(*arguments, env={"ENVIRONMENT": "production"}).stdout
        assert said.endswith("1 seeder ran; all changes were rolled back.\n")
    assert file.read_bytes() == before
    shop.inv("database.seed")
    assert users(shop) == ["user"], "the seeder itself works"


def test_an_unknown_seeder(shop: Sandbox) -> None:
    """Exit 2, and the known ones, the nearest first; nothing has run."""
    for name in ("OrderSeeder", "UserSeeder", "ZebraSeeder"):
        seeder(shop, name, name)
    with (
        opened(shop) as project,
        pytest.raises(
            UsageError, match=r"There is no seeder UsrSeeder\. Did you mean UserSeeder\? Known: UserSeeder, "
        ),
    ):
        project.seeders.list("UsrSeeder")
    failed = shop.inv("database.seed", "--class=usr_seeder", code=2)
    assert failed.stderr.startswith("There is no seeder usr_seeder. Did you mean UserSeeder? Known: UserSeeder, ")
    assert {"OrderSeeder", "ZebraSeeder"} <= set(failed.stderr.replace(",", "").rstrip(".\n").split())
    assert users(shop) == []


def test_the_list_of_seeders(shop: Sandbox) -> None:
    """In the order in which they would run, with files and what they depend on; nothing runs, no database is needed."""
    seeder(shop, "UserSeeder", "user")
    shop.replace(
        "database/seeders/user_seeder.py", "class UserSeeder:\n", "class UserSeeder:\n    depends_on = ['ZSeeder']\n"
    )
    shop.write(
        "database/seeders/z_seeder.py",
        "print('imported')\n\n\nclass ZSeeder:\n    environments = ['testing']\n    def run(self, db): ...\n",
    )
    nowhere = {"DATABASE_URL": "postgresql+asyncpg://nobody@nowhere.invalid/shop"}
    said = shop.inv("database.seed", "--list", env=nowhere)
    lines = (
        "  ZSeeder     database/seeders/z_seeder.py:4  (only for testing; this is development)\n"
        "  UserSeeder  database/seeders/user_seeder.py:4  (after ZSeeder)\n"
    )
    assert said.stdout == f"{lines}\n2 seeders, in this order; nothing was run.\n"
    assert said.stderr == "imported\n"
    shop.write("database/seeders/database_seeder.py", "class DatabaseSeeder:\n    def run(self, db): ...\n")
    said = shop.inv("database.seed", "--list", env={**nowhere, "ENVIRONMENT": "testing"})
    assert said.stdout == (
        "  DatabaseSeeder  database/seeders/database_seeder.py:1\n\n1 seeder, in this order; nothing was run.\n\n"
        "Only when called, or with --class (DatabaseSeeder is the entry point):\n"
        + lines.replace("  (only for testing; this is development)", "")
    )
    said = shop.inv("database.seed", "--list", "--class=user", env=nowhere)
    assert said.stdout == f"{lines}\n2 seeders, in this order; nothing was run.\n"
    value = json.loads(shop.inv("database.seed", "--list", "--json", env=nowhere).stdout)
    assert [(each["name"], each["state"]) for each in value["steps"]] == [
        ("DatabaseSeeder", "planned"), ("ZSeeder", "skipped"), ("UserSeeder", "skipped"),
    ]  # fmt: skip
    failed = shop.inv("database.seed", "--list", "--json", "--class=usr", env=nowhere, code=2)
    assert json.loads(failed.stdout)["error"]["message"] == failed.stderr.removeprefix("imported\n").rstrip()
    assert users(shop) == []


def test_no_seeders(shop: Sandbox) -> None:
    """Without a folder, and with a folder that holds none: exit 1, and how to make one."""
    failed = shop.inv("database.seed", code=1)
    assert failed.stderr == "There are no seeders in database/seeders. Make one: inv make.seeder user\n"
    assert not (shop.root / "database/seeders").exists()
    shop.write("database/seeders/__init__.py", "")
    shop.write("database/seeders/helpers.py", "class User: ...\n")
    again = shop.inv("database.seed", "--class=UserSeeder", code=1)
    said = "There are no seeders in database/seeders: no class …Seeder in __init__.py, helpers.py. Make one: "
    assert again.stderr == f"{said}inv make.seeder user\n"


@pytest.mark.parametrize(
    ("module", "complaint"),
    [
        (
            "import absent_library\n",
            "database/seeders/bad_seeder.py cannot be imported: database/seeders/bad_seeder.py:1: "
            "ModuleNotFoundError: No module named 'absent_library'",
        ),
        (
            "x = 1\nclass BadSeeder(:\n",
            "database/seeders/bad_seeder.py cannot be imported: database/seeders/bad_seeder.py:2: SyntaxError: ",
        ),
        (
            "raise SystemExit\n",
            "database/seeders/bad_seeder.py cannot be imported: database/seeders/bad_seeder.py:1: SystemExit",
        ),
        (
            "class BadSeeder: ...\n",
            "BadSeeder in database/seeders/bad_seeder.py:1 has no run(db). Add: def run(self, db)",
        ),
        ("class BadSeeder:\n    run = 1\n", "BadSeeder in database/seeders/bad_seeder.py:1 has no run(db)."),
        (
            "class UserSeeder:\n    def run(self, db): ...\n",
            "Two seeders are named UserSeeder: database/seeders/bad_seeder.py:1 and database/seeders/user_seeder.py:4.",
        ),
    ],
)
def test_a_seeder_that_cannot_be_used(shop: Sandbox, module: str, complaint: str) -> None:
    """Told by name and file before anything runs, also where another seeder was asked for."""
    seeder(shop, "AdminSeeder", "admin")
    seeder(shop, "UserSeeder", "user")
    shop.write("database/seeders/bad_seeder.py", module)
    with opened(shop) as project, pytest.raises(SeederFailed) as failed:
        project.seeders.list("AdminSeeder")
    assert str(failed.value).startswith(complaint)


def test_a_seeder_that_cannot_be_imported_end_to_end(shop: Sandbox) -> None:
    """Exit code 1 and one line, before any seeder has run."""
    seeder(shop, "AdminSeeder", "admin")
    shop.write("database/seeders/bad_seeder.py", "import absent_library\n")
    failed = shop.inv("database.seed", code=1)
    assert failed.stderr.startswith("database/seeders/bad_seeder.py cannot be imported: ")
    assert failed.stderr.count("\n") == 1
    assert users(shop) == []


@pytest.mark.parametrize(
    ("then", "line"),
    [
        ("db.execute(text(\"INSERT INTO users (name) VALUES ('admin')\"))", ":8: UNIQUE constraint failed: users.name"),
        ("db.add(Admin())", ": NOT NULL constraint failed: users.name"),
        ("db.commit(); raise ValueError('no more users')", ":8: ValueError: no more users"),
        ("raise SystemExit(0)", ":8: SystemExit: 0"),
    ],
)
def test_a_seeder_that_fails(shop: Sandbox, then: str, line: str) -> None:
    """Named with file, line and the database's message; all is rolled back, as it says, what was committed too."""
    seeder(shop, "AdminSeeder", "admin")
    seeder(shop, "UserSeeder", "user", then=then)
    shop.write(
        "database/seeders/user_seeder.py",
        (shop.root / "database/seeders/user_seeder.py").read_text("utf-8")
        + """

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Admin(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
""",
    )
    failed = shop.inv("database.seed", code=1)
    assert "AdminSeeder  users: 1 created ..." in failed.stdout
    assert failed.stderr.startswith(f"UserSeeder failed: database/seeders/user_seeder.py{line}")
    assert failed.stderr.endswith("\nThese ran before it: AdminSeeder.\nAll changes were rolled back.\n")
    assert users(shop) == []


def test_an_error_that_comes_with_the_commit(shop: Sandbox, postgresql: Server) -> None:
    """A constraint that PostgreSQL checks at the very end is a failure like any other: told, and nothing kept."""
    database = postgresql.fresh("postgresql+psycopg")
    shop.write(".env", f"DATABASE_URL={database}")
    execute(database, "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    execute(database, "INSERT INTO alembic_version VALUES ('1a1a')")
    execute(database, "CREATE TABLE users (id SERIAL PRIMARY KEY, name VARCHAR(40))")
    execute(database, "ALTER TABLE users ADD boss INTEGER REFERENCES users DEFERRABLE INITIALLY DEFERRED")
    seeder(shop, "UserSeeder", "user", then='db.execute(text("UPDATE users SET boss = 99"))')
    failed = shop.inv("database.seed", code=1)
    assert 'violates foreign key constraint "users_boss_fkey"' in failed.stderr
    assert failed.stderr.endswith("\nAll changes were rolled back.\n")
    assert "Unexpected" not in failed.stderr
    assert "ran." not in failed.stdout
    assert execute(database, "SELECT * FROM users") == []


def test_migrate_and_seed(shop: Sandbox) -> None:
    """--seed runs the seeders after the migrations, also when there is nothing to migrate; a broken one stops first."""
    (shop.root / "shop.db").unlink()
    shop.write("database/seeders/user_seeder.py", "import absent_library\n")
    failed = shop.inv("database.migrate", "--seed", code=1)
    assert "user_seeder.py cannot be imported" in failed.stderr
    assert not (shop.root / "shop.db").exists(), "migrated, though the seeders cannot run"

    seeder(shop, "UserSeeder", "user")
    pretended = shop.inv("database.migrate", "--seed", "--pretend").stdout
    assert "CREATE TABLE users" in pretended
    assert not (shop.root / "shop.db").exists()
    assert shop.inv("database.migrate", "--seed").stdout.endswith("1 seeder ran.\n")
    assert users(shop) == ["user"]

    execute(url(shop), "DELETE FROM users")
    said = shop.inv("database.migrate", "--seed").stdout
    assert "Nothing to migrate." in said
    assert users(shop) == ["user"]


def test_an_imported_seeder_is_not_run_twice(shop: Sandbox) -> None:
    """A seeder that imports another one's class, or inherits from it, adds nothing of its own to the list."""
    seeder(shop, "UserSeeder", "user")
    shop.write(
        "database/seeders/all_seeder.py",
        """
        from database.seeders.user_seeder import UserSeeder


        class AllSeeder:
            def run(self, db):
                assert UserSeeder.__module__ == "database.seeders.user_seeder"
        """,
    )
    assert shop.inv("database.seed").stdout.endswith("2 seeders ran.\n")
    assert users(shop) == ["user"]


def test_a_module_named_as_the_folder(shop: Sandbox) -> None:
    """A root module database.py, as many projects have one, neither hides the seeders nor is hidden by them."""
    shop.write("database.py", "NAME = 'from database.py'\n")
    shop.write(
        "database/seeders/user_seeder.py",
        """
        from sqlalchemy import text

        import database


        class UserSeeder:
            def run(self, db):
                db.execute(text("INSERT INTO users (name) VALUES (:name)"), {"name": database.NAME})
        """,
    )
    shop.inv("database.seed")
    assert users(shop) == ["from database.py"]


def test_seeders_elsewhere(shop: Sandbox) -> None:
    """FASTMAN_SEEDERS names another folder, relative to the root or absolute."""
    seeder(shop, "UserSeeder", "user")
    (shop.root / "database/seeders").rename(shop.root / "fixtures")
    shop.inv("database.seed", env={"FASTMAN_SEEDERS": "fixtures"})
    assert users(shop) == ["user"]
    execute(url(shop), "DELETE FROM users")
    elsewhere = (shop.root / "fixtures").rename(shop.root.parent / "elsewhere")
    shop.inv("database.seed", env={"FASTMAN_SEEDERS": str(elsewhere)})
    assert users(shop) == ["user"]


def test_a_sqlite_file_that_is_not_there(shop: Sandbox) -> None:
    """Seeding makes no database: it says what comes first, and no file appears."""
    seeder(shop, "UserSeeder", "user")
    (shop.root / "shop.db").unlink()
    failed = shop.inv("database.seed", code=1)
    assert (
        "pending, so nothing was seeded:\n  2026_01_01_000000_users\nRun inv database.migrate first, or do both:"
        in failed.stderr
    )
    for file in (shop.root / "database/migrations/versions").glob("*.py"):
        file.unlink()
    failed = shop.inv("database.seed", code=1)
    assert failed.stderr == "sqlite:///shop.db does not exist yet. Run inv database.migrate first.\n"
    assert not (shop.root / "shop.db").exists()


def test_an_async_database(shop: Sandbox) -> None:
    """Under an async URL a seeder gets the same plain Session."""
    seeder(shop, "UserSeeder", "user")
    shop.write(".env", "DATABASE_URL=sqlite+aiosqlite:///shop.db")
    shop.inv("database.seed")
    assert users(shop) == ["user"]
