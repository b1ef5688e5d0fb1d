"""Insert rows that do not exist yet and update those that do, with one statement per batch."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, overload

from sqlalchemy import Column, Table
from sqlalchemy.orm import Session

from fastman_tasks.errors import UpsertRefused
from fastman_tasks.models.columns import Target, unique_groups
from fastman_tasks.rows import statements
from fastman_tasks.rows.row_counts import find_row_counts

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

Rows = Iterable[Mapping[str, Any]]
_ROWS = 1000
# PostgreSQL takes 32,767 values in one statement through asyncpg, SQLite 32,766.
_VALUES = 32_000


@dataclass(frozen=True)
class Upserted:
    """How many rows were created, updated, and left unchanged."""

    created: int
    updated: int
    unchanged: int


@overload
def upsert(db: Session, model: type | Table, rows: Rows, *, key: Sequence[str]) -> Upserted: ...
@overload
def upsert(
    db: AsyncSession, model: type | Table, rows: Rows, *, key: Sequence[str]
) -> Coroutine[Any, Any, Upserted]: ...
def upsert(
    db: Session | AsyncSession, model: type | Table, rows: Rows, *, key: Sequence[str]
) -> Upserted | Coroutine[Any, Any, Upserted]:
    """Insert each of ``rows``, or update the existing row with the same ``key``. Each row maps attributes to values.

    ``model`` is a mapped class, or a Table without a mapped class, whose columns' keys are the attributes. ``key`` are
    the attributes of a primary key, a unique constraint or a unique index of ``model``. Rows are processed 1,000 at a
    time, so they may come from a generator.

    Attributes that a row does not name keep their value in an existing row, and get their default in a new one. But
    each row has to name every column that does not accept NULL and has no default, even if the row exists. If several
    classes share a table, an existing row keeps its class.

    Nothing is committed. PostgreSQL's sequence is moved past the ids in the rows. Objects that ``db`` has loaded before
    keep their old values until they are refreshed. With an AsyncSession the call has to be awaited.

    On MySQL and MariaDB the database decides what is a duplicate, by any unique key of the table, and an ``onupdate``
    of the model is not applied.

    Returns an Upserted. Raises UpsertRefused for a key that is not unique, an attribute that the model does not have, a
    row that is not a mapping or has no key, and a key that appears twice in one batch.
    """
    if not isinstance(db, Session):
        return db.run_sync(upsert, model, rows, key=key)
    target = _Target(model, [key] if isinstance(key, str) else list(key))
    # Objects that were added before are written first.
    db.flush()
    connection = db.connection()
    row_counts = find_row_counts(connection)
    with row_counts.pause_counting() if row_counts else nullcontext():
        counts = statements.run(
            connection,
            target.table,
            target.keys,
            target.fixed,
            target.batches(rows),
            lambda done: row_counts.advance(done, None) if row_counts else None,
        )
    if row_counts:
        row_counts.advance(None, None)
        row_counts.report(target.table.fullname, counts)
    return Upserted(counts.created, counts.updated, counts.unchanged)


class _Target(Target):
    """The table of ``model``, and the columns of ``key``. Raises UpsertRefused if the key is not unique."""

    def __init__(self, model: type | Table, key: list[str]) -> None:
        super().__init__(model, "upsert()", UpsertRefused)
        self._key = key
        self.keys = [self._column(name) for name in key]
        if not self.keys or set(self.keys) not in map(set, unique_groups(self.table, exact=True)):
            raise UpsertRefused(
                f"{', '.join(key) or 'An empty key'} is not unique in {self.table.fullname}: a key has to be a primary "
                "key, a unique constraint or a unique index."
            )

    def batches(self, rows: Rows) -> Iterator[list[dict[str, Any]]]:
        """Yields ``rows`` by the names of columns, in lists of rows with the same columns. Raises UpsertRefused."""
        if isinstance(rows, Mapping) or not isinstance(rows, Iterable):
            raise UpsertRefused(
                f"upsert() expects the rows of {self.name} as a list, [{self._such}], not {_shown(rows)}."
            )
        for names, alike in groupby(rows, key=self._names):
            if missing := [name for name in self._key if name not in names]:
                raise UpsertRefused(f"A row of {self.name} has no value for its key: {', '.join(missing)}.")
            keys = [self._column(name).key for name in names]
            size = max(1, min(_ROWS, _VALUES // (len(keys) + 10)))
            batch: list[dict[str, Any]] = []
            for row in alike:
                batch.append({**dict(zip(keys, row.values(), strict=True)), **self.fixed})
                if len(batch) == size:
                    yield self._distinct(batch)
                    batch = []
            if batch:
                yield self._distinct(batch)

    def _names(self, row: object) -> tuple[str, ...]:
        if not isinstance(row, Mapping):
            raise UpsertRefused(
                f"A row of {self.name} has to map attributes to values, {self._such}; this is an {_shown(row)}."
            )
        return tuple(row)

    @property
    def _such(self) -> str:
        return f"{{{', '.join(f'{name!r}: …' for name in self._key)}, …}}"

    def _distinct(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        keys = [column.key for column in self.keys]
        seen = set()
        for row in batch:
            values = tuple(row[key] for key in keys)
            shown = ", ".join(f"{name}={value!r}" for name, value in zip(self._key, values, strict=True))
            if None in values:
                raise UpsertRefused(f"A row of {self.name} has {shown}; NULL never equals another NULL.")
            if values in seen:
                raise UpsertRefused(f"{self.name} with {shown} appears twice. Remove one of the rows.")
            seen.add(values)
        return batch

    def _column(self, name: str) -> Column[Any]:
        if name not in self.columns:
            raise UpsertRefused(f"{self.name} has no attribute {name}. It has: {', '.join(self.columns)}.")
        return self.columns[name]


def _shown(value: object) -> str:
    return repr(dict(value))[:60] if isinstance(value, Mapping) else f"object of {type(value).__name__}"
