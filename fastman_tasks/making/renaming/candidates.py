"""What may have been renamed: something dropped and something added that could be one thing with a new name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Table

from fastman_tasks.errors import Candidate
from fastman_tasks.making.renaming.operations import RenameColumnOp, RenameTableOp
from fastman_tasks.making.renaming.view import Rename, Renames


@dataclass(frozen=True)
class PossibleRename(Candidate):
    """A Candidate with the ``rename`` and the ``operation`` that it would be; ``likely`` where both are alike.

    ``olds`` and ``news`` are all names that people may have for it: a renamed table has two.
    """

    rename: Rename
    operation: RenameColumnOp | RenameTableOp
    olds: tuple[str, ...]
    news: tuple[str, ...]
    likely: bool
    #: The column that is added where it is no rename.
    added: Column[Any] | None = None


def find(context: MigrationContext, upgrade: ops.UpgradeOps, renames: Renames) -> Iterator[PossibleRename]:
    """What ``upgrade``, a comparison after ``renames``, drops and adds that could be renamed, the most alike first."""
    dropped = [each for each in upgrade.ops if isinstance(each, ops.DropTableOp)]
    created = [each for each in upgrade.ops if isinstance(each, ops.CreateTableOp)]
    for new in created:
        pairs = [(old, _likeness(old.to_table(), new.to_table())) for old in dropped if old.schema == new.schema]
        for old, share in sorted(pairs, key=lambda pair: -pair[1]):
            before, after = _dot(old.schema, old.table_name), _dot(new.schema, new.table_name)
            yield PossibleRename(
                before,
                after,
                f"{before}:{new.table_name}",
                f"Was the table {before} renamed to {after}?",
                Rename(old.schema, None, old.table_name, new.table_name),
                RenameTableOp(old.table_name, new.table_name, schema=old.schema),
                (before,),
                (after,),
                share >= 0.5,
            )
    for change in upgrade.ops:
        if isinstance(change, ops.ModifyTableOps):
            yield from _columns(context, change, renames)


def _columns(context: MigrationContext, change: ops.ModifyTableOps, renames: Renames) -> Iterator[PossibleRename]:
    dropped = [each.to_column() for each in change.ops if isinstance(each, ops.DropColumnOp)]
    schema, table = change.schema, change.table_name
    tables = dict.fromkeys((table, renames.old_table(table, schema)))
    for new in [each.column for each in change.ops if isinstance(each, ops.AddColumnOp)]:
        for old in sorted(dropped, key=lambda each: -SequenceMatcher(None, each.name, new.name).ratio()):
            olds, news = ([_dot(schema, each, column.name) for each in tables] for column in (old, new))
            before = _type_sql(context, old if context.impl.compare_type(old, new) else new)
            after = _type_sql(context, new)
            kind = before if before == after else f"{before}, now {after}"
            yield PossibleRename(
                olds[0],
                news[0],
                f"{olds[0]}:{new.name}",
                f"Was {olds[0]} renamed to {news[0]} ({kind})?",
                Rename(schema, table, old.name, new.name),
                RenameColumnOp.of(table, old, new.name, schema=schema),
                tuple(olds),
                tuple(news),
                _is_of_one_type(context, old, new),
                new,
            )


def _likeness(old: Table, new: Table) -> float:
    """The share of columns that the two tables have in common, by name; that both have an id alone says nothing."""
    one, other = set(old.columns.keys()), set(new.columns.keys())
    return len(one & other) / max(len(one), len(other)) if len(one & other) > 1 else 0


def _is_of_one_type(context: MigrationContext, old: Column[Any], new: Column[Any]) -> bool:
    if not context.impl.compare_type(old, new):
        return True
    try:
        # VARCHAR(50) and VARCHAR(100).
        return old.type.python_type is new.type.python_type
    except NotImplementedError:
        return False


def _type_sql(context: MigrationContext, column: Column[Any]) -> str:
    return column.type.compile(dialect=context.dialect)


def _dot(*parts: str | None) -> str:
    return ".".join(part for part in parts if part)
