"""What a table's CHECK constraints allow in one column, as far as their SQL can be read."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from sqlalchemy import CheckConstraint, Column, Table
from sqlalchemy.exc import SQLAlchemyError

_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_TEXT = r"'(?:[^']|'')*'"


@dataclass(frozen=True)
class Limits:
    """Numbers between ``low`` and ``high``, those excluded where they are ``above`` and ``below``; one of ``choices``,
    where there are any; texts of ``shortest`` to ``longest`` characters."""

    low: Fraction | None = None
    above: bool = False
    high: Fraction | None = None
    below: bool = False
    choices: tuple[str, ...] = ()
    shortest: int = 0
    longest: int | None = None

    @property
    def numeric(self) -> bool:
        """Whether anything is said of numbers."""
        return self.low is not None or self.high is not None or bool(self.choices)

    def number(self, wish: int, step: Fraction) -> Fraction:
        """A multiple of ``step`` within the limits; ``wish`` itself, where it is, and for other wishes another one
        where there is room."""
        if self.choices:
            return Fraction(self.choices[(wish - 1) % len(self.choices)])
        value = Fraction(wish)
        if self.low is not None:
            lowest = math.ceil(self.low / step) * step
            lowest += step if self.above and lowest == self.low else 0
            value = value if value >= lowest + wish - 1 else lowest + (wish - 1) * step
        if self.high is not None:
            highest = math.floor(self.high / step) * step
            highest -= step if self.below and highest == self.high else 0
            if value > highest:
                value = highest - (wish - 1) * step
                # With no room for another number the first one is repeated.
                value = highest if self.low is not None and value < self.low else value
        return value


def limits(column: Column[Any]) -> Limits:
    """What can be read of the constraints on ``column``."""
    found = Limits()
    table = column.table
    for constraint in table.constraints if isinstance(table, Table) else ():
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
    column = rf"(?:\w+\.)?[\"`\[]?(?<!\w){re.escape(name)}\b[\"`\]]?"
    length = rf"(?:length|char_length|character_length|len)\s*\(\s*{column}\s*\)"
    for match in re.finditer(rf"{column}\s+between\s+({_NUMBER})\s+and\s+({_NUMBER})", sql, re.IGNORECASE):
        found = _at_least(_at_most(found, match[2], False), match[1], False)
    for match in re.finditer(rf"(?<!\w){length}\s*(<=|>=|<|>|=)\s*(\d+)", sql, re.IGNORECASE):
        found = _long(found, match[1], int(match[2]))
    for match in re.finditer(rf"{column}\s*(<=|>=|<(?!>)|>)\s*({_NUMBER})(?!\s*[-+*/])", sql):
        strict = len(match[1]) == 1
        found = (_at_least if match[1][0] == ">" else _at_most)(found, match[2], strict)
    for match in re.finditer(rf"({_NUMBER})\s*(<=|>=|<(?!>)|>)\s*{column}", sql):
        strict = len(match[2]) == 1
        found = (_at_most if match[2][0] == ">" else _at_least)(found, match[1], strict)
    for match in re.finditer(rf"{column}\s+in\s*\(((?:\s*(?:{_TEXT}|{_NUMBER})\s*,?)+)\)", sql, re.IGNORECASE):
        words = re.findall(rf"{_TEXT}|{_NUMBER}", match[1])
        found = replace(found, choices=tuple(_bare(word) for word in words))
    return found


def _at_least(found: Limits, number: str, strict: bool) -> Limits:
    low = Fraction(number)
    return found if found.low is not None and found.low >= low else replace(found, low=low, above=strict)


def _at_most(found: Limits, number: str, strict: bool) -> Limits:
    high = Fraction(number)
    return found if found.high is not None and found.high <= high else replace(found, high=high, below=strict)


def _long(found: Limits, sign: str, number: int) -> Limits:
    if sign in (">", ">=", "="):
        found = replace(found, shortest=max(found.shortest, number + (sign == ">")))
    if sign in ("<", "<=", "="):
        longest = number - (sign == "<")
        found = replace(found, longest=longest if found.longest is None else min(found.longest, longest))
    return found


def _bare(word: str) -> str:
    return word[1:-1].replace("''", "'") if word.startswith("'") else word
