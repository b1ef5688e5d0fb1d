"""What a version file's ``downgrade()`` or ``upgrade()`` does, and whether it can be rolled back, read from its source.

The file is not run: no code of a migration may run before consent.
"""

from __future__ import annotations

import ast
import tokenize
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fastman_tasks.errors import MigrationRefused
from fastman_tasks.migrating.reading.directives import Operation
from fastman_tasks.migrating.reading.expressions import TooLongError
from fastman_tasks.migrating.reading.meanings import Function, Thing, is_literal
from fastman_tasks.migrating.reading.statements import Follower
from fastman_tasks.plans import Step
from fastman_tasks.revisions.graph import Revision

#: The reason for which a migration can be skipped with --accept-empty.
EMPTY = "its downgrade() is empty"
#: The beginning of the docstring of a ``downgrade()`` that is empty on purpose.
MARK = "Nothing to undo"


@dataclass(frozen=True)
class Reading:
    """The ``operations`` of a function in order; ``refusal`` is the reason why it cannot be run, if there is one."""

    operations: tuple[Operation, ...]
    refusal: str | None = None


def read(file: Path, function: Literal["upgrade", "downgrade"], dialect: str) -> Reading | None:
    """Returns what ``function`` of the version ``file`` does on a database of the named ``dialect``; nothing is run.

    Of an ``if`` that the source does not decide, every branch counts. None if the source cannot be analysed: there is
    only a ``.pyc``, or it is too deep or too long.
    """
    try:
        with tokenize.open(file) as opened:
            source = opened.read()
        with warnings.catch_warnings():
            # Python has shown whatever it warns of when Alembic imported the file.
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
        follower = Follower(source, tree, dialect)
        names = follower.module.names
        found = names.get(function)
        if isinstance(found, Function):
            operations, refuses = follower.follow(found)
            refusal = f"its {function}() raises NotImplementedError" if refuses else _empty(names, function)
            return Reading(operations, refusal)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError, TooLongError):
        return None
    if (function in names or "*" in names) and not is_literal(names.get(function, Thing.ANYTHING)):
        # It is imported, or made by something else.
        return None
    return Reading((), f"it has no {function}()")


def irreversible_reason(file: Path, dialect: str) -> str | None:
    """Returns why a migration cannot be rolled back: no ``downgrade()``, an empty one, or NotImplementedError; None if
    it can, as far as its source tells.

    An empty ``downgrade()`` is fine if the ``upgrade()`` is empty too (a merge), or if its docstring begins with
    ``MARK``.
    """
    reading = read(file, "downgrade", dialect)
    return None if reading is None else reading.refusal


def steps_back(
    revisions: Sequence[Revision], dialect: str, *, accept_empty: bool = False, fewer: str = "", ways: str = ""
) -> tuple[Step, ...]:
    """Returns the steps that roll back ``revisions``, in their order.

    Raises MigrationRefused if one of them cannot be rolled back, except for an empty one with ``accept_empty``. Its
    message names ``fewer``: the flags with which the command rolls back fewer, if it has such; or else the ``ways``
    out.
    """
    reasons = {each: reason for each in revisions if (reason := irreversible_reason(each.file, dialect))}
    stuck = {each.name: reason for each, reason in reasons.items() if not (accept_empty and reason == EMPTY)}
    if stuck:
        raise MigrationRefused(_describe_irreversible(stuck, fewer, ways))
    return tuple(each.step("roll back", is_empty=reasons.get(each) == EMPTY) for each in revisions)


def _empty(names: dict[str, object], function: str) -> str | None:
    if function != "downgrade" or not _does_nothing(names.get("downgrade")) or _does_nothing(names.get("upgrade")):
        return None
    node = names["downgrade"].node  # type: ignore[attr-defined]
    return None if (ast.get_docstring(node) or "").lower().startswith(MARK.lower()) else EMPTY


def _does_nothing(function: object) -> bool:
    """Whether there is nothing in the body of ``function`` but a docstring, ``pass``, ``...`` and ``return``."""
    if not isinstance(function, Function) or isinstance(function.node, ast.Lambda):
        return False
    for statement in function.node.body:
        match statement:
            case ast.Pass() | ast.Expr(value=ast.Constant()) | ast.Return(value=None | ast.Constant(value=None)):
                continue
        return False
    return True


def _describe_irreversible(stuck: dict[str, str], fewer: str, ways: str) -> str:
    """Returns what to tell the user of the migrations that cannot be rolled back, each with its reason."""
    listed = "".join(f"\n  {name}: {reason}" for name, reason in stuck.items())
    ways = ways or f"Write their downgrade(){f', or roll back fewer: {fewer}' if fewer else ''}."
    if fewer and set(stuck.values()) == {EMPTY}:
        ways = (
            f"{ways} Or leave their changes in place and roll back past them: --accept-empty\n"
            f'If there is nothing to undo, say so in the docstring of downgrade(): """{MARK}."""'
        )
    return f"These migrations cannot be rolled back, so nothing was changed:{listed}\n{ways}"
