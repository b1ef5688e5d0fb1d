"""Seeders that run ``once``: which have run already, as the history says."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timezone

from sqlalchemy import Connection

from fastman_tasks.history import entries
from fastman_tasks.history.entries import History
from fastman_tasks.history.journal import find_obstacle
from fastman_tasks.history.seeder_journal import SeederJournal
from fastman_tasks.plans import Entry, State, StepResult
from fastman_tasks.seeding.discovery import Seeder
from fastman_tasks.settings import Settings


def _find_run(seeder: Seeder, history: History) -> Entry | None:
    """Returns the entry of ``history`` for which ``seeder`` is not run again; None if it is to be run."""
    entry = history.seeders.get(seeder.name) if seeder.once else None
    return entry if entry is not None and entries.once_of(entry) >= seeder.once else None


def _describe(entry: Entry) -> str:
    """Returns ``ran on 2026-11-02``, in the time zone of this machine."""
    day = f" on {entry.at.replace(tzinfo=timezone.utc).astimezone():%Y-%m-%d}" if entry.at else ""
    return f"ran{day}"


class Once:
    """Decides which seeders of one run are skipped because they have run before, and records those that run.

    ``state`` says where the history is. Those that are ``named`` are skipped with a hint, or ``again`` run all the
    same; with none, ``again`` is about every seeder. ``warn`` is called with what is wrong and stops nothing.
    """

    def __init__(
        self, settings: Settings, state: State, named: Collection[str], *, again: bool, warn: Callable[[str], None]
    ) -> None:
        self._state = state
        self._named = named
        self._again = again
        self._warn = warn
        self._obstacle = find_obstacle(settings, state)
        self._journal = SeederJournal(settings, warn)
        self._journal.is_on = not self._obstacle
        self._history: History | None = None
        self._has_warned = False
        self._records = False

    def begin(self, connection: Connection, *, records: bool) -> None:
        """Read what has run. With ``records`` also make ready to record what does; otherwise only read."""
        self._records = records
        if self._obstacle:
            return
        if records:
            self._history = self._journal.begin(connection, self._state)
            return
        found = entries.read(connection, self._state)
        connection.rollback()
        if not found.problem:
            self._history = found

    def skip(self, seeder: Seeder) -> StepResult | None:
        """Returns the result of a ``seeder`` that has run and is not to run again; None for any other."""
        is_named = seeder.name in self._named
        if not seeder.once or (self._again and (is_named or not self._named)):
            return None
        if self._history is None:
            self._warn_once()
            return None
        if (entry := _find_run(seeder, self._history)) is None:
            return None
        hint = "; to run it again: --again" if is_named else ""
        return StepResult(seeder.step, "skipped", note=f"{_describe(entry)}{hint}", entry=entry)

    def record(self, seeder: Seeder, seconds: float) -> None:
        """Record that ``seeder`` has run, in its transaction."""
        if self._records:
            self._journal.done(seeder.step, seeder.once, seconds)

    def record_failure(self, connection: Connection, seeder: Seeder, message: str) -> None:
        """Record that ``seeder`` has failed, in a transaction of its own."""
        self._journal.begin(connection, self._state)
        with connection.begin():
            self._journal.failure(seeder.step, message)

    @property
    def keeps_history(self) -> bool:
        """Whether a failure can be recorded."""
        return self._records and self._journal.is_on

    def _warn_once(self) -> None:
        if not self._has_warned:
            self._has_warned = True
            reason = f"no history is kept, as {self._obstacle}" if self._obstacle else "the history cannot be read"
            self._warn(f"Seeders with once run as if they had never run: {reason}.")
