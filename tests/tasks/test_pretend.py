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
    if driver != "sqlite":
        assert asking == (
            "-- Not all of it can be shown: it needs the live database: database/migrations/versions/2_asking.py:15: "
            "AttributeError: 'NoneType' object has no attribute 'scalar'\nSELECT count(*) FROM users;\n\n"
        )
    else:
        assert "CREATE TABLE counted_2 (a INT);\n" in asking
        assert "77" in asking
    assert "CREATE TABLE more (a INT);\n" in said.stdout
    assert said.stdout.count("DROP TABLE users;\n") == 2

    if driver != "sqlite":
        execute(url, "UPDATE alembic_version SET version_num = '3c'")
    else:
        project.inv("database.migrate")
        (project.root / "shop.db.lock").unlink(missing_ok=True)
    before = everything(project, url)
    said = project.inv("--dry", "migrate.reset")
    assert everything(project, url) == before
    assert said.stdout.index("-- 3_more") < said.stdout.index("-- 2_asking") < said.stdout.index("-- 1_users")
    assert "DELETE FROM users;" in said.stdout


@pytest.mark.parametrize("how", ["bind.commit()", 'op.execute("COMMIT")', 'op.execute("  /* now */ commit")'])
@pytest.mark.parametrize("foreign", [False, True])
def test_a_migration_that_commits(
    project: Sandbox, alembic_init: Init, request: pytest.FixtureRequest, how: str, foreign: bool
) -> None:
    """On SQLite one that ends the transaction is named, nothing of it is kept, and those after it are shown."""
    url = fresh(request, project, "sqlite")
    execute(url, "CREATE TABLE here (a INT)")
    folder = "migrations/versions" if foreign else "database/migrations/versions"
    if foreign:
        alembic_init(project)
    else:
        project.add_environment()
    up = f"""
bind = op.get_bind()
assert bind.execute(sa.text("INSERT INTO here VALUES (1)")).rowcount == 1
{how}
op.execute("INSERT INTO here VALUES (3)")
"""
    project.add_migration("1_committing", "1a", None, up, folder=folder)
    count = "n = op.get_bind().execute(sa.text('SELECT count(*) FROM here')).scalar()"
    after = f'{count}\nop.execute(f"CREATE TABLE rows_{{n}} (a INT)")'
    project.add_migration("2_after", "2b", "1a", after, folder=folder)
    before = everything(project, url)

    with opened(project, DATABASE_URL=url) as here:
        (first, second), failure = here.migrator.preview(here.migrator.plan_migrate())
    assert failure is None

    assert everything(project, url) == before
    assert (first.revision.name, second.revision.name) == ("1_committing", "2_after")
    assert first.reason == "it commits by itself"
    assert second.reason is None
    assert "CREATE TABLE rows_0 (a INT);" in second.statements


def test_what_does_not_commit_is_shown(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """A session that joins the migration's transaction commits nothing, and an autocommit_block() has no effect."""
    url = fresh(request, project, "sqlite")
    execute(url, "CREATE TABLE here (a INT)")
    project.add_environment()
    up = """
        from sqlalchemy.orm import Session
        session = Session(bind=op.get_bind())
        session.execute(sa.text("INSERT INTO here VALUES (1)"))
        session.commit()
        with op.get_context().autocommit_block():
            op.execute("INSERT INTO here VALUES (2)")
    """
    project.add_migration("1_both", "1a", None, up)
    before = everything(project, url)
    said = project.inv("database.migrate", "--pretend").stdout
    assert "INSERT INTO here VALUES (1);\nINSERT INTO here VALUES (2);\n" in said
    assert everything(project, url) == before


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+psycopg"])
def test_one_that_fails_is_reported(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> None:
    """With its name, line and message, after the SQL of those before it; nothing was changed."""
    url = fresh(request, project, driver)
    project.add_environment()
    project.add_migration("1_fine", "1a", None, 'op.execute("CREATE TABLE fine (a INT)")')
    project.add_migration("2_broken", "2b", "1a", 'print("on its way")\nraise ValueError("no such luck")')
    before = everything(project, url)
    failed = project.inv("database.migrate", "--pretend", code=1)
    assert "2_broken fails: database/migrations/versions/2_broken.py:14: ValueError: no such luck\n" in failed.stderr
    assert "CREATE TABLE fine (a INT);" in failed.stdout
    assert "on its way" in failed.stderr
    assert "on its way" not in failed.stdout
    assert everything(project, url) == before
