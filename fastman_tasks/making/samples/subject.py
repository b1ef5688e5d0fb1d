"""What sample rows are made for: a mapped class, or a table that no class is mapped to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, FromClause, Table
from sqlalchemy.orm import Mapper

from fastman_tasks.errors import UsageError
from fastman_tasks.making.source import GeneratedNames, quote
from fastman_tasks.models.columns import fixed_values, mapper_of
from fastman_tasks.models.references import Reference, attribute_of, is_importable, own_columns, references
from fastman_tasks.names import suggestion

if TYPE_CHECKING:
    from fastman_tasks.models.discovery import Models


@dataclass(frozen=True)
class Subject:
    """The class of ``mapper``; or the ``table`` that no class is mapped to, which ``module`` has as ``name``: a
    variable, or an expression that begins with one. ``mappers`` are those that a table's foreign keys may refer to."""

    name: str
    table: FromClause
    mapper: Mapper[Any] | None = None
    module: str = ""
    mappers: Sequence[Mapper[Any]] = ()

    @classmethod
    def of(cls, mapper: Mapper[Any]) -> Subject:
        """The class of ``mapper``."""
        return cls(mapper.class_.__name__, mapper.local_table, mapper)

    @property
    def columns(self) -> dict[str, Column[Any]]:
        """Each attribute that a row is given a value for, with its column."""
        if self.mapper is not None:
            return own_columns(self.mapper)
        return {column.key: column for column in self.table.columns if isinstance(column, Column)}

    @property
    def references(self) -> list[Reference]:
        """The foreign keys that are never NULL."""
        mappers = self.mappers if self.mapper is None else self.mapper.registry.mappers
        return references(self.columns.values(), mappers)

    @property
    def tables(self) -> list[Table]:
        """The tables that a row is written to."""
        tables = [self.table] if self.mapper is None else self.mapper.tables
        return [table for table in tables if isinstance(table, Table)]

    @property
    def fixed(self) -> dict[str, Any]:
        """What every row has, by column key, without being given it."""
        return {} if self.mapper is None else fixed_values(self.mapper)

    @property
    def first_number(self) -> int:
        """1, and other numbers for each class that inherits: they share a table, and with it what is unique."""
        if self.mapper is None:
            return 1
        base = self.mapper.base_mapper
        heirs = [each for each in base.self_and_descendants if each is not base]
        heirs.sort(key=lambda each: (each.class_.__qualname__, each.class_.__module__))
        return 1 + 2 * [base, *heirs].index(self.mapper)

    def name_in(self, names: GeneratedNames) -> str:
        """How it is called in the file; it is imported."""
        if self.mapper is not None:
            return names.of(self.mapper.class_)
        first = re.split(r"\W", self.name, maxsplit=1)[0]
        return names.import_name(self.module, first) + self.name[len(first) :]

    def attribute(self, column: Column[Any], names: GeneratedNames) -> str:
        """The attribute that has every value of ``column``: that of the class that its table belongs to."""
        if self.mapper is None:
            return (
                f"{self.name_in(names)}.c{f'.{column.key}' if column.key.isidentifier() else f'[{quote(column.key)}]'}"
            )
        found = [(each, name) for each in self.mapper.iterate_to_root() if (name := attribute_of(each, column))]
        owner, name = found[-1]
        return names.attribute(owner.class_, name)

    def any_attribute(self, names: GeneratedNames) -> str:
        """An attribute of its own that every row has: one of the primary key, where there is one."""
        if self.mapper is None:
            (table,) = self.tables
            return self.attribute(next(iter(table.primary_key.columns or table.columns)), names)
        key = self.mapper.primary_key[0]
        name = next(each.key for each in self.mapper.column_attrs if key in each.columns)
        return names.attribute(self.mapper.class_, name)

    def only_own(self, names: GeneratedNames) -> str:
        """``.where(…)`` that leaves out the rows of classes that inherit; empty where there are none."""
        mapper = self.mapper
        if mapper is None or mapper.inherits is not None or not isinstance(mapper.polymorphic_identity, str):
            return ""
        name = attribute_of(mapper, mapper.polymorphic_on) if isinstance(mapper.polymorphic_on, Column) else None
        if name is None:
            return ""
        return f".where({names.attribute(mapper.class_, name)} == {quote(mapper.polymorphic_identity)})"


def find(models: Models, wanted: str, *, required: bool) -> Subject | None:
    """The model that ``wanted`` names (``User``, ``app.models.User``), or else the table, whose class it is where one
    is mapped to it.

    Raises UsageError where several models have that name, and where none has it although it is ``required``.
    """
    module, _, name = wanted.rpartition(".")
    fitting = [
        class_
        for class_ in models.mapped
        if class_.__name__.lower() == name.lower() and module in ("", class_.__module__)
    ]
    exact = [class_ for class_ in fitting if class_.__name__ == name] or fitting
    if len(exact) > 1:
        paths = ", ".join(f"{class_.__module__}.{class_.__name__}" for class_ in exact)
        raise UsageError(f"{wanted} could be any of {paths}. Choose: --model=MODULE.NAME")
    if exact:
        return Subject.of(_mapper(exact[0]))
    mappers = {mapper: None for class_ in models.mapped for mapper in _mapper(class_).registry.mappers}
    for table in models.tables:
        if _squeeze(table.name) == _squeeze(wanted):
            of = next((each for each in mappers if each.local_table is table and each.inherits is None), None)
            if of is not None and is_importable(of.class_):
                return Subject.of(of)
            if (place := _place(models, table)) is not None:
                return Subject(place[1], table, None, place[0], list(mappers))
    if required:
        mapped = {mapper.local_table for mapper in mappers}
        known = [class_.__name__ for class_ in models.mapped]
        known += [table.name for table in models.tables if table not in mapped]
        raise UsageError(f"There is no model or table {wanted}. {suggestion(wanted, known)}")
    return None


def _mapper(class_: type) -> Mapper[Any]:
    mapper = mapper_of(class_)
    assert mapper is not None
    return mapper


def _squeeze(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def _place(models: Models, table: Table) -> tuple[str, str] | None:
    """The module that has ``table``, and as what: a variable, or a part of the MetaData of one of its classes."""
    for module in models.modules:
        for name, value in vars(module).items():
            if value is table and name.isidentifier():
                return module.__name__, name
    for class_ in models.mapped:
        if getattr(class_, "metadata", None) is table.metadata and "." not in class_.__qualname__:
            return class_.__module__, f"{class_.__name__}.metadata.tables[{quote(table.key)}]"
    return None
