"""One run of seeders on one connection: one transaction, one session per seeder, each seeder once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InvalidRequestError, SQLAlchemyError

from fastman_tasks.databases import commits
from fastman_tasks.databases.outages import advise
from fastman_tasks.errors import LockLost, SeederFailed
from fastman_tasks.plans import Observer, Report, StepResult, StepState
from fastman_tasks.rows.row_counts import RowCounts
from fastman_tasks.seeding import call, failures, missing
from fastman_tasks.seeding.discovery import Seeder
from fastman_tasks.seeding.once import Once
from fastman_tasks.seeding.options import Options
from fastman_tasks.seeding.order import SeedOrder


class SeedRun:
    """Runs seeders on ``connection``, which is not in a transaction. ``environment`` and ``once`` decide which are
    skipped."""

    def __init__(
        self,
        connection: Connection,
        order: SeedOrder,
        root: Path,
        environment: str | None,
        options: Options,
        once: Once,
        observer: Observer,
        confirm: Callable[[str], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._connection = connection
        self._order = order
        self._root = root
        self._environment = environment
        self._options = options
        self._once = once
        self._observer = observer
        self._confirm = confirm
        self._clock = clock
        self._row_counts = RowCounts(self._working, self._advance)
        self._started: set[str] = set()
        self._running: list[Seeder] = []
        self._results: list[StepResult] = []
        #: Which seeder has failed, if any, and why.
        self.failed: tuple[Seeder, BaseException] | None = None
        # What the failed seeder was missing, and what to do.
        self._advice: list[str] = []
        # A statement of a seeder has ended the transaction.
        self._over = False
        # With commit_each: a called seeder was committed, and with it what its caller had written.
        self._kept_in_part = False
        # What became of the last transaction, where its commit has failed.
        self._outcome: commits.Outcome = "rolled back"

    def run(self, seeders: Iterable[Seeder]) -> tuple[StepResult, ...]:
        """Run ``seeders`` and the seeders they call, and return the results. Raises SeederFailed or LockLost, with
        what is kept.

        A seeder may commit and roll back: that only ends savepoints, so a later failure still rolls back its rows.
        """
        with self._row_counts.listen(self._connection):
            try:
                self._connection.begin()
                for seeder in seeders:
                    self._run(seeder)
                if self._options.preview or self._options.commit_each:
                    # With commit_each nothing is open; a connection that is lost now fails nothing.
                    self._roll_back()
                else:
                    self._confirm("the commit")
                    commits.commit(self._connection, self._on_failed_commit)
            except BaseException as error:
                # Ctrl-C and a seeder's sys.exit() are failures like any other.
                self._roll_back()
                seeder_and_error = self.failed or (None, error)
                kind = LockLost if isinstance(seeder_and_error[1], LockLost) else SeederFailed
                failure = kind(self._report(*seeder_and_error))
                failure.report = Report("", "", None, self._kept_results())
                raise failure from seeder_and_error[1]
        return tuple(self._results)

    def call(self, caller: Seeder, wanted: Iterable[Any]) -> None:
        """Run the seeders ``wanted`` (classes or names) for ``caller`` in this order, each after its dependencies,
        unless they have run already."""
        if self._running[-1] is not caller:
            raise SeederFailed(
                f"It called others while {self._running[-1].name} was running; await each call before the next."
            )
        for each in chain.from_iterable(each if isinstance(each, list | tuple) else [each] for each in wanted):
            name = each.__name__ if isinstance(each, type) else str(each)
            for seeder in self._order.sort(self._order.find_by_name(name)):
                if seeder in self._running:
                    path = " -> ".join([*(running.name for running in self._running), seeder.name])
                    raise SeederFailed(f"It calls itself: {path}.")
                self._kept_in_part = self._options.commit_each
                self._run(seeder)

    def _run(self, seeder: Seeder) -> None:
        if seeder.name in self._started:
            return
        self._started.add(seeder.name)
        if not seeder.runs_in(self._environment):
            only = ", ".join(sorted(seeder.environments or ()))
            self._finish(StepResult(seeder.step, "skipped", note=f"only for {only}"))
            return
        if (skipped := self._once.skip(seeder)) is not None:
            self._finish(skipped)
            return
        self._observer.step_started(seeder.step)
        self._running.append(seeder)
        started = self._clock()
        released = False
        with self._row_counts.seeder() as tables:
            try:
                self._mark(len(self._running))
                call.run(seeder, self._connection, partial(self.call, seeder), self._row_counts)
                if self.failed is not None:
                    # A called seeder has failed, and its caller has suppressed the error.
                    raise self.failed[1]
                self._connection.exec_driver_sql(f"RELEASE SAVEPOINT {_mark(len(self._running))}")
                released = True
                self._running.pop()
                self._once.record(seeder, self._clock() - started)
                if self._options.commit_each and not self._options.preview:
                    self._commit()
            except BaseException as error:
                if self.failed is None:
                    self.failed = seeder, error if released else self._ended(error)
                    if not released and not self._over:
                        self._advice = self._missing(seeder, error)
                state = _STATES[self._outcome] if self.failed[0] is seeder else "failed"
                self._finish(StepResult(seeder.step, state, self._clock() - started, tables()))
                raise
            self._finish(StepResult(seeder.step, "done", self._clock() - started, tables()))

    def _commit(self) -> None:
        self._confirm("the commit")
        commits.commit(self._connection, self._on_failed_commit)
        self._connection.begin()
        for depth in range(1, len(self._running) + 1):
            self._mark(depth)

    def _mark(self, depth: int) -> None:
        # After the transaction has ended, by a COMMIT as text, say, the database no longer has the savepoint.
        self._connection.exec_driver_sql(f"SAVEPOINT {_mark(depth)}")

    def _ended(self, error: BaseException) -> BaseException:
        """Returns ``error``, or a better one if the seeder has ended the run's transaction."""
        if self._connection.closed or self._connection.invalidated:
            latest = self._row_counts.latest
            under_way = latest is not None and commits.ends_transaction(
                latest.statement or "", self._connection.dialect.name
            )
            self._over = under_way or self._row_counts.has_committed
            return error
        try:
            # Not through SQLAlchemy, which refuses every statement once one of its savepoints is missing.
            with closing(self._connection.connection.cursor()) as cursor:
                cursor.execute(f"ROLLBACK TO SAVEPOINT {_mark(len(self._running))}")
        except Exception as unknown:
            # The connection may also be unusable; then the server rolls back.
            # SQLite itself rolls back everything when its disk is full.
            self._over = _is_about_savepoints(unknown) and not advise(error)
        if self._over and (_is_about_savepoints(error) or isinstance(error, InvalidRequestError)):
            better = SeederFailed(
                "It ended the run's transaction. Use db.commit() and db.rollback(), and DELETE instead of TRUNCATE."
            )
            return better.with_traceback(error.__traceback__)
        return error

    def _on_failed_commit(self, outcome: commits.Outcome) -> None:
        self._outcome = outcome

    def _kept_results(self) -> tuple[StepResult, ...]:
        """The results, with what became of the seeders that had run when the run failed."""
        if self._options.commit_each or self._outcome == "committed":
            return tuple(self._results)
        state: StepState = "unknown" if self._outcome == "unknown" or self._over else "rolled back"
        return tuple(replace(each, state=state) if each.state == "done" else each for each in self._results)

    def _missing(self, seeder: Seeder, error: BaseException) -> list[str]:
        if self._connection.closed or self._connection.invalidated:
            return []
        seeders = self._order.seeders
        found = missing.find(error, self._row_counts.latest, self._connection, seeders)
        return [missing.advice(each, seeder, seeders) for each in found]

    def _finish(self, result: StepResult) -> None:
        self._results.append(result)
        self._observer.step_finished(result)

    def _working(self) -> None:
        self._advance(None, None)

    def _advance(self, done: int | None, total: int | None) -> None:
        if self._running:
            self._observer.step_progress(self._running[-1].step, done, total)

    def _roll_back(self) -> None:
        if self._connection.closed:
            return
        try:
            self._connection.rollback()
        except SQLAlchemyError:
            # The connection is unusable, in the middle of a statement, say; the server rolls back when it is closed.
            self._connection.invalidate()

    def _report(self, seeder: Seeder | None, error: BaseException) -> str:
        failed = seeder and seeder.step
        return "\n".join(
            [
                *failures.describe_failure(seeder, error, self._root),
                *self._advice,
                *failures.describe_outcome(
                    [each.step.name for each in self._results if each.state == "done" and each.step != failed],
                    kept=self._options.commit_each,
                    in_part=self._kept_in_part,
                    over=self._over,
                    outcome=self._outcome,
                ),
                *advise(error),
            ]
        )


_STATES: dict[commits.Outcome, StepState] = {"rolled back": "failed", "committed": "done", "unknown": "unknown"}


def _mark(depth: int) -> str:
    return f"fastman_savepoint_{depth}"


def _is_about_savepoints(error: BaseException) -> bool:
    """Whether ``error`` is about a missing savepoint. Ours have the word in their name, so it is in every language."""
    return "savepoint" in str(error.orig if isinstance(error, DBAPIError) else error).lower()
