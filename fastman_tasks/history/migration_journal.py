"""Write the history of one run, each row in the transaction of what it tells of."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from sqlalchemy import Connection

from fastman_tasks.history import entries, outside, source
from fastman_tasks.history.journal import Journal
from fastman_tasks.history.kept import KeptFiles
from fastman_tasks.plans import State, Step
from fastman_tasks.revisions.graph import RevisionGraph
from fastman_tasks.settings import Settings
from fastman_tasks.text import printable, shorten

# A run of more begins with what all branches have, and each file takes a tenth of a millisecond.
_KEPT = 100
_ACTIONS = {"apply": "apply", "roll back": "revert"}


class MigrationJournal(Journal):
    """Writes what one run of migrations does."""

    def __init__(self, settings: Settings, warn: Callable[[str], None]) -> None:
        super().__init__(settings, warn)
        self._kept = KeptFiles(settings.root)
        # The revisions that are applied as the run begins, in the order in which they came to be.
        self._standing: list[str] = []

    def begin(self, connection: Connection, state: State, graph: RevisionGraph) -> None:
        """Create the table if there is none, and note what other tools have done to the database since. ``state`` is
        what it is in now. Called before the first step."""
        with self._writing():
            if not self.is_on:
                return
            with entries.protected(connection):
                known = self._open(connection, state)
                found = outside.find(known, state.heads, graph, partial(entries.sources, connection, state))
                self._standing = list(known.standing)
                writer = self._start(connection, state)
                for each in found:
                    writer.write(self._outside(each, graph))
                    (self._standing.append if each.action == "mark" else self._standing.remove)(each.revision)
            if not found:
                self._probe(connection)

    def step(self, step: Step, seconds: float, *, postpones_flush: bool = False) -> None:
        """Write that ``step`` was done, within its transaction, which may ``postpones_flush`` as ``Writer.write``."""
        row = partial(self._of, step, _ACTIONS[step.action], seconds, None)
        self._write(row, postpones_flush=postpones_flush)

    def keep(self, step: Step, after: int) -> None:
        """Keep the file of ``step``, if it was applied, for when its branch is gone. Called after its commit; ``after``
        is how many steps follow in this run."""
        if self._settings.history and step.action == "apply" and step.file is not None and after < _KEPT:
            self._kept.keep(step.id, step.file)

    def failure(self, step: Step, message: str) -> None:
        """Write that ``step`` has failed, after its transaction was rolled back."""
        self._write(lambda: self._of(step, "failed", None, printable(shorten(message, 1000))))

    def accept(self, step: Step) -> None:
        """Write that the file of ``step`` is taken for what was applied; where nothing was, as it never ran here, that
        it is recorded."""
        self._write(lambda: self._of(step, "accept" if step.id in self._standing else "mark", None, None))

    def mark(self, applied: Collection[str], graph: RevisionGraph, message: str) -> None:
        """Write that the revisions ``applied``, and no others, count as applied now, for the reason ``message``, and
        that nothing ran."""
        gone = [each for each in reversed(self._standing) if each not in applied]
        new = [each.id for each in graph.revisions if each.id in applied and each.id not in self._standing]
        for action, ids in (("unmark", gone), ("mark", new)):
            for each in ids:
                self._write(partial(self._marked, "stamp", each, action, message, graph))

    def _outside(self, found: outside.Change, graph: RevisionGraph) -> dict[str, Any]:
        # Whoever runs this command is not the one who did it.
        nobody = dict.fromkeys((*self._author, "db_user"))
        return {**self._marked("outside", found.revision, found.action, found.message, graph), **nobody}

    def _marked(self, kind: str, revision: str, action: str, message: str, graph: RevisionGraph) -> dict[str, Any]:
        file = graph[revision].file if revision in graph else None
        content = source.describe(file, self._settings.root) if file is not None else {}
        return {**self._common, "kind": kind, "name": revision[:255], "action": action, "message": message, **content}
