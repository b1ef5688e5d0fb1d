"""The code of a migration, from its operations."""

from __future__ import annotations

import ast
import textwrap

from alembic.autogenerate import render_python_code
from alembic.operations import ops
from sqlalchemy.exc import SQLAlchemyError

from fastman_tasks.errors import MigrationRefused
from fastman_tasks.making import verbatim


def code(operations: ops.UpgradeOps | ops.DowngradeOps | None, *, batch: bool) -> str:
    """The body of the function that carries out ``operations``; ``batch`` has SQLite's tables replaced as a whole.

    Raises MigrationRefused for what cannot be written down.
    """
    if operations is None or operations.is_empty():
        return "pass"
    verbatim.keep(operations)
    try:
        written = render_python_code(operations, render_as_batch=batch)
        # What Alembic does not know it writes as its repr, such as <object at 0x…>.
        ast.parse(textwrap.dedent(f"    {written}"))
    except (SQLAlchemyError, NotImplementedError, SyntaxError) as error:
        text = error.text if isinstance(error, SyntaxError) else None
        raise MigrationRefused(
            f"Part of the difference cannot be written as a migration: {(text or str(error)).strip()}\n"
            "Nothing was written. Write it by hand: add --empty."
        ) from error
    return written
