"""Makes of Alembic's comparison a migration that runs both ways: what it overlooks, and what only a person knows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext

from fastman_tasks.errors import MigrationRefused
from fastman_tasks.making import baseline, sequences
from fastman_tasks.making.changes import Change, describe, flat
from fastman_tasks.making.comparing import catalog
from fastman_tasks.making.constraints import naming
from fastman_tasks.making.constraints.existing import Existing
from fastman_tasks.making.converting import conversions, refill, required
from fastman_tasks.making.decisions import Decisions, Questions
from fastman_tasks.making.enums import differences, lifecycle
from fastman_tasks.making.enums.columns import renames_member
from fastman_tasks.making.rebuilding import rebuilds
from fastman_tasks.making.renaming import decide
from fastman_tasks.making.request import Request
from fastman_tasks.making.schemas import Schemas


@dataclass
class Completed:
    """What there is to say of a migration beside its operations.

    ``notes`` are what happens to the rows that are there. ``uncovered`` are differences that no migration can be
    generated for, ``limits`` what could not be compared. ``left`` is how models and database differ where the migration
    is a baseline. ``open`` is why it could not be written, where it is not to be; ``questions`` are what a person has
    to decide before it can be.
    """

    notes: tuple[str, ...] = ()
    uncovered: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    left: tuple[Change, ...] = ()
    open: str | None = None
    questions: Questions = field(default_factory=lambda: Questions(Decisions()))


def complete(
    context: MigrationContext, script: ops.MigrationScript, request: Request, decisions: Decisions, schemas: Schemas
) -> Completed:
    """Complete ``script``, as the comparison left it, in place.

    Raises MigrationRefused for what cannot be written so that it runs up and down, unless the difference is only looked
    at. What ``decisions`` leave open is in the ``questions`` of what is returned.
    """
    is_look = request.check or request.baseline
    questions = Questions(replace(decisions, no_renames=True, allow_drops=True) if is_look else decisions)
    completed = Completed(questions=questions)
    try:
        _complete(context, script, request, completed, schemas)
    except MigrationRefused as refused:
        # What is refused may be due to a rename that nobody has decided.
        if not is_look and not questions.candidates:
            raise
        completed.open = str(refused)
    if is_look and questions.is_open:
        completed.open = str(questions.refusal())
    if request.baseline:
        assert context.bind is not None and script.upgrade_ops is not None
        completed.left = describe(script.upgrade_ops)
        baseline.replace(context, script)
        schemas.create(script.upgrade_ops, context.bind)
        sequences.create_existing(script.upgrade_ops, baseline.existing_tables(context), context.bind)
        naming.complete(context, script, baseline.NothingExists(context.bind))
        lifecycle.create_all(context, script)
    for operations in (script.upgrade_ops, script.downgrade_ops):
        if operations is not None:
            sequences.write_defaults(operations, context.dialect)
    return completed


def _complete(
    context: MigrationContext,
    script: ops.MigrationScript,
    request: Request,
    completed: Completed,
    schemas: Schemas,
) -> None:
    connection = context.bind
    assert connection is not None and script.upgrade_ops is not None
    if connection.dialect.name not in ("mysql", "mariadb"):
        _forget_autoincrement(script.upgrade_ops)
    questions = completed.questions
    of_members = {flag for flag in questions.decisions.renames if renames_member(context, flag)}
    with decide.carry_out(context, script, questions, request.meaning, of_members) as renamed:
        differences.prepare(context, script, questions)
        overlooked = catalog.complete(context, script, renamed)
        completed.uncovered, completed.limits = overlooked.notes, overlooked.limits
        schemas.create(script.upgrade_ops, connection)
        sequences.create(script.upgrade_ops, AutogenContext(context, autogenerate=False).sorted_tables, connection)
        existing = Existing(connection, renamed)
        naming.complete(context, script, existing, overlooked.conditions)
        questions.unrenamed += required.find_unrenamed(context, questions.candidates, renamed)
        completed.notes = (
            *required.fill(context, script, questions, renamed),
            *conversions.convert(context, script, questions, renamed),
            *refill.fill(context, script, existing),
        )
        lifecycle.complete(context, script, questions)
    # The database as it is, before any rename.
    rebuilds.keep(context, script)


def _forget_autoincrement(operations: ops.OpContainer) -> None:
    """Alembic writes it for every key whose type changes, and warns of it on each database but MySQL."""
    for operation in flat(operations):
        if isinstance(operation, ops.AlterColumnOp):
            operation.kw.pop("autoincrement", None)
