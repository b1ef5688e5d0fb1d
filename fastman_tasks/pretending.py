"""The SQL that a plan would run, found without keeping anything of it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from alembic.runtime.migration import MigrationContext, MigrationStep
from sqlalchemy import Connection, Engine, event

from fastman_tasks.connection import untouched
from fastman_tasks.environment import Environment
from fastman_tasks.errors import DatabaseUnavailable, EnvironmentFailed, FastmanError
from fastman_tasks.history import Revision
from fastman_tasks.ledger import COMMITS
from fastman_tasks.plans import Plan

_ANNOUNCEMENT = re.compile(r"-- Running (upgrade|downgrade) [^\n]*\s*")


class _TakeBack(FastmanError):
    """Ends a run whose transaction is to be rolled back."""


class _Statements(io.StringIO):
    """Takes Alembic's offline output, a statement at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.each: list[str] = []

    def write(self, text: str) -> int:
        if text.strip() and not _ANNOUNCEMENT.fullmatch(text):
            self.each.append(text.strip())
        return len(text)


def preview(
    environment: Environment, plan: Plan, limit: Callable[[Connection], None] | None = None
) -> list[tuple[Revision, list[str] | None]]:
    """The statements of each revision of ``plan``; None for one that cannot be shown.

    Alembic's offline mode tells them. Where a migration asks the live database, the plan is run for real inside a
    transaction that is rolled back, on PostgreSQL and SQLite; elsewhere DDL could not be taken back. ``limit`` sets how
    long that may wait for the locks of tables.
    """
    shown = [(revision, statements(environment, plan, revision)) for revision in plan.revisions]
    if any(found is None for _, found in shown) and plan.state.url.get_backend_name() in ("postgresql", "sqlite"):
        ran = _rehearsed(environment, plan, limit)
        shown = [(revision, found if found is not None else ran.get(revision.id)) for revision, found in shown]
    return shown


def statements(environment: Environment, plan: Plan, revision: Revision) -> list[str] | None:
    """The statements of ``revision`` in Alembic's offline mode; None where it needs a live database."""
    position = plan.revisions.index(revision)
    applied = environment.history.with_ancestors(plan.state.heads)
    for earlier in plan.revisions[:position]:
        (applied.add if plan.direction == "upgrade" else applied.discard)(earlier.id)
    running = False

    def steps(_heads: tuple[str, ...], _context: MigrationContext) -> Iterator[MigrationStep]:
        nonlocal running
        running = True
        yield environment.step(plan.direction, revision)
        running = False

    output = _Statements()
    environment.config.output_buffer = output
    heads = environment.history.heads_of(applied)
    try:
        with untouched(lambda: running):
            environment.run(steps, reading=True, as_sql=True, starting_rev=heads, destination_rev=revision.id)
    except (EnvironmentFailed, DatabaseUnavailable):
        if not running:
            raise
        return None
    return [each for each in output.each if each not in ("BEGIN;", "COMMIT;")]


def _rehearsed(
    environment: Environment, plan: Plan, limit: Callable[[Connection], None] | None
) -> dict[str, list[str]]:
    ran: dict[str, list[str]] = {}
    finished: set[str] = set()
    current: list[str] = []

    def steps(_heads: tuple[str, ...], _context: MigrationContext) -> Iterator[MigrationStep]:
        nonlocal current
        for revision in plan.revisions:
            current = ran[revision.id] = []
            yield environment.step(plan.direction, revision)
            finished.add(revision.id)
        raise _TakeBack

    def begin(connection: Connection) -> None:
        if limit is not None:
            limit(connection)
        # Alembic leaves a transaction that it finds begun to whoever began it.
        if not connection.in_transaction():
            connection.begin()

    def commit(_connection: Connection) -> None:
        # A migration that commits by itself cannot be rehearsed; what env.py does before the first one is its own.
        if ran:
            raise _TakeBack

    def record(
        connection: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
    ) -> None:
        autocommit = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        if ran and (autocommit or COMMITS.match(statement)):
            raise _TakeBack
        current.append(f"{statement.strip()};" + (f"  -- {parameters!r}" if parameters else ""))

    try:
        with _listening(before_cursor_execute=record, commit=commit):
            environment.run(steps, reading=True, models=True, prepare=begin, dont_mutate=False)
    except (_TakeBack, EnvironmentFailed):
        # One that fails, or that autocommit_block() refuses to run within this transaction, ends the run too.
        pass
    return {revision_id: found for revision_id, found in ran.items() if revision_id in finished}


@contextmanager
def _listening(**listeners: Any) -> Iterator[None]:
    for name, listener in listeners.items():
        event.listen(Engine, name, listener)
    try:
        yield
    finally:
        for name, listener in listeners.items():
            event.remove(Engine, name, listener)
