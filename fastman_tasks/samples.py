"""Plausible rows for a model, as Python source: what a generated seeder inserts."""

from __future__ import annotations

import keyword
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, UniqueConstraint
from sqlalchemy.orm import ColumnProperty, Mapper

from fastman_tasks.columns import required as is_required
from fastman_tasks.generated_names import GeneratedNames
from fastman_tasks.sample_values import quoted, value

# What the template itself uses in the method that it writes.
_OWN_NAMES = ("db", "rows", "row", "known", "set", "tuple", "staticmethod")


@dataclass
class Sample:
    """``rows`` map an attribute to a Python expression; ``lookups`` are statements that go before them.

    ``key`` are attributes that are unique together, by which rows that are there already are known; empty where there
    are none. ``upserts`` says whether upsert() can do it. ``parents`` are the models that ``lookups`` look into.
    ``names`` are the names of the file, ``called`` what its functions and classes are called in it.
    """

    model: type
    names: GeneratedNames
    rows: list[dict[str, str]] = field(default_factory=list)
    lookups: list[str] = field(default_factory=list)
    key: tuple[str, ...] = ()
    upserts: bool = False
    parents: list[type] = field(default_factory=list)
    called: dict[str, str] = field(default_factory=dict)

    @property
    def key_attributes(self) -> str:
        """``User.email``."""
        return ", ".join(_attribute(self.called["model"], name) for name in self.key)

    @property
    def key_of_row(self) -> str:
        """``row["email"]``."""
        return ", ".join(f"row[{quoted(name)}]" for name in self.key)


def sample(mapper: Mapper[Any], taken: Iterable[str] = ()) -> Sample:
    """Two rows (one where they would be the same) with every column that has to be given; ``taken`` are names that
    the file has already."""
    model: type = mapper.class_
    names = GeneratedNames([*_OWN_NAMES, *taken])
    made = Sample(model, names, called={"model": names.of(model)})
    made.called["Session"] = names.imported("sqlalchemy.orm", "Session")
    columns = {
        attribute.key: column
        for attribute in mapper.column_attrs
        if (column := _own_column(mapper, attribute)) is not None and column is not mapper.polymorphic_on
    }
    required = [name for name, column in columns.items() if is_required(column)]
    optional = [name for name, column in columns.items() if _may_be_given(column)]
    chosen = required or optional[:3]
    keys = _unique_together({name: columns[name] for name in chosen})
    if not keys:
        # A key that nobody has to give is still the one to know a row by.
        keys = _unique_together({name: columns[name] for name in optional})[:1]
        chosen = [*chosen, *(name for key in keys for name in key if name not in chosen)]
    made.key = keys[0] if keys else ()
    # upsert() writes one table; the rows of a class that has several are left alone where they are there.
    made.upserts = bool(keys) and len(mapper.tables) == 1
    fixed = [name for name in chosen if columns[name].foreign_keys]
    queries = {name: _query(columns[name], mapper, made) for name in fixed}
    if queries or (made.key and not made.upserts):
        made.called["select"] = names.imported("sqlalchemy", "select")
    if made.upserts:
        made.called["upsert"] = names.imported("fastman_tasks.seeding", "upsert")
    else:
        made.called["insert"] = names.imported("sqlalchemy", "insert")
    made.rows = [
        {name: "" if name in fixed else value(columns[name], name, number, names) for name in chosen}
        for number in (1, 2)
    ]
    # Variables are named last, when it is known what the file imports.
    for name, query in queries.items():
        variable = names.local(name)
        made.lookups.append(f"{variable} = {query}")
        for row in made.rows:
            row[name] = variable
    first, second = made.rows
    if any(all(first[name] == second[name] for name in key) for key in keys):
        made.rows.pop()
    return made


def _attribute(class_: str, name: str) -> str:
    plain = name.isidentifier() and not keyword.iskeyword(name)
    return f"{class_}.{name}" if plain else f"getattr({class_}, {quoted(name)})"


def _own_column(mapper: Mapper[Any], attribute: ColumnProperty[Any]) -> Column[Any] | None:
    """The column that ``attribute`` gives a value to: not one that only joins a subclass's table to its parent's."""
    for column in attribute.columns:
        joins = mapper.inherits is not None and isinstance(column, Column) and column.primary_key
        if isinstance(column, Column) and not (joins and column.foreign_keys):
            return column
    return None


def _may_be_given(column: Column[Any]) -> bool:
    return not (column.primary_key or column.foreign_keys or column.computed is not None)


def _unique_together(chosen: dict[str, Column[Any]]) -> list[tuple[str, ...]]:
    """The groups of ``chosen`` columns that may hold each combination of values once, single columns first."""
    names = {column: name for name, column in chosen.items()}
    groups: list[list[Any]] = [[column] for column in names if column.unique]
    for table in {id(column.table): column.table for column in names}.values():
        groups.append(list(table.primary_key.columns))
        groups += [list(each.columns) for each in table.constraints if isinstance(each, UniqueConstraint)]
        groups += [list(index.columns) for index in table.indexes if index.unique]
    found = {tuple(names[column] for column in group) for group in groups if group and set(group) <= set(names)}
    return sorted(found, key=lambda group: (len(group), group))


def _query(column: Column[Any], mapper: Mapper[Any], made: Sample) -> str:
    target = next(iter(column.foreign_keys)).column
    select = made.names.imported("sqlalchemy", "select")
    for other in mapper.registry.mappers:
        if other.local_table is target.table:
            made.parents.append(other.class_)
            attribute = _attribute(made.names.of(other.class_), other.get_property_by_column(target).key)
            return f"db.scalars({select}({attribute}).limit(1)).one()"
    column_, table = (made.names.imported("sqlalchemy", name) for name in ("column", "table"))
    source = f"{select}({column_}({quoted(target.name)})).select_from({table}({quoted(target.table.name)}))"
    return f"db.scalars({source}.limit(1)).one()"
