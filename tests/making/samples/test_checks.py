"""Sample rows meet CHECK constraints, whatever these are about, as far as SQLite can try them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from fastman_tasks.making.samples.checks import Choice, choose


def chosen(*columns: sa.Column[Any] | sa.CheckConstraint, optional: tuple[str, ...] = (), **known: Any) -> Choice:
    """Three rows for a table with ``columns``."""
    table = sa.Table("the things", sa.MetaData(), *columns)
    given = {column.key: column for column in table.columns if column.key not in (*optional, *known)}
    return choose(table, given, {name: table.c[name] for name in optional}, known, (1, 2, 3))


INTEGERS = [
    ("n > 0", [1, 2, 3]),
    ("n >= 18 AND n < 100", [18, 19, 20]),
    ("0 > n", [-1, -2, -3]),
    ('"n" BETWEEN 4 AND 5', [4, 5, 4]),
    ('"the things"."n" IN (10, 40)', [10, 40, 10]),
    ("N > 5", [6, 7, 8]),
    ("n > 500 OR n < -2", [501, 502, 503]),
    ("n <> 2", [1, 3, 4]),
    ("n % 50 = 0", [50, 0, 50]),
    ("n = 1", [1, 1, 1]),
    ("CASE WHEN n < 30 THEN 0 ELSE 1 END = 1", [30, 31, 32]),
]
TEXTS = [
    ("length(t) >= 12", {12}),
    ("char_length(t) = 7", {7}),
    ("t IN ('it''s', 'on')", {4, 2}),
    ("t = upper(t) AND t <> ''", None),
    ("t LIKE '%@%.org'", None),
    ("t NOT LIKE '% %'", None),
    ("t ~ '^[A-Z]{2}$'", {2}),
    ("t::text = lower(t)", None),
    ("lower(t) IN ('a', 'b')", {1}),
]


@pytest.mark.parametrize(("sql", "numbers"), INTEGERS)
def test_integers(sql: str, numbers: list[int]) -> None:
    """Another one in each row, as long as there are others."""
    found = chosen(sa.Column("n", sa.Integer), sa.CheckConstraint(sql))
    assert found == Choice([{"n": number} for number in numbers], [])


@pytest.mark.parametrize(("sql", "lengths"), TEXTS)
def test_texts(sql: str, lengths: set[int] | None) -> None:
    """By length, pattern, case and list."""
    found = chosen(sa.Column("t", sa.String(20)), sa.CheckConstraint(sql))
    texts = [row["t"] for row in found.rows]
    assert found.warnings == []
    assert texts[0] != texts[1]
    assert all(len(text) <= 20 for text in texts)
    if lengths:
        assert {len(text) for text in texts} == lengths


def test_several_columns_at_once() -> None:
    """Conditions that connect columns are tried together, and each value comes once."""
    found = chosen(
        sa.Column("start", sa.Date),
        sa.Column("end", sa.Date),
        sa.Column("price", sa.Numeric(8, 2)),
        sa.Column("cost", sa.Numeric(8, 2)),
        sa.CheckConstraint('start < "end"'),
        sa.CheckConstraint("start >= DATE '2030-05-01'"),
        sa.CheckConstraint("price > cost AND cost >= 99.95"),
    )
    assert found.warnings == []
    for row in found.rows:
        assert dt.date(2030, 5, 1) <= row["start"] < row["end"]
        assert Decimal("99.95") <= row["cost"] < row["price"]
    assert len({row["start"] for row in found.rows}) == len({row["price"] for row in found.rows}) == 3


def test_optional_columns() -> None:
    """They are given only where a condition wants one of them."""
    columns = [sa.Column("mail", sa.String(30)), sa.Column("phone", sa.String(30)), sa.Column("age", sa.Integer)]
    either = sa.CheckConstraint("mail IS NOT NULL OR phone IS NOT NULL")
    found = chosen(*columns, either, sa.CheckConstraint("age > 17"), optional=("mail", "phone", "age"))
    assert found.warnings == []
    assert all(len(row) == 1 and {*row} <= {"mail", "phone"} for row in found.rows)
    state = sa.Column("state", sa.String(9), default="open")
    done = sa.CheckConstraint("state = 'open' OR age > 5")
    assert chosen(state, sa.Column("age", sa.Integer), done, optional=("state", "age")).rows == [{}] * 3


def test_an_expression_of_columns() -> None:
    """It is read like one that is text."""
    number, day = sa.Column("n", sa.Integer), sa.Column("d", sa.Date)
    found = chosen(number, day, sa.CheckConstraint(number >= 7), sa.CheckConstraint(day > dt.date(2031, 1, 1)))
    assert found.rows[0] == {"n": 7, "d": dt.date(2031, 1, 2)}


@pytest.mark.parametrize(
    "sql",
    [
        "n > 5 AND n < 5",
        "a_function_of_their_own(n)",
        "n = ANY (ARRAY[1, 2])",
        "n <> other",
        "missing > 5",
    ],
)
def test_what_is_not_met(sql: str) -> None:
    """It is told, and the usual values are left."""
    other = sa.Column("other", sa.Integer, sa.ForeignKey("others.id"))
    table = sa.Table("things", sa.MetaData(), sa.Column("n", sa.Integer), other, sa.CheckConstraint(sql))
    assert choose(table, {"n": table.c.n}, {}, {}, (1, 2)) == Choice(
        [{"n": 1}, {"n": 2}], [f"CHECK ({sql}) may refuse this: choose other values."]
    )


def test_what_is_known_counts() -> None:
    """A column that no row names is what it is: the kind of a class, or NULL."""
    columns = [sa.Column("kind", sa.String(9)), sa.Column("n", sa.Integer), sa.Column("link", sa.Integer)]
    big = sa.CheckConstraint("kind <> 'big' OR n >= 30")
    both = sa.CheckConstraint("(link IS NULL) <> (kind IS NULL)")
    assert chosen(*columns, big, both, kind="big", link=None).rows[0] == {"n": 30}
    copies = [column._copy() for column in columns]
    assert chosen(*copies, both._copy(), kind=None, link=None).warnings == [
        "CHECK ((link IS NULL) <> (kind IS NULL)) may refuse this: choose other values."
    ]


class Aware(sa.TypeDecorator[Any]):
    """Takes times with an offset only."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        """Refuse what other types would take."""
        if value is not None and value.utcoffset() is None:
            raise ValueError("naive")
        return value and value.replace(tzinfo=None)


def test_a_type_of_their_own() -> None:
    """It is asked what it takes, and what is stored is what conditions are about."""
    found = chosen(sa.Column("at", Aware), sa.CheckConstraint("at >= '2026-01-01'"))
    assert found.warnings == []
    assert {row["at"].utcoffset() for row in found.rows} == {dt.timedelta()}


class Point(sa.TypeDecorator[Any]):
    """Takes nothing that anybody could guess."""

    impl = sa.JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        """Refuse what is no point."""
        return {"x": value["x"], "y": value["y"]}


def test_a_type_that_takes_no_usual_value() -> None:
    """It is told, so that a value can be written by hand."""
    found = chosen(sa.Column("place", Point))
    assert found.rows[0] == {"place": {}}
    assert found.warnings == ["place is of the type Point, which refuses {}: choose another value."]
