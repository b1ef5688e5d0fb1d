"""The foreign keys that are required in every row of a model."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, FromClause
from sqlalchemy.orm import ColumnProperty, Mapper

from fastman_tasks.models.columns import is_required


@dataclass(frozen=True)
class Reference:
    """The columns of one foreign key, each with the column in ``table`` that it refers to. ``parent`` is the model of
    that table; None if it has none."""

    columns: dict[Column[Any], Column[Any]]
    table: FromClause
    parent: Mapper[Any] | None


def own_columns(mapper: Mapper[Any]) -> dict[str, Column[Any]]:
    """Returns each attribute that can be set in a new row, with its column."""
    found = ((each.key, _own_column(mapper, each)) for each in mapper.column_attrs)
    return {name: column for name, column in found if column is not None and column is not mapper.polymorphic_on}


def attribute_of(mapper: Mapper[Any], column: Column[Any]) -> str | None:
    """Returns the attribute of ``mapper`` that has ``column``; None if there is none."""
    return next((each.key for each in mapper.column_attrs if column in each.columns), None)


def is_importable(class_: type) -> bool:
    """Whether a file can import ``class_`` by its name."""
    value: object = sys.modules.get(class_.__module__)
    for part in class_.__qualname__.split("."):
        value = getattr(value, part, None)
    return value is class_


def references(columns: Iterable[Column[Any]], mappers: Iterable[Mapper[Any]]) -> list[Reference]:
    """Returns the required foreign keys of ``columns``, those of several columns first, without those whose columns are
    all in earlier ones. ``mappers`` are those of the models that they may refer to."""
    own, mappers = list(columns), list(mappers)
    keys = {key.constraint for column in own if is_required(column) for key in column.foreign_keys if key.constraint}
    found: list[Reference] = []
    for key in sorted(keys, key=lambda key: (-len(key.elements), *(each.target_fullname for each in key.elements))):
        pairs = {each.parent: each.column for each in key.elements}
        # Where one of its columns stays NULL, the database does not check the others.
        filled = all(column in own and not _stays_null(column) for column in pairs)
        if filled and not {column for each in found for column in each.columns} >= set(pairs):
            found.append(Reference(pairs, key.referred_table, _parent(mappers, list(pairs.values()))))
    return sorted(found, key=lambda each: (-len(each.columns), [own.index(column) for column in each.columns]))


def find_circle(mapper: Mapper[Any], reference: Reference) -> list[Mapper[Any]]:
    """Returns the models from ``mapper`` through ``reference`` back to itself; empty if there is no circle."""
    seen: set[Mapper[Any]] = set()

    def ways(parent: Mapper[Any] | None) -> Iterator[list[Mapper[Any]]]:
        if parent is mapper:
            yield [mapper]
        elif parent is not None and parent not in seen:
            seen.add(parent)
            for each in references(own_columns(parent).values(), parent.registry.mappers):
                yield from ([parent, *way] for way in ways(each.parent))

    return next(([mapper, *way] for way in ways(reference.parent)), [])


def _own_column(mapper: Mapper[Any], attribute: ColumnProperty[Any]) -> Column[Any] | None:
    """Returns the column that ``attribute`` sets, not one that only joins a subclass's table to its parent's."""
    for column in attribute.columns:
        joins = mapper.inherits is not None and isinstance(column, Column) and column.primary_key
        if isinstance(column, Column) and not (joins and column.foreign_keys):
            return column
    return None


def _stays_null(column: Column[Any]) -> bool:
    return bool(column.nullable) and column.default is None and column.server_default is None


def _parent(mappers: Iterable[Mapper[Any]], targets: list[Column[Any]]) -> Mapper[Any] | None:
    """Returns the model whose table has ``targets``; if several share it, their base class."""
    fitting = [
        each
        for each in mappers
        if each.local_table is targets[0].table
        and is_importable(each.class_)
        and (each.inherits is None or each.inherits.local_table is not each.local_table)
        and all(attribute_of(each, target) for target in targets)
    ]
    return min(fitting, key=lambda each: (each.class_.__module__, each.class_.__qualname__), default=None)
