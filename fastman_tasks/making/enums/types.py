"""Enum types of PostgreSQL: those that a column's type stands for, and how a migration writes them down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import TypeDecorator, types
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeEngine


@dataclass(frozen=True)
class EnumType:
    """An enum type with its ``members`` in order; ``schema`` is None for the one that a connection has by default."""

    schema: str | None
    name: str
    members: tuple[str, ...]

    @property
    def key(self) -> tuple[str | None, str]:
        """What tells it from other types."""
        return self.schema, self.name

    @property
    def label(self) -> str:
        """Its name in messages."""
        return f"{self.schema}.{self.name}" if self.schema else self.name


def resolve(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """What the database has for ``type_``, be it a TypeDecorator or a variant."""
    found = type_.dialect_impl(dialect)
    while isinstance(found, TypeDecorator):
        found = found.load_dialect_impl(dialect).dialect_impl(dialect)
    return found


def enum_of(type_: TypeEngine[Any], dialect: Dialect, default_schema: str | None) -> EnumType | None:
    """The enum type that a column of ``type_``, or each item of its array, has on PostgreSQL; None if it has none."""
    found = resolve(type_, dialect)
    if isinstance(found, types.ARRAY):
        return enum_of(found.item_type, dialect, default_schema)
    if not isinstance(found, postgresql.ENUM):
        return None
    schema = None if found.schema == default_schema else found.schema
    return EnumType(schema, str(found.name or ""), tuple(found.enums))


def is_array(type_: TypeEngine[Any], dialect: Dialect) -> bool:
    """Whether a column of ``type_`` is an array."""
    return isinstance(resolve(type_, dialect), types.ARRAY)


class ENUM(postgresql.ENUM):
    """An enum type that is there already, written down as that: SQLAlchemy 2.0 leaves create_type out."""

    # What Alembic writes it as.
    __module__ = postgresql.ENUM.__module__

    def __repr__(self) -> str:
        arguments = [*map(repr, self.enums), f"name={str(self.name)!r}"]
        arguments += [f"schema={str(self.schema)!r}"] if self.schema else []
        return f"ENUM({', '.join(arguments)}, create_type=False)"


class ARRAY(postgresql.ARRAY[Any]):
    """An array of such a type. Alembic's own way to write arrays takes the members for a pattern."""

    __module__ = postgresql.ARRAY.__module__
    __visit_name__ = "enum_array"

    def __repr__(self) -> str:
        dimensions = f", dimensions={self.dimensions}" if self.dimensions else ""
        return f"ARRAY(postgresql.{self.item_type!r}{dimensions})"


@compiles(ARRAY)
def _compile(array: ARRAY, compiler: Any, **options: Any) -> str:
    return str(compiler.visit_ARRAY(array, **options))


def for_operation(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """``type_`` for an operation: an enum type, or an array of it, as one that the operation need not create."""
    found = resolve(type_, dialect)
    if isinstance(found, postgresql.ENUM):
        return ENUM(*found.enums, name=found.name, schema=found.schema, create_type=False)
    if isinstance(found, types.ARRAY) and isinstance(item := for_operation(found.item_type, dialect), ENUM):
        return ARRAY(item, dimensions=found.dimensions)
    return type_
