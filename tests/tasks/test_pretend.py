"""--pretend, and Invoke's --dry: the SQL that would run, and nothing written."""

from __future__ import annotations

from typing import Any

import pytest
from command import Init, Sandbox
from dumps import dump
from servers import Server, execute
from services import opened

DRIVERS = ["sqlite", "postgresql+asyncpg", "mysql+pymysql"]
# It needs what the one before it makes, asks what is there, and tries to keep what it does.
ASKING = """
    from sqlalchemy.orm import Session
    bind = op.get_bind()
    count = bind.execute(sa.text("SELECT count(*) FROM users")).scalar()
    op.execute(f"CREATE TABLE counted_{count} (a INT)")
    with Session(bind=bind) as session:
        session.execute(sa.text("INSERT INTO users VALUES (:id)"), {"id": 77})
        session.commit()
"""


def fresh(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> str:
    """The URL of an empty database, named in .env."""
    if driver == "sqlite":
        url = f"sqlite:///{project.root}/shop.db"
    else:
        server: Server = request.getfixturevalue("postgresql" if driver.startswith("postgresql") else "mariadb")
        url = server.fresh(driver)
    project.write(".env", f"DATABASE_URL={url}")
    return url


def everything(project: Sandbox, url: str) -> Any:
    """The database and the project's files; of SQLite each byte."""
    file = project.root / "shop.db"
    if url.startswith("sqlite"):
        return project.files(), file.read_bytes() if file.exists() else None
    return project.files(), dump(url)


@pytest.mark.parametrize("driver", DRIVERS)
def test_nothing_is_written(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> None:
    """On a database that is fresh (or a file that is not there), on one that is half way, and downwards."""
    url = fresh(request, project, driver)
    project.add_environment()
    up = 'op.execute("CREATE TABLE users (id INT)")\nop.execute("INSERT INTO users VALUES (1), (2)")'
    project.add_migration("1_users", "1a", None, up, 'op.drop_table("users")')
    before = everything(project, url)
    for command in (["database.migrate", "--pretend"], ["--dry", "database.migrate"]):
        said = project.inv(*command).stdout
        assert "-- 1_users\n" in said
        assert "CREATE TABLE users (id INT);\nINSERT INTO users VALUES (1), (2);\n" in said
        assert said.endswith("Nothing was changed.\n")
        assert "DONE" not in said
        assert everything(project, url) == before
    project.inv("database.migrate")
    (project.root / "shop.db.lock").unlink(missing_ok=True)

    project.add_migration("2_asking", "2b", "1a", ASKING, "op.get_bind().execute(sa.text('DELETE FROM users'))")
    project.add_migration("3_more", "3c", "2b", 'op.execute("CREATE TABLE more (a INT)")', 'op.drop_table("more")')
    before = everything(project, url)
    said = project.inv("database.migrate", "--pretend", "migrate.rollback", "--pretend", "migrate.reset", "--pretend")
    assert everything(project, url) == before
    asking = said.stdout.partition("-- 2_asking\n")[2].partition("-- 3_more")[0]
    if driver == "mysql+pymysql":
        assert asking == "-- It asks the live database what to do; its SQL cannot be shown.\n\n"
    else:
        assert "CREATE TABLE counted_2 (a INT);\n" in asking
        assert "77" in asking
    assert "CREATE TABLE more (a INT);\n" in said.stdout
    assert said.stdout.count("DROP TABLE users;\n") == 2

    if driver == "mysql+pymysql":
        execute(url, "UPDATE alembic_version SET version_num = '3c'")
    else:
        project.inv("database.migrate")
        (project.root / "shop.db.lock").unlink(missing_ok=True)
    before = everything(project, url)
    said = project.inv("--dry", "migrate.reset")
    assert everything(project, url) == before
    assert said.stdout.index("-- 3_more") < said.stdout.index("-- 2_asking") < said.stdout.index("-- 1_users")
    assert "DELETE FROM users;" in said.stdout


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+psycopg"])
@pytest.mark.parametrize(
    "how", ["bind.commit()", 'op.execute("COMMIT")', 'op.execute("  /* now */ commit")', "block", "engine", "auto"]
)
@pytest.mark.parametrize("foreign", [False, True])
def test_a_migration_that_commits(
    request: pytest.FixtureRequest, project: Sandbox, alembic_init: Init, driver: str, how: str, foreign: bool
) -> None:
    """A migration that ends the transaction cannot be rehearsed: it is named and left out, and nothing is kept."""
    if foreign and how != "bind.commit()":
        # Once is enough for what is the same code.
        how = "session.commit()"
    url = fresh(request, project, driver)
    execute(url, "CREATE TABLE here (a INT)")
    folder = "database/migrations/versions"
    if foreign:
        alembic_init(project)
        folder = "migrations/versions"
    else:
        project.add_environment()
    others = {
        "engine": "with bind.engine.begin() as other:\n    other.execute(sa.text('INSERT INTO other VALUES (4)'))",
        "auto": "with bind.engine.connect().execution_options(isolation_level='AUTOCOMMIT') as other:\n"
        "    other.execute(sa.text('INSERT INTO other VALUES (4)'))",
    }
    execute(url, "CREATE TABLE other (a INT)")
    how = others.get(how, how)
    end = (
        'with op.get_context().autocommit_block():\n    op.execute("INSERT INTO here VALUES (2)")'
        if how == "block"
        else how
    )
    up = f"""
bind = op.get_bind()
assert bind.execute(sa.text("INSERT INTO here VALUES (1)")).rowcount == 1
session = sa.orm.Session(bind=bind)
{end}
op.execute("INSERT INTO here VALUES (3)")
"""
    project.add_migration(
        "1_committing", "1a", None, up.replace("sa.orm", "__import__('sqlalchemy.orm').orm"), folder=folder
    )
    before = everything(project, url)

    with opened(project, DATABASE_URL=url) as here:
        ((revision, shown),) = here.migrator.preview(here.migrator.plan_migrate())

    assert everything(project, url) == before
    assert revision.name == "1_committing"
    assert (shown is None) == (how != "session.commit()")
