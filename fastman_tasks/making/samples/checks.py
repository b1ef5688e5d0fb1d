"""Sample rows that a table's CHECK constraints allow: SQLite is asked, in memory, which of many values pass."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import Column, Table, TypeDecorator
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from fastman_tasks.making.samples import values as sample_values
from fastman_tasks.making.samples.conditions import conditions, connect, for_sqlite, mentions, passes, quote

#: The value of an attribute that a row does not name.
OMITTED = object()

_DIALECT = sqlite.dialect()
# So many values of a column, and so many combinations of several columns, are tried.
_VALUES, _COMBINATIONS, _RESULTS = 600, 200_000, 2_000
_USUAL = 20
_STORED = (int, float, str, bytes)


@dataclass(frozen=True)
class Choice:
    """``rows`` map attributes to values; ``warnings`` say of which constraint or type it is not sure that it takes
    them."""

    rows: list[dict[str, Any]]
    warnings: list[str]


@dataclass
class _Group:
    """Columns that conditions connect, by attribute."""

    columns: dict[str, Column[Any]] = field(default_factory=dict)
    conditions: list[str] = field(default_factory=list)


def choose(
    table: Table,
    given: Mapping[str, Column[Any]],
    optional: Mapping[str, Column[Any]],
    known: Mapping[str, Any],
    numbers: Sequence[int],
) -> Choice:
    """Values for a row of ``table`` for each of ``numbers``, other ones for other numbers where there is room.

    ``given`` are the attributes that every row names, ``optional`` those that it only names where a condition wants
    it. ``known`` has the stored values of columns that are neither, by name; without them a condition on such a column
    cannot be tried.
    """
    rows = [{name: _usual(column, name, number) for name, column in given.items()} for number in numbers]
    choices = {**optional, **given}
    unmet: list[str] = []
    groups: list[_Group] = []
    with closing(connect()) as connection:
        for condition in conditions(table):
            mentioned = [column for column in table.columns if mentions(condition, column.name)]
            free = {name: column for name, column in choices.items() if column in mentioned}
            constants = {column.name: known[column.name] for column in mentioned if column.name in known}
            if len(free) + len(constants) < len(mentioned) or (
                not free and not passes(connection, table, condition, constants)
            ):
                unmet.append(condition)
            elif free:
                _add(groups, free, condition)
        for group in groups:
            found = list(islice(_find_values(connection, table, group, set(given), known), max(numbers)))
            if not found:
                unmet += group.conditions
            for row, number in zip(rows, numbers, strict=True):
                chosen = found[(number - 1) % len(found)] if found else {}
                row.update({name: value for name, value in chosen.items() if value is not OMITTED})
    warnings = [f"CHECK ({condition}) may refuse this: choose other values." for condition in unmet]
    for name, column in given.items():
        if any(not _takes(column, row[name]) for row in rows):
            kind = type(column.type).__name__
            warnings.append(f"{name} is of the type {kind}, which refuses {rows[0][name]!r}: choose another value.")
    return Choice(rows, warnings)


def _add(groups: list[_Group], columns: dict[str, Column[Any]], condition: str) -> None:
    """Put ``condition`` into a group, and those groups together that it connects."""
    joined = _Group(dict(columns), [condition])
    for group in [each for each in groups if set(each.columns) & set(columns)]:
        joined = _Group({**group.columns, **joined.columns}, [*group.conditions, *joined.conditions])
        groups.remove(group)
    groups.append(joined)


def _find_values(
    connection: sqlite3.Connection, table: Table, group: _Group, given: set[str], known: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Values for the columns of ``group`` that pass its conditions; each value once, omitted ones aside."""
    most = min(_VALUES, int(_COMBINATIONS ** (1 / len(group.columns))))
    text = " AND ".join(group.conditions)
    values = {
        name: list(islice(_values(column, name, text, omittable=_may_omit(column, name, given)), most))
        for name, column in group.columns.items()
    }
    selected, tables, numbers = [], [], []
    for at, (name, column) in enumerate(group.columns.items()):
        connection.execute(f"DROP TABLE IF EXISTS temp.c{at}")
        connection.execute(f"CREATE TEMP TABLE c{at} (number, stored)")
        connection.executemany(
            f"INSERT INTO c{at} VALUES (?, ?)", [(number, stored) for number, (_, stored) in enumerate(values[name])]
        )
        selected += [
            f"c{at}.number AS {quote(f'number of {name}')}",
            f"c{at}.stored AS {quote(column.name)}",
        ]
        numbers.append(quote(f"number of {name}"))
        tables.append(f"c{at}")
    own = {column.name for column in group.columns.values()}
    constants = {name: stored for name, stored in known.items() if name not in own and mentions(text, name)}
    selected += [f"? AS {quote(name)}" for name in constants]
    passed = " AND ".join(f"coalesce(({for_sqlite(condition)}), 1)" for condition in group.conditions)
    query = (
        f"SELECT {', '.join(numbers)} FROM (SELECT {', '.join(selected)} FROM {', '.join(tables)}) AS "
        f"{quote(table.name)} WHERE {passed} ORDER BY {' + '.join(numbers)} LIMIT {_RESULTS}"
    )
    used: dict[str, set[int]] = {name: set() for name in group.columns}
    try:
        rows = connection.execute(query, list(constants.values())).fetchall()
    except sqlite3.Error:
        # One of the conditions is in words that SQLite does not know.
        return
    for row in rows:
        places = dict(zip(group.columns, row, strict=True))
        if all(place not in used[name] for name, place in places.items()):
            for name, place in places.items():
                if values[name][place][0] is not OMITTED:
                    used[name].add(place)
            chosen = {name: values[name][place][0] for name, place in places.items()}
            yield chosen
            if all(value is OMITTED for value in chosen.values()):
                # As good for every row.
                return


def _may_omit(column: Column[Any], name: str, given: set[str]) -> bool:
    # What the database would number is not known, so that a condition on it needs a value.
    return name not in given and column is not column.table.autoincrement_column


def _values(column: Column[Any], name: str, condition: str, *, omittable: bool) -> Iterator[tuple[Any, Any]]:
    """Values to try in ``column``, each with what SQLite stores of it; first the usual ones."""
    store = _processor(column)
    if omittable:
        yield OMITTED, _default(column, store)
    seen: list[Any] = []
    for value in _all(column, name, condition):
        try:
            stored = store(value)
        except _REFUSALS:
            continue
        if isinstance(stored, _STORED) and stored not in seen:
            seen.append(stored)
            yield value, stored


def _all(column: Column[Any], name: str, condition: str) -> Iterator[Any]:
    yield from (sample_values.value(column, name, number) for number in range(1, _USUAL + 1))
    yield from sample_values.near(column, name, condition)
    if isinstance(column.type, TypeDecorator):
        for number in range(1, _USUAL + 1):
            yield from sample_values.others(name, number)


# What a project's own type may raise for a value that it does not take.
_REFUSALS = (SQLAlchemyError, TypeError, ValueError, AttributeError, LookupError, ArithmeticError, NotImplementedError)


def _processor(column: Column[Any]) -> Callable[[Any], Any]:
    return column.type.dialect_impl(_DIALECT).bind_processor(_DIALECT) or (lambda value: value)


def _default(column: Column[Any], store: Callable[[Any], Any]) -> Any:
    """What SQLite stores where a row does not name ``column``; None where that cannot be told."""
    if not isinstance(column.default, ScalarElementColumnDefault):
        return None
    try:
        stored = store(column.default.arg)
    except _REFUSALS:
        return None
    return stored if isinstance(stored, _STORED) else None


def _usual(column: Column[Any], name: str, number: int) -> Any:
    """The usual value, or the first of others that the column's type takes: a project's own type may want another."""
    usual = sample_values.value(column, name, number)
    return next((each for each in (usual, *sample_values.others(name, number)) if _takes(column, each)), usual)


def _takes(column: Column[Any], value: Any) -> bool:
    try:
        _processor(column)(value)
    except _REFUSALS:
        return False
    return True
