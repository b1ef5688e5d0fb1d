"""Plausible rows for a model, as Python source: what a generated seeder inserts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.orm import Mapper

from fastman_tasks.columns import required, unique
from fastman_tasks.generated_names import GeneratedNames, quoted
from fastman_tasks.references import Reference, attribute_of, lookups, own_columns, references
from fastman_tasks.sample_values import value

# What the template itself uses in the method that it writes.
_OWN_NAMES = ("db", "rows", "row", "known", "set", "tuple", "staticmethod")


@dataclass
class Sample:
    """``rows`` map an attribute to a Python expression; ``lookups`` are lines that go before them, and look into what
    ``references`` refer to.

    ``key`` are attributes that are unique together, by which rows that are there already are known; empty where there
    are none. ``upserts`` says whether upsert() can do it; otherwise they are looked up as ``known``. ``names`` are the
    names of the file, ``called`` what its functions and classes are called in it.
    """

    mapper: Mapper[Any]
    names: GeneratedNames
    references: list[Reference]
    rows: list[dict[str, str]] = field(default_factory=list)
    lookups: list[str] = field(default_factory=list)
    key: tuple[str, ...] = ()
    upserts: bool = False
    known: list[str] = field(default_factory=list)
    called: dict[str, str] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """The name of the model."""
        return self.mapper.class_.__name__

    @property
    def key_of_row(self) -> str:
        """``row["email"]``."""
        return ", ".join(f"row[{quoted(name)}]" for name in self.key)


def sample(mapper: Mapper[Any], taken: Iterable[str] = ()) -> Sample:
    """Two rows (one where they would be the same) with every column that has to be given; ``taken`` are names that
    the file has already."""
    names = GeneratedNames([*_OWN_NAMES, *taken])
    made = Sample(mapper, names, references(mapper), called={"model": names.of(mapper.class_)})
    made.called["Session"] = names.imported("sqlalchemy.orm", "Session")
    columns = own_columns(mapper)
    referring = {column for reference in made.references for column in reference.columns}
    optional = [name for name, column in columns.items() if _may_be_given(column)]
    chosen = [name for name, column in columns.items() if required(column) or column in referring] or optional[:3]
    keys = _unique_together({name: columns[name] for name in chosen})
    if not keys:
        # A key that nobody has to give is still the one to know a row by.
        keys = _unique_together({name: columns[name] for name in optional})[:1]
        chosen = [*chosen, *(name for key in keys for name in key if name not in chosen)]
    exact = _unique_together({name: columns[name] for name in chosen}, exact=True)
    made.key = next(iter(exact or keys), ())
    # upsert() writes one table; the rows of a class that has several are left alone where they are there.
    made.upserts = bool(exact) and len(mapper.tables) == 1
    if made.upserts:
        made.called["upsert"] = names.imported("fastman_tasks.seeding", "upsert")
    else:
        made.called["insert"] = names.imported("sqlalchemy", "insert")
        if made.key:
            made.called["select"] = names.imported("sqlalchemy", "select")
            made.known = [_known(mapper, columns[name], names) for name in made.key]
    first = _first_number(mapper)
    values = {name: column for name in chosen if (column := columns[name]) not in referring}
    made.rows = [
        {name: value(column, name, number, names) for name, column in values.items()} for number in (first, first + 1)
    ]
    # Variables are named last, when it is known what the file imports.
    variables, made.lookups = lookups(made.references, {column: name for name, column in columns.items()}, names)
    made.rows = [{name: variables.get(name) or row[name] for name in chosen} for row in made.rows]
    if any(len({tuple(row[name] for name in key) for row in made.rows}) == 1 for key in keys):
        made.rows.pop()
    return made


def _first_number(mapper: Mapper[Any]) -> int:
    """1, and other numbers for each class that inherits: they share a table, and with it what is unique."""
    heirs = [each for each in mapper.base_mapper.self_and_descendants if each is not mapper.base_mapper]
    heirs.sort(key=lambda each: (each.class_.__qualname__, each.class_.__module__))
    return 1 + 2 * [mapper.base_mapper, *heirs].index(mapper)


def _known(mapper: Mapper[Any], column: Column[Any], names: GeneratedNames) -> str:
    """The attribute that has every value of ``column``: that of the class that its table belongs to."""
    owner, name = [(each, name) for each in mapper.iterate_to_root() if (name := attribute_of(each, column))][-1]
    return names.attribute(owner.class_, name)


def _may_be_given(column: Column[Any]) -> bool:
    return not (column.primary_key or column.foreign_keys or column.computed is not None)


def _unique_together(chosen: dict[str, Column[Any]], exact: bool = False) -> list[tuple[str, ...]]:
    """The groups of ``chosen`` columns that may hold each combination of values once, single columns first; with
    ``exact`` only those that are unique as they are, in every row."""
    names = {column: name for name, column in chosen.items()}
    tables = {id(column.table): column.table for column in names}.values()
    groups = [group for table in tables if isinstance(table, Table) for group in unique(table, exact=exact)]
    found = {tuple(names[column] for column in group) for group in groups if group and set(group) <= set(names)}
    return sorted(found, key=lambda group: (len(group), group))
