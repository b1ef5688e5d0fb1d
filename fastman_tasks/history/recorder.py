"""Write the history of one run, each row in the transaction of what it tells of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cached_property, partial
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from fastman_tasks.history import author, entries, outside, source, table
from fastman_tasks.history.kept import KeptFiles
from fastman_tasks.history.writing import NotWritten, Writer
from fastman_tasks.plans import State, Step
from fastman_tasks.revisions.graph import RevisionGraph
from fastman_tasks.settings import Settings
from fastman_tasks.sources import first_line
from fastman_tasks.text import shorten

_ACTIONS = {"apply": "apply", "roll back": "revert"}


class Recorder:
    """Writes what one run does, unless FASTMAN_HISTORY is off.

    Nothing fails because a row cannot be written: ``warn`` is called once with the reason, and no more is written.
    """

    def __init__(self, settings: Settings, warn: Callable[[str], None]) -> None:
        self._settings = settings
        self._kept = KeptFiles(settings.root)
        self._warn = warn
        #: Whether rows are written.
        self.is_on = settings.history
        # What all rows of this run have in common.
        self._common: dict[str, Any] = {}
        # The revisions that are applied as the run begins, in the order in which they came to be.
        self._standing: list[str] = []
        self._writer: Writer | None = None
        #: Whether a row is being written: what is sent meanwhile is none of the migration's statements.
        self.is_writing = False

    @cached_property
    def _author(self) -> dict[str, Any]:
        return author.describe(self._settings.root, self._settings.environment)

    def begin(self, connection: Connection, state: State, graph: RevisionGraph) -> None:
        """Create the table if there is none, and note what other tools have done to the database since. ``state`` is
        what it is in now. Called before the first step."""
        with self._writing():
            if not self.is_on:
                return
            # On PostgreSQL a statement that fails ends its transaction.
            with connection.begin_nested() if connection.dialect.name == "postgresql" else nullcontext():
                known, columns = entries.History(), table.of(state.schema).c
                if table.exists(connection, state.schema):
                    known = entries.History(entries.rows(connection, state))
                else:
                    table.of(state.schema).create(connection)
                batch = self._common.get("batch") or 1 + (connection.scalar(select(func.max(columns.batch))) or 0)
                db_user = (
                    connection.scalar(select(func.current_user())) if connection.dialect.name != "sqlite" else None
                )
                self._common = {
                    "version_table": state.version_table, "batch": batch, "db_user": db_user, "seconds": None,
                    "file": None, "message": None, "checksum": None, "source": None, **self._author,
                }  # fmt: skip
                self._writer = Writer(connection, state.schema, (*self._common, "kind", "name", "action"))
                found = outside.find(known, state.heads, graph, partial(entries.sources, connection, state))
                self._standing = list(known.standing)
                for each in found:
                    self._writer.write(self._outside(each, graph))
                    (self._standing.append if each.action == "mark" else self._standing.remove)(each.revision)
            if not found:
                self._probe(connection)

    def step(self, step: Step, seconds: float) -> None:
        """Write that ``step`` was done, within its transaction."""
        self._write(lambda: self._of(step, _ACTIONS[step.action], seconds, None))

    def keep(self, step: Step) -> None:
        """Keep the file of ``step``, if it was applied, for when its branch is gone. Called after its commit."""
        if self._settings.history and step.action == "apply" and step.file is not None:
            self._kept.keep(step.id, step.file)

    def failure(self, step: Step, message: str) -> None:
        """Write that ``step`` has failed, after its transaction was rolled back."""
        self._write(lambda: self._of(step, "failed", None, shorten(message, 1000)))

    def accept(self, step: Step) -> None:
        """Write that the file of ``step``, which is applied, is taken for what was applied."""
        self._write(lambda: self._of(step, "accept", None, None))

    def mark(self, applied: Collection[str], graph: RevisionGraph, message: str) -> None:
        """Write that the revisions ``applied``, and no others, count as applied now, for the reason ``message``, and
        that nothing ran."""
        gone = [each for each in reversed(self._standing) if each not in applied]
        new = [each.id for each in graph.revisions if each.id in applied and each.id not in self._standing]
        for action, ids in (("unmark", gone), ("mark", new)):
            for each in ids:
                self._write(partial(self._marked, "stamp", each, action, message, graph))

    def _of(self, step: Step, action: str, seconds: float | None, message: str | None) -> dict[str, Any]:
        content = source.describe(step.file, self._settings.root) if step.file is not None else {}
        return {
            **self._common, "kind": "migration", "name": step.id[:255], "action": action, "seconds": seconds,
            "message": message, **content,
        }  # fmt: skip

    def _outside(self, found: outside.Change, graph: RevisionGraph) -> dict[str, Any]:
        # Whoever runs this command is not the one who did it.
        nobody = dict.fromkeys((*self._author, "db_user"))
        return {**self._marked("outside", found.revision, found.action, found.message, graph), **nobody}

    def _marked(self, kind: str, revision: str, action: str, message: str, graph: RevisionGraph) -> dict[str, Any]:
        file = graph[revision].file if revision in graph else None
        content = source.describe(file, self._settings.root) if file is not None else {}
        return {**self._common, "kind": kind, "name": revision[:255], "action": action, "message": message, **content}

    def _probe(self, connection: Connection) -> None:
        """Write a row and take it back: whether one can be written has to be known before a migration has run."""
        assert self._writer is not None
        trial = connection.begin_nested()
        try:
            self._writer.write({**self._common, "kind": "migration", "name": "", "action": "apply"})
        finally:
            trial.rollback()

    def _write(self, row: Callable[[], Mapping[str, Any]]) -> None:
        with self._writing():
            if self.is_on and self._writer is not None:
                self._writer.write(row())

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self.is_writing = True
        try:
            yield
        except (DBAPIError, NotWritten) as error:
            if isinstance(error, DBAPIError) and (error.connection_invalidated or self._writer is not None):
                # The connection or the transaction is lost, and with it more than the history.
                raise
            self.is_on = False
            cause = error.__cause__ if isinstance(error, NotWritten) else error.orig
            self._warn(f"The history (fastman_history) cannot be written: {first_line(cause or error)}")
        finally:
            self.is_writing = False
