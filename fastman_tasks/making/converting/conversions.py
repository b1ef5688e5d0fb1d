"""Changes of a column's type that the database does not make by itself, or not with every value."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Enum, Integer, Numeric, String, Table, text
from sqlalchemy.types import TypeEngine

from fastman_tasks.errors import MigrationRefused
from fastman_tasks.making.converting import row_counts
from fastman_tasks.making.converting.required import model_of
from fastman_tasks.making.decisions import Questions
from fastman_tasks.making.renaming.view import Renames
from fastman_tasks.making.sql.text import literal, qualify

# 'i' and 'a': PostgreSQL makes the cast by itself; 'e': it has to be asked (USING). What is a text (category S) can
# become anything that way, and anything becomes a text by itself. Arrays are cast as their items are.
_CASTS = text(
    """
    SELECT CASE
        WHEN new.oid IS NULL OR old.oid IS NULL THEN 'e'
        WHEN old.oid = new.oid OR new.typcategory = 'S' THEN 'a'
        WHEN known.castcontext IS NOT NULL THEN known.castcontext::text
        WHEN old.typcategory = 'S' OR (old.typcategory = 'A' AND new.typcategory = 'A'
            AND (old_item.typcategory = 'S' OR new_item.typcategory = 'S')) THEN 'e'
    END, coalesce(old.typcategory = 'S', false)
    FROM (SELECT to_regtype(:old) AS old, to_regtype(:new) AS new) AS asked
    LEFT JOIN pg_type AS old ON old.oid = asked.old
    LEFT JOIN pg_type AS new ON new.oid = asked.new
    LEFT JOIN pg_type AS old_item ON old_item.oid = old.typelem
    LEFT JOIN pg_type AS new_item ON new_item.oid = new.typelem
    LEFT JOIN pg_cast AS known ON known.castsource = coalesce(nullif(old.typelem, 0), old.oid)
        AND known.casttarget = coalesce(nullif(new.typelem, 0), new.oid)
        AND (old.typcategory = 'A') = (new.typcategory = 'A')
    """
)
_WHOLE = r"^[[:space:]]*[-+]?[0-9]+[[:space:]]*$"
_NUMBER = r"^[[:space:]]*[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?[[:space:]]*$"


class ConvertColumnOp(ops.AlterColumnOp):
    """Changes the type of a column with an expression for its values, which Alembic does not write down."""


@renderers.dispatch_for(ConvertColumnOp)
def _render(context: AutogenContext, operation: ConvertColumnOp) -> str:
    plain: Any = renderers.dispatch(ops.AlterColumnOp(operation.table_name, operation.column_name))
    written = str(plain(context, operation)).removesuffix(")")
    return f"{written},\n{' ' * 11}postgresql_using={operation.kw['postgresql_using']!r})"


def convert(
    context: MigrationContext, script: ops.MigrationScript, questions: Questions, renames: Renames
) -> list[str]:
    """Have both directions of ``script`` say how PostgreSQL converts the columns whose type changes, where it has to
    be told. Returns what is to be said of values that do not convert.

    On SQLite, where such values are lost silently, ``questions`` get them. Raises MigrationRefused for what cannot be
    converted.
    """
    connection, upgrade, downgrade = context.bind, script.upgrade_ops, script.downgrade_ops
    assert connection is not None and upgrade is not None and downgrade is not None
    said = [each for change in _changes(upgrade) for each in _problems(context, connection, change, renames)]
    if said and connection.dialect.name == "sqlite":
        way = "SQLite would make something else of such values without a word. If they may be lost: --allow-drops."
        questions.ask_drops([*said, way])
    if connection.dialect.name == "postgresql":
        for operations in (upgrade, downgrade):
            for change in _changes(operations):
                model = model_of(context, change.table_name, change.schema) if operations is upgrade else None
                change.ops = [part for each in change.ops for part in _describe(context, connection, each, model)]
    return said


def _changes(operations: ops.OpContainer) -> list[ops.ModifyTableOps]:
    return [each for each in operations.ops if isinstance(each, ops.ModifyTableOps)]


def _describe(
    context: MigrationContext, connection: Connection, operation: ops.MigrateOperation, model: Table | None
) -> Iterator[ops.MigrateOperation]:
    if not isinstance(operation, ops.AlterColumnOp) or operation.modify_type is None:
        yield operation
        return
    old, new = _type_sql(context, operation.existing_type), _type_sql(context, operation.modify_type)
    cast, _ = _cast(connection, old, new)
    if cast is None:
        raise MigrationRefused(
            f"PostgreSQL cannot convert {operation.table_name}.{operation.column_name} from {old} to {new}. Nothing "
            "was written. Write the change by hand, in a migration made with --empty: add a column, fill it, drop the "
            "old one."
        )
    if cast in ("i", "a"):
        yield operation
        return
    name = context.dialect.identifier_preparer.quote(operation.column_name)
    said = {key: value for key, value in vars(operation).items() if key.startswith(("existing_", "modify_"))}
    if operation.existing_server_default not in (None, False):
        # It does not convert with the values: it is dropped before, and set anew as the other side says it.
        yield ops.AlterColumnOp(
            operation.table_name,
            operation.column_name,
            schema=operation.schema,
            existing_type=operation.existing_type,
            modify_server_default=None,
        )
        if operation.modify_server_default is False:
            own = operation.existing_server_default if model is None else model.c[operation.column_name].server_default
            said["modify_server_default"] = False if own is None else own
    using = f"{name}::text::{new}" if _is_enum(operation.existing_type) else f"{name}::{new}"
    yield ConvertColumnOp(
        operation.table_name,
        operation.column_name,
        schema=operation.schema,
        **{**operation.kw, **said, "postgresql_using": using},
    )


def _cast(connection: Connection, old: str, new: str) -> tuple[str | None, bool]:
    """How PostgreSQL casts ``old`` to ``new``, None where it does not, and whether ``old`` is a text."""
    row = connection.execute(_CASTS, {"old": old, "new": new}).one()
    return row[0], row[1]


def _problems(
    context: MigrationContext, connection: Connection, change: ops.ModifyTableOps, renames: Renames
) -> Iterator[str]:
    table = qualify(connection.dialect, change.schema, renames.old_table(change.table_name, change.schema))
    for each in change.ops:
        if not isinstance(each, ops.AlterColumnOp) or each.modify_type is None:
            continue
        if not _is_text(each.existing_type) or _is_text(each.modify_type):
            continue
        old, new = _type_sql(context, each.existing_type), _type_sql(context, each.modify_type)
        known = renames.old_column(change.table_name, each.column_name, change.schema)
        name = context.dialect.identifier_preparer.quote(known)
        unfit = _find_misfit(connection, name, each.modify_type, new)
        if unfit and (number := row_counts.count(connection, table, f"{name} IS NOT NULL AND {unfit}")):
            example = row_counts.example(connection, table, name, f"{name} IS NOT NULL AND {unfit}")
            yield (
                f"{change.table_name}.{each.column_name}: {row_counts.describe(number)} cannot be converted from {old} "
                f"to {new}, such as {str(example)[:60]!r}. Correct {'it' if number == 1 else 'them'} before migrating."
            )


def _find_misfit(connection: Connection, name: str, kind: TypeEngine[Any], new: str) -> str | None:
    """Returns the condition for a text in the column ``name`` that is not a valid ``kind``; None if there is none."""
    dialect = connection.dialect
    if _is_enum(kind) and isinstance(kind, Enum):
        return f"{name} NOT IN ({', '.join(map(literal, kind.enums))})"
    if dialect.name == "postgresql" and (dialect.server_version_info or (0,)) >= (16,):
        return f"NOT pg_input_is_valid({name}::text, {literal(new)})"
    pattern = _WHOLE if isinstance(kind, Integer) else _NUMBER if isinstance(kind, Numeric) else None
    if dialect.name == "postgresql":
        return f"{name} !~ '{pattern}'" if pattern else None
    if dialect.name == "sqlite":
        digits = f"ltrim(trim({name}), '+-')"
        if isinstance(kind, Integer):
            return f"({digits} GLOB '*[^0-9]*' OR {digits} = '')"
        return f"CAST(CAST({name} AS {new}) AS TEXT) <> {name} AND CAST({name} AS {new}) <> CAST({name} AS REAL)"
    return f"NOT {name} REGEXP '{pattern}'" if pattern else None


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, Enum) and kind.native_enum


def _is_text(kind: Any) -> bool:
    return isinstance(kind, String) and not _is_enum(kind)


def _type_sql(context: MigrationContext, kind: Any) -> str:
    if getattr(kind, "collation", None):
        # A cast is to a type, without a collation.
        kind = copy.copy(kind)
        kind.collation = None
    return str(kind.compile(dialect=context.dialect))
