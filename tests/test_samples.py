"""Sample rows as source: what has to be given, in a form that formatters leave alone."""

from __future__ import annotations

import ast
import itertools

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastman_tasks.samples import Sample, import_lines, sample


class Base(DeclarativeBase):
    """The models of this module."""


class Parent(Base):
    """What others refer to."""

    __tablename__ = "parents"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))


_numbers = itertools.count()


def sampled(*columns: sa.Column[object] | sa.UniqueConstraint | sa.Index) -> Sample:
    """The sample of a new model whose table has an id and ``columns``."""
    table = sa.Table("things", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), *columns)
    return sample(Base.registry.map_imperatively(type(f"Thing{next(_numbers)}", (), {}), table))


@pytest.mark.parametrize(
    ("options", "given"),
    [
        ({"nullable": False}, True),
        ({"nullable": True}, False),
        ({"nullable": False, "default": "x"}, False),
        ({"nullable": False, "default": lambda: "x"}, False),
        ({"nullable": False, "server_default": "x"}, False),
    ],
)
def test_what_is_required(options: dict[str, object], given: bool) -> None:
    """A row has what neither the database nor the model fills in, and the generated key never."""
    made = sampled(sa.Column("name", sa.String(20), nullable=False), sa.Column("other", sa.String(20), **options))
    assert [set(row) for row in made.rows] == [{"name", "other"} if given else {"name"}] * 2


def test_a_model_that_requires_nothing() -> None:
    """Three optional columns stand in, so that there is something to see; never a computed one or a foreign key."""
    made = sampled(
        sa.Column("twice", sa.Integer, sa.Computed("1 + 1")),
        sa.Column("parent_id", sa.ForeignKey(Parent.__table__.c.id)),
        *(sa.Column(name, sa.Integer) for name in "abcd"),
    )
    assert made.rows == [{"a": "1", "b": "1", "c": "1"}, {"a": "2", "b": "2", "c": "2"}]
    assert made.lookups == []


def test_how_rows_that_are_there_are_known() -> None:
    """By a unique column first, then by columns that are unique together, optional ones where no others are."""

    def columns() -> list[sa.Column[object]]:
        return [sa.Column(name, sa.Integer, nullable=False) for name in "abc"]

    assert sampled(*columns()).key == ()
    assert sampled(*columns(), sa.Column("u", sa.Integer, unique=True, nullable=False)).key == ("u",)
    assert sampled(*columns(), sa.UniqueConstraint("a", "b")).key == ("a", "b")
    assert sampled(*columns(), sa.UniqueConstraint("a", "b"), sa.Index("i", "c", unique=True)).key == ("c",)
    assert sampled(*columns(), sa.Column("o", sa.Integer), sa.UniqueConstraint("a", "o")).key == ("a", "o")


def test_foreign_keys_take_a_row_that_is_there() -> None:
    """The key is looked up, by its model where it has one; where it must be unique there is one row only."""
    made = sampled(sa.Column("parent_id", sa.ForeignKey(Parent.__table__.c.id), nullable=False))
    assert made.lookups == ["parent_id = db.scalars(select(Parent.id).limit(1)).one()"]
    assert made.rows == [{"parent_id": "parent_id"}] * 2
    one = sampled(sa.Column("parent_id", sa.ForeignKey(Parent.__table__.c.id), nullable=False, unique=True))
    assert len(one.rows) == 1

    plain = sa.Table("plain", sa.MetaData(), sa.Column("code", sa.String(9), primary_key=True))
    other = sampled(sa.Column("code", sa.ForeignKey(plain.c.code), nullable=False))
    assert other.lookups == [
        'code = db.scalars(select(column("code")).select_from(table("plain")).limit(1)).one()',
    ]
    assert {("sqlalchemy", "column"), ("sqlalchemy", "table")} < other.imports


def test_imports_are_sorted_as_formatters_do() -> None:
    """The standard library, then libraries, then the project; constants, then classes, then the rest."""
    assert import_lines(
        {
            ("app.models", "User"),
            ("app.models", "URL"),
            ("app.models", "APIKey"),
            ("app.models", "state"),
            ("sqlalchemy", "select"),
            ("sqlalchemy", "insert"),
            ("sqlalchemy.orm", "Session"),
            ("decimal", "Decimal"),
            ("datetime", "timezone"),
            ("datetime", "date"),
        }
    ) == [
        "from datetime import date, timezone",
        "from decimal import Decimal",
        "",
        "from sqlalchemy import insert, select",
        "from sqlalchemy.orm import Session",
        "",
        "from app.models import URL, APIKey, User, state",
    ]


@given(st.text(min_size=1, max_size=20))
def test_any_word_of_an_enumeration_is_python(word: str) -> None:
    """A row's text is valid source for exactly that text, whatever quotes and backslashes are in it."""
    made = sampled(sa.Column("word", sa.Enum(word, name="words"), nullable=False))
    assert ast.literal_eval(made.rows[0]["word"]) == word


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 30])
def test_text_is_never_longer_than_its_column(length: int) -> None:
    """However short a column is, its two rows fit into it and differ."""
    made = sampled(sa.Column("email", sa.String(length), nullable=False))
    texts = [ast.literal_eval(row["email"]) for row in made.rows]
    assert all(len(text) <= length for text in texts)
    assert len(set(texts)) == 2
