"""The value that existing rows get in a column that becomes required, as SQL."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Boolean, Column, Date, DateTime, Dialect, Interval, String, literal, types
from sqlalchemy.exc import SQLAlchemyError

from fastman_tasks.errors import UsageError
from fastman_tasks.models.columns import undecorate
from fastman_tasks.rows.converters import Converter


def assign(texts: Sequence[str], columns: Sequence[str]) -> dict[str, str]:
    """The text for each of ``columns``, named ``users.age``, from what --backfill was given.

    Raises UsageError for a text that is for none of them, or could be for several.
    """
    if texts and not columns:
        raise UsageError(f"--backfill={texts[0]}: no column becomes required. Nothing was written.")
    assigned: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        fitting = [each for each in columns if each == name or each.endswith(f".{name}")] if separator else []
        if not fitting and len(columns) == 1:
            fitting, value = list(columns), text
        if len(fitting) != 1 or fitting[0] in assigned:
            listed = "".join(f"\n  --backfill={shlex.quote(f'{each}=VALUE')}" for each in columns)
            raise UsageError(
                f"--backfill={text} does not say which column it is for. Nothing was written. Which column becomes "
                f"required:{listed}"
            )
        assigned[fitting[0]] = value
    return assigned


def parse(text: str, column: Column[Any], label: str, dialect: Dialect) -> str:
    """Returns ``text`` as SQL for ``column``. Raises UsageError if it is not a valid value of its type."""
    kind = undecorate(column.type)
    if text.lower() == "now" and isinstance(kind, DateTime):
        return "CURRENT_TIMESTAMP"
    if text.lower() == "now" and isinstance(kind, Date):
        return "CURRENT_DATE"
    converter = Converter(column, dialect)
    try:
        return render(converter.value(text), column, dialect)
    except (ValueError, ArithmeticError, LookupError, TypeError) as error:
        problem = converter.problem(text) or f"{text!r} is not a value of the type {column.type!r}"
        raise UsageError(f"--backfill: {problem} ({label}). Nothing was written.") from error


def render(value: Any, column: Column[Any], dialect: Dialect) -> str:
    """``value``, as the application has it, as SQL. Raises ValueError where there is no way to write it."""
    kind: Any = column.type
    if isinstance(undecorate(kind), Boolean) and isinstance(value, bool):
        # Every database takes it, PostgreSQL nothing else.
        return "true" if value else "false"
    if isinstance(undecorate(kind), types.JSON):
        kind, value = String(), json.dumps(value)
    if isinstance(undecorate(kind), types.LargeBinary | Interval):
        raise ValueError
    try:
        sql = str(literal(value, kind).compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    except (SQLAlchemyError, NotImplementedError, AttributeError) as error:
        raise ValueError from error
    # Drivers that write parameters with a % have it doubled elsewhere; a text() in a file has it as it is.
    return sql.replace("%%", "%") if dialect.paramstyle in ("format", "pyformat") else sql
