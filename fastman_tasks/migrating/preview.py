"""The SQL that a plan would run, found without changing anything."""

from __future__ import annotations

import functools
import io
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.util import CommandError
from sqlalchemy import Connection, CursorResult
from sqlalchemy.exc import CompileError, DBAPIError, NoInspectionAvailable, UnboundExecutionError

from fastman_tasks.databases.hooks import forbid_connections, is_copy, listen
from fastman_tasks.errors import DatabaseUnavailable, EnvironmentFailed, MigrationFailed
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.plans import Plan, Step, StepResult
from fastman_tasks.sources import blame
from fastman_tasks.text import shorten
from fastman_tasks.text.secrets import mask_row

_ANNOUNCEMENT = re.compile(r"-- Running (upgrade|downgrade) [^\n]*\s*")


def preview(environment: Environment, plan: Plan) -> tuple[tuple[StepResult, ...], MigrationFailed | None]:
    """Returns the statements of each migration of ``plan``, from one run of env.py, and the failure that ended it.

    They come from Alembic's offline mode, and nothing is sent to a server. If a migration needs the live database, its
    result has the reason, and the statements before that. SQLite's table rebuilds cannot be rendered offline: there the
    plan runs on a copy of the file, which is deleted.
    """
    assert plan.state is not None
    backend = plan.state.url.get_backend_name()
    progress = _Progress()
    render = _on_a_copy if backend == "sqlite" else _offline
    try:
        render(environment, plan, progress)
    except MigrationFailed as failure:
        return tuple(progress.done), failure
    return tuple(progress.done), None


@dataclass
class _Progress:
    """The progress of a preview; ``asked`` is whether the running migration has asked for its connection, or whether
    there is one."""

    done: list[StepResult] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    running: Step | None = None
    asked: bool = False

    def begin(self, step: Step) -> None:
        self.running, self.asked, self.statements = step, False, []

    def end(self, reason: str = "") -> None:
        assert self.running is not None
        self.done.append(StepResult(self.running, "planned", note=reason, statements=tuple(self.statements)))
        self.running = None

    def failed(self, error: Exception, environment: Environment) -> MigrationFailed:
        assert self.running is not None
        step = self.running
        self.end("it fails")
        lines = [f"{step.name} fails: {blame(error, environment.root, step.file)}"]
        if isinstance(error, DBAPIError) and error.statement:
            lines.append(f"  Statement: {shorten(error.statement, 1000)}")
        return MigrationFailed("\n".join([*lines, "Nothing was changed."]))


_Caught = Callable[[Exception], None]


def _steps(environment: Environment, plan: Plan, progress: _Progress, caught: _Caught) -> Iterator[MigrationStep]:
    """The steps of ``plan``; what one of them raises goes to ``caught``."""
    for step in plan.migrations:
        runs = environment.step(step)
        runs.migration_fn = _guarded(runs.migration_fn, caught)
        progress.begin(step)
        yield runs
        if progress.running is not None:
            progress.end()


def _guarded(migrate: Callable[..., Any], caught: _Caught) -> Callable[..., None]:
    @functools.wraps(migrate)
    def run(**arguments: Any) -> None:
        try:
            migrate(**arguments)
        except Exception as error:
            caught(error)

    return run


def _offline(environment: Environment, plan: Plan, progress: _Progress) -> None:
    def steps(_heads: tuple[str, ...], context: MigrationContext) -> Iterator[MigrationStep]:
        with _noting_questions(context, progress):
            yield from _steps(environment, plan, progress, caught)

    def caught(error: Exception) -> None:
        if not (progress.asked or _wants_database(error)):
            raise progress.failed(error, environment) from error
        assert progress.running is not None
        # Those after it can be told all the same.
        progress.end(f"it needs the live database: {blame(error, environment.root, progress.running.file)}")

    assert plan.state is not None
    with forbid_connections(lambda: progress.running is not None):
        environment.run(
            steps,
            reading=True,
            as_sql=True,
            output=_Statements(progress),
            dialect_name=plan.state.url.get_backend_name(),
            starting_rev=plan.state.heads,
            destination_rev=plan.migrations[-1].id,
        )


def _wants_database(error: Exception) -> bool:
    """Whether ``error`` comes from there being no connection: a statement that is sent offline returns None, and its
    values have to be written out."""
    if isinstance(error, AttributeError):
        name = error.name or ""
        return error.obj is None and any(hasattr(each, name) for each in (Connection, CursorResult) if name)
    no_connection = (DatabaseUnavailable, CommandError, CompileError, NoInspectionAvailable, UnboundExecutionError)
    return isinstance(error, no_connection)


@contextmanager
def _noting_questions(context: MigrationContext, progress: _Progress) -> Iterator[None]:
    """Note when a migration asks for its connection, or whether it has one: it may then raise its own error."""

    def noting(ask: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(ask)
        def noted(*arguments: Any) -> Any:
            progress.asked = True
            return ask(*arguments)

        return noted

    asked: list[tuple[Any, str]] = [
        (Operations, "get_bind"),
        # For its as_sql.
        (Operations, "get_context"),
        (context.environment_context, "is_offline_mode"),
    ]
    before = [getattr(owner, name) for owner, name in asked]
    for (owner, name), ask in zip(asked, before, strict=True):
        setattr(owner, name, noting(ask))
    try:
        yield
    finally:
        for (owner, name), ask in zip(asked, before, strict=True):
            setattr(owner, name, ask)


class _Statements(io.StringIO):
    """Takes Alembic's offline output, a statement at a time."""

    def __init__(self, progress: _Progress) -> None:
        super().__init__()
        self._telling = progress

    def write(self, text: str) -> int:
        statement = text.strip()
        if self._telling.running and statement not in ("", "BEGIN;", "COMMIT;") and not _ANNOUNCEMENT.fullmatch(text):
            self._telling.statements.append(statement)
        return len(text)


def _on_a_copy(environment: Environment, plan: Plan, progress: _Progress) -> None:
    def steps(_heads: tuple[str, ...], _context: MigrationContext) -> Iterator[MigrationStep]:
        yield from _steps(environment, plan, progress, caught)

    def caught(error: Exception) -> None:
        raise progress.failed(error, environment) from error

    def require_copy(connection: Connection) -> None:
        if not is_copy(connection, copies):
            raise EnvironmentFailed(
                "The engine in env.py creates its own connections (creator=), so a preview cannot be isolated "
                "from the database. Nothing was changed."
            )

    def record(_connection: Connection, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if progress.running is not None:
            bound = f"  -- {mask_row(statement, parameters)!r}" if parameters else ""
            progress.statements.append(f"{statement.strip()};{bound}")

    with tempfile.TemporaryDirectory(prefix="fastman-preview-") as name:
        copies = Path(name).resolve()
        with listen(("before_cursor_execute", record)):
            environment.run(steps, reading=False, prepare=require_copy, copies=copies)
