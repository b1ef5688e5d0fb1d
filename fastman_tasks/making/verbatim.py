"""SQL texts in operations, to be written into a file as they are: Alembic doubles each % in them, as some drivers want
it, takes the backslashes away and a word after a colon for a parameter; the file that it writes says something else."""

from __future__ import annotations

import copy
from typing import Any

from alembic.operations import ops
from sqlalchemy import Column, Computed, DefaultClause, TextClause

from fastman_tasks.making.sql.text import WrittenText, escape, literal, unescape


def keep(operations: ops.OpContainer) -> None:
    """Replace the texts of defaults, of computed columns and of indexes in ``operations``, in place."""
    for each in operations.ops:
        match each:
            case ops.OpContainer():
                keep(each)
            case ops.CreateTableOp():
                each.columns = [_column(item) if isinstance(item, Column) else item for item in each.columns]
            case ops.AddColumnOp():
                each.column = _column(each.column)
            case ops.AlterColumnOp():
                each.modify_server_default = _default(each.modify_server_default)
                each.existing_server_default = _default(each.existing_server_default)
            case ops.CreateIndexOp():
                # Written as literal_column(), which knows of no parameters. What a dropped one had Alembic wraps.
                texts = [getattr(item, "text", None) for item in each.columns]
                each.columns = [
                    _keep_text(text if isinstance(text, TextClause) else item, is_parsed=False)
                    for item, text in zip(each.columns, texts, strict=True)
                ]
                each.kw = {name: _keep_text(value) for name, value in each.kw.items()}
            case ops.DropIndexOp():
                each.kw = {name: _keep_text(value) for name, value in each.kw.items()}


def _column(column: Column[Any]) -> Column[Any]:
    default = _default(column.server_default)
    if default is column.server_default:
        return column
    # A copy, which nothing but its own attributes is asked of: this one may be the model's.
    column = copy.copy(column)
    column.server_default = default
    column.computed = default if isinstance(default, Computed) else column.computed
    return column


def _default(default: Any) -> Any:
    if isinstance(default, Computed):
        written = _keep_text(default.sqltext)
        return default if written is default.sqltext else Computed(written, persisted=default.persisted)
    arg = getattr(default, "arg", None) if isinstance(default, DefaultClause) else default
    if isinstance(arg, TextClause):
        return DefaultClause(_keep_text(arg))
    if isinstance(arg, str) and "'" in (arg[:1], arg[-1:]):
        # Alembic takes a quote at either end for one of SQL.
        return DefaultClause(WrittenText(escape(literal(arg))))
    return default


def _keep_text(value: Any, *, is_parsed: bool = True) -> Any:
    if not isinstance(value, TextClause) or any(each is not None for each in value.compile().params.values()):
        # One with parameters that have a value Alembic writes with them.
        return value
    sql = unescape(value.text)
    return WrittenText(escape(sql) if is_parsed else sql)
