"""CHECK constraints are read as far as they can be."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest
import sqlalchemy as sa

from fastman_tasks.checks import Limits, limits

DAY = Fraction(date(2000, 1, 1).toordinal())
CASES = [
    ("n > 0", Limits(low=Fraction(0), above=True)),
    ("n >= 18 AND n < 100", Limits(low=Fraction(18), high=Fraction(100), below=True)),
    ("0 <= n", Limits(low=Fraction(0))),
    ('"n" BETWEEN 1 AND 5', Limits(low=Fraction(1), high=Fraction(5))),
    ("t.n IN (10, 20)", Limits(choices=("10", "20"))),
    ("n IN ('it''s', 'b')", Limits(choices=("it's", "b"))),
    ("length(n) >= 3 AND char_length(n) < 9", Limits(shortest=3, longest=8)),
    ("nn > 5", Limits()),
    ("n > 5 OR n < 2", Limits()),
    ("n <> 5", Limits()),
    ("n > other", Limits()),
    ("N > 5", Limits(low=Fraction(5), above=True)),
    ("5 <= N", Limits(low=Fraction(5))),
    ("n = 5", Limits(choices=("5",))),
    ("(n = 'x')", Limits(choices=("x",))),
    ("n = TRUE", Limits(choices=("TRUE",))),
    ("n IN (1, 2, 3) AND n IN (3, 2)", Limits(choices=("3", "2"))),
    ("n = other", Limits()),
    ("lower(n) = 'x'", Limits()),
    ("n > 55 + m", Limits()),
    ("n = 55 * m", Limits()),
    ("m - n > 5", Limits()),
    ("2 * n = 10", Limits()),
    ("m - 5 < n", Limits()),
    ("n BETWEEN 1 AND 5 - m", Limits()),
    ('"the t"."n" >= 7', Limits(low=Fraction(7))),
    ("m > 0 AND n < 3", Limits(high=Fraction(3), below=True)),
    ("n >= '2000-01-01'", Limits(low=DAY)),
    ("n BETWEEN DATE '2000-01-01' AND '2000-01-02 00:00:00'", Limits(low=DAY, high=DAY + 1)),
    ("n > '2000-01-01 12:00'", Limits()),
    ("n > '2000-13-01'", Limits()),
    ("n > '5'", Limits()),
]


@pytest.mark.parametrize(("sql", "found"), CASES)
def test_limits(sql: str, found: Limits) -> None:
    """What is understood is understood exactly; the rest is left alone."""
    table = sa.Table("t", sa.MetaData(), sa.Column("n", sa.Integer), sa.CheckConstraint(sql))
    assert limits(table.c.n) == found


def test_a_constraint_of_the_column() -> None:
    """It counts wherever the model has it."""
    column = sa.Column("n", sa.Integer, sa.CheckConstraint("n > 0"))
    sa.Table("t", sa.MetaData(), column)
    assert limits(column) == Limits(low=Fraction(0), above=True)


def test_an_expression() -> None:
    """A constraint that is made of columns is read like one that is text."""
    column = sa.Column("n", sa.Integer)
    sa.Table("t", sa.MetaData(), column, sa.CheckConstraint(column >= 7))
    assert limits(column) == Limits(low=Fraction(7))


def test_an_expression_of_dates() -> None:
    """So is one with a date."""
    column = sa.Column("n", sa.Date)
    sa.Table("t", sa.MetaData(), column, sa.CheckConstraint(column >= date(2000, 1, 1)))
    assert limits(column) == Limits(low=DAY)


def test_many_numbers_in_a_small_room() -> None:
    """Each number of the room is taken once before any comes again."""
    found = Limits(low=Fraction(4), high=Fraction(7))
    numbers = [found.number(wish, Fraction(1)) for wish in range(1, 9)]
    assert {*numbers} == {4, 5, 6, 7}


@pytest.mark.parametrize(
    ("found", "step", "numbers"),
    [
        (Limits(low=Fraction(18)), 1, [18, 19]),
        (Limits(low=Fraction(0), above=True), 1, [1, 2]),
        (Limits(high=Fraction(0), below=True), 1, [-1, -2]),
        (Limits(low=Fraction(1), high=Fraction(1)), 1, [1, 1]),
        (Limits(low=Fraction(0), above=True, high=Fraction(1), below=True), Fraction(1, 100), ["1/100", "2/100"]),
        (Limits(choices=("10", "20")), 1, [10, 20]),
        (Limits(choices=("a", "20")), 1, [20, 20]),
    ],
)
def test_numbers(found: Limits, step: Fraction, numbers: list[str]) -> None:
    """Two numbers within the limits, different ones where there is room."""
    got = [found.number(wish, Fraction(step)) for wish in (1, 2)]
    if found.low == 0 and found.high == 1:
        assert all(0 < number < 1 for number in got)
    else:
        assert got == [Fraction(number) for number in numbers]
