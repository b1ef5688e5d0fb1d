"""Tables that a migration replaces with a copy, as SQLite's documentation recommends: they are not lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fastman_tasks.databases.statements import Effect, find_copy, find_effects
from fastman_tasks.migrating.reading.directives import Operation


def merge(operations: Sequence[Operation], dialect: str) -> tuple[Operation, ...]:
    """Returns ``operations`` with each such replacement as one: a table is created, filled with every row of another,
    which is dropped, and takes its name."""
    merged = list(operations)
    for renaming in operations:
        found = _replacement(merged, renaming, dialect) if renaming.certain else None
        if found is not None:
            steps, replacement = found
            merged[merged.index(steps.dropping)] = replacement
            merged = [each for each in merged if each not in (steps.making, steps.copying, renaming)]
    return tuple(merged)


@dataclass(frozen=True)
class _Steps:
    making: Operation
    copying: Operation
    dropping: Operation


def _replacement(operations: Sequence[Operation], renaming: Operation, dialect: str) -> tuple[_Steps, Operation] | None:
    """The steps before ``renaming`` and what they are together, if that is such a replacement."""
    effect = _effect(renaming, dialect)
    if effect is None or effect.kind != "rename table" or renaming not in operations:
        return None
    before = operations[: operations.index(renaming)]

    def last(kind: str, table: str) -> Iterator[Operation]:
        for each in reversed(before):
            done = _effect(each, dialect) if each.certain else None
            if done is not None and (done.kind, done.table) == (kind, table):
                yield each

    dropping, making = next(last("drop table", effect.new), None), next(last("create table", effect.table), None)
    if dropping is None or making is None:
        return None
    for copying in before[before.index(making) : before.index(dropping)]:
        copy = find_copy(copying.text, dialect) if copying.kind == "sql" and copying.certain else None
        if copy is not None and (copy.old, copy.new) == (effect.new, effect.table):
            replacement = Operation("replace table", effect.new, line=dropping.line, columns=copy.columns)
            return _Steps(making, copying, dropping), replacement
    return None


def _effect(operation: Operation, dialect: str) -> Effect | None:
    """What ``operation`` does to a table, called as an operation or sent as a statement."""
    if operation.kind == "sql":
        found = list(find_effects(operation.text, dialect))
        return found[0] if len(found) == 1 else None
    if operation.kind in ("create table", "drop table", "rename table"):
        return Effect(operation.kind, operation.table, new=operation.new)
    return None
