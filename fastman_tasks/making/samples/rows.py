"""Plausible rows for a model or a table, as Python source: what a generated seeder inserts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.sql.schema import DefaultClause, ScalarElementColumnDefault

from fastman_tasks.making.samples import checks
from fastman_tasks.making.samples.conditions import compared_columns
from fastman_tasks.making.samples.lookups import lookups
from fastman_tasks.making.samples.subject import Subject
from fastman_tasks.making.samples.values import literal
from fastman_tasks.making.source import GeneratedNames, quote
from fastman_tasks.models.columns import is_required, unique_groups
from fastman_tasks.models.references import Reference

# What the template itself uses in the method that it writes.
_OWN_NAMES = ("db", "rows", "row", "known", "set", "tuple", "staticmethod")


@dataclass
class Sample:
    """``rows`` map an attribute to a Python expression; ``lookups`` are lines that go before them, and look into what
    ``references`` refer to. ``warnings`` say what may refuse them.

    ``key`` are attributes that are unique together, by which rows that are there already are known; where there are
    none, ``is_empty`` asks whether there are rows at all. ``upserts`` says whether upsert() can do it; otherwise they
    are looked up as ``known``. ``names`` are the names of the file, ``called`` what its functions and classes are
    called in it.
    """

    subject: Subject
    names: GeneratedNames
    references: list[Reference]
    rows: list[dict[str, str]] = field(default_factory=list)
    lookups: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    key: tuple[str, ...] = ()
    upserts: bool = False
    known: list[str] = field(default_factory=list)
    is_empty: str = ""
    called: dict[str, str] = field(default_factory=dict)

    @property
    def key_of_row(self) -> str:
        """``row["email"]``."""
        return ", ".join(f"row[{quote(name)}]" for name in self.key)


def sample(subject: Subject, taken: Iterable[str] = ()) -> Sample:
    """Two rows (one where they would be the same) with every column that has to be given; ``taken`` are names that
    the file has already."""
    names = GeneratedNames([*_OWN_NAMES, *taken])
    made = Sample(subject, names, subject.references, called={"model": subject.name_in(names)})
    made.called["Session"] = names.import_name("sqlalchemy.orm", "Session")
    columns = subject.columns
    referring = {column for reference in made.references for column in reference.columns}
    optional = {name: column for name, column in columns.items() if _may_be_given(column)}
    needed = [
        name for name, column in columns.items() if is_required(column) or column in referring or _repeats(column)
    ]
    chosen = needed or list(optional)[:3]
    if not _unique_together({name: columns[name] for name in chosen}):
        # A key that nobody has to give is still the one to know a row by.
        keys = _unique_together({name: columns[name] for name in optional})[:1]
        chosen = [*chosen, *(name for key in keys for name in key if name not in chosen)]
    numbers = (subject.first_number, subject.first_number + 1)
    given = {name: column for name in chosen if (column := columns[name]) not in referring}
    places = _places(made)
    values = _values(made, given, optional, places, numbers)
    chosen = [name for name in columns if name in chosen or any(name in row for row in values)]
    keys = _unique_together({name: columns[name] for name in chosen})
    exact = _unique_together({name: columns[name] for name in chosen}, exact=True)
    made.key = next(iter(exact or keys), ())
    # upsert() writes one table; the rows of a class that has several are left alone where they are there.
    made.upserts = bool(exact) and len(subject.tables) == 1
    _import(made, columns)
    rows = [{name: literal(value, names) for name, value in row.items()} for row in values]
    # Variables are named last, when it is known what the file imports.
    variables, made.lookups = lookups(
        made.references, {column: name for name, column in columns.items()}, names, places
    )
    made.rows = [
        {name: source for name in chosen if (source := variables.get(name) or row.get(name)) is not None}
        for row in rows
    ]
    same = {name: column for name, column in columns.items() if name in chosen or _is_constant(column)}
    if any(len({tuple(row.get(name) for name in key) for row in made.rows}) == 1 for key in _unique_together(same)):
        made.rows.pop()
    return made


def _places(made: Sample) -> dict[Column[Any], int]:
    """Which row of its table each foreign key refers to: the first, or another one where a CHECK constraint compares
    it with one that refers to the same table."""
    places = {column: 1 for reference in made.references for column in reference.columns}
    targets = {each: reference.table for reference in made.references for each in reference.columns}
    alone = [column for reference in made.references if len(reference.columns) == 1 for column in reference.columns]
    for table in made.subject.tables:
        for together in compared_columns(table, alone):
            for at, column in enumerate(together):
                places[column] = 1 + sum(targets[each] is targets[column] for each in together[:at])
    return places


def _values(
    made: Sample,
    given: dict[str, Column[Any]],
    optional: dict[str, Column[Any]],
    places: dict[Column[Any], int],
    numbers: Sequence[int],
) -> list[dict[str, Any]]:
    """What the rows have in the columns ``given``, and in those ``optional`` ones that a CHECK constraint asks for."""
    rows: list[dict[str, Any]] = [{} for _ in numbers]
    for table in made.subject.tables:
        own = {name: column for name, column in given.items() if column.table is table}
        free = {name: column for name, column in optional.items() if column.table is table and name not in own}
        # Which values a row is referred to by is not known, but which of them are the same.
        known = made.subject.fixed | {column.name: place for column, place in places.items() if column.table is table}
        for column in table.columns:
            if column not in places and column not in own.values() and column not in free.values():
                if column.nullable and column.computed is None:
                    known.setdefault(column.name, None)
                elif column is table.autoincrement_column:
                    # Where a constraint says which numbers there may be, the row says which it is.
                    free.update({name: each for name, each in made.subject.columns.items() if each is column})
        choice = checks.choose(table, own, free, known, numbers)
        made.warnings += choice.warnings
        for row, more in zip(rows, choice.rows, strict=True):
            row.update(more)
    return rows


def _import(made: Sample, columns: dict[str, Column[Any]]) -> None:
    """Name what the way in which rows are written needs."""
    names, subject = made.names, made.subject
    if made.upserts:
        made.called["upsert"] = names.import_name("fastman_tasks.seeding", "upsert")
        return
    made.called["insert"] = names.import_name("sqlalchemy", "insert")
    made.called["select"] = names.import_name("sqlalchemy", "select")
    if made.key:
        made.known = [subject.attribute(columns[name], names) for name in made.key]
        return
    query = f"{made.called['select']}({subject.any_attribute(names)}){subject.only_own(names)}.limit(1)"
    made.is_empty = f"db.scalars({query}).first() is None"


def _repeats(column: Column[Any]) -> bool:
    """Whether the default would be the same in each row, where it may be there once."""
    return _is_constant(column) and (column.primary_key or bool(column.unique))


def _is_constant(column: Column[Any]) -> bool:
    """Whether each row that does not name ``column`` has the same value in it."""
    server = column.server_default
    return isinstance(column.default, ScalarElementColumnDefault) or (
        column.default is None and isinstance(server, DefaultClause) and isinstance(server.arg, str)
    )


def _may_be_given(column: Column[Any]) -> bool:
    return not (column.primary_key or column.foreign_keys or column.computed is not None)


def _unique_together(chosen: dict[str, Column[Any]], exact: bool = False) -> list[tuple[str, ...]]:
    """The groups of ``chosen`` columns that may hold each combination of values once, single columns first; with
    ``exact`` only those that are unique as they are, in every row."""
    names = {column: name for name, column in chosen.items()}
    tables = {id(column.table): column.table for column in names}.values()
    groups = [group for table in tables if isinstance(table, Table) for group in unique_groups(table, exact=exact)]
    found = {tuple(names[column] for column in group) for group in groups if group and set(group) <= set(names)}
    return sorted(found, key=lambda group: (len(group), group))
