"""What is printed: Alembic's own lines only with --debug; losses only where something is lost."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from command import Init, Sandbox
from walk import add_chain, write_env, write_ini

Fresh = Callable[[str], str]
VERSIONS = "migrations/versions"
LINES = ("Context impl SQLiteImpl.", "Will assume ", "Running upgrade  -> 1a1a")


@pytest.mark.parametrize("logging", ["fileConfig", "basicConfig"])
def test_the_lines_of_alembic(project: Sandbox, alembic_init: Init, logging: str) -> None:
    """Which database, which kind of DDL, which revision: Alembic's INFO lines are for whoever debugs."""
    alembic_init(project, "sqlite:///shop.db")
    if logging == "basicConfig":
        project.replace(
            "migrations/env.py", "fileConfig(config.config_file_name)", "__import__('logging').basicConfig(level=20)"
        )
    add_chain(project)
    plain = project.alembic("upgrade", "1a1a", "--sql").stderr
    assert "Running upgrade  -> 1a1a" in plain

    commands = ("migrate.status", "database.migrate", "migrate.rollback", "--force", "database.migrate", "--pretend")
    said = project.inv(*commands)
    assert said.stderr == ""
    for line in LINES:
        assert line not in said.stdout

    project.inv("migrate.reset", "--force")
    said = project.inv("--debug", "database.migrate")
    for line in LINES:
        assert line in said.stderr
        assert line not in said.stdout


HARMLESS = [
    "CREATE SEQUENCE users_seq",
    "SELECT setval('users_seq', 42)",
    "INSERT INTO users VALUES (2)",
    "CREATE TABLE backup (id INTEGER)",
    "CREATE INDEX users_id ON users (id)",
]
HARMFUL = ["DELETE FROM users", "DROP TABLE users", "UPDATE users SET id = 0", "SELECT 1; TRUNCATE users"]


def test_statements_that_only_add(project: Sandbox, fresh: Fresh) -> None:
    """CREATE, setval() and INSERT in a downgrade() lose nothing: they are not listed, and cost no consent."""
    url = fresh("postgresql+psycopg")
    write_ini(project, url)
    write_env(project, url)
    project.add_migration("1a1a_first", "1a1a", None, 'op.execute("CREATE TABLE users (id INT)")', folder=VERSIONS)
    down = "\n".join(f'op.execute("{statement}")' for statement in HARMLESS)
    project.add_migration("2b2b_second", "2b2b", "1a1a", "pass", down, folder=VERSIONS)
    production = {"ENVIRONMENT": "production"}
    project.inv("database.migrate", "--force", env=production)

    said = project.inv("migrate.rollback", "--force", env=production).stdout

    assert "1 migration rolled back." in said
    assert "analysed" not in said
    for statement in HARMLESS:
        assert statement not in said


def test_statements_that_may_lose(project: Sandbox) -> None:
    """Any other statement is shown as it is, and on a protected database --force is not enough for it."""
    write_ini(project, "sqlite:///shop.db")
    write_env(project)
    project.add_migration("1a1a_first", "1a1a", None, 'op.execute("CREATE TABLE users (id INT)")', folder=VERSIONS)
    down = "\n".join(f'op.execute("{statement}")' for statement in ("INSERT INTO users VALUES (2)", *HARMFUL))
    project.add_migration("2b2b_second", "2b2b", "1a1a", "pass", down, folder=VERSIONS)
    production = {"ENVIRONMENT": "production"}
    project.inv("database.migrate", "--force", env=production)

    refused = project.inv("migrate.rollback", "--force", env=production, code=5)

    # A table that is dropped is counted, as one that drop_table() drops.
    for statement in ("users: 0 rows", *(each for each in HARMFUL if "DROP" not in each)):
        assert statement in refused.stdout
    assert "INSERT INTO users" not in refused.stdout
    assert "--confirm=shop.db" in refused.stderr


def test_an_operation_of_the_project_s_own(project: Sandbox) -> None:
    """An operation that the project has registered may lose anything: it is listed with its name and what it is of."""
    write_ini(project, "sqlite:///shop.db")
    project.write(
        "shop_operations.py",
        """
        from alembic.operations import MigrateOperation, Operations


        @Operations.register_operation("drop_enum")
        class DropEnumOp(MigrateOperation):
            def __init__(self, name):
                self.name = name

            @classmethod
            def drop_enum(cls, operations, name):
                return operations.invoke(cls(name))

            def to_diff_tuple(self):
                return ("drop_enum", self.name)


        @Operations.implementation_for(DropEnumOp)
        def drop_enum(operations, operation):
            operations.execute(f"DROP TABLE IF EXISTS {operation.name}")
        """,
    )
    write_env(project, head="import shop_operations")
    project.add_migration("1a1a_first", "1a1a", None, 'op.execute("CREATE TABLE users (id INT)")', folder=VERSIONS)
    project.add_migration("2b2b_second", "2b2b", "1a1a", "pass", 'op.drop_enum("user_mood")', folder=VERSIONS)
    project.inv("database.migrate")

    said = project.inv("migrate.rollback", "--force").stdout

    assert re.search(r"^ .*drop_?enum.*user_mood", said, re.MULTILINE | re.IGNORECASE)
    assert said.count("2b2b_second") >= 2
    assert "1 migration rolled back." in said
