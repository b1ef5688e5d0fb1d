"""Projects that already use Alembic work unchanged: under these commands, and under plain alembic as before."""

from __future__ import annotations

import json
import os
import re

import pytest
from sqlalchemy.engine import URL

from command import Init, Sandbox
from servers import tables

# Two migrations; each test says where they lie.
USERS = {
    "up": 'op.create_table("users", sa.Column("id", sa.Integer, primary_key=True))',
    "down": 'op.drop_table("users")',
}
POSTS = {
    "up": 'op.create_table("posts", sa.Column("id", sa.Integer, primary_key=True))',
    "down": 'op.drop_table("posts")',
}


def add_two_migrations(project: Sandbox, folder: str = "migrations/versions") -> None:
    """Write 1a1a (users) and 2b2b (posts)."""
    project.add_migration("1a1a_create_users", "1a1a", None, **USERS, folder=folder)
    project.add_migration("2b2b_create_posts", "2b2b", "1a1a", **POSTS, folder=folder)


def current(project: Sandbox) -> set[str]:
    """The revisions that plain alembic takes the database to be at."""
    return {line.split()[0] for line in project.alembic("current").stdout.splitlines()}


def states(project: Sandbox, *args: str, code: int = 0) -> dict[str, str]:
    """Each revision's state, oldest first, as ``migrate.status`` has it."""
    said = project.inv("migrate.status", "--json", *args, code=code).stdout
    return {entry["revision"]: entry["state"] for entry in json.loads(said)["steps"]}


def round_trip(project: Sandbox, file: str) -> str:
    """Take a project with 1a1a and 2b2b up and down, in turns with plain alembic; return what status said first.

    ``file`` is its SQLite database, which must not be there before the first migration.
    """
    url = f"sqlite:///{project.root / file}"
    before = project.files()
    read = project.inv("migrate.status", "migrate.rollback", "--force")
    assert re.search(r"pending +1a1a_create_users +1a1a\n +pending +2b2b_create_posts +2b2b  \(head\)", read.stdout)
    assert "Nothing to roll back." in read.stdout
    assert project.files() == before, "reading wrote files"

    (project.root / "docs").mkdir()
    up_and_back = ("database.migrate", "migrate.rollback", "--force", "migrate.reset", "--force")
    done = project.inv(*up_and_back, "database.migrate", "--to=1a1a", cwd="docs").stdout
    assert re.search(r"1a1a_create_users \.+ .*DONE\n  2b2b_create_posts \.+ .*DONE\n\n2 migrations applied\.", done)
    assert re.search(r"\n  2b2b_create_posts \.+ .*DONE\n\n1 migration rolled back\.", done)
    assert re.search(r"\n  1a1a_create_users \.+ .*DONE\n\n1 migration rolled back\.", done)
    assert done.endswith("\n1 migration applied.\n")
    assert tables(url) == {"users", "alembic_version"}
    assert current(project) == {"1a1a"}
    return read.stdout


@pytest.mark.parametrize("template", ["generic", "pyproject", "async", "pyproject_async"])
def test_a_project_of_alembic_init(project: Sandbox, alembic_init: Init, template: str) -> None:
    """What ``alembic init`` made, its URL written into alembic.ini, is used as it is; from a subfolder too."""
    url = "sqlite+aiosqlite:///shop.db" if "async" in template else "sqlite:///shop.db"
    alembic_init(project, url, template=template)
    add_two_migrations(project)
    ours = {path: (project.root / path).read_bytes() for path in ("alembic.ini", "migrations/env.py")}

    said = round_trip(project, "shop.db")

    assert said.startswith(f"{url} (development, from alembic.ini)\n")
    assert {path: (project.root / path).read_bytes() for path in ours} == ours


@pytest.mark.parametrize("command", ["migrate.status", "database.migrate"])
def test_a_multidb_project_is_refused(project: Sandbox, alembic_init: Init, command: str) -> None:
    """One command acts on one database: a multidb environment is named as what it is, and nothing is touched."""
    alembic_init(project, template="multidb")
    before = project.files()

    refused = project.inv(command, code=1)

    assert refused.stderr.startswith("alembic.ini is a multidb environment (databases = …)")
    assert "Use alembic itself" in refused.stderr
    assert project.files() == before


def test_an_environment_in_pyproject_alone(project: Sandbox, alembic_init: Init) -> None:
    """[tool.alembic] without any alembic.ini is an environment; its env.py gets the URL that .env names."""
    alembic_init(project, template="pyproject")
    (project.root / "alembic.ini").unlink()
    add_two_migrations(project)
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")

    done = project.inv("database.migrate")

    assert done.stdout.startswith("sqlite:///shop.db (development, from .env)\n")
    assert tables(f"sqlite:///{project.root / 'shop.db'}") == {"users", "posts", "alembic_version"}


def test_a_percent_sign_in_the_url(project: Sandbox, alembic_init: Init) -> None:
    """``%`` is Alembic's interpolation character; in a URL it stands for itself, whichever file names the URL."""
    alembic_init(project)
    add_two_migrations(project)
    name = "50% off %(here)s.db"
    project.write(".env", f"DATABASE_URL='sqlite:///{name}'")

    assert "(development, from .env)" in project.inv("database.migrate").stdout
    assert "users" in tables(URL.create("sqlite", database=str(project.root / name)))

    (project.root / ".env").unlink()
    doubled = name.replace("%", "%%")
    project.replace("alembic.ini", "driver://user:pass@localhost/dbname", f"sqlite:///{doubled}")
    assert states(project, "--check") == {"1a1a": "applied", "2b2b": "applied"}
    assert current(project) == {"2b2b"}


def test_a_percent_sign_that_is_not_doubled_shows_no_password(project: Sandbox, alembic_init: Init) -> None:
    """alembic.ini with a raw ``%`` in its URL is refused without the rest of the URL, which holds the password."""
    alembic_init(project, "postgresql+psycopg://shop:pa%40sesame@localhost/shop")

    refused = project.inv("migrate.status", code=1)

    assert "alembic.ini" in refused.stderr
    assert "%%" in refused.stderr
    assert "sesame" not in refused.stderr + refused.stdout


def test_an_env_py_with_the_application_s_own_url(project: Sandbox, alembic_init: Init) -> None:
    """An env.py that sets its URL itself decides: that database is shown and used, and no other is made."""
    alembic_init(project)
    project.write("shop/__init__.py", "")
    project.write("shop/config.py", 'DATABASE = "sqlite:///data/own.db"')
    project.replace(
        "migrations/env.py",
        "config = context.config\n",
        "config = context.config\n"
        "from shop.config import DATABASE\n"
        'config.set_main_option("sqlalchemy.url", DATABASE)\n',
    )
    add_two_migrations(project)
    (project.root / "data").mkdir()

    said = round_trip(project, "data/own.db")

    assert said.startswith("sqlite:///data/own.db (development, from migrations/env.py)\n")
    assert not (project.root / "app.db").exists()


def test_an_environment_that_names_no_database(project: Sandbox, alembic_init: Init) -> None:
    """The default is for our own env.py: the placeholder of alembic init is named, and no app.db is made."""
    alembic_init(project)
    add_two_migrations(project)
    before = project.files()
    refused = project.inv("database.migrate", code=1)
    assert refused.stderr.startswith(
        "sqlalchemy.url is still the placeholder that alembic init wrote. Set DATABASE_URL"
    )
    assert project.files() == before


def test_an_async_environment_without_an_async_url(project: Sandbox, alembic_init: Init) -> None:
    """It is said which URL that is, and what one would look like."""
    alembic_init(project, template="async")
    refused = project.inv("migrate.status", env={"DATABASE_URL": "sqlite:///shop.db"}, code=1)
    assert refused.stderr.startswith("env.py uses an async engine, and sqlite:///")
    assert "shop.db is not an async URL. Set DATABASE_URL to one: sqlite+aiosqlite:///app.db" in refused.stderr


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_env_py_with_the_application_s_own_engine(project: Sandbox, alembic_init: Init, kind: str) -> None:
    """An env.py may use the application's engine and its pool: what is kept in it from reading is not migrated."""
    alembic_init(project, template={"sync": "generic", "async": "async"}[kind])
    project.write("shop/__init__.py", "")
    make, url = {
        "sync": ("sqlalchemy import create_engine", "sqlite:///own.db"),
        "async": ("sqlalchemy.ext.asyncio import create_async_engine", "sqlite+aiosqlite:///own.db"),
    }[kind]
    project.write("shop/db.py", f'from {make}\n\nengine = {make.split()[-1]}("{url}")\n')
    env = (project.root / "migrations/env.py").read_text("utf-8")
    start, end = re.search(r"    connectable = \w*engine_from_config\(.*?\n    \)\n", env, re.DOTALL).span()
    own = env[:start] + "    from shop.db import engine as connectable\n" + env[end:]
    project.write("migrations/env.py", own.replace("    await connectable.dispose()\n", ""))
    add_two_migrations(project)

    project.inv("migrate.status", "migrate.rollback", "--force")
    assert not (project.root / "own.db").exists()

    done = project.inv("migrate.status", "database.migrate", "migrate.rollback", "--force").stdout
    assert "2 migrations applied." in done
    assert "1 migration rolled back." in done
    assert tables(f"sqlite:///{project.root / 'own.db'}") == {"users", "alembic_version"}


FLASK_APP = """
    import os

    from flask import Flask
    from flask_migrate import Migrate
    from flask_sqlalchemy import SQLAlchemy

    db = SQLAlchemy()


    class User(db.Model):
        id = db.Column(db.Integer, primary_key=True)


    def create_app():
        app = Flask(__name__)
        app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["SHOP_DATABASE"]
        db.init_app(app)
        Migrate(app, db)
        return app
"""


def test_a_flask_migrate_project(project: Sandbox) -> None:
    """What ``flask db init`` and ``flask db migrate`` made is migrated here and read by ``flask db``, and back.

    The ``flask`` command loads .env and .flaskenv; an application that reads its URL there finds it here too.
    """
    project.write("web.py", FLASK_APP)
    project.write(".flaskenv", "FLASK_APP=web:create_app")
    project.write(".env", "SHOP_DATABASE=sqlite:///named.db")
    project.run("flask", "db", "init")
    project.run("flask", "db", "migrate", "-m", "users", "--rev-id", "1a1a")
    project.add_migration("2b2b_create_posts", "2b2b", "1a1a", **POSTS, folder="migrations/versions")
    file = project.root / "instance/named.db"
    file.unlink()

    read = project.inv("migrate.status", "migrate.rollback", "--force").stdout
    assert read.startswith("sqlite:///instance/named.db (development, from migrations/env.py)\n")
    assert "0 applied, 2 pending." in read
    assert not file.exists()

    (project.root / "docs").mkdir()
    assert "2 migrations applied." in project.inv("database.migrate", cwd="docs").stdout
    assert tables(f"sqlite:///{file}") == {"user", "posts", "alembic_version"}
    assert project.run("flask", "db", "current").stdout.split() == ["2b2b", "(head)"]

    project.run("flask", "db", "downgrade")
    back = project.inv("migrate.status", "migrate.reset", "--force").stdout
    assert "1 applied, 1 pending." in back
    assert "1 migration rolled back." in back
    assert tables(f"sqlite:///{file}") == {"alembic_version"}
    assert not (project.root / "app.db").exists()


def test_a_script_location_of_its_own(project: Sandbox, alembic_init: Init) -> None:
    """Migrations lie where script_location says, and version files where version_locations says."""
    alembic_init(project, "sqlite:///shop.db")
    (project.root / "migrations").rename(project.root / "db scripts")
    project.replace("alembic.ini", "%(here)s/migrations\n", "%(here)s/db scripts\n")
    locations = f"version_locations = %(here)s/old dir{os.pathsep}%(here)s/new"
    project.replace("alembic.ini", "prepend_sys_path = .\n", f"prepend_sys_path = .\n{locations}\n")
    project.add_migration("1a1a_create_users", "1a1a", None, **USERS, folder="old dir")
    project.add_migration("2b2b_create_posts", "2b2b", "1a1a", **POSTS, folder="new")

    round_trip(project, "shop.db")


def add_branches(project: Sandbox, alembic_init: Init, *, labelled: bool) -> None:
    """Write 1a1a with the two heads 2b2b and 3c3c on it, each with a label or none."""
    alembic_init(project, "sqlite:///shop.db")
    folder = "migrations/versions"
    project.add_migration("1a1a_create_users", "1a1a", None, **USERS, folder=folder)
    project.add_migration(
        "2b2b_create_posts", "2b2b", "1a1a", **POSTS, folder=folder, label="blog" if labelled else None
    )
    project.add_migration(
        "3c3c_create_carts", "3c3c", "1a1a", 'op.execute("CREATE TABLE carts (id INTEGER)")',
        'op.drop_table("carts")', folder=folder, label="sales" if labelled else None,
    )  # fmt: skip


def test_two_heads_without_labels(project: Sandbox, alembic_init: Init) -> None:
    """Nothing says which head is meant: that is refused with both named; --to chooses one, or both."""
    add_branches(project, alembic_init, labelled=False)

    refused = project.inv("database.migrate", code=1)
    assert "There are 2 heads" in refused.stderr
    assert "2b2b_create_posts" in refused.stderr
    assert "3c3c_create_carts" in refused.stderr
    assert "inv migrate.merge" in refused.stderr
    assert not (project.root / "shop.db").exists()

    project.inv("database.migrate", "--to=2b2b")
    assert current(project) == {"2b2b"}
    both = project.inv(
        "database.migrate", "--to=heads", "migrate.status", "--check", "migrate.rollback", "--force"
    ).stdout
    assert "3 applied, 0 pending." in both

    # Alembic applies 3c3c first, so that 2b2b is the newest.
    assert "Running upgrade 1a1a -> 2b2b" in project.alembic("upgrade", "heads").stderr
    assert "3 migrations rolled back." in project.inv("migrate.reset", "--force").stdout
    assert tables(f"sqlite:///{project.root / 'shop.db'}") == {"alembic_version"}


def test_two_heads_with_labels(project: Sandbox, alembic_init: Init) -> None:
    """Labelled branches are meant to stay apart: all of them are migrated, and a label is a target."""
    add_branches(project, alembic_init, labelled=True)

    assert "3 migrations applied." in project.inv("database.migrate").stdout
    back = project.inv("migrate.rollback", "--steps=2", "--force", "database.migrate", "--to=sales@head").stdout
    assert "2 migrations rolled back." in back
    assert "1 migration applied." in back
    assert current(project) == {"3c3c"}


def test_a_merge_and_a_dependency_between_branches(project: Sandbox, alembic_init: Init) -> None:
    """Heads joined by a merge, or by depends_on, go up in order and come down one at a time, as many as asked."""
    add_branches(project, alembic_init, labelled=False)
    folder = "migrations/versions"
    project.add_migration("4d4d_merge", "4d4d", ("2b2b", "3c3c"), folder=folder)
    project.add_migration("5e5e_apart", "5e5e", None, folder=folder, label="apart", depends_on="2b2b")
    project.add_migration("6f6f_more", "6f6f", "4d4d", folder=folder, label="shop")

    done = project.inv("database.migrate", "migrate.rollback", "--steps=3", "--force").stdout
    assert "6 migrations applied." in done
    assert "3 migrations rolled back." in done
    assert current(project) == {"2b2b", "3c3c"}

    project.alembic("upgrade", "heads")
    reset = project.inv("migrate.status", "migrate.reset", "--force").stdout
    assert "6 applied, 0 pending." in reset
    assert "6 migrations rolled back." in reset
    assert tables(f"sqlite:///{project.root / 'shop.db'}") == {"alembic_version"}


def test_a_database_already_at_head(project: Sandbox, alembic_init: Init) -> None:
    """A database that plain alembic has brought to head has nothing to migrate, and can be rolled back."""
    alembic_init(project, "sqlite:///shop.db")
    add_two_migrations(project)
    project.alembic("upgrade", "head")

    done = project.inv("database.migrate", "migrate.status", "--check", "migrate.rollback", "--force").stdout
    assert "Nothing to migrate." in done
    assert "2 applied, 0 pending." in done
    assert current(project) == {"1a1a"}


def test_the_application_s_loggers_stay_alive(project: Sandbox, alembic_init: Init) -> None:
    """env.py's fileConfig() disables loggers and closes handlers; afterwards all of them work as before.

    One logger is older than env.py, one is made by a module that env.py imports before it calls fileConfig().
    """
    alembic_init(project, "sqlite:///shop.db")
    add_two_migrations(project)
    project.write("shop/__init__.py", "")
    project.write("shop/orders.py", 'import logging\n\nlog = logging.getLogger("shop.orders")')
    project.replace(
        "migrations/env.py", "from alembic import context\n", "from alembic import context\nimport shop.orders\n"
    )
    project.write(
        "tasks.py",
        """
        import logging

        from invoke import Collection, task

        from fastman_tasks import database, make, migrate

        logging.basicConfig(level=logging.INFO, format="console|%(name)s|%(message)s")
        file = logging.FileHandler("shop.log", mode="w")
        file.setFormatter(logging.Formatter("file|%(name)s|%(message)s"))
        log = logging.getLogger("shop.web")
        log.addHandler(file)
        log.info("before")


        @task
        def serve(c):
            from shop import orders

            log.info("after")
            orders.log.info("ordered")


        ns = Collection(serve, make, database, migrate)
        """,
    )

    done = project.inv("database.migrate", "serve")

    assert "2 migrations applied." in done.stdout
    said = [line for line in done.stderr.splitlines() if line.startswith("console|shop.")]
    assert said == ["console|shop.web|before", "console|shop.web|after", "console|shop.orders|ordered"]
    written = (project.root / "shop.log").read_text("utf-8")
    assert written.splitlines() == ["file|shop.web|before", "file|shop.web|after"]
