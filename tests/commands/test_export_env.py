"""Code that reads os.environ and finds nothing there, though .env has it."""

from __future__ import annotations

import os

import pytest

from command import Sandbox
from fastman_tasks.project import Project
from services import opened

MODELS = """
    import os

    import sqlalchemy as sa

    tables = sa.MetaData()
    sa.Table(os.environ["TABLE"], tables, sa.Column("id", sa.Integer, primary_key=True))
"""
SEEDER = """
    import os

    import sqlalchemy as sa


    class ThingSeeder:
        @staticmethod
        def run(db):
            db.execute(sa.text(f"INSERT INTO {os.environ['TABLE']} DEFAULT VALUES"))
"""
HINT = (
    "TABLE is set in .env, but not in the environment. "
    "Set FASTMAN_EXPORT_ENV=1 in .env to export all of it while a command runs.\n"
)


def test_models_and_seeders(project: Sandbox) -> None:
    """The hint names the variable; with it, models, seeders and plain alembic find what .env has."""
    project.write("models.py", MODELS)
    project.write(".env", "TABLE=things\n")
    failed = project.inv("make.migration", "things", code=1)
    assert failed.stderr == (
        "The models in models cannot be imported: models.py:6: the environment variable TABLE is not set\n" + HINT
    )
    project.write(".env", "TABLE=things\nFASTMAN_EXPORT_ENV=1\n")
    project.write("database/seeders/thing_seeder.py", SEEDER)
    said = project.inv("make.migration", "things", "database.migrate", "--seed").stdout
    assert "  create table things\n" in said
    assert "things: 1 created" in said
    assert "No new upgrade operations detected" in project.alembic("check").stdout
    assert project.inv("make.migration", "x", env={"TABLE": "others"}, code=1).stderr.count("drop table things") == 1

    project.write(".env", "TABLE=things\n")
    assert project.inv("database.seed", code=1).stderr.endswith(HINT)


def test_a_foreign_env_py(project: Sandbox) -> None:
    """It gets the hint and the variables, too; without a value in .env there is nothing to hint at."""
    project.add_environment()
    project.write("database/migrations/env.py", "import os\nos.environ['DATABASE_URL']\n")
    assert "FASTMAN_EXPORT_ENV" not in project.inv("migrate.status", code=1).stderr
    project.write(".env", "DATABASE_URL=sqlite:///app.db\n")
    assert "FASTMAN_EXPORT_ENV=1" in project.inv("migrate.status", code=1).stderr
    project.write(".env", "DATABASE_URL=sqlite:///app.db\nFASTMAN_EXPORT_ENV=1\n")
    assert "ran no migrations" in project.inv("migrate.status", code=1).stderr


def test_the_environment_is_restored(project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was set stays as it was, .env.<ENVIRONMENT> comes before .env, and afterwards nothing is left."""
    monkeypatch.setenv("KEPT", "")
    project.write(".env", "KEPT=x\nBOTH=base\nONE=1\nFASTMAN_EXPORT_ENV=1\nENVIRONMENT=testing\n")
    project.write(".env.testing", "BOTH=testing\n")
    before = dict(os.environ)
    with opened(project):
        added = {name: value for name, value in os.environ.items() if name not in before}
        assert added == {"BOTH": "testing", "ONE": "1", "FASTMAN_EXPORT_ENV": "1", "ENVIRONMENT": "testing"}
        assert os.environ["KEPT"] == ""
    assert dict(os.environ) == before
    Project.open(project.root)
    assert dict(os.environ) == before
