"""What a migration's ``downgrade()`` would do, read by running it against a recorder instead of a database."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from alembic.operations import BatchOperations, Operations, ops
from alembic.operations.batch import BatchOperationsImpl
from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Dialect

from fastman_tasks.databases.hooks import untouched
from fastman_tasks.migrating.env_py import without_info_lines

#: Why a migration cannot be rolled back where nothing but that is wrong with it: it can be passed over.
EMPTY = "its downgrade() is empty"


@dataclass
class Recording:
    """The operations in order; ``error`` is what ended the recording early: it asked for a live database."""

    operations: list[ops.MigrateOperation] = field(default_factory=list)
    error: Exception | None = None


def record(function: Callable[[], Any], dialect: Dialect) -> Recording:
    """Run ``function``, a migration's ``upgrade`` or ``downgrade``, and note its operations."""
    recording = Recording()
    with without_info_lines(), _recorder(dialect, recording.operations), untouched():
        try:
            function()
        except Exception as error:
            recording.error = error
    return recording


@contextmanager
def _recorder(dialect: Dialect, operations: list[ops.MigrateOperation]) -> Iterator[None]:
    context = MigrationContext.configure(dialect=dialect)
    # There is no transaction to leave; what is within the block counts like the rest.
    context.autocommit_block = nullcontext  # type: ignore[method-assign,assignment]

    def invoke(operation: ops.MigrateOperation) -> Any:
        operations.append(operation)
        return operation.to_table(context) if isinstance(operation, ops.CreateTableOp) else None

    @contextmanager
    def batch_alter_table(table_name: str, schema: str | None = None, **_options: Any) -> Iterator[BatchOperations]:
        impl = BatchOperationsImpl(  # type: ignore[no-untyped-call]
            proxy, table_name, schema, "never", None, (), {}, (), {}, None, None
        )
        batch = BatchOperations(context, impl=impl)
        batch.invoke = invoke  # type: ignore[method-assign]
        yield batch

    proxy = Operations(context)
    proxy.invoke = invoke  # type: ignore[method-assign]
    proxy.batch_alter_table = batch_alter_table  # type: ignore[method-assign,assignment]
    # Operations.context() installs its own instance; there is no public way to install this one.
    proxy._install_proxy()
    try:
        yield
    finally:
        proxy._remove_proxy()


def irreversible(module: ModuleType, file: Path, dialect: Dialect) -> str | None:
    """Why a migration cannot be taken back: no downgrade(), an empty one, or NotImplementedError; None where it can.

    An empty downgrade() beside an empty upgrade() takes nothing back because there is nothing (a merge).
    """
    if not callable(getattr(module, "downgrade", None)):
        return "it has no downgrade()"
    bodies = _bodies(file)
    if bodies.get("downgrade", "") == "empty" and bodies.get("upgrade") != "empty":
        return EMPTY
    if bodies.get("downgrade") == "refuses" or _refuses(record(module.downgrade, dialect).error):
        return "its downgrade() raises NotImplementedError"
    return None


def _refuses(error: Exception | None) -> bool:
    """Whether the project's own code raised NotImplementedError; Alembic does where there is no live database."""
    if not isinstance(error, NotImplementedError) or error.__traceback__ is None:
        return False
    *_, (innermost, _line) = traceback.walk_tb(error.__traceback__)
    return str(innermost.f_globals.get("__name__")).partition(".")[0] not in ("alembic", "sqlalchemy")


def _bodies(file: Path) -> dict[str, str]:
    try:
        tree = ast.parse(file.read_text("utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return {}
    return {node.name: _body(node.body) for node in tree.body if isinstance(node, ast.FunctionDef)}


def _body(statements: list[ast.stmt]) -> str:
    for statement in statements:
        match statement:
            case ast.Pass() | ast.Expr(value=ast.Constant()) | ast.Return(value=None | ast.Constant(value=None)):
                continue
            case ast.Raise(exc=ast.Name(id="NotImplementedError") | ast.Call(func=ast.Name(id="NotImplementedError"))):
                return "refuses"
        return "does something"
    return "empty"
