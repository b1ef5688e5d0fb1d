"""Rolling back: what is refused before the first step, and what is lost, said before it is lost."""

from __future__ import annotations

import py_compile
import re
from pathlib import Path

import pytest

import services
from command import Sandbox
from dumps import dump
from fastman_tasks.errors import MigrationRefused, UsageError
from fastman_tasks.plans import Loss
from servers import Server, execute, tables
from services import opened

VERSIONS = "database/migrations/versions"


@pytest.fixture
def url(project: Sandbox) -> str:
    """A SQLite database, named in .env, of a project with an Alembic environment."""
    project.add_environment()
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    return f"sqlite:///{project.root}/shop.db"


def losses(project: Sandbox, **environ: str) -> tuple[Loss, ...]:
    """What rolling everything back would lose."""
    with opened(project, **environ) as here:
        return here.migrator.plan_rollback().losses


@pytest.mark.parametrize(
    ("down", "why"),
    [
        ("pass", "its downgrade() is empty"),
        ('"""Nothing."""', "its downgrade() is empty"),
        ("...", "its downgrade() is empty"),
        ("return None", "its downgrade() is empty"),
        ("raise NotImplementedError", "its downgrade() raises NotImplementedError"),
        ('raise NotImplementedError("users are gone")', "its downgrade() raises NotImplementedError"),
        ('raise NotImplementedError("gone") from None', "its downgrade() raises NotImplementedError"),
        ('op.drop_table("a")\nraise NotImplementedError', "its downgrade() raises NotImplementedError"),
        ("refuse()", "its downgrade() raises NotImplementedError"),
        (None, "it has no downgrade()"),
    ],
)
def test_what_cannot_be_taken_back(project: Sandbox, url: str, down: str | None, why: str) -> None:
    """It is found before the first step, also where it is the last one of several, and nothing is touched."""
    helper = "\n\ndef refuse():\n    raise NotImplementedError\n"
    file = project.add_migration("1_stuck", "1a", None, 'op.execute("CREATE TABLE a (b INT)")', down or "pass")
    text = file.read_text("utf-8")
    file.write_text((text if down else text.partition("def downgrade")[0]) + helper, "utf-8")
    project.add_migration("2_fine", "2b", "1a", 'op.execute("CREATE TABLE c (b INT)")', 'op.drop_table("c")')
    with opened(project, DATABASE_URL=url) as here:
        services.migrate(here)
    before = dump(url)

    with opened(project, DATABASE_URL=url) as here, pytest.raises(MigrationRefused) as refused:
        here.migrator.plan_rollback()

    assert f"\n  1_stuck: {why}\n" in str(refused.value)
    assert "2_fine" not in str(refused.value)
    assert dump(url) == before


def test_a_merge_is_taken_back(project: Sandbox, url: str) -> None:
    """An empty downgrade() beside an empty upgrade() is no obstacle, nor is one further down than the steps asked."""
    project.add_migration("1_root", "1a", None, 'op.execute("CREATE TABLE a (b INT)")')
    project.add_migration("2_left", "2b", "1a", 'op.execute("CREATE TABLE c (b INT)")', 'op.drop_table("c")')
    project.add_migration("3_right", "3c", "1a", 'op.execute("CREATE TABLE d (b INT)")', 'op.drop_table("d")')
    project.add_migration("4_merge", "4d", ("2b", "3c"))

    done = project.inv("database.migrate", "migrate.rollback", "--steps=3", "--force", "migrate.status")

    plan = done.stdout.partition("4 migrations applied.")[2].partition("This drops")[0]
    assert plan.split()[-3:] == ["4_merge", "2_left", "3_right"], "the plan is printed, newest first, before"
    assert "3 migrations rolled back." in done.stdout
    assert "1 applied, 3 pending." in done.stdout
    assert tables(url) == {"a", "alembic_version"}
    execute(url, "INSERT INTO a VALUES (1)")
    refused = project.inv("migrate.rollback", "--force", code=1)
    assert "1_root: its downgrade() is empty" in refused.stderr
    assert execute(url, "SELECT * FROM a") == [(1,)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["migrate.rollback", "--to=aa03"], "--to=aa03 is not applied"),
        (["migrate.rollback", "--to=aa01", "--steps=1"], "--steps and --to are mutually exclusive."),
        (["database.migrate", "--to=aa"], "--to=aa"),
        (["migrate.rollback", "--confirm=other.db", "--force"], "--confirm=other.db is not this database's name"),
        (["migrate.reset", "--confirm=", "--force"], "--confirm needs a value"),
    ],
)
def test_wrong_usage(project: Sandbox, url: str, arguments: list[str], said: str) -> None:
    """Code 2, one message that names the value, and the database stays as it is."""
    for number in range(4):
        project.add_migration(
            f"{number}_step",
            f"aa0{number}",
            f"aa0{number - 1}" if number else None,
            f'op.execute("CREATE TABLE t{number} (a INT)")',
            f'op.drop_table("t{number}")',
        )
    with opened(project, DATABASE_URL=url) as here:
        services.migrate(here, "aa02")
        for name in ("zz", "aa", "aa01:aa02", "+x", "-9", "aa01@"):
            with pytest.raises(UsageError, match=re.escape(f"--to={name}")):
                here.migrator.plan_migrate(name)
        for name in ("zz", "aa", "aa03", "heads", "aa01:aa02", "+9", "aa01@"):
            with pytest.raises(UsageError, match=re.escape(f"--to={name}")):
                here.migrator.plan_rollback(to=name)
    before = Path(url.removeprefix("sqlite:///")).read_bytes()

    refused = project.inv(*arguments, code=2)

    assert said in refused.stderr
    assert "DONE" not in refused.stdout
    assert Path(url.removeprefix("sqlite:///")).read_bytes() == before


def test_losses_are_listed_before_they_happen(project: Sandbox, url: str) -> None:
    """Tables with their rows, columns with their values, batches too; raw SQL as it stands, as not understood."""
    up = """
        op.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(50), email VARCHAR(50))")
        op.execute("CREATE TABLE \\"Odd \\"\\"name\\" (a INT)")
        op.execute("CREATE TABLE empty_one (a INT)")
        op.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1204) "
                   "INSERT INTO users SELECT i, 'x', CASE WHEN i <= 3 THEN 'e' END FROM n")
        op.execute("INSERT INTO \\"Odd \\"\\"name\\" VALUES (1)")
    """
    down = """
        op.drop_table("empty_one")
        op.drop_table('Odd "name')
        op.execute("DELETE FROM audit   WHERE a > 1")
        op.drop_table("users")
    """
    project.add_migration("1_users", "1a", None, up, down)
    batch = """
        with op.batch_alter_table("users") as batch:
            batch.drop_column("email")
    """
    project.add_migration("2_mail", "2b", "1a", "op.execute('SELECT 1')", batch)
    project.inv("database.migrate")
    before = dump(url)

    asked = project.inv("migrate.reset", code=5)

    assert "  2_mail\n  1_users\n" in asked.stdout
    assert (
        "This drops, with the data in them:\n"
        "  users.email: 3 values\n"
        "  empty_one: 0 rows\n"
        '  Odd "name: 1 row\n'
        "  users: 1,204 rows\n"
        "Could not be analysed; data may be lost:\n"
        "  1_users: DELETE FROM audit WHERE a > 1\n"
    ) in asked.stdout
    assert asked.stderr.endswith("To go ahead: inv migrate.reset --force\n")
    assert dump(url) == before


def test_losses_of_what_has_another_name_by_now(project: Sandbox, url: str) -> None:
    """A table that was renamed since is lost under the name it has now, and so is a column; what a step makes itself
    is no loss; what a connection is given counts as what op.execute() is."""
    project.add_migration(
        "1_users",
        "1a",
        None,
        'op.create_table("users", sa.Column("a", sa.Integer), sa.Column("b", sa.Integer))\n'
        'op.execute("INSERT INTO users VALUES (1, NULL), (2, 3)")',
        'op.drop_column("users", "a")\nop.drop_table("users")',
    )
    project.add_migration(
        "2_people",
        "2b",
        "1a",
        'op.rename_table("users", "people")\nop.alter_column("people", "a", new_column_name="alpha")',
        'op.alter_column("people", "alpha", new_column_name="a")\nop.rename_table("people", "users")',
    )
    with opened(project, DATABASE_URL=url) as here:
        services.migrate(here)
    assert losses(project, DATABASE_URL=url) == (Loss("people", "alpha", 2), Loss("people", None, 2))

    project.add_migration(
        "3_old",
        "3c",
        "2b",
        "op.execute('SELECT 1')",
        """
        op.create_table("old", sa.Column("a", sa.Integer))
        op.drop_table("old")
        op.get_bind().execute(sa.text("DELETE FROM people"))
        """,
    )
    with opened(project, DATABASE_URL=url) as here:
        services.migrate(here)
    assert losses(project, DATABASE_URL=url) == (
        Loss(reason="3_old: DELETE FROM people"),
        Loss("people", "alpha", 2),
        Loss("people", None, 2),
    )


def test_an_operation_of_the_projects_own(project: Sandbox) -> None:
    """What it drops is not known, so it counts as a loss; it runs like any other."""
    project.write(
        "operation.py",
        """
        from alembic.operations import MigrateOperation, Operations


        @Operations.register_operation("drop_view")
        class DropViewOp(MigrateOperation):
            @classmethod
            def drop_view(cls, operations, name):
                operation = cls()
                operation.name = name
                return operations.invoke(operation)


        @Operations.implementation_for(DropViewOp)
        def drop_view(operations, operation):
            operations.execute(f"DROP VIEW {operation.name}")
        """,
    )
    url = f"sqlite:///{project.root}/shop.db"
    project.write(".env", f"DATABASE_URL={url}")
    project.add_environment()
    project.add_migration(
        "1_view", "1a", None, 'op.execute("CREATE VIEW v AS SELECT 1")', "import operation\nop.drop_view('v')"
    )
    project.inv("database.migrate")
    assert losses(project, DATABASE_URL=url) == (Loss(reason="1_view, line 18: op.drop_view('v')"),)
    refused = project.inv("migrate.reset", "--force", env={"ENVIRONMENT": "production"}, code=5)
    assert "Could not be analysed; data may be lost:\n  1_view, line 18: op.drop_view('v')\n" in refused.stdout
    assert "1 migration rolled back." in project.inv("migrate.reset", "--force").stdout


def test_a_version_file_without_source(project: Sandbox, url: str) -> None:
    """Bytecode cannot be analysed: the whole of it counts as a loss, and runs once that is agreed to."""
    file = project.add_migration("1_a", "1a", None, 'op.execute("CREATE TABLE a (b INT)")', 'op.drop_table("a")')
    py_compile.compile(str(file), str(file.with_suffix(".pyc")), doraise=True)
    file.unlink()
    project.replace("alembic.ini", "[alembic]\n", "[alembic]\nsourceless = true\n")
    production = {"ENVIRONMENT": "production"}
    project.inv("database.migrate", "--force", env=production)
    refused = project.inv("migrate.rollback", "--force", env=production, code=5)
    assert "Could not be analysed; data may be lost:\n  1_a: its source could not be analysed\n" in refused.stdout
    assert tables(url) == {"a", "alembic_version"}
    project.inv("migrate.rollback", "--confirm=shop.db", env=production)
    assert tables(url) == {"alembic_version"}


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+psycopg", "mysql+pymysql"])
def test_losses_of_large_tables(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> None:
    """Past a hundred thousand rows the server's estimate serves, marked so; a few rows with high ids are counted."""
    project.add_environment()
    count = "SELECT i, NULL FROM n"
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)"
    insert = f"{numbers} INSERT INTO big {count}"
    if driver == "sqlite":
        url = f"sqlite:///{project.root}/shop.db"
    elif driver.startswith("postgresql"):
        server: Server = request.getfixturevalue("postgresql")
        url = server.fresh(driver)
    else:
        server = request.getfixturevalue("mariadb")
        url, insert = server.fresh(driver), "INSERT INTO big SELECT seq, NULL FROM seq_1_to_150000"
    project.write(".env", f"DATABASE_URL={url}")
    up = f"""
        op.execute("CREATE TABLE big (a INTEGER PRIMARY KEY, b INT)")
        op.execute("CREATE TABLE few (a BIGINT PRIMARY KEY, b INT)")
        op.execute("INSERT INTO few VALUES (7000000000000000000, NULL), (7000000000000000001, 1)")
        op.execute("{insert}")
    """.replace("BIGINT", "INTEGER" if driver == "sqlite" else "BIGINT")
    down = 'op.drop_column("few", "b")\nop.drop_table("few")\nop.drop_column("big", "b")\nop.drop_table("big")'
    project.add_migration("1_big", "1a", None, up, down)
    with opened(project, DATABASE_URL=url) as here:
        services.migrate(here)
    if driver.startswith("postgresql"):
        unknown = losses(project, DATABASE_URL=url)[-1]
        assert unknown == Loss("big", None, 100_000, precision="at least"), "never analyzed: there is no estimate yet"
        execute(url, "ANALYZE big")
    elif driver.startswith("mysql"):
        execute(url, "ANALYZE TABLE big")

    few_b, few, big_b, big = losses(project, DATABASE_URL=url)

    assert (few_b, few) == (Loss("few", "b", 1), Loss("few", None, 2))
    assert big.precision == "estimate" and big.rows is not None and 140_000 < big.rows < 160_000
    assert not big_b.is_harmless
    shown = project.inv("migrate.reset", code=5).stdout
    assert f"  big: ~{big.rows:,} rows\n" in shown
    assert "  few: 2 rows\n" in shown
