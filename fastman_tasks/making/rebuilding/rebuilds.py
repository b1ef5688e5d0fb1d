"""Has changes of SQLite's tables keep what Alembic's batch mode would lose, in both directions of a migration.

Batch mode stays where it loses nothing. Where it would, the table is replaced by its own text, in which only what
changes is changed. A column is renamed in place, so that what mentions it follows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column
from sqlalchemy.schema import CreateIndex

from fastman_tasks.databases.sql.definition import Definition
from fastman_tasks.errors import MigrationRefused
from fastman_tasks.making.converting import refill
from fastman_tasks.making.rebuilding import batch_losses
from fastman_tasks.making.rebuilding.changes import apply, in_parts, is_rename, needs_rebuild, with_operations
from fastman_tasks.making.rebuilding.operations import Rebuild, RebuildTableOp
from fastman_tasks.making.sql.statements import StatementsOp
from fastman_tasks.making.sql.text import literal
from fastman_tasks.making.sqlite.schema import Schema, Thing


def keep(context: MigrationContext, script: ops.MigrationScript) -> None:
    """Replace the operations of ``script`` that would lose something of a SQLite table, in place. To be called last.

    Raises MigrationRefused for a change that does not fit to what else is in the database (a view, say).
    """
    upgrade, downgrade = script.upgrade_ops, script.downgrade_ops
    if upgrade is None or downgrade is None or context.bind is None or context.dialect.name != "sqlite":
        return
    if context.opts["render_as_batch"]:
        writer = _Writer(context)
        upgrade.ops = list(writer.rewrite(upgrade.ops))
        writer.turn(downgrade.ops)
        downgrade.ops = list(writer.rewrite(downgrade.ops))


class _Writer:
    """Goes through operations in order, first those of the upgrade, then those of the downgrade; ``_schema`` is what
    the database has at that point, ``_original`` what it had at first, under the names of that point."""

    def __init__(self, context: MigrationContext) -> None:
        assert context.bind is not None
        self._context = context
        self._quote = context.dialect.identifier_preparer.quote
        self._original = self._schema = Schema.read(context.bind)
        self._rewritten: set[str] = set()
        self._is_back = False

    def turn(self, back: Iterable[ops.MigrateOperation]) -> None:
        """From here on, the operations lead ``back`` to the database as it was read, but for columns that cannot be
        required again."""
        self._is_back = True
        for each in refill.optional_columns(back):
            self._original = self._original.with_optional(each.table_name, each.column.name)

    def rewrite(self, operations: Iterable[ops.MigrateOperation]) -> Iterator[ops.MigrateOperation]:
        """``operations`` as they are to be written down."""
        parts = [part for operation in operations for part in in_parts(operation)]
        for at, part in enumerate(parts):
            match part:
                case ops.ModifyTableOps(schema=None):
                    yield from self._change(part, parts[at + 1 :])
                case ops.DropTableOp(schema=None):
                    if batch_losses.find(self._schema, part.table_name):
                        self._rewritten.add(part.table_name)
                    self._schema = self._schema.without_table(part.table_name)
                    yield part
                case ops.CreateTableOp(schema=None) if self._is_back and part.table_name in self._rewritten:
                    things = self._original.parts_of(part.table_name)
                    self._schema = self._schema.with_things(things)
                    yield from (StatementsOp(f"create {each.type} {each.name}", [each.sql]) for each in things)
                case _:
                    self._follow(part)
                    yield part

    def _follow(self, operation: ops.MigrateOperation) -> None:
        """Take note of a table or column that gets another name: what is to come back has it too, until the way back
        exchanges the names again."""
        table = getattr(operation, "table_name", "")
        match operation:
            case ops.RenameTableOp(schema=None):
                column, new = None, f"TO {self._quote(operation.new_table_name)}"
                if table in self._rewritten:
                    self._rewritten.add(operation.new_table_name)
            case ops.AlterColumnOp(schema=None) if is_rename(operation):
                column = operation.column_name
                new = f"COLUMN {' TO '.join(map(self._quote, (column, str(operation.modify_name))))}"
            case _:
                return

        def renamed(schema: Schema) -> Schema:
            definition = schema.table(table)
            if definition is None or (column is not None and definition.column(column) is None):
                return schema
            return schema.after(f"ALTER TABLE {self._quote(table)} RENAME {new}")

        try:
            self._schema, self._original = renamed(self._schema), renamed(self._original)
        except sqlite3.Error as error:
            raise _misfit(table, str(error)) from error

    def _change(
        self, change: ops.ModifyTableOps, later: Sequence[ops.MigrateOperation]
    ) -> Iterator[ops.MigrateOperation]:
        table, before = change.table_name, self._schema.table(change.table_name)
        if before is None:
            # The migration makes the table itself, and nothing else is in it.
            yield change
            return
        kept = batch_losses.find(self._schema, table, change)
        after, indexes = self._after(change, before, later), self._indexes(change)
        replaces = any(needs_rebuild(each, self._context) for each in change.ops)
        explicit = bool(kept) and (replaces or (self._is_back and table in self._rewritten))
        if explicit and after is None:
            raise MigrationRefused(
                f"A change of {table} cannot be written so that SQLite keeps {', '.join(kept)}. Nothing was written. "
                "Write it by hand: add --empty."
            )
        yield from (
            [self._rebuild(change, before, after, indexes, kept)]
            if explicit and after is not None
            else self._in_batch(change, replaces)
        )
        if after is not None:
            self._schema = self._schema.with_table(table, after, indexes)

    def _after(
        self, change: ops.ModifyTableOps, before: Definition, later: Sequence[ops.MigrateOperation]
    ) -> Definition | None:
        """The table after ``change``; on the way back, when it is the last of its changes, the table as it was."""
        original = self._original.table(change.table_name)
        if self._is_back and original and _is_last(change.table_name, later):
            return original
        after: Definition | None = before
        for operation in change.ops:
            after = None if after is None else apply(after, operation, self._context)
        return after

    def _indexes(self, change: ops.ModifyTableOps) -> list[Thing]:
        """The indexes of the table after ``change``."""
        dropped = {each.index_name for each in change.ops if isinstance(each, ops.DropIndexOp)}
        indexes = {each.name: each for each in self._schema.of(change.table_name, "index") if each.name not in dropped}
        for each in change.ops:
            if isinstance(each, ops.CreateIndexOp):
                name = str(each.index_name)
                sql = str(CreateIndex(each.to_index(self._context)).compile(dialect=self._context.dialect))
                indexes[name] = self._earlier(name) or Thing("index", name, change.table_name, sql)
        return list(indexes.values())

    def _earlier(self, index: str | None) -> Thing | None:
        """The index that is made again, on the way back, as it was."""
        return self._original.index(index) if self._is_back and index else None

    def _in_batch(self, change: ops.ModifyTableOps, replaces: bool) -> Iterator[ops.MigrateOperation]:
        """``change`` for batch mode, and after it the indexes that batch mode cannot make."""
        inside: list[ops.MigrateOperation] = []
        after: list[ops.MigrateOperation] = []
        dropped = {each.index_name for each in change.ops if isinstance(each, ops.DropIndexOp)}
        there = {each.name for each in self._schema.of(change.table_name, "index")} - dropped
        for each in change.ops:
            if not isinstance(each, ops.CreateIndexOp):
                inside.append(each)
                continue
            earlier = self._earlier(each.index_name)
            if earlier is not None and (earlier.name in there or not batch_losses.is_plain(earlier)):
                after += [] if earlier.name in there else [StatementsOp(f"create index {earlier.name}", [earlier.sql])]
            elif replaces and not all(isinstance(column, str | Column) for column in each.columns):
                after.append(each)
            else:
                inside.append(each)
        if inside:
            yield with_operations(change, inside)
        yield from after

    def _rebuild(
        self,
        change: ops.ModifyTableOps,
        before: Definition,
        after: Definition,
        indexes: Sequence[Thing],
        kept: Sequence[str],
    ) -> RebuildTableOp:
        table, new = change.table_name, self._schema.free_name(f"{change.table_name}_new")
        changed_schema = self._schema.with_table(table, after, indexes)
        complaint = changed_schema.complaint(table)
        if complaint and not self._schema.complaint(table):
            raise _misfit(table, complaint)
        self._rewritten.add(table)
        copied = [each.name for each in after.columns if not each.is_computed and before.column(each.name)]
        columns = ", ".join(map(self._quote, copied))
        filling = [after.create(self._quote(new))]
        if before.counts_up and after.counts_up:
            # No id is given a second time, not even that of a deleted row.
            filling.append(
                "INSERT INTO sqlite_sequence (name, seq)\n"
                f"SELECT {literal(new)}, seq FROM sqlite_sequence WHERE name = {literal(table)}"
            )
        filling.append(f"INSERT INTO {self._quote(new)} ({columns})\nSELECT {columns} FROM {self._quote(table)}")
        made = {each.index_name for each in change.ops if isinstance(each, ops.CreateIndexOp)}
        written = {name for name in made if self._earlier(name) is None}
        restored = [*(each for each in indexes if each.name not in written), *self._schema.of(table, "trigger")]
        operations = [
            each for each in change.ops if not isinstance(each, ops.CreateIndexOp) or each.index_name in written
        ]
        mentioned = bool(self._schema.find_mentions(table))
        return RebuildTableOp(
            table, operations, Rebuild(new, filling, [each.sql for each in restored], mentioned, kept)
        )


def _is_last(table: str, later: Iterable[ops.MigrateOperation]) -> bool:
    """Whether nothing ``later`` changes more of the definition of ``table`` than names."""
    for each in later:
        if isinstance(each, ops.RenameTableOp) and each.table_name == table:
            table = each.new_table_name
        elif isinstance(each, ops.ModifyTableOps) and each.table_name == table and not _is_of_indexes(each):
            return False
    return True


def _is_of_indexes(change: ops.ModifyTableOps) -> bool:
    return all(isinstance(each, ops.CreateIndexOp | ops.DropIndexOp) for each in change.ops)


def _misfit(table: str, complaint: str) -> MigrationRefused:
    return MigrationRefused(
        f"SQLite refuses the change of {table}: {complaint}. Nothing was written. "
        "Where something else is in the way (a view, a trigger), drop it first, in a migration made with --empty."
    )
