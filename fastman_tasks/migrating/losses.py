"""The data that a plan would lose: the tables and columns that it drops, with their rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fastman_tasks.databases import statements
from fastman_tasks.migrating.downgrades import EMPTY, read
from fastman_tasks.migrating.reading import replacements
from fastman_tasks.migrating.reading.directives import Operation
from fastman_tasks.plans import Loss, Step


@dataclass(frozen=True)
class UncountedLoss(Loss):
    """A loss that has not been counted yet. With ``kept``, all other columns of its table are lost."""

    kept: frozenset[str] | None = None


def find(steps: Iterable[Step], dialect: str) -> tuple[UncountedLoss, ...]:
    """Returns what ``steps`` lose on ``dialect``, in their order. No migration is run.

    When rolling back, code that cannot be analysed counts as a loss. When migrating, only what certainly drops or
    deletes does: most data migrations cannot be analysed, and lose nothing.
    """
    steps = tuple(steps)
    return tuple(dict.fromkeys(_find(steps, dialect))) if any(map(_may_lose, steps)) else ()


# Nothing is lost forward without one of these words. Most migrations have them in their downgrade() only, and looking
# for words takes a twentieth of the time of following the code, which counts where a thousand are applied.
_LOSING = re.compile(r"drop|delete|truncate|downgrade", re.IGNORECASE)
_DOWNGRADE = re.compile(r"^def downgrade\b[^\n]*\n(?:[ \t][^\n]*(?:\n|\Z)|\r?\n)*", re.MULTILINE)


def _may_lose(step: Step) -> bool:
    if step.action == "roll back" or step.file is None:
        return True
    try:
        # Whatever its encoding, these words are spelled in ASCII.
        source = step.file.read_bytes().decode("latin-1")
    except OSError:
        return True
    return _LOSING.search(_DOWNGRADE.sub("", source)) is not None


class _Names:
    """The present names of the tables and columns in a plan, before it renames any; None: they do not exist yet."""

    def __init__(self) -> None:
        self._tables: dict[str, str | None] = {}
        self._columns: dict[tuple[str | None, str], str | None] = {}

    def table(self, table: str) -> str | None:
        return self._tables.get(table, table)

    def column(self, table: str, column: str) -> str | None:
        return self._columns.get((self.table(table), column), column)

    def follow(self, operation: Operation) -> None:
        """Record a table or column that ``operation`` renames or creates."""
        table, column = operation.table, operation.column
        match operation.kind:
            case "create table":
                self._tables[table] = None
            case "rename table":
                self._tables[operation.new] = self.table(table)
            case "rename column":
                self._columns[self.table(table), operation.new] = self.column(table, column)
            case "add column":
                self._columns[self.table(table), column] = None

    def loss(self, operation: Operation) -> UncountedLoss | None:
        """Returns what ``operation`` drops or empties, by its present name."""
        self.follow(operation)
        table = self.table(operation.table)
        if table is None:
            return None
        match operation.kind:
            case "drop table":
                return UncountedLoss(table)
            case "drop column":
                column = self.column(operation.table, operation.column)
                return UncountedLoss(table, column) if column else None
            case "replace table" if operation.columns is not None:
                now = (self.column(operation.table, each) for each in operation.columns)
                return UncountedLoss(table, kept=frozenset(each for each in now if each))
        return None


def _find(steps: Iterable[Step], dialect: str) -> Iterator[UncountedLoss]:
    names = _Names()
    for step in steps:
        if step.is_empty:
            yield UncountedLoss(reason=f"{step.name}: {EMPTY}; what it did is not undone")
            continue
        assert step.file is not None
        goes_back = step.action == "roll back"
        reading = read(step.file, "downgrade" if goes_back else "upgrade", dialect)
        if reading is None:
            if goes_back:
                yield UncountedLoss(reason=f"{step.name}: its source could not be analysed")
            continue
        for operation in replacements.merge(reading.operations, dialect):
            yield from (_back if goes_back else _forward)(operation, step, names, dialect)


def _back(operation: Operation, step: Step, names: _Names, dialect: str) -> Iterator[UncountedLoss]:
    if operation.kind == "?":
        yield UncountedLoss(reason=f"{step.name}, line {operation.line}: {operation.text}")
    elif operation.kind == "sql":
        dropped = statements.find_dropped_tables(operation.text, dialect)
        if dropped:
            found = (names.loss(Operation("drop table", table)) for table in dropped)
            yield from (each for each in found if each)
        elif not statements.loses_nothing(operation.text):
            yield UncountedLoss(reason=f"{step.name}: {' '.join(operation.text.split())}")
    elif loss := names.loss(operation):
        yield loss


def _forward(operation: Operation, step: Step, names: _Names, dialect: str) -> Iterator[UncountedLoss]:
    if operation.kind != "sql":
        if loss := names.loss(operation):
            yield loss
        return
    for effect in statements.find_effects(operation.text, dialect):
        if not operation.certain and effect.kind in ("create table", "rename table", "rename column"):
            continue
        what = Operation(effect.kind, effect.table, effect.column, effect.new) if effect.kind != "delete" else None
        if what is not None:
            if loss := names.loss(what):
                yield loss
        elif not effect.table:
            yield UncountedLoss(reason=f"{step.name}: {effect.text}")
        elif table := names.table(effect.table):
            yield UncountedLoss(table, reason=f"{step.name}: {effect.text}")
