"""Changes for which Alembic has no operation, as SQL."""

from __future__ import annotations

from collections.abc import Sequence

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops

from fastman_tasks.making.sql.text import escaped


class StatementsOp(ops.MigrateOperation):
    """Runs ``up``; the way back runs ``down``. ``says`` tells what it does, in words."""

    def __init__(self, says: str, up: Sequence[str], down: Sequence[str]) -> None:
        self.says = says
        self.up = up
        self.down = down

    def reverse(self) -> StatementsOp:
        """The way back."""
        return StatementsOp(self.says, self.down, self.up)


@renderers.dispatch_for(StatementsOp)
def _render(context: AutogenContext, operation: StatementsOp) -> list[str]:
    prefix = context.opts["alembic_module_prefix"]
    return [f"{prefix}execute({escaped(sql)!r})" for sql in operation.up]
