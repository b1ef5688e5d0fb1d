"""The tables and columns that the code of migrations drops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fastman_tasks.databases import statements
from fastman_tasks.migrating.downgrades import EMPTY, read
from fastman_tasks.migrating.loss_counts import UncountedLoss
from fastman_tasks.migrating.reading import replacements
from fastman_tasks.migrating.reading.directives import Operation
from fastman_tasks.plans import Step


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


def find(steps: Iterable[Step], dialect: str) -> Iterator[UncountedLoss]:
    """Yields what ``steps`` lose on ``dialect``, in their order; see ``losses.find``."""
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
