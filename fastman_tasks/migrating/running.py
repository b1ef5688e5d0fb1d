"""Run the code of a migration that has no file yet."""

from __future__ import annotations

from typing import Literal

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from fastman_tasks.errors import MigrationFailed
from fastman_tasks.sources import first_line
from fastman_tasks.text import shorten


def run_text(text: str, name: str, direction: Literal["upgrade", "downgrade"], connection: Connection) -> None:
    """Run ``upgrade()`` or ``downgrade()`` of the version file with this ``text``, called ``name``.

    Raises MigrationFailed.
    """
    namespace: dict[str, object] = {"__name__": "a migration"}
    exec(compile(text, name, "exec"), namespace)
    function = namespace[direction]
    assert callable(function)
    try:
        with Operations.context(MigrationContext.configure(connection)):
            function()
    except DBAPIError as error:
        raise MigrationFailed(
            f"{direction}() of the new migration fails: {first_line(error.orig or error)}\n"
            f"  Statement: {shorten(str(error.statement), 1000)}\nNo file was changed."
        ) from error
