"""What a generated env.py does, under plain alembic just as under inv."""

from __future__ import annotations

import pytest

from command import Sandbox
from servers import execute, tables

USERS = 'op.create_table("users", sa.Column("id", sa.Integer, primary_key=True))'


@pytest.fixture
def shop(project: Sandbox) -> Sandbox:
    """A project with two migrations, whose second one fails half-way."""
    project.add_environment()
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    project.add_migration("2026_01_01_000000_users", "1a1a", None, USERS, 'op.drop_table("users")')
    project.add_migration(
        "2026_01_02_000000_posts",
        "2b2b",
        "1a1a",
        'op.execute("CREATE TABLE posts (id INTEGER)")\nop.execute("CREATE TABLE users (id INTEGER)")',
    )
    return project


def url(project: Sandbox) -> str:
    """The database of ``project``."""
    return f"sqlite:///{project.root / 'shop.db'}"


def test_each_migration_and_its_record_share_a_transaction(shop: Sandbox) -> None:
    """Under plain alembic too: what succeeded is kept and recorded, of the one that failed nothing is, on SQLite."""
    assert "table users already exists" in shop.alembic("upgrade", "head", code=1).stderr
    assert tables(url(shop)) == {"alembic_version", "users"}
    assert execute(url(shop), "SELECT version_num FROM alembic_version") == [("1a1a",)]


def test_plain_alembic_finds_settings_and_models_from_anywhere(shop: Sandbox) -> None:
    """.env, the relative SQLite path and the models belong to alembic.ini's folder, wherever alembic is called."""
    (shop.root / "src/deep").mkdir(parents=True)
    shop.write(
        "src/shop/models.py",
        """
        import sqlalchemy as sa

        metadata = sa.MetaData()
        users = sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True))
        carts = sa.Table("carts", metadata, sa.Column("id", sa.Integer, primary_key=True))
        """,
    )
    shop.write("src/shop/__init__.py", "")
    shop.alembic("-c", "../../alembic.ini", "upgrade", "1a1a", cwd="src/deep")
    assert tables(url(shop)) == {"alembic_version", "users"}
    (shop.root / "database/migrations/versions/2026_01_02_000000_posts.py").unlink()
    checked = shop.alembic("-c", "../../alembic.ini", "check", cwd="src/deep", code=255)
    assert "carts" in checked.stdout + checked.stderr
    assert not (shop.root / "src/deep/shop.db").exists()


def test_sql_without_a_database(shop: Sandbox) -> None:
    """``alembic upgrade head --sql`` prints the SQL, in transactions, for the database of .env, and opens none."""
    said = shop.alembic("upgrade", "head", "--sql").stdout
    assert said.count("BEGIN;") == said.count("COMMIT;") == 2
    assert said.index("CREATE TABLE users (\n") < said.index("CREATE TABLE posts")
    assert not (shop.root / "shop.db").exists()
    posted = shop.alembic("upgrade", "1a1a", "--sql", env={"DATABASE_URL": "postgres://nowhere/shop"}).stdout
    assert "id SERIAL NOT NULL" in posted


def test_plain_alembic_in_production_without_a_url(shop: Sandbox) -> None:
    """The guard against a database that nobody named holds under plain alembic as well."""
    (shop.root / ".env").unlink()
    failed = shop.alembic("upgrade", "head", env={"ENVIRONMENT": "production"}, code=1)
    assert "ENVIRONMENT=production and no DATABASE_URL" in failed.stderr
    assert not (shop.root / "app.db").exists()
