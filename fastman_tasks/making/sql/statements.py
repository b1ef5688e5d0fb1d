"""Changes for which Alembic has no operation, as SQL: an operation, and how a migration writes it down."""

from __future__ import annotations

from collections.abc import Sequence

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops

from fastman_tasks.making.sql.text import escape, python_literal


class StatementsOp(ops.MigrateOperation):
    """Runs ``up``; the way back runs ``down``. ``says`` tells what it does, in words."""

    def __init__(self, says: str, up: Sequence[str], down: Sequence[str] = ()) -> None:
        self.says = says
        self.up = up
        self.down = down

    def reverse(self) -> StatementsOp:
        """The way back."""
        return type(self)(self.says, self.down, self.up)


def execute(context: AutogenContext, sql: str) -> str:
    """The call that runs ``sql``; one of several lines, or a long one, has lines of its own in the file, since
    indenting them must not change the statement."""
    call = f"{context.opts['alembic_module_prefix'] or ''}execute"
    lines = [python_literal(line) for line in escape(sql).splitlines(keepends=True)]
    if len(lines) == 1 and len(lines[0]) < 90:
        return f"{call}({lines[0]})"
    return "\n".join([f"{call}(", *(f"    {line}" for line in lines), ")"])


@renderers.dispatch_for(StatementsOp)
def _render(context: AutogenContext, operation: StatementsOp) -> list[str]:
    return [execute(context, sql) for sql in operation.up]
