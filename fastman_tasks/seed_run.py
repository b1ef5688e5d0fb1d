"""One run of seeders on one connection: one transaction, a session each, each once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, RootTransaction
from sqlalchemy.exc import SQLAlchemyError

from fastman_tasks import seed_call, seed_failure
from fastman_tasks.errors import SeederFailed
from fastman_tasks.recording import Counts, Recorder
from fastman_tasks.seed_order import SeedOrder
from fastman_tasks.seeders import Seeder
from fastman_tasks.watching import Watch

State = Literal["done", "skipped", "failed"]


@dataclass(frozen=True)
class Options:
    """``pretend``: take everything back at the end. ``commit_each``: keep each seeder that is through. ``random_seed``
    makes what random, Faker and polyfactory draw the same in every run."""

    pretend: bool = False
    commit_each: bool = False
    random_seed: int | None = None


@dataclass(frozen=True)
class Seeded:
    """A seeder that was run, or skipped: what it wrote, table by table, and the seconds it took."""

    seeder: Seeder
    state: State
    seconds: float = 0.0
    tables: tuple[tuple[str, Counts], ...] = ()


class SeedRun:
    """Runs seeders on ``connection``, which is in no transaction. ``environment`` decides which are skipped."""

    def __init__(
        self,
        connection: Connection,
        order: SeedOrder,
        root: Path,
        environment: str | None,
        options: Options,
        watch: Watch,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._connection = connection
        self._order = order
        self._root = root
        self._environment = environment
        self._options = options
        self._watch = watch
        self._clock = clock
        self._recorder = Recorder(watch.worked, watch.advanced)
        self._transaction: RootTransaction | None = None
        self._started: set[str] = set()
        self._running: list[str] = []
        self._seeded: list[Seeded] = []
        self._failed: tuple[Seeder, BaseException] | None = None
        # With commit_each: the seeders that called another one, with which what they had written was committed.
        self._kept_in_part: set[str] = set()

    def run(self, seeders: Iterable[Seeder]) -> tuple[Seeded, ...]:
        """Run ``seeders`` and whatever they call. Raises SeederFailed, which says what stands.

        A seeder may commit and roll back: that ends savepoints, so a later failure still takes its rows back.
        """
        with self._recorder.listening(self._connection):
            try:
                self._transaction = self._connection.begin()
                for seeder in seeders:
                    self._run(seeder)
                if self._options.pretend:
                    self._connection.rollback()
                else:
                    self._connection.commit()
            except BaseException as error:
                # Ctrl-C and a seeder's sys.exit() are failures like any other.
                self._take_back()
                seeder_and_error = self._failed or (None, error)
                raise SeederFailed(self._report(*seeder_and_error)) from seeder_and_error[1]
        return tuple(self._seeded)

    def call(self, wanted: Iterable[Any]) -> None:
        """Run the seeders ``wanted`` (classes or names), and all they depend on, unless they have run already."""
        names = [each.__name__ if isinstance(each, type) else str(each) for each in wanted]
        for seeder in self._order.ordered([seeder for name in names for seeder in self._order.named(name)]):
            if seeder.name in self._running:
                raise SeederFailed(f"It calls itself, in a circle: {' -> '.join((*self._running, seeder.name))}.")
            if self._options.commit_each:
                self._kept_in_part.update(self._running)
            self._run(seeder)

    def _run(self, seeder: Seeder) -> None:
        if seeder.name in self._started:
            return
        self._started.add(seeder.name)
        if not seeder.runs_in(self._environment):
            self._finish(Seeded(seeder, "skipped"))
            return
        self._watch.started(seeder)
        self._running.append(seeder.name)
        started = self._clock()
        with self._recorder.seeder() as tables:
            try:
                seed_call.run(seeder, self._connection, self.call, self._recorder)
                self._check()
                if self._options.commit_each and not self._options.pretend:
                    self._connection.commit()
                    self._transaction = self._connection.begin()
            except BaseException as error:
                if self._failed is None:
                    self._failed = seeder, self._ended(error)
                self._finish(Seeded(seeder, "failed", self._clock() - started, tables()))
                raise
            self._running.pop()
            self._finish(Seeded(seeder, "done", self._clock() - started, tables()))

    def _check(self) -> None:
        if self._failed is not None:
            # One that was called has failed, and its caller has kept that to itself.
            raise self._failed[1]
        if not self._is_open:
            raise SeederFailed("The transaction is over.")

    @property
    def _is_open(self) -> bool:
        return self._transaction is not None and (self._transaction.is_active or self._connection.invalidated)

    def _ended(self, error: BaseException) -> BaseException:
        """``error``, or what it comes from where the seeder has ended the run's transaction."""
        if self._is_open or not isinstance(error, Exception):
            return error
        self._recorder.committed_by = "COMMIT"
        better = SeederFailed(
            "It ended the run's transaction: it committed or rolled back the connection. Use db.commit() and "
            "db.rollback()."
        )
        return better.with_traceback(error.__traceback__)

    def _finish(self, seeded: Seeded) -> None:
        self._seeded.append(seeded)
        self._watch.finished(seeded)

    def _take_back(self) -> None:
        try:
            self._connection.rollback()
        except SQLAlchemyError:
            # The connection is beyond use, in the middle of a statement, say; the server rolls back when it is closed.
            self._connection.invalidate()

    def _report(self, seeder: Seeder | None, error: BaseException) -> str:
        return "\n".join(
            [
                *seed_failure.reason(seeder, error, self._root),
                *seed_failure.standing(
                    [seeded.seeder.name for seeded in self._seeded if seeded.state == "done"],
                    kept=self._options.commit_each,
                    in_part=bool(self._kept_in_part),
                    committed_by=self._recorder.committed_by,
                ),
            ]
        )
