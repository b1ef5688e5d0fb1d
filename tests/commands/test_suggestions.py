"""A command or a flag that does not exist: what was probably meant is said."""

from __future__ import annotations

import json

import pytest

from command import Sandbox

COMMANDS = {
    "db.seed": "database.seed",
    "db:seed": "database.seed",
    "database:seed": "database.seed",
    "db:migrate": "database.migrate",
    "db:prepare": "database.setup",
    "dbshell": "database.shell",
    "migrate:rollback": "migrate.rollback",
    "migrate:fresh": "migrate.fresh",
    "showmigrations": "migrate.status",
    "makemigrations": "make.migration",
    "make:migration": "make.migration",
    "migrate.rolback": "migrate.rollback or migrate.rebase",
    "helo": "hello",
}
FLAGS = {
    ("migrate.rollback", "--step=3"): "--steps",
    ("migrate.rollback", "--step"): "--steps",
    ("migrate.rollback", "--dry-run"): "--pretend",
    ("database.migrate", "--no-input"): "--force",
    ("database.migrate", "--sql"): "--pretend",
    ("database.seed", "--seeder=UserSeeder"): "--class",
    ("database.migrate", "--pretned"): "--pretend",
}


@pytest.mark.parametrize("typed", COMMANDS)
def test_commands(project: Sandbox, typed: str) -> None:
    """A mistyped command, or another framework's name of it."""
    result = project.inv(typed, code=1)
    assert result.stderr == f"No idea what '{typed}' is! Did you mean {COMMANDS[typed]}?\n"


@pytest.mark.parametrize("typed", FLAGS, ids=" ".join)
def test_flags(project: Sandbox, typed: tuple[str, str]) -> None:
    """A mistyped flag, or another tool's name of it, where the command has the one that is meant."""
    result = project.inv(*typed, code=1)
    flag = typed[1].partition("=")[0]
    assert result.stderr == f"No idea what '{flag}' is! Did you mean {FLAGS[typed]}?\n"


def test_nothing_near(project: Sandbox) -> None:
    """Where nothing is near, Invoke's own error is all."""
    assert project.inv("qqqqq", code=1).stderr == "No idea what 'qqqqq' is!\n"
    assert project.inv("migrate.status", "--qqqqq", code=1).stderr == "No idea what '--qqqqq' is!\n"


def test_help_of_a_mistyped_command(project: Sandbox) -> None:
    """--help for a command that does not exist."""
    assert "Did you mean database.seed?" in project.inv("--help", "db.seed", code=1).stderr


def test_commands_as_they_are_called_here(project: Sandbox) -> None:
    """In a tasks.py that calls our namespaces otherwise, so does the suggestion; its own tasks come first."""
    project.write(
        "tasks.py",
        """
        from invoke import Collection

        from fastman_tasks import database, make, migrate

        ns = Collection(make)
        ns.add_collection(Collection.from_module(database), "db")
        ns.add_collection(Collection.from_module(migrate), "mig")
        """,
    )
    assert "Did you mean db.seed?" in project.inv("database.seed", code=1).stderr
    assert "Did you mean mig.rollback?" in project.inv("rollback", code=1).stderr
    assert "Did you mean db.migrate?" in project.inv("migrate:run", code=1).stderr


def test_messages_name_commands_as_they_are_called_here(project: Sandbox) -> None:
    """The next command can be copied where a namespace has another name, also from JSON."""
    project.write(
        "tasks.py",
        "from invoke import Collection\n\nfrom fastman_tasks import database, make, migrate\n\n"
        "ns = Collection(make)\nns.add_collection(Collection.from_module(database), 'db')\n"
        "ns.add_collection(Collection.from_module(migrate), 'schema')\n",
    )
    project.add_environment()
    project.add_migration("create_users", "1a1a", None)
    refused = project.inv("db.migrate", env={"ENVIRONMENT": "production", "DATABASE_URL": "sqlite:///a.db"}, code=5)
    assert refused.stderr.endswith(" To go ahead: inv db.migrate --force\n")
    project.write("database/seeders/a_seeder.py", "class ASeeder:\n    def run(self, db): ...\n")
    refused = project.inv("db.seed", code=1)
    assert "Run inv db.migrate first, or do both: inv db.migrate --seed\n" in refused.stderr
    project.inv("db.migrate")
    refused = project.inv("schema.rollback", "--json", code=5)
    assert json.loads(refused.stdout)["error"]["next"] == "inv schema.rollback --steps=1 --force --json"


def test_migrate_for_short(project: Sandbox) -> None:
    """``inv migrate`` is database.migrate."""
    project.add_environment()
    project.add_migration("create_users", "1a1a", None)
    assert project.inv("migrate", "--pretend").stdout.endswith("Nothing was changed.\n")
    assert project.inv("migrate").stdout.endswith("\n1 migration applied.\n")
    assert project.inv("migrate").stdout.endswith("\nNothing to migrate.\n")
