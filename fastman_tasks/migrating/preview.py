"""The SQL that a plan would run, told without changing anything."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, NoInspectionAvailable, UnboundExecutionError

from fastman_tasks.databases.hooks import listening, untouched
from fastman_tasks.errors import DatabaseUnavailable, FastmanError, MigrationFailed
from fastman_tasks.history import Revision
from fastman_tasks.ledger import COMMITS
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.plans import Plan, Preview
from fastman_tasks.sources import blame

_ANNOUNCEMENT = re.compile(r"-- Running (upgrade|downgrade) [^\n]*\s*")


def preview(environment: Environment, plan: Plan) -> tuple[tuple[Preview, ...], MigrationFailed | None]:
    """The statements of each revision of ``plan``, from one run of env.py; up to the one that fails, if one does.

    Alembic's offline mode tells them, and no server is asked anything. SQLite's table rebuilds cannot be told offline:
    there the plan is run in a transaction that is rolled back. Where a migration needs the live database, or commits
    by itself, the reason stands with what could be told of it.
    """
    telling = _Telling()
    tell = _rolled_back if plan.state.url.get_backend_name() == "sqlite" else _offline
    try:
        tell(environment, plan, telling)
    except MigrationFailed as failure:
        return tuple(telling.done), failure
    return tuple(telling.done), None


@dataclass
class _Telling:
    """How far a preview has come; ``asked`` is whether the running migration has asked for its connection."""

    done: list[Preview] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    running: Revision | None = None
    asked: bool = False

    def begin(self, revision: Revision) -> None:
        self.running, self.asked, self.statements = revision, False, []

    def end(self, reason: str | None = None) -> None:
        assert self.running is not None
        self.done.append(Preview(self.running, tuple(self.statements), reason))
        self.running = None

    def failed(self, error: Exception, environment: Environment) -> MigrationFailed:
        assert self.running is not None
        revision = self.running
        self.end("it fails")
        lines = [f"{revision.name} fails: {blame(error, environment.root, revision.file)}"]
        if isinstance(error, DBAPIError) and error.statement:
            lines.append(f"  Statement: {' '.join(error.statement.split())}")
        return MigrationFailed("\n".join([*lines, "Nothing was changed."]))


def _offline(environment: Environment, plan: Plan, telling: _Telling) -> None:
    def steps(_heads: tuple[str, ...], context: MigrationContext) -> Iterator[MigrationStep]:
        # Its own BEGIN and COMMIT are no part of any migration.
        telling.statements = []
        for revision in plan.revisions:
            step = environment.step(plan.direction, revision)
            step.migration_fn = _caught(step.migration_fn, telling, environment)
            telling.begin(revision)
            yield step
            if telling.running is not None:
                telling.end()

    heads = plan.state.heads
    options: dict[str, Any] = {"starting_rev": heads, "destination_rev": plan.revisions[-1].id}
    with _noting_binds(telling), untouched(lambda: telling.running is not None):
        environment.run(steps, reading=True, as_sql=True, output=_Statements(telling), **options)


def _caught(migrate: Callable[..., Any], telling: _Telling, environment: Environment) -> Callable[..., None]:
    """``migrate``, so that one that needs the live database does not keep those after it from being told."""

    @functools.wraps(migrate)
    def run(**arguments: Any) -> None:
        try:
            migrate(**arguments)
        except Exception as error:
            if not (telling.asked or _wants_database(error)):
                raise telling.failed(error, environment) from error
            assert telling.running is not None
            telling.end(f"it needs the live database: {blame(error, environment.root, telling.running.file)}")

    return run


def _wants_database(error: Exception) -> bool:
    """Whether ``error`` comes from there being no connection: a statement that is sent offline returns None."""
    if isinstance(error, AttributeError):
        return error.obj is None and error.name is not None
    return isinstance(error, (DatabaseUnavailable, CommandError, NoInspectionAvailable, UnboundExecutionError))


@contextmanager
def _noting_binds(telling: _Telling) -> Iterator[None]:
    original = Operations.get_bind

    def get_bind(self: Operations) -> Connection:
        telling.asked = True
        return original(self)

    Operations.get_bind = get_bind  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        Operations.get_bind = original  # type: ignore[method-assign]


class _Statements(io.StringIO):
    """Takes Alembic's offline output, a statement at a time."""

    def __init__(self, telling: _Telling) -> None:
        super().__init__()
        self._telling = telling

    def write(self, text: str) -> int:
        statement = text.strip()
        if self._telling.running and statement not in ("", "BEGIN;", "COMMIT;") and not _ANNOUNCEMENT.fullmatch(text):
            self._telling.statements.append(statement)
        return len(text)


class _RollBack(FastmanError):
    """Ends a run whose transaction is to be rolled back."""


class _Commits(FastmanError):
    """A migration tried to commit by itself."""


def _rolled_back(environment: Environment, plan: Plan, telling: _Telling) -> None:
    def steps(_heads: tuple[str, ...], context: MigrationContext) -> Iterator[MigrationStep]:
        # All is within one transaction here, which nothing may end: a failed commit cannot be taken up again.
        assert context.bind is not None
        context.bind.commit = commit  # type: ignore[method-assign]
        context.autocommit_block = nullcontext  # type: ignore[method-assign,assignment]
        for revision in plan.revisions:
            step = environment.step(plan.direction, revision)
            step.migration_fn = _undone(step.migration_fn, context, telling, environment)
            telling.begin(revision)
            yield step
            if telling.running is not None:
                telling.end()
        raise _RollBack

    def begin(connection: Connection) -> None:
        # Alembic leaves a transaction that it finds begun to whoever began it.
        if not connection.in_transaction():
            connection.begin()

    def commit(_connection: Connection | None = None) -> None:
        # What env.py does before the first migration is its own.
        if telling.running is not None:
            raise _Commits

    def record(_connection: Connection, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if telling.running is not None:
            if COMMITS.match(statement):
                raise _Commits
            telling.statements.append(f"{statement.strip()};" + (f"  -- {parameters!r}" if parameters else ""))

    listeners: tuple[tuple[str, Callable[..., None]], ...] = (("before_cursor_execute", record), ("commit", commit))
    with listening(*listeners), suppress(_RollBack):
        environment.run(steps, reading=True, models=True, prepare=begin, dont_mutate=False)


def _undone(
    migrate: Callable[..., Any], context: MigrationContext, telling: _Telling, environment: Environment
) -> Callable[..., None]:
    """``migrate``, so that what cannot be told of one is as if it had not been, and those after it are told."""

    @functools.wraps(migrate)
    def run(**arguments: Any) -> None:
        assert context.bind is not None
        with closing(context.bind.connection.cursor()) as cursor:
            cursor.execute("SAVEPOINT fastman_preview")
            try:
                migrate(**arguments)
            except Exception as error:
                without = [each.revision.name for each in telling.done if each.reason is not None]
                if not (without or isinstance(error, _Commits)):
                    raise telling.failed(error, environment) from error
                cursor.execute("ROLLBACK TO fastman_preview")
                commits = isinstance(error, _Commits)
                telling.end("it commits by itself" if commits else f"it may need {without[-1]}, which was not run")

    return run
