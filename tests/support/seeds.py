"""A small shop to seed: its models, its one migration, and what is in its database."""

from __future__ import annotations

import textwrap

import pytest

from command import Sandbox
from servers import Server, execute, tables

SQLITE = ["sqlite", "sqlite+aiosqlite"]
POSTGRESQL = ["postgresql+psycopg", "postgresql+asyncpg"]
MARIADB = ["mysql+pymysql"]
EVERY = [*SQLITE, *POSTGRESQL, *MARIADB]
SYNC = ["sqlite", "postgresql+psycopg", *MARIADB]
ASYNC = ["sqlite+aiosqlite", "postgresql+asyncpg"]

MODELS = """
    from __future__ import annotations

    from datetime import date, datetime

    from sqlalchemy import JSON, ForeignKey, String
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


    class Base(DeclarativeBase):
        pass


    class Role(Base):
        __tablename__ = "roles"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(50), unique=True)


    class User(Base):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str] = mapped_column(String(50), unique=True)
        age: Mapped[int | None]
        born: Mapped[date | None]
        settings: Mapped[dict | None] = mapped_column(JSON)
        role_id: Mapped[int | None] = mapped_column(ForeignKey("roles.id"))
"""
_UP = """
    op.create_table(
        "roles",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(50), nullable=False, unique=True),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email", sa.String(50), nullable=False, unique=True),
        sa.Column("age", sa.Integer),
        sa.Column("born", sa.Date),
        sa.Column("settings", sa.JSON),
        sa.Column("role_id", sa.Integer, sa.ForeignKey("roles.id")),
    )
    op.execute("INSERT INTO roles (name) VALUES ('guest')")
"""
_DOWN = 'op.drop_table("users")\nop.drop_table("roles")'


def new_url(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> str:
    """The URL of an empty database for ``driver``, which is in the project's .env from now on."""
    if driver in SQLITE:
        project.write(".env", f"DATABASE_URL={driver}:///shop.db")
        return f"{driver}:///{project.root}/shop.db"
    server: Server = request.getfixturevalue("postgresql" if driver in POSTGRESQL else "mariadb")
    url = server.fresh(driver)
    project.write(".env", f"DATABASE_URL={url}")
    return url


def add_shop(project: Sandbox) -> None:
    """Write the models and the migration that makes their tables, with one role in them."""
    project.write("models.py", MODELS)
    project.add_environment()
    project.add_migration("2026_01_01_000000_create_shop", "1a1a", None, _UP, _DOWN)


def add_seeder(project: Sandbox, module: str, body: str) -> None:
    """Write ``database/seeders/<module>.py``: the usual imports, then ``body``."""
    imports = (
        "from sqlalchemy import delete, insert, select, text, update\n\n"
        "from fastman_tasks.seeding import load, upsert\nfrom models import Role, User\n\n\n"
    )
    project.write(f"database/seeders/{module}.py", imports + textwrap.dedent(body).lstrip("\n"))


def dump(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table but our history, which tells of failures too, in order. Sequences are left out: no
    rollback takes their numbers back."""
    names = sorted(tables(url))
    return {table: sorted(execute(url, f"SELECT * FROM {table}"), key=repr) for table in names}
