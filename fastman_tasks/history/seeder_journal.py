"""Write which seeders have run, each row in the seeder's transaction."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from fastman_tasks.history import entries
from fastman_tasks.history.entries import History, describe_once
from fastman_tasks.history.journal import Journal
from fastman_tasks.plans import State, Step
from fastman_tasks.settings import Settings
from fastman_tasks.text import printable, shorten


class SeederJournal(Journal):
    """Writes what one run of seeders does."""

    kind = "seeder"

    def __init__(self, settings: Settings, warn: Callable[[str], None]) -> None:
        super().__init__(settings, warn)
        # The checksums of the files whose text is kept.
        self._kept: set[str | None] = set()

    def begin(self, connection: Connection, state: State) -> History | None:
        """Create the table of ``state`` if there is none, in a transaction of its own, and return what is in it; None
        if it cannot be read. Called before the first seeder."""
        known = None
        try:
            with self._writing():
                if not self.is_on:
                    return None
                with entries.protected(connection):
                    known = self._open(connection, state)
                self._start(connection, state)
                self._kept = {each.checksum for each in known.entries if each.kind == self.kind}
                self._probe(connection)
            connection.commit()
        except DBAPIError as error:
            # The first seeder will run into it, and say so.
            self._give_up(error)
            with suppress(SQLAlchemyError):
                connection.rollback()
        return known

    def done(self, step: Step, once: int, seconds: float) -> None:
        """Write that ``step``, a seeder with this ``once`` (0: none), has run, within its transaction."""
        self._write(lambda: self._without_known(self._of(step, "apply", seconds, describe_once(once))))

    def failure(self, step: Step, message: str) -> None:
        """Write that ``step`` has failed, after its transaction was rolled back."""
        self._write(lambda: self._without_known(self._of(step, "failed", None, printable(shorten(message, 1000)))))

    def _without_known(self, row: dict[str, Any]) -> dict[str, Any]:
        """Returns ``row`` without a text that is kept already: seeders run often."""
        if row["checksum"] in self._kept:
            return {**row, "source": None}
        self._kept.add(row["checksum"])
        return row
