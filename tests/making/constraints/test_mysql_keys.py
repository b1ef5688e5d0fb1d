"""Changes that MariaDB forbids as long as a foreign key is there: generated so that they run up, down and up again."""

from __future__ import annotations

import pytest

from command import Sandbox
from generated import Walk
from servers import Server, execute

MODELS = """
from sqlalchemy import BigInteger, ForeignKey, Index, Integer
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    pass

class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column({type}, primary_key=True)
"""
BOOK = """
class Book(Base):
    __tablename__ = "books"
    {arguments}
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int | None] = mapped_column({column})
    year: Mapped[int | None]
"""
KEY = "ForeignKey('authors.id')"


def models(column: str, arguments: str = "", kind: str = "Integer") -> str:
    """Authors, and books that have one."""
    return MODELS.format(type=kind) + BOOK.format(column=column, arguments=arguments)


@pytest.mark.parametrize(
    ("before", "after", "additions"),
    [
        pytest.param(models(f"{KEY}, index=True"), models(KEY), 1, id="the index goes"),
        pytest.param(models(KEY), models(f"{KEY}, unique=True"), 1, id="an index comes"),
        pytest.param(
            models(f"{KEY}, index=True"),
            models(KEY, "__table_args__ = (Index('of_a_year', 'author_id', 'year'),)"),
            2,
            id="another index",
        ),
        pytest.param(
            models(f"{KEY}, index=True", "__table_args__ = (Index('of_a_year', 'author_id', 'year'),)"),
            models(KEY, "__table_args__ = (Index('of_a_year', 'author_id', 'year'),)"),
            0,
            id="one of two indexes",
        ),
        pytest.param(models(KEY), models(f"BigInteger, {KEY}", kind="BigInteger"), 2, id="the type"),
        pytest.param(
            models(f"{KEY}, index=True"), models("BigInteger", kind="BigInteger"), 1, id="the key goes as well"
        ),
    ],
)
def test_keys_make_way(project: Sandbox, mariadb: Server, before: str, after: str, additions: int) -> None:
    """A key that stays is dropped and added again where it has to be, and only there."""
    walk = Walk(project, mariadb.fresh("mysql+pymysql"))
    walk.make(before)
    walk.migrate()
    execute(walk.url, "INSERT INTO authors VALUES (1)")
    execute(walk.url, "INSERT INTO books VALUES (1, 1, 2000), (2, NULL, NULL)")
    made = walk.up_down_up(after, allow_drops=True)
    assert made.count("create_foreign_key(") == additions, made


def test_generated_on_sqlite(project: Sandbox, mariadb: Server) -> None:
    """MariaDB can roll it back too: an index that a foreign key needs goes with its table."""
    project.add_environment()
    project.write("models.py", models(f"{KEY}, index=True"))
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    project.inv("make.migration", "create books")
    [file] = (project.root / "database/migrations/versions").glob("*.py")
    up, down = file.read_text("utf-8").split("def downgrade")
    assert "create_index" in up and "drop_index" not in down
    project.write(".env", f"DATABASE_URL={mariadb.fresh('mariadb+pymysql')}")
    project.inv("database.migrate")
    project.inv("migrate.refresh", "--force")
