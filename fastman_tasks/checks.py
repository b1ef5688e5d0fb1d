"""What a table's CHECK constraints allow in one column, as far as their SQL can be read."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import Any

from sqlalchemy import CheckConstraint, Column, Table
from sqlalchemy.exc import SQLAlchemyError

_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_TEXT = r"'(?:[^']|'')*'"
_DAY = r"(?:date\s+|timestamp\s+)?'\d{4}-\d\d-\d\d(?: 00:00:00(?:\.0+)?)?'"
_LITERAL = rf"(?:{_NUMBER}|{_TEXT}|\b(?:true|false)\b)"
_AMOUNT = rf"({_NUMBER}|{_DAY})"
# A condition of its own, not a part of a longer expression.
_START = r"(?:^|\(|\band\b)\s*"
_END = r"(?![\w.]|\s*[-+*/%|])"


@dataclass(frozen=True)
class Limits:
    """Amounts between ``low`` and ``high``, those excluded where they are ``above`` and ``below``; one of ``choices``,
    where there are any; texts of ``shortest`` to ``longest`` characters. A date's amount is its ordinal."""

    low: Fraction | None = None
    above: bool = False
    high: Fraction | None = None
    below: bool = False
    choices: tuple[str, ...] = ()
    shortest: int = 0
    longest: int | None = None

    @property
    def amounts(self) -> list[Fraction]:
        """The ``choices`` that are numbers or dates."""
        return [amount for choice in self.choices if (amount := _amount(choice)) is not None]

    @property
    def numeric(self) -> bool:
        """Whether anything is said of amounts."""
        return self.low is not None or self.high is not None or bool(self.amounts)

    def number(self, wish: int, step: Fraction, start: int = 0) -> Fraction:
        """A multiple of ``step`` within the limits; ``start + wish``, where it is, and for other wishes another one
        where there is room."""
        if self.amounts:
            return self.amounts[(wish - 1) % len(self.amounts)]
        value = Fraction(start + wish)
        lowest = highest = None
        if self.low is not None:
            lowest = math.ceil(self.low / step) * step
            lowest += step if self.above and lowest == self.low else 0
            value = value if value >= lowest + wish - 1 else lowest + (wish - 1) * step
        if self.high is not None:
            highest = math.floor(self.high / step) * step
            highest -= step if self.below and highest == self.high else 0
            if value > highest:
                # From the top downwards, and with no room left from the top again.
                room = wish if lowest is None else max(1, int((highest - lowest) / step) + 1)
                value = highest - (wish - 1) % room * step
        return value


def limits(column: Column[Any]) -> Limits:
    """What can be read of the constraints on ``column``."""
    found = Limits()
    table = column.table
    for constraint in (*column.constraints, *(table.constraints if isinstance(table, Table) else ())):
        if isinstance(constraint, CheckConstraint):
            text = _sql(constraint)
            # One of several alternatives says nothing for sure.
            if not re.search(r"\b(or|not|case)\b", text, re.IGNORECASE):
                found = _read(found, column.name, text)
    return found


def _sql(constraint: CheckConstraint) -> str:
    try:
        text = str(constraint.sqltext.compile(compile_kwargs={"literal_binds": True}))
    except SQLAlchemyError:
        return ""
    return " ".join(text.split())


def _read(found: Limits, name: str, sql: str) -> Limits:
    column = rf"(?:(?:\w+|\"[^\"]*\")\.)*[\"`\[]?{re.escape(name)}\b[\"`\]]?"
    length = rf"(?:length|char_length|character_length|len)\s*\(\s*{column}\s*\)"

    def conditions(pattern: str) -> list[re.Match[str]]:
        return list(re.finditer(f"{_START}{pattern}{_END}", sql, re.IGNORECASE))

    for match in conditions(rf"{column}\s+between\s+{_AMOUNT}\s+and\s+{_AMOUNT}"):
        found = _bounded(_bounded(found, ">=", match[1]), "<=", match[2])
    for match in conditions(rf"{length}\s*(<=|>=|<|>|=)\s*(\d+)"):
        found = _long(found, match[1], int(match[2]))
    for match in conditions(rf"{column}\s*(<=|>=|<|>)\s*{_AMOUNT}"):
        found = _bounded(found, match[1], match[2])
    for match in conditions(rf"{_AMOUNT}\s*(<=|>=|<|>)\s*{column}"):
        found = _bounded(found, match[2].translate(str.maketrans("<>", "><")), match[1])
    for match in conditions(rf"{column}\s*(?:=\s*({_LITERAL})|in\s*\(((?:\s*{_LITERAL}\s*,?)+)\))"):
        words = [_bare(word) for word in re.findall(_LITERAL, match[1] or match[2], re.IGNORECASE)]
        found = replace(found, choices=tuple(word for word in words if not found.choices or word in found.choices))
    return found


def _bounded(found: Limits, sign: str, text: str) -> Limits:
    amount = _amount(_bare(text.partition(" ")[2].strip() if text[:1].isalpha() else text))
    if amount is None:
        return found
    strict = len(sign) == 1
    if sign[0] == ">":
        known = found.low is not None and found.low >= amount
        return found if known else replace(found, low=amount, above=strict)
    known = found.high is not None and found.high <= amount
    return found if known else replace(found, high=amount, below=strict)


def _amount(text: str) -> Fraction | None:
    """The number that ``text`` is, or the ordinal of the date."""
    with suppress(ValueError):
        return Fraction(text) if re.fullmatch(_NUMBER, text) else Fraction(date.fromisoformat(text[:10]).toordinal())
    return None


def _long(found: Limits, sign: str, number: int) -> Limits:
    if sign in (">", ">=", "="):
        found = replace(found, shortest=max(found.shortest, number + (sign == ">")))
    if sign in ("<", "<=", "="):
        longest = number - (sign == "<")
        found = replace(found, longest=longest if found.longest is None else min(found.longest, longest))
    return found


def _bare(word: str) -> str:
    return word[1:-1].replace("''", "'") if word.startswith("'") else word
