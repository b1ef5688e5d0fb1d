"""Why existing rows prevented a migration, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, Table, column, func, inspect, select
from sqlalchemy.exc import DBAPIError

from fastman_tasks.migrating.environment import Environment
from fastman_tasks.sources import describe_error
from fastman_tasks.text import pluralize

_NAME = r"(?:\"(?:[^\"]|\"\")+\"|`[^`]+`|[\w$]+)"
_ALTER = re.compile(rf"\s*ALTER\s+TABLE\s+(?P<table>(?:{_NAME}\.)?{_NAME})\s+(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_COLUMN = re.compile(
    rf"(?:ADD|ALTER|MODIFY|CHANGE)\s+(?:COLUMN\s+)?(?P<column>{_NAME})(?:\s+(?:TYPE|SET DATA TYPE)\s+(?P<type>[^,]+))?",
    re.IGNORECASE,
)
# PostgreSQL's codes and MariaDB's numbers; SQLite has only texts.
_NULLS, _CASTS, _UNCONVERTED = {"23502", "1138", "1265", "1048"}, {"42804"}, {"22P02", "22003", "22007", "1366", "1292"}
_SQLITE = re.compile(r"NOT NULL constraint failed: (?:_alembic_tmp_)?(?P<table>.+)\.(?P<column>[^.]+)$")


@dataclass(frozen=True)
class Cause:
    """What does not fit in the rows of ``table``: NULL in a required column, or a value that has no new type."""

    kind: Literal["null", "cast", "value"]
    table: str
    column: str
    type: str = ""


def find(error: BaseException) -> Cause | None:
    """Returns the cause of ``error``; None if it is a different kind of error."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return None
    said, statement = describe_error(error), error.statement or ""
    if copied := _SQLITE.search(said):
        return Cause("null", copied["table"], copied["column"])
    altered = _ALTER.match(statement)
    changed = _COLUMN.search(altered["rest"]) if altered else None
    if altered is None or changed is None:
        return None
    table = ".".join(_plain(each) for each in re.findall(_NAME, altered["table"]))
    name, kind = _plain(changed["column"]), (changed["type"] or "").strip()
    code = _code(error.orig)
    if code in _NULLS or "NOT NULL column with default value NULL" in said:
        return Cause("null", table, name)
    if code in _CASTS:
        return Cause("cast", table, name, kind)
    return Cause("value", table, name, kind) if code in _UNCONVERTED else None


def explain(cause: Cause, environment: Environment) -> list[str]:
    """Returns ``cause`` as lines for people, with the number of rows, counted after the migration has failed."""
    name = f"{cause.table}.{cause.column}"
    if cause.kind == "cast":
        using = f"postgresql_using='{cause.column}::{cause.type}'"
        return [f"PostgreSQL cannot convert {name} by itself: pass {using} to op.alter_column()."]
    if cause.kind == "value":
        return [
            f"A value of {name} cannot be converted. Correct such rows first, or in upgrade() before the type changes."
        ]
    number = _nulls(cause, environment)
    rows = "rows have" if number is None else f"{pluralize(number, 'row')} {'has' if number == 1 else 'have'}"
    return [
        f"{name} becomes required (NOT NULL), and {rows} no value for it. Fill it in upgrade() first: add the column "
        f"with nullable=True, then UPDATE {cause.table} SET {cause.column} = …, then "
        "op.alter_column(…, nullable=False).",
        "make.migration --backfill=VALUE writes this.",
    ]


def _nulls(cause: Cause, environment: Environment) -> int | None:
    counts: list[int] = []

    def count(_: Sequence[str], context: MigrationContext) -> tuple[()]:
        assert context.bind is not None
        schema, _, name = cause.table.rpartition(".")
        found = inspect(context.bind)
        if found.has_table(name, schema=schema or None):
            table = Table(name, MetaData(), schema=schema or None)
            query = select(func.count()).select_from(table)
            # The column that was to be added is gone again: no row has a value.
            if cause.column in {each["name"] for each in found.get_columns(name, schema=schema or None)}:
                query = query.where(column(cause.column).is_(None))
            counts.append(context.bind.scalar(query) or 0)
        return ()

    environment.run(count, reading=True)
    return counts[0] if counts else None


def _code(error: BaseException) -> str:
    # MariaDB's numbers tell more than the code that newer drivers have, too.
    number = error.args[0] if error.args else None
    code = number if isinstance(number, int) else getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    return str(code)


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name[0] in '"`' else name
