"""Differences between a table's columns in the database and in the models that Alembic does not see."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from alembic.operations import ops
from sqlalchemy import Column, Computed, DefaultClause, Identity, String, text
from sqlalchemy.engine import Dialect

from fastman_tasks.databases.sql.tokens import form
from fastman_tasks.making.comparing.table_states import SERIAL, ColumnState, Pair
from fastman_tasks.making.constraints.existing import Existing
from fastman_tasks.making.sql.statements import StatementsOp
from fastman_tasks.making.sql.text import escape, literal, qualify


@dataclass(frozen=True)
class Settings:
    """What env.py says. It ``compares_defaults`` or ``compares_types`` by a function of its own: then what Alembic has
    found is what is wanted. ``alters``: whether a migration can alter a column."""

    compares_defaults: bool
    compares_types: bool
    alters: bool


class ColumnDifferences:
    """Adds the differences of one table's columns to ``change``; what no operation does is said in ``notes``.

    ``is_compared`` says whether env.py lets a column through.
    """

    def __init__(
        self,
        pair: Pair,
        change: ops.ModifyTableOps,
        existing: Existing,
        settings: Settings,
        is_compared: Callable[[Column[Any]], bool],
    ) -> None:
        self.notes: list[str] = []
        self._pair = pair
        self._change = change
        self._existing = existing
        self._dialect: Dialect = existing.connection.dialect
        self._settings = settings
        self._is_compared = is_compared

    def add(self) -> None:
        """Compare the columns that both sides have."""
        for column in self._pair.model.columns:
            there, wanted = self._pair.there.columns.get(column.name), self._pair.wanted.columns.get(column.name)
            if there is not None and wanted is not None:
                self._compare(column, there, wanted)

    def _compare(self, column: Column[Any], there: ColumnState, wanted: ColumnState) -> None:
        if self._same(there.type, wanted.type):
            self._forget_type(column, there, wanted)
        if there == wanted:
            self._forget_default(column)
        elif self._is_compared(column):
            if not self._same(there.computed, wanted.computed):
                self._forget_default(column)
                self._note(column, "computed", there.computed or there.default, wanted.computed or wanted.default)
            elif not self._same(there.identity, wanted.identity):
                self._forget_default(column)
                self._compare_identity(column, there, wanted)
            else:
                self._compare_default(column, there.default, wanted.default)
            self._compare_collation(column, there, wanted)

    def _compare_identity(self, column: Column[Any], there: ColumnState, wanted: ColumnState) -> None:
        altered = self._find_alter(column)
        if altered is not None and altered.modify_type is not None:
            # The numbers that an identity may have follow the type.
            return
        if there.default or wanted.default:
            self._note(column, "default", there.identity or there.default, wanted.identity or wanted.default)
            return
        table = qualify(self._dialect, self._change.schema, self._change.table_name)
        name = qualify(self._dialect, column.name)

        def statements(old: str | None, new: str | None) -> Iterator[str]:
            begin = f"ALTER TABLE {table} ALTER COLUMN {name}"
            if new is None:
                yield f"{begin} DROP IDENTITY"
            elif old is None:
                yield f"{begin} ADD {new}"
                # Rows that are there have numbers already.
                yield (
                    f"SELECT setval(pg_get_serial_sequence({literal(table)}, {literal(column.name)}), "
                    f"greatest(max({name}) + 1, {new.partition('START WITH ')[2].split()[0]}), false) FROM {table}"
                )
            else:
                always, _, options = new.removeprefix("GENERATED ").removesuffix(")").partition(" AS IDENTITY (")
                cycle = "" if options.endswith(" CYCLE") else " SET NO CYCLE"
                for word in ("START", "INCREMENT", "MINVALUE", "MAXVALUE", "CACHE", "CYCLE"):
                    options = options.replace(word, f"SET {word}", 1)
                yield f"{begin} SET GENERATED {always} {options}{cycle}"

        says = f"change column {self._change.table_name}.{column.name} (identity)"
        up, down = statements(there.identity, wanted.identity), statements(wanted.identity, there.identity)
        self._change.ops.append(StatementsOp(says, list(up), list(down)))

    def _compare_default(self, column: Column[Any], there: str | None, wanted: str | None) -> None:
        default = column.server_default
        if self._settings.compares_defaults or SERIAL in (there, wanted):
            return
        if default is not None and not isinstance(default, DefaultClause | Computed | Identity):
            # FetchedValue: the database has something of its own.
            return
        if self._same(self._number(there), self._number(wanted)) or (there and self._is_moment(default)):
            self._forget_default(column)
            return
        if not self._settings.alters:
            self._note(column, "default", there, wanted)
            return
        altered = self._find_alter(column)
        if altered is None or altered.modify_server_default is False:
            altered = altered or self._alter(column)
            altered.modify_server_default = default if isinstance(default, DefaultClause) else None
        altered.existing_server_default = DefaultClause(text(escape(there))) if there is not None else None

    def _compare_collation(self, column: Column[Any], there: ColumnState, wanted: ColumnState) -> None:
        if wanted.collation is None or not isinstance(column.type, String):
            # A model that names none leaves it to whoever made the table.
            return
        if (there.collation or "").lower() == wanted.collation.lower():
            return
        if not self._settings.alters:
            self._note(column, "collation", there.collation, wanted.collation)
            return
        altered = self._find_alter(column)
        if altered is None or altered.modify_type is None:
            altered = altered or self._alter(column)
            altered.modify_type = column.type
            altered.existing_type = copy.copy(column.type)
            altered.existing_type.collation = there.collation

    def _is_moment(self, default: object) -> bool:
        """PostgreSQL makes of the text 'now()' the time at which the table is made: each time it is another one."""
        text = default.arg if isinstance(default, DefaultClause) else None
        is_text = self._dialect.name == "postgresql" and isinstance(text, str)
        return is_text and str(text).strip().lower() in {"now", "now()", "today", "tomorrow", "yesterday"}

    def _number(self, default: str | None) -> str | None:
        """SQLite makes of '0' what it makes of 0: the column's type decides."""
        found = re.fullmatch(r"'(-?\d+(?:\.\d+)?)'", default or "") if self._existing.dialect == "sqlite" else None
        return found[1] if found else default

    def _same(self, there: str | None, wanted: str | None) -> bool:
        escapes = self._existing.is_mysql
        return there == wanted or form(there, escapes=escapes) == form(wanted, escapes=escapes)

    def _find_alter(self, column: Column[Any]) -> ops.AlterColumnOp | None:
        operations = self._change.ops
        return next((each for each in operations if _is_alteration(each, column.name)), None)  # type: ignore[return-value]

    def _alter(self, column: Column[Any]) -> ops.AlterColumnOp:
        """A new operation, with all that MySQL wants to be told again of a column that changes."""
        found = self._existing.column(self._change.table_name, self._change.schema, column.name)
        state = self._pair.there.columns[column.name]
        altered = ops.AlterColumnOp(
            self._change.table_name,
            column.name,
            schema=self._change.schema,
            existing_type=found["type"],
            existing_nullable=found["nullable"],
            existing_comment=found.get("comment"),
            existing_server_default=(
                False if state.default in (None, SERIAL) else DefaultClause(text(escape(str(state.default))))
            ),
        )
        self._change.ops.append(altered)
        return altered

    def _forget_default(self, column: Column[Any]) -> None:
        """Drop what Alembic has found of the column's default: its comparison takes other ways to write it for
        another default, and changes neither an identity nor a computed column."""
        altered = self._find_alter(column)
        if altered is not None and not self._settings.compares_defaults:
            altered.modify_server_default = False
            self._remove_empty(altered)

    def _forget_type(self, column: Column[Any], there: ColumnState, wanted: ColumnState) -> None:
        """Drop a change of type that Alembic has found and the database does not know of."""
        altered = self._find_alter(column)
        if altered is not None and there.collation == wanted.collation and not self._settings.compares_types:
            altered.modify_type = None
            self._remove_empty(altered)

    def _remove_empty(self, altered: ops.AlterColumnOp) -> None:
        if not altered.has_changes():
            self._change.ops.remove(altered)

    def _note(self, column: Column[Any], what: str, there: str | None, wanted: str | None) -> None:
        name = ".".join(filter(None, (self._change.schema, self._change.table_name, column.name)))
        self.notes.append(f"{name} ({what}): {there or 'none'} in the database, {wanted or 'none'} in the models")


def _is_alteration(operation: ops.MigrateOperation, column: str) -> bool:
    return isinstance(operation, ops.AlterColumnOp) and operation.column_name == column
