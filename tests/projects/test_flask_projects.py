"""Flask-Migrate without edits: what ``flask db init`` wrote, walked with ``flask db`` and with us."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from command import Sandbox
from walk import Walked, add_chain, contents, write_env, write_ini

Walk = Callable[..., Walked]
APPLICATION = """
    import os

    from flask import Flask
    from flask_migrate import Migrate
    from flask_sqlalchemy import SQLAlchemy

    db = SQLAlchemy()


    class User(db.Model):
        __tablename__ = "users"
        id = db.Column(db.Integer, primary_key=True)


    class Visit(db.Model):
        __bind_key__ = "audit"
        id = db.Column(db.Integer, primary_key=True)


    def create_app(test=False):
        app = Flask(__name__)
        app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["SHOP_DATABASE"]
        app.config["SQLALCHEMY_BINDS"] = {"audit": "sqlite:///audit.db"}
        db.init_app(app)
        Migrate(app, db)
        return app
"""


@pytest.fixture(scope="session")
def flask_init(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    """Runs ``flask db init`` once for each of its flags, and copies what it made."""
    made: dict[tuple[str, ...], Path] = {}

    def init(project: Sandbox, *flags: str) -> None:
        if flags not in made:
            source = Sandbox(tmp_path_factory.mktemp("flask") / "init")
            source.write("app.py", APPLICATION)
            source.run("flask", "db", "init", *flags, env={"SHOP_DATABASE": "sqlite://"})
            made[flags] = source.root / "migrations"
        shutil.copytree(made[flags], project.root / "migrations")

    return init


def add_instance(project: Sandbox) -> None:
    """Make the folder of what an instance of the application keeps; else Flask-SQLAlchemy does when it starts."""
    (project.root / "instance").mkdir()


@pytest.mark.parametrize(
    ("driver", "file", "application", "module"),
    [
        ("sqlite", ".env", "web:create_app", "web.py"),
        ("sqlite", ".flaskenv", "shop.web:create_app(test=True)", "shop/web/__init__.py"),
        ("postgresql+psycopg", ".flaskenv", "shop", "shop/__init__.py"),
    ],
)
def test_an_application_factory(
    walk: Walk, flask_init: Callable[..., None], driver: str, file: str, application: str, module: str
) -> None:
    """FLASK_APP is read where the ``flask`` command reads it, and may name a module, a package or a call.

    A bind that the migrations are not about does not matter.
    """

    def write(project: Sandbox, url: str) -> None:
        for package in Path(module).parents:
            if str(package) != "." and module != f"{package}/__init__.py":
                project.write(f"{package}/__init__.py", "")
        project.write(module, APPLICATION)
        url = f"sqlite:///{project.root}/shop.db" if driver == "sqlite" else url
        project.write(".env", f"SHOP_DATABASE='{url}'\n")
        with (project.root / file).open("a", encoding="utf-8") as variables:
            variables.write(f"FLASK_APP={application}\n")
        flask_init(project)
        add_chain(project)
        add_instance(project)

    walked = walk(write, driver, plain=("flask", "db"))

    assert "from migrations/env.py)" in walked.said[0].stdout


def test_several_binds(project: Sandbox, flask_init: Callable[..., None]) -> None:
    """``flask db init --multidb`` is for several databases, and a command here for one: refused, nothing touched."""
    project.write("app.py", APPLICATION)
    project.write(".env", "SHOP_DATABASE=sqlite:///shop.db\nFLASK_APP=app:create_app\n")
    flask_init(project, "--multidb")
    add_chain(project)
    add_instance(project)
    before = contents(project)
    for command in (("migrate.status", "--check"), ("database.migrate",), ("migrate.reset", "--force")):
        refused = project.inv(*command, code=1)
        assert "one database" in refused.stderr
        assert contents(project) == before


def test_no_application(project: Sandbox, flask_init: Callable[..., None]) -> None:
    """An application that cannot be found, or that fails, is said, with FLASK_APP or its file and line."""
    flask_init(project)
    add_chain(project)
    add_instance(project)
    before = contents(project)
    assert "FLASK_APP" in project.inv("database.migrate", code=1).stderr
    assert contents(project) == before

    project.write("app.py", APPLICATION)
    line = APPLICATION.splitlines().index('        app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["SHOP_DATABASE"]')
    before = contents(project)
    refused = project.inv("database.migrate", code=1)
    assert f"app.py:{line}" in refused.stderr
    assert "SHOP_DATABASE" in refused.stderr
    assert contents(project) == before


def test_an_env_py_that_can_do_without_the_application(project: Sandbox) -> None:
    """Zou's asks for the application's URL, and takes that of alembic.ini where there is no application."""
    write_ini(project, "sqlite:///shop.db")
    head = """
    from flask import current_app

    try:
        url = current_app.config["SQLALCHEMY_DATABASE_URI"]
    except RuntimeError:
        url = config.get_main_option("sqlalchemy.url")
    """
    write_env(project, head=head, url="url")
    add_chain(project)
    assert "3 migrations applied." in project.inv("database.migrate").stdout
