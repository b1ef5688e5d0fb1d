"""Add rows to the history, which stops nothing when it cannot be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from fastman_tasks.databases.outages import is_busy, is_lost
from fastman_tasks.databases.transactions import commits_each_statement
from fastman_tasks.history import author, entries, source, table
from fastman_tasks.history.entries import History
from fastman_tasks.history.writing import NotWritten, Writer
from fastman_tasks.plans import State, Step
from fastman_tasks.settings import Settings
from fastman_tasks.sources import first_line


def find_obstacle(settings: Settings, state: State) -> str:
    """Returns why no history is kept in ``state``; empty if it is."""
    if not settings.history:
        return "FASTMAN_HISTORY is off"
    # An env.py of the project's own, and an Alembic before 1.18.
    return "" if state.keeps_history else "plain alembic would propose to drop its table"


class Journal:
    """The rows of one run, unless FASTMAN_HISTORY is off.

    Nothing fails because a row cannot be written: ``warn`` is called once with the reason, and no more is written.
    """

    #: What the rows are about.
    kind = "migration"

    def __init__(self, settings: Settings, warn: Callable[[str], None]) -> None:
        self._settings = settings
        self._warn = warn
        #: Whether rows are written.
        self.is_on = settings.history
        # What all rows of this run have in common.
        self._common: dict[str, Any] = {}
        self._writer: Writer | None = None
        #: Whether a row is being written: what is sent meanwhile is none of the run's own statements.
        self.is_writing = False

    @cached_property
    def _author(self) -> dict[str, Any]:
        return author.describe(self._settings.root, self._settings.environment)

    def forget(self) -> None:
        """Begin anew: all that was written was rolled back, together with the table that it was written to."""
        self._common = {}

    def _open(self, connection: Connection, state: State) -> History:
        """Create the table of ``state`` if there is none, and return what is in it. Raises DBAPIError. ``_start`` is
        to follow."""
        self._writer = None
        known, columns = History(), table.of(state.schema).c
        if table.exists(connection, state.schema):
            known = History(entries.rows(connection, state))
        else:
            table.create(connection, state.schema)
        batch = self._common.get("batch") or 1 + (connection.scalar(select(func.max(columns.batch))) or 0)
        db_user = connection.scalar(select(func.current_user())) if connection.dialect.name != "sqlite" else None
        self._common = {
            "version_table": state.version_table, "batch": batch, "db_user": db_user, "seconds": None,
            "file": None, "message": None, "checksum": None, "source": None, **self._author,
        }  # fmt: skip
        return known

    def _start(self, connection: Connection, state: State) -> Writer:
        """Begin to write. From now on, what raises DBAPIError is more than the history that is lost."""
        self._writer = Writer(connection, state.schema, (*self._common, "kind", "name", "action"))
        return self._writer

    def _of(self, step: Step, action: str, seconds: float | None, message: str | None) -> dict[str, Any]:
        content = source.describe(step.file, self._settings.root) if step.file is not None else {}
        return {
            **self._common, "kind": self.kind, "name": step.id[:255], "action": action, "seconds": seconds,
            "message": message, **content,
        }  # fmt: skip

    def _probe(self, connection: Connection) -> None:
        """Write a row that is not kept: whether one can be written has to be known before anything has run."""
        assert self._writer is not None
        if commits_each_statement(connection):
            return
        trial = connection.begin_nested()
        try:
            self._writer.write({**self._common, "kind": self.kind, "name": "", "action": "apply"})
        except NotWritten:
            trial.rollback()
            raise
        # After any other error the transaction is lost, and the savepoint with it.
        trial.rollback()

    @property
    def is_open(self) -> bool:
        """Whether a row would be written now."""
        return self.is_on and self._writer is not None

    def _write(self, row: Callable[[], Mapping[str, Any]], *, postpones_flush: bool = False) -> None:
        with self._writing():
            if self.is_on and self._writer is not None:
                self._writer.write(row(), postpones_flush=postpones_flush)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self.is_writing = True
        try:
            yield
        except (DBAPIError, NotWritten) as error:
            if isinstance(error, DBAPIError) and (
                error.connection_invalidated or is_lost(error) or is_busy(error) or self._writer is not None
            ):
                # The connection or the transaction is lost, or SQLite's file is locked, and with it more than the
                # history.
                raise
            self._give_up(error)
        finally:
            self.is_writing = False

    def _give_up(self, error: DBAPIError | NotWritten) -> None:
        self.is_on = False
        cause = error.__cause__ if isinstance(error, NotWritten) else error.orig
        self._warn(f"The history (fastman_history) cannot be written: {first_line(cause or error)}")
