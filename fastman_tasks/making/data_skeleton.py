"""The body of a migration that changes rows: the table as it is now, in batches, and nothing to undo."""

from __future__ import annotations

import ast
import keyword
from dataclasses import dataclass

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy import Table
from sqlalchemy.types import TypeEngine

from fastman_tasks.making import files
from fastman_tasks.migrating.downgrades import MARK

_TAKEN = {"op", "sa", "batch", "connection", "key", "keys", "row"}


@dataclass
class PythonOp(ops.MigrateOperation):
    """Python that stands in ``upgrade()`` or ``downgrade()`` as it is."""

    source: str


@renderers.dispatch_for(PythonOp)
def _render(_: AutogenContext, operation: PythonOp) -> str:
    return operation.source


def upgrade(table: Table | None) -> PythonOp:
    """Goes over the rows of ``table`` in batches and changes none yet; an example without one."""
    if table is None:
        text = files.render("data.py", table=None, name="", columns=[], keys=[], example="")
        return PythonOp(text.strip())
    name = table.name if table.name.isidentifier() and not keyword.iskeyword(table.name) else "rows"
    name = "rows" if name in _TAKEN else name
    keys = [_member(name, column.name) for column in table.primary_key.columns]
    others = [column.name for column in table.columns if not column.primary_key]
    example = _member(name, (others or [column.name for column in table.columns])[0])
    columns = [f"sa.column({column.name!r}{_type(column.type)})" for column in table.columns]
    source = files.render("data.py", table=table.name, name=name, columns=columns, keys=keys, example=example)
    return PythonOp(source.strip())


def downgrade() -> PythonOp:
    """Says so that it is empty on purpose; see ``migrating.downgrades``."""
    return PythonOp(f'"""{MARK}: what the rows held before is not kept."""')


def _member(table: str, column: str) -> str:
    plain = column.isidentifier() and not keyword.iskeyword(column) and not column.startswith("_")
    return f"{table}.c.{column}" if plain else f"{table}.c[{column!r}]"


def _type(kind: TypeEngine[object]) -> str:
    """The type for a value, such as ``, sa.String(length=9)``; empty where SQLAlchemy has none for every database."""
    try:
        text = f"sa.{kind.as_generic()!r}"
        call = ast.parse(text, mode="eval").body
    except (NotImplementedError, SyntaxError):
        return ""
    # One that is made of others, or of Python's own classes, has names in it that the file does not import.
    arguments = [*call.args, *(each.value for each in call.keywords)] if isinstance(call, ast.Call) else [call]
    return f", {text}" if all(isinstance(each, ast.Constant) for each in arguments) else ""
