"""For PostgreSQL: the rows of a batch as one array per column, so that the statement stays short."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, Table, bindparam, cast, column, func, select, types
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY

Batch = list[dict[str, Any]]
# A column's type, the type of its Python values, and the type that they are sent as. That one is never narrower: the
# column has to refuse a text that is too long, as a cast would truncate it.
_KINDS: tuple[tuple[type[Any], type, types.TypeEngine[Any]], ...] = (
    (types.Boolean, bool, types.Boolean()),
    (types.Integer, int, types.BigInteger()),
    (types.Float, float, types.Double()),
    (types.Numeric, Decimal, types.Numeric()),
    (types.String, str, types.Text()),
    (types.Date, date, types.Date()),
    (types.Uuid, uuid.UUID, types.Uuid()),
)


class Arrays:
    """Rows of ``table`` with the columns ``names``, as arrays. ``insert`` is None if that is not possible: a column is
    of another type, or one that is not named has a default in Python."""

    def __init__(self, table: Table, names: Sequence[str]) -> None:
        self._names = names
        kinds = [_kind(table.c[name]) for name in names]
        self.insert: postgresql.Insert | None = None
        if None not in kinds and all(each.default is None for each in table.columns if each.key not in names):
            sent = [ARRAY(kind[1]) for kind in kinds if kind]
            arrays = [cast(bindparam(f"c{at}", type_=kind), kind) for at, kind in enumerate(sent)]
            rows = func.unnest(*arrays).table_valued(*(column(f"c{at}") for at in range(len(sent)))).render_derived()
            columns = [table.c[name] for name in names]
            self.insert = postgresql.insert(table).from_select(columns, select(*rows.c), include_defaults=False)
        self._python = [{kind[0], type(None)} for kind in kinds if kind]

    def values(self, batch: Batch) -> dict[str, list[Any]] | None:
        """Returns the parameters of ``insert`` for ``batch``; None if a value does not fit into its array."""
        found = {f"c{at}": [row[name] for row in batch] for at, name in enumerate(self._names)}
        fits = all(set(map(type, each)) <= python for each, python in zip(found.values(), self._python, strict=True))
        return found if fits else None


def _kind(column: Column[Any]) -> tuple[type, types.TypeEngine[Any]] | None:
    kind = column.type
    if isinstance(kind, types.Enum | types.TypeDecorator):
        return None
    return next(((python, sent) for class_, python, sent in _KINDS if isinstance(kind, class_)), None)
