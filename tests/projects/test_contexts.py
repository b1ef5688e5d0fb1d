"""What env.py tells ``context.configure()`` holds for us as for plain alembic, and for new migrations as well."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from command import Sandbox
from servers import execute
from walk import Walked, add_chain, contents, read_states, write_env, write_ini, write_mako

Walk = Callable[..., Walked]


@pytest.mark.parametrize("driver", ["sqlite+aiosqlite", "postgresql+psycopg"])
def test_a_version_table_of_its_own(walk: Walk, driver: str) -> None:
    """The state is read from, and kept in, the table that env.py names."""

    def write(project: Sandbox, url: str) -> None:
        write_ini(project, url)
        write_env(project, url, options=', version_table="shop_version", version_table_pk=False')
        add_chain(project)

    walked = walk(write, driver)
    url = walked.url if "postgresql" in driver else f"sqlite:///{walked.ours.root}/shop.db"
    assert execute(url, "SELECT version_num FROM shop_version") == [("3c3c",)]


def test_a_version_table_in_another_schema(walk: Walk) -> None:
    """The state is read from, and kept in, the schema that env.py names."""

    def write(project: Sandbox, url: str) -> None:
        execute(url, "CREATE SCHEMA audit")
        write_ini(project, url)
        write_env(project, url, options=', version_table_schema="audit", include_schemas=True')
        add_chain(project)

    walked = walk(write, "postgresql+asyncpg")
    assert execute(walked.url, "SELECT version_num FROM audit.alembic_version") == [("3c3c",)]


@pytest.mark.parametrize(
    ("driver", "options", "atomic"),
    [
        ("sqlite", ", transactional_ddl=False", False),
        ("postgresql+psycopg", ", transactional_ddl=False", False),
        ("sqlite", ", transaction_per_migration=False", True),
        ("postgresql+asyncpg", ", transaction_per_migration=False", True),
    ],
)
def test_transactions_as_env_py_wants_them(walk: Walk, driver: str, options: str, atomic: bool) -> None:
    """What env.py says of transactions stands; a migration that fails is rolled back where env.py lets it be."""

    def write(project: Sandbox, url: str) -> None:
        write_ini(project, url)
        write_env(project, url, options=options)
        add_chain(project)

    walk(write, driver, fails=True, atomic=atomic)


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+asyncpg"])
def test_a_block_in_autocommit(walk: Walk, driver: str) -> None:
    """``autocommit_block()`` leaves the transaction for what cannot be in one, and begins another one afterwards."""
    statement = {
        "sqlite": "VACUUM",
        "postgresql": "CREATE INDEX CONCURRENTLY users_name ON users (name)",
    }[driver.partition("+")[0]]

    def write(project: Sandbox, url: str) -> None:
        write_ini(project, url)
        write_env(project, url, options=", transaction_per_migration=True")
        add_chain(project)
        project.replace(
            "migrations/versions/2b2b_create_posts.py",
            "def upgrade():\n",
            f'def upgrade():\n    with op.get_context().autocommit_block():\n        op.execute("{statement}")\n',
        )
        if driver.startswith("postgresql"):
            project.replace(
                "migrations/versions/2b2b_create_posts.py",
                "def downgrade():\n",
                'def downgrade():\n    op.drop_index("users_name", "users")\n',
            )

    walk(write, driver)


MODELS = """
from sqlalchemy import Column, Integer, MetaData, String, Table

metadata = MetaData()
Table("users", metadata, Column("id", Integer, primary_key=True), Column("name", String(50), nullable=False))
"""


def write_models(project: Sandbox, head: str = "", options: str = "", more: tuple[str, ...] = ()) -> None:
    """A project whose models are those of its first migration, which is applied."""
    write_ini(project, "sqlite:///shop.db", more=more)
    write_mako(project)
    write_env(project, head=f"from shop_models import metadata\n{head}", options=f", target_metadata=metadata{options}")
    project.write("shop_models.py", MODELS)
    project.add_migration(
        "1a1a_create_users",
        "1a1a",
        None,
        'op.execute("CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(50) NOT NULL)")',
        'op.drop_table("users")',
        folder="migrations/versions",
    )
    project.inv("database.migrate")


def added(project: Sandbox, before: dict[str, bytes | None]) -> list[str]:
    """The files that are new, with their text."""
    new = [name for name in contents(project) if name not in before]
    return [(project.root / name).read_text("utf-8") for name in new]


INCLUDE = """
def include_object(object, name, type_, reflected, compare_to):
    return not (type_ == "table" and name.startswith("spatial_"))
"""


def test_objects_that_env_py_leaves_out(project: Sandbox) -> None:
    """``include_object`` decides what a new migration compares: what it leaves out is neither made nor dropped."""
    write_models(project, INCLUDE, ", include_object=include_object")
    execute(f"sqlite:///{project.root}/shop.db", "CREATE TABLE spatial_systems (id INTEGER)")
    with (project.root / "shop_models.py").open("a", encoding="utf-8") as file:
        file.write('Table("spatial_index", metadata, Column("id", Integer, primary_key=True))\n')
        file.write('Table("posts", metadata, Column("id", Integer, primary_key=True))\n')
    before = contents(project)

    project.inv("make.migration", "add posts")

    [text] = added(project, before)
    assert "posts" in text
    assert "spatial" not in text


@pytest.mark.parametrize(("flags", "ini"), [((), ()), (("--empty",), ("revision_environment = true",))])
def test_directives_that_drop_an_empty_migration(
    project: Sandbox, flags: tuple[str, ...], ini: tuple[str, ...]
) -> None:
    """``process_revision_directives`` may decide that nothing is written at all, which is not a failure."""
    head = """
def process(context, revision, directives):
    print("processed")
    if directives[0].upgrade_ops.is_empty():
        directives[:] = []
"""
    write_models(project, head, ", process_revision_directives=process", ini)
    before = contents(project)

    said = project.inv("make.migration", "nothing to do", *flags)

    assert contents(project) == before
    assert "Created" not in said.stdout
    assert "processed" in said.stdout + said.stderr


def test_directives_that_name_the_revision(project: Sandbox) -> None:
    """``process_revision_directives`` may set the revision's id and change its operations, here as there."""
    head = """
def process(context, revision, directives):
    from alembic.operations import ops
    directives[0].rev_id = "0002"
    directives[0].upgrade_ops.ops.append(ops.ExecuteSQLOp("UPDATE users SET name = 'Bob'"))
"""
    write_models(project, head, ", process_revision_directives=process")
    with (project.root / "shop_models.py").open("a", encoding="utf-8") as file:
        file.write('Table("posts", metadata, Column("id", Integer, primary_key=True))\n')
    before = contents(project)

    project.inv("make.migration", "add posts")

    [text] = added(project, before)
    assert "UPDATE users SET name = 'Bob'" in text
    assert "posts" in text
    said = project.inv("database.migrate", "migrate.status", "--check", "--json")
    assert read_states(said) == {"1a1a": "applied", "0002": "applied"}


@pytest.mark.parametrize("flags", [("--empty",), ()], ids=["empty", "from the models"])
def test_a_template_that_needs_env_py(project: Sandbox, flags: tuple[str, ...]) -> None:
    """With ``revision_environment = true`` script.py.mako may use what env.py gives it as ``template_args``."""
    options = ', template_args={"author": "Ann of the shop"}'
    write_models(project, options=options, more=("revision_environment = true",))
    with (project.root / "shop_models.py").open("a", encoding="utf-8") as file:
        file.write('Table("posts", metadata, Column("id", Integer, primary_key=True))\n')
    project.replace("migrations/script.py.mako", '"""${message}', '"""${message}\n\nAuthor: ${author}')
    before = contents(project)

    project.inv("make.migration", "add posts", *flags)

    [text] = added(project, before)
    assert "Author: Ann of the shop" in text
    assert ("create_table" in text) == (not flags)
