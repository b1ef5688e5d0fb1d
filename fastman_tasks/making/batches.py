"""Changes of a SQLite table, which Alembic replaces as a whole: what its batch mode has to be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops

from fastman_tasks.making.sql_text import escaped


class TableBatch(ops.ModifyTableOps):
    """A ModifyTableOps for a table that has constraints without a name.

    ``convention`` names those that the upgrade drops: batch mode finds a constraint by its name only. ``checks`` are
    the conditions of unnamed CHECKs, which batch mode would leave out of the new table.
    """

    def __init__(
        self,
        table_name: str,
        operations: Sequence[ops.MigrateOperation],
        *,
        schema: str | None,
        convention: Mapping[str, str],
        checks: Sequence[str],
    ) -> None:
        super().__init__(table_name, operations, schema=schema)
        self.convention = convention
        self.checks = checks

    def reverse(self) -> ops.ModifyTableOps:
        """The way back. What the upgrade has dropped comes back with a name."""
        back = super().reverse()
        return TableBatch(self.table_name, back.ops, schema=self.schema, convention={}, checks=self.checks)


@renderers.dispatch_for(TableBatch)
def _render(context: AutogenContext, batch: TableBatch) -> list[str]:
    plain = ops.ModifyTableOps(batch.table_name, batch.ops, schema=batch.schema)
    lines = list(renderers.dispatch(plain)(context, plain))
    if not context.opts["render_as_batch"] or not lines:
        return lines
    alembic, sqlalchemy = context.opts["alembic_module_prefix"], context.opts["sqlalchemy_module_prefix"]
    arguments = [repr(batch.table_name), f"schema={batch.schema!r}"]
    if batch.convention:
        arguments.append(f"naming_convention={dict(batch.convention)!r}")
    if batch.checks:
        restated = [f"{sqlalchemy}CheckConstraint({escaped(sql)!r})" for sql in batch.checks]
        arguments.append(f"table_args=[{', '.join(restated)}]")
    return [f"with {alembic}batch_alter_table({', '.join(arguments)}) as batch_op:", *lines[1:]]
