"""Run migrations in one transaction: if one of them fails, the database is as it was, rows included."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from alembic.runtime.migration import MigrationContext, MigrationStep
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from fastman_tasks.consent import require_agreed
from fastman_tasks.databases import commits, dump, wipe
from fastman_tasks.databases.outages import advise, is_lost
from fastman_tasks.databases.timeouts import limiter
from fastman_tasks.errors import EnvironmentFailed, FastmanError, LockLost, LossGrew, MigrationFailed, MigrationRefused
from fastman_tasks.history.migration_journal import MigrationJournal
from fastman_tasks.migrating import dumps, loss_counts, recording, stamping, state
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.plans import Observer, Plan, Report, Step, StepResult, StepState
from fastman_tasks.sources import blame, first_line
from fastman_tasks.text import shorten


def obstacle(steps: Sequence[Step], dialect: str) -> str:
    """Returns why ``steps`` cannot run in one transaction on ``dialect``; empty if they can."""
    if dialect not in ("postgresql", "sqlite"):
        return "this database commits each DDL statement separately"
    for step in steps:
        # Alembic refuses to leave a transaction that it has not begun.
        if step.file is not None and b"autocommit_block" in step.file.read_bytes():
            return f"{step.name} has an autocommit_block()"
    return ""


def run(
    environment: Environment,
    plan: Plan,
    observer: Observer,
    confirm: Callable[[str], None],
    before: Callable[[Connection], None] = lambda connection: None,
) -> tuple[StepResult, ...]:
    """Run the migrations of ``plan`` in one transaction, in which ``before`` is called first, and return their results.

    The caller holds the lock, as ``confirm`` confirms. Raises MigrationFailed if one fails: then nothing was changed,
    and its report has the steps that had finished as *rolled back*; LossGrew; and LockLost.
    """
    attempt = _Attempt(environment, plan, observer, confirm, before)
    try:
        environment.run(attempt.steps, reading=False, prepare=attempt.prepare)
    except (FastmanError, KeyboardInterrupt) as error:
        if isinstance(error, MigrationRefused | LockLost | LossGrew) or not attempt.has_begun:
            raise
        cause = error.__cause__ if isinstance(error, EnvironmentFailed) and error.__cause__ else error
        raise attempt.failure(cause) from cause
    return tuple(attempt.results)


class _Attempt:
    """One run, and how far it came."""

    def __init__(
        self,
        environment: Environment,
        plan: Plan,
        observer: Observer,
        confirm: Callable[[str], None],
        before: Callable[[Connection], None],
    ) -> None:
        self._environment = environment
        self._plan = plan
        self._observer = observer
        self._confirm = confirm
        self._before = before
        self._running: Step | None = None
        self._outcome: commits.Outcome = "rolled back"
        self._has_run = False
        # Of the dump that is being loaded.
        self._line = 0
        self._is_wiped = any(step.action == "wipe" for step in plan.steps)
        self._journal = MigrationJournal(environment.settings, observer.warned)
        self.has_begun = False
        self.results: list[StepResult] = []

    def prepare(self, connection: Connection) -> None:
        """Begin the transaction, before Alembic looks at the connection."""
        if self.has_begun:
            return
        assert self._plan.state is not None
        state.require_same_place(self._plan.state, connection, self._environment.root)
        # One that cannot be imported stops the run before anything is dropped.
        self._environment.load(self._plan.migrations)
        settings = self._environment.settings
        limit = limiter(settings.table_lock_timeout(self._plan.state.url), settings.statement_timeout or 0.0)
        if limit is not None:
            limit(connection)
        if not connection.in_transaction():
            connection.begin()
        self.has_begun = True
        self._confirm("the first step")
        if self._plan.uncounted:
            require_agreed(self._plan.losses, loss_counts.count(self._plan.uncounted, connection))
        started = time.perf_counter()
        for step in self._plan.steps:
            if step.action == "wipe":
                self._begin(step)
        self._before(connection)
        if self._running is not None:
            self._end(started)

    def steps(self, heads: tuple[str, ...], context: MigrationContext) -> Iterator[MigrationStep]:
        """What Alembic runs."""
        assert self._plan.state is not None
        if self._has_run or context.connection is None:
            # An env.py that runs migrations twice.
            return
        self._has_run = True
        if not self._is_wiped and set(heads) != set(self._plan.state.heads):
            raise MigrationRefused("Another process migrated this database in the meantime. Run the command again.")
        connection = context.connection
        steps = [step for step in self._plan.steps if step.action in ("load", "apply", "roll back")]
        for step in steps:
            started = time.perf_counter()
            self._begin(step)
            if step is steps[0]:
                recording.begin(self._journal, context, replace(self._plan.state, heads=heads), self._environment)
            if step.action == "load":
                yield from self._load(step, connection)
            else:
                todo = self._environment.step(step)
                todo.migration_fn = recording.recorded(todo.migration_fn, self._journal, step, time.perf_counter)
                yield todo
            self._end(started)
        self._confirm("the commit")
        # Also where env.py has begun the transaction: it may never commit it.
        commits.commit(connection, self._note_outcome)
        for number, step in enumerate(self._plan.steps, 1):
            self._journal.keep(step, len(self._plan.steps) - number)

    def _load(self, step: Step, connection: Connection) -> Iterator[MigrationStep]:
        """Load the dump of ``step`` into an empty database, and record what it leads to."""
        assert step.file is not None and self._plan.state is not None
        found = dumps.read(step.file, self._environment.root)
        if there := dumps.find_content(connection, replace(self._plan.state, heads=())):
            raise MigrationRefused(f"The database is not empty: {there}. Nothing was loaded.")

        def before(number: int) -> None:
            self._line = found.lines[number]
            self._observer.step_progress(step, number, len(found.statements))

        try:
            dump.load(connection, found.statements, before)
            self._line = 0
            yield from stamping.steps(self._environment, (), found.heads)
            graph = self._environment.graph
            self._journal.mark(graph.with_ancestors(found.heads), graph, f"loaded from {step.name}")
        except BaseException:
            if obstacle((), connection.dialect.name):
                self._undo(connection, "".join(found.statements))
            raise

    def _undo(self, connection: Connection, loaded: str) -> None:
        """Drop what was ``loaded`` into an empty database that has no transaction to roll back."""
        self._outcome = "unknown"
        with suppress(DBAPIError, FastmanError):
            others = [each for each in wipe.find(connection).tables if each not in loaded]
            wipe.drop(connection, wipe.find(connection, keep=others))
            self._outcome = "rolled back"

    def _begin(self, step: Step) -> None:
        self._running = step
        self._observer.step_started(step)

    def _end(self, started: float) -> None:
        assert self._running is not None
        self.results.append(StepResult(self._running, "done", time.perf_counter() - started))
        self._running = None
        self._observer.step_finished(self.results[-1])

    def _note_outcome(self, outcome: commits.Outcome) -> None:
        self._outcome = outcome

    def failure(self, error: BaseException) -> MigrationFailed:
        """Returns what to raise after ``error``."""
        step = self._running
        name, file = (step.name, step.file) if step is not None else ("The commit", None)
        what = blame(error, self._environment.root, file)
        if self._line:
            # The line of the dump, not that of the code that has loaded it.
            name, what = f"{name}, line {self._line},", first_line(getattr(error, "orig", None) or error)
        lines = [f"{name} failed: {what}"]
        if isinstance(error, KeyboardInterrupt):
            lines = [f"{name} was interrupted."]
        if isinstance(error, DBAPIError) and error.statement:
            lines.append(f"  Statement: {shorten(error.statement, 1000)}")
        lines.append(
            {
                "rolled back": "All changes were rolled back: the database is as it was.",
                "committed": "It was committed all the same.",
                "unknown": "The outcome is unknown. See inv migrate.status",
            }[self._outcome]
        )
        if step in self._plan.migrations and self._outcome == "rolled back" and not _is_no_failure(error):
            assert step is not None and self._plan.state is not None
            self._journal.forget()
            recording.record_failure(self._environment, self._journal, self._plan.state, step, error)
        failure = MigrationFailed("\n".join([*lines, *advise(error)]))
        became: StepState = "done" if self._outcome == "committed" else self._outcome
        steps = [replace(result, state=became) for result in self.results]
        failure.report = Report("", None, None, (*steps, *([StepResult(step, "failed")] if step else [])))
        return failure


def _is_no_failure(error: BaseException) -> bool:
    """Whether the migration is not to blame for ``error``."""
    return isinstance(error, KeyboardInterrupt) or is_lost(error)
