"""CHECK constraints are read as far as they can be."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sqlalchemy as sa

from fastman_tasks.checks import Limits, limits

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
]


@pytest.mark.parametrize(("sql", "found"), CASES)
def test_limits(sql: str, found: Limits) -> None:
    """What is understood is understood exactly; the rest is left alone."""
    table = sa.Table("t", sa.MetaData(), sa.Column("n", sa.Integer), sa.CheckConstraint(sql))
    assert limits(table.c.n) == found


def test_an_expression() -> None:
    """A constraint that is made of columns is read like one that is text."""
    column = sa.Column("n", sa.Integer)
    sa.Table("t", sa.MetaData(), column, sa.CheckConstraint(column >= 7))
    assert limits(column) == Limits(low=Fraction(7))


@pytest.mark.parametrize(
    ("found", "step", "numbers"),
    [
        (Limits(low=Fraction(18)), 1, [18, 19]),
        (Limits(low=Fraction(0), above=True), 1, [1, 2]),
        (Limits(high=Fraction(0), below=True), 1, [-1, -2]),
        (Limits(low=Fraction(1), high=Fraction(1)), 1, [1, 1]),
        (Limits(low=Fraction(0), above=True, high=Fraction(1), below=True), Fraction(1, 100), ["1/100", "2/100"]),
        (Limits(choices=("10", "20")), 1, [10, 20]),
    ],
)
def test_numbers(found: Limits, step: Fraction, numbers: list[str]) -> None:
    """Two numbers within the limits, different ones where there is room."""
    got = [found.number(wish, Fraction(step)) for wish in (1, 2)]
    if found.low == 0 and found.high == 1:
        assert all(0 < number < 1 for number in got)
    else:
        assert got == [Fraction(number) for number in numbers]
