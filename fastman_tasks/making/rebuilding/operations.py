"""A SQLite table that is replaced step by step, as SQLite's documentation has it: an operation, written as SQL."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops

from fastman_tasks.making.sql.statements import execute


@dataclass(frozen=True)
class Rebuild:
    """How a table is replaced by the one named ``new``.

    ``filling`` are the statements that make the new table and copy the rows, ``restoring`` those that make indexes and
    triggers again. ``is_mentioned``: views, or triggers of other tables, have the table's name in them. ``kept`` is
    what batch mode would not keep, in words.
    """

    new: str
    filling: Sequence[str]
    restoring: Sequence[str]
    is_mentioned: bool
    kept: Sequence[str]


class RebuildTableOp(ops.ModifyTableOps):
    """Changes a table by replacing it. Its operations say what changes; the new table has it already."""

    def __init__(self, table_name: str, operations: Sequence[ops.MigrateOperation], rebuild: Rebuild) -> None:
        super().__init__(table_name, operations)
        self.rebuild = rebuild


@renderers.dispatch_for(RebuildTableOp)
def _render_rebuild(context: AutogenContext, operation: RebuildTableOp) -> list[str]:
    return list(_lines(context, operation))


def _lines(context: AutogenContext, operation: RebuildTableOp) -> Iterator[str]:
    rebuild, prefix = operation.rebuild, context.opts["alembic_module_prefix"]
    old, new = repr(str(operation.table_name)), repr(rebuild.new)
    reason = (
        f"SQLite cannot alter {operation.table_name} in place, and batch mode would not keep {_join(rebuild.kept)}."
    )
    yield from (f"# {line}" for line in textwrap.wrap(reason, 110))
    yield from _render_each(context, operation, ops.DropIndexOp)
    yield from (execute(context, sql) for sql in rebuild.filling)
    yield f"{prefix}drop_table({old})"
    # SQLite renames no table while something mentions one that is not there.
    around = ["PRAGMA legacy_alter_table=ON", "PRAGMA legacy_alter_table=OFF"] if rebuild.is_mentioned else []
    yield from (execute(context, sql) for sql in around[:1])
    yield f"{prefix}rename_table({new}, {old})"
    yield from (execute(context, sql) for sql in (*around[1:], *rebuild.restoring))
    yield from _render_each(context, operation, ops.CreateIndexOp)


def _render_each(context: AutogenContext, operation: RebuildTableOp, kind: type[ops.MigrateOperation]) -> Iterator[str]:
    for each in operation.ops:
        if isinstance(each, kind):
            found = renderers.dispatch(each)(context, each)
            yield from [found] if isinstance(found, str) else found


def _join(several: Sequence[str]) -> str:
    return " and ".join([*([", ".join(several[:-1])] if several[1:] else []), several[-1]])
