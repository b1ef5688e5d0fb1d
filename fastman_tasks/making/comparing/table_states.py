"""How a table is, as its database writes it, where Alembic does not look or sees a difference that is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy import CheckConstraint, Table

#: A table's schema, None for the one that a connection has by default, and its name.
Place: TypeAlias = "tuple[str | None, str]"
#: The default of PostgreSQL's serial columns: nextval() of a sequence that comes and goes with the column.
SERIAL = "serial"


@dataclass(frozen=True)
class ColumnState:
    """SQL of a column; None for what it does not have."""

    type: str | None = None
    default: str | None = None
    computed: str | None = None
    identity: str | None = None
    collation: str | None = None


@dataclass(frozen=True)
class IndexState:
    """An index; ``parts`` and ``include`` are SQL, ``options`` storage parameters as a text."""

    unique: bool
    parts: tuple[str, ...]
    method: str | None = None
    include: tuple[str, ...] = ()
    where: str | None = None
    options: str | None = None
    nulls_not_distinct: bool = False


@dataclass
class TableState:
    """A table. ``others`` are the definitions of constraints of which no other field tells."""

    columns: dict[str, ColumnState] = field(default_factory=dict)
    indexes: dict[str, IndexState] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Pair:
    """A table as it is in the database, and as the database would make it from its model.

    ``conditions`` are those of the model's CHECKs as the database writes them.
    """

    model: Table
    there: TableState
    wanted: TableState
    conditions: Mapping[CheckConstraint, str]


@dataclass
class Answer:
    """What a database says of tables: a Pair of each, or why there is none."""

    pairs: dict[Place, Pair] = field(default_factory=dict)
    failures: dict[Place, str] = field(default_factory=dict)
