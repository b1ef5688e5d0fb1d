"""What Alembic's directives (``op.drop_table(…)``, ``batch.drop_column(…)``) do to tables and columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from fastman_tasks.migrating.reading.meanings import Batch, Column, Directive, Sql, Thing

Kind = Literal[
    "create table", "drop table", "rename table", "replace table", "add column", "drop column", "rename column", "sql",
    "?",
]  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """One thing that a migration does: a table or column that it makes, drops or renames (to ``new``), or ``text``:
    a statement ("sql"), or the source of a call that could not be analysed ("?"), which stands in ``line``.

    ``table`` has its schema in front of it, where one is named. Whether a statement is reached need not be ``certain``.
    A table that is replaced by a copy of itself keeps the values of ``columns``, or with None all.
    """

    kind: Kind
    table: str = ""
    column: str = ""
    new: str = ""
    text: str = ""
    line: int = 0
    certain: bool = True
    columns: frozenset[str] | None = None


class CannotTellError(Exception):
    """The call may do anything."""


@dataclass(frozen=True)
class Arguments:
    """The arguments of a call; not ``complete`` if some come from an unknown sequence or mapping."""

    positional: tuple[Any, ...] = ()
    keywords: dict[str, Any] | None = None
    complete: bool = True

    @property
    def all(self) -> tuple[Any, ...]:
        """The values, by position and by keyword."""
        return (*self.positional, *(self.keywords or {}).values())

    def get(self, name: str, place: int | None = None, default: Any = None) -> Any:
        """Returns the argument ``name``, or the one at ``place``. Raises CannotTellError if it is unknown."""
        if place is not None and place < len(self.positional):
            return self.positional[place]
        if self.keywords and name in self.keywords:
            return self.keywords[name]
        if not self.complete:
            raise CannotTellError
        return default

    def text(self, name: str, place: int | None = None) -> str:
        """Returns the argument ``name``. Raises CannotTellError if it is not a literal text."""
        value = self.get(name, place)
        if not isinstance(value, str):
            raise CannotTellError
        return value


_LOSE_NOTHING = frozenset({
    "bulk_insert", "create_check_constraint", "create_exclude_constraint", "create_foreign_key", "create_index",
    "create_primary_key", "create_table_comment", "create_unique_constraint", "drop_constraint", "drop_index",
    "drop_table_comment", "inline_literal",
})  # fmt: skip


def interpret(directive: Directive, arguments: Arguments) -> Operation | None:
    """Returns what ``directive`` does when called with ``arguments``; None if it neither loses nor creates anything.

    Raises CannotTellError.
    """
    name, within = directive.name, directive.batch
    if name == "execute":
        return statement(arguments.get("sqltext", 0))
    if name in _LOSE_NOTHING:
        return None
    # In a batch the table is named once, before everything else.
    first = 0 if within else 1

    def table(parameter: str = "table_name") -> str:
        if within:
            if within.table is None:
                raise CannotTellError
            return within.table
        schema = arguments.text("schema") if arguments.get("schema") is not None else None
        return _qualified(schema, arguments.text(parameter, 0))

    match name:
        case "drop_table" if not within:
            return Operation("drop table", table())
        case "drop_column":
            return Operation("drop column", table(), arguments.text("column_name", first))
        case "rename_table" if not within:
            old, new = table("old_table_name"), arguments.text("new_table_name", 1)
            return Operation("rename table", old, new=_qualified(old.rpartition(".")[0], new))
        case "alter_column":
            if arguments.get("new_column_name") is None:
                return None
            column, new = arguments.text("column_name", first), arguments.text("new_column_name")
            return Operation("rename column", table(), column, new)
        case "add_column" | "create_table":
            return _made(name, table, arguments, first)
    raise CannotTellError


def _made(name: str, table: Callable[[], str], arguments: Arguments, first: int) -> Operation | None:
    """What is certainly made, and so no loss when it is dropped later; it is safe to say of nothing that it is."""
    try:
        if arguments.get("if_not_exists"):
            return None
        if name == "create_table":
            return Operation("create table", table())
        column = arguments.get("column", first)
        return Operation("add column", table(), column.name) if isinstance(column, Column) else None
    except CannotTellError:
        return None


def statement(value: Any) -> Operation | None:
    """Returns what sending ``value`` to a database does. Raises CannotTellError if it is not literal SQL."""
    match value:
        case str():
            return Operation("sql", text=value)
        case Sql():
            return Operation("sql", text=value.text)
        case Thing.ADDS:
            return None
    raise CannotTellError


def batch(arguments: Arguments) -> Batch:
    """Returns what ``op.batch_alter_table(…)`` yields."""
    table, schema = arguments.get("table_name", 0), arguments.get("schema", 1)
    known = isinstance(table, str) and (schema is None or isinstance(schema, str))
    return Batch(_qualified(schema, table) if known else None)


def _qualified(schema: str | None, table: str) -> str:
    return f"{schema}.{table}" if schema else table
