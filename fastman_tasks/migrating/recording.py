"""Have the history written of what Alembic runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import wraps

from alembic.runtime.migration import MigrationContext

from fastman_tasks.databases import urls
from fastman_tasks.errors import FastmanError
from fastman_tasks.history.migration_journal import MigrationJournal
from fastman_tasks.migrating import hidden_history
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.plans import State, Step
from fastman_tasks.sources import describe_error
from fastman_tasks.text.secrets import redact


def begin(journal: MigrationJournal, context: MigrationContext, state: State, environment: Environment) -> None:
    """Begin to write the history of the run in ``context``, unless plain ``alembic`` would propose to drop its table.
    ``state`` is what the database is in now."""
    if context.connection is None or not hidden_history.is_hidden(context):
        journal.is_on = False
    else:
        journal.begin(context.connection, state, environment.graph)


def recorded(
    function: Callable[..., None],
    journal: MigrationJournal,
    step: Step,
    clock: Callable[[], float],
    *,
    begin: Callable[[], None] | None = None,
    postpones_flush: bool = False,
) -> Callable[..., None]:
    """Returns ``function``, which does ``step``, and then writes so in the same transaction, once ``begin`` has begun
    to; ``postpones_flush`` as for ``MigrationJournal.step``."""

    @wraps(function)
    def run(**arguments: object) -> None:
        started = clock()
        function(**arguments)
        seconds = clock() - started
        if begin is not None:
            begin()
        journal.step(step, seconds, postpones_flush=postpones_flush)

    return run


def record_failure(
    environment: Environment, journal: MigrationJournal, state: State, step: Step, error: BaseException
) -> None:
    """Write that ``step`` has failed with ``error``, in a transaction of its own; ``state`` says where the history
    is."""
    passwords = sorted(urls.passwords(state.url), key=len, reverse=True)
    message = redact(describe_error(error), passwords)
    if journal.is_on:
        # What is to be told is why the migration has failed.
        with suppress(FastmanError):
            write(environment, journal, state, lambda: journal.failure(step, message))


def write(environment: Environment, journal: MigrationJournal, state: State, rows: Callable[[], None]) -> None:
    """Have ``rows`` write with ``journal``, in a transaction of its own; ``state`` says where the history
    is."""
    done = False

    def run(heads: tuple[str, ...], context: MigrationContext) -> tuple[()]:
        nonlocal done
        if not done and context.connection is not None:
            done = True
            begin(journal, context, replace(state, heads=heads), environment)
            rows()
            context.connection.commit()
        return ()

    environment.run(run, reading=False, models=False)
