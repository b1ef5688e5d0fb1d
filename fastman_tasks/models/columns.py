"""The columns of a mapped class, by attribute, and which of them are required."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Index, Interval, Table, TypeDecorator, UniqueConstraint, inspect
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import Mapper

from fastman_tasks.errors import FastmanError


def mapper_of(model: object) -> Mapper[Any] | None:
    """Returns the mapper of a mapped class; None for anything else."""
    try:
        found: object = inspect(model)
    except NoInspectionAvailable:
        return None
    return found if isinstance(found, Mapper) else None


def by_attribute(mapper: Mapper[Any]) -> dict[str, Column[Any]]:
    """Returns the column of each attribute that has one."""
    return {
        attribute.key: column for attribute in mapper.column_attrs if isinstance(column := attribute.columns[0], Column)
    }


def fixed_values(mapper: Mapper[Any]) -> dict[str, Any]:
    """Returns the values that every row of the class has, by column key: the discriminator of a shared table."""
    if isinstance(mapper.polymorphic_on, Column) and mapper.polymorphic_identity is not None:
        return {mapper.polymorphic_on.key: mapper.polymorphic_identity}
    return {}


class Target:
    """The one table of ``model``, or ``model`` itself if it is a table, for ``caller`` to write. Raises ``refused`` for
    anything else."""

    def __init__(self, model: type | Table, caller: str, refused: type[FastmanError]) -> None:
        if isinstance(model, Table):
            self.name, self.table, self.fixed = model.name, model, dict[str, Any]()
            self.columns: dict[str, Column[Any]] = {column.key: column for column in model.columns}
            return
        mapper = mapper_of(model)
        if mapper is None:
            raise refused(f"{caller} expects a mapped class or a Table; {model!r} is neither.")
        self.name = model.__name__
        if len(mapper.tables) != 1 or not isinstance(mapper.local_table, Table):
            raise refused(f"{caller} writes one table; {self.name} is mapped to several.")
        self.table = mapper.local_table
        self.columns = by_attribute(mapper)
        self.fixed = fixed_values(mapper)


def undecorate(kind: Any) -> Any:
    """Returns the type that ``kind`` decorates, or ``kind`` itself."""
    # An Interval is a decorator, but the decorated type is only how some databases store it.
    while isinstance(kind, TypeDecorator) and not isinstance(kind, Interval):
        kind = kind.impl_instance
    return kind


class NoContext:
    """Passed to a column's default function in place of SQLAlchemy's context; raises ``refusal`` if it is used."""

    def __init__(self, refusal: Exception) -> None:
        self._refusal = refusal

    def __getattr__(self, name: str) -> Any:
        raise self._refusal


def unique_groups(table: Table, *, exact: bool) -> list[tuple[Column[Any], ...]]:
    """Returns the groups of columns that are unique in ``table``; with ``exact`` without partial indexes and indexes of
    expressions, which ON CONFLICT does not accept."""
    groups = [tuple(table.primary_key.columns)]
    groups += [tuple(each.columns) for each in table.constraints if isinstance(each, UniqueConstraint)]
    groups += [tuple(each.columns) for each in table.indexes if each.unique and not (exact and _partial(each))]
    return groups


def _partial(index: Index) -> bool:
    somewhere = any(index.dialect_options[name].get("where") is not None for name in ("postgresql", "sqlite"))
    return somewhere or not all(isinstance(each, Column) for each in index.expressions)


def is_required(column: Column[Any]) -> bool:
    """Whether a row cannot be written without a value for ``column``."""
    if column.nullable or column.default is not None or column.server_default is not None:
        return False
    table = column.table
    generated = isinstance(table, Table) and column is table.autoincrement_column
    return column.computed is None and column.identity is None and not generated
