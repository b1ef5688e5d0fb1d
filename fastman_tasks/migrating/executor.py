"""Run a plan, and report exactly what is applied if it fails."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial

from alembic.runtime.migration import MigrationContext, MigrationStep
from sqlalchemy import Connection

from fastman_tasks.consent import require_agreed
from fastman_tasks.databases import commits
from fastman_tasks.databases.hooks import created
from fastman_tasks.databases.timeouts import is_lock_timeout, limiter
from fastman_tasks.databases.transactions import IMMEDIATE, begun, reading
from fastman_tasks.errors import EnvironmentFailed, FastmanError, LockLost, MigrationFailed, MigrationRefused
from fastman_tasks.history.migration_journal import MigrationJournal
from fastman_tasks.migrating import loss_counts, outcome, recording, sent, state
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.migrating.migrator import Migrator
from fastman_tasks.migrating.progress import Progress
from fastman_tasks.migrating.replanning import replan
from fastman_tasks.migrating.sent import SentStatements
from fastman_tasks.plans import Observer, Plan, Report, State, Step, StepResult, StepState

#: Seconds to pause before each new try after a lock timeout.
PAUSES = (1.0, 3.0, 9.0)


class Executor:
    """Applies migrations and rolls them back, as ``migrator`` has planned them. The caller holds the lock, as
    ``confirm`` confirms before each of them; see ``carry_out.Run``. ``after`` is called with each step that has
    finished and the connection that it ran on; it only reads."""

    def __init__(
        self,
        environment: Environment,
        migrator: Migrator,
        observer: Observer,
        confirm: Callable[[str], None],
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
        after: Callable[[Step, Connection], None] | None = None,
    ) -> None:
        self._environment = environment
        self._migrator = migrator
        self._observer = observer
        self._confirm = confirm
        self._clock = clock
        self._sleep = sleep
        self._after = after
        self._journal = MigrationJournal(environment.settings, observer.warned)

    def run(self, plan: Plan) -> tuple[StepResult, ...]:
        """Run the migrations of ``plan`` that are still to do, and return the result of each.

        A step that runs into a lock timeout before it has committed anything is retried after each of ``PAUSES``.
        Raises MigrationFailed, which names the revision, the line and what is committed, MigrationRefused if the
        database has changed in such a way that the plan no longer fits, and LockLost.
        """
        planned = replace(plan, steps=plan.migrations)
        progress = Progress(planned)
        try:
            self._try(progress)
        except BaseException as error:
            # What was reported as done has to last.
            with suppress(FastmanError, KeyboardInterrupt):
                if now := self._flush(progress):
                    left = self._undone(progress.plan, now)
                    error.report = Report("", None, None, progress.find_lost(left))  # type: ignore[attr-defined]
            raise
        finally:
            self._migrator.forget_state()
        ours = {result.step for result in progress.done}
        others = (step for step in planned.steps if step not in ours)
        skipped = [StepResult(step, "skipped", note="another process has done this") for step in others]
        return (*skipped, *progress.done)

    def _try(self, progress: Progress) -> None:
        left = progress.plan
        for pause in (*PAUSES, None):
            try:
                self._run(left, progress)
                break
            except (FastmanError, KeyboardInterrupt) as error:
                commits_all = progress.enclosed and bool(progress.done)
                if isinstance(error, MigrationRefused | LockLost) or not (progress.running or commits_all):
                    raise
                cause = error.__cause__ if isinstance(error, EnvironmentFailed) and error.__cause__ else error
                progress.sent.settle()
                progress.unflushed = progress.unflushed or bool(progress.sent.kept)
                if pause is None or progress.running is None or progress.sent.kept or not is_lock_timeout(cause):
                    raise self._failure(progress, cause) from cause
                progress.begins_first = getattr(cause, "statement", None) == IMMEDIATE
                # A query whose rows it was reading keeps SQLite's file locked.
                traceback.clear_frames(cause.__traceback__)
                self._observer.step_retrying(progress.running, pause)
                self._sleep(pause)
                now = state.read(self._environment)
                rest = self._undone(progress.plan, now)
                progress.done = [done for done in progress.done if done.step not in rest]
                left = replace(progress.plan, steps=rest, state=now)
        if progress.running is not None:
            lines = [f"{progress.running.name} failed, and env.py suppressed the error; it has to raise it."]
            found, unread = self._find_out(progress)
            if found is None:
                raise MigrationFailed("\n".join([*lines, f"The outcome is unknown: {unread}"]))
            lines += outcome.standing(self._environment.graph, progress.plan, found)
            raise MigrationFailed("\n".join(lines))
        if not progress.enclosed:
            # Alembic has committed each of them.
            return
        if self._undone(progress.plan, state.read(self._environment)):
            raise MigrationFailed(
                "env.py began a transaction before context.configure() and never committed it, so all changes were "
                "rolled back. Call connection.commit() before context.configure(), and run the command again."
            )
        for done in progress.done:
            self._observer.step_finished(done)

    def _flush(self, progress: Progress) -> State | None:
        """Wait until all that is committed is on the server's disk. Returns the state; None if nothing was to do."""
        unflushed, progress.unflushed = progress.unflushed, False
        return state.read(self._environment, lambda _, bind: commits.flush(bind)) if unflushed else None

    def _undone(self, plan: Plan, state: State) -> tuple[Step, ...]:
        return outcome.undone(self._environment.graph, plan, state)

    def _run(self, plan: Plan, progress: Progress) -> None:
        ran = False

        def steps(heads: tuple[str, ...], context: MigrationContext) -> Iterator[MigrationStep]:
            nonlocal ran
            if ran:
                # An env.py that runs migrations twice on one database; Alembic would have nothing left to do, either.
                return
            ran = True
            # Under the lock: another process may have migrated since it was planned.
            left = replan(self._migrator, plan, heads)
            if left is not plan:
                progress.plan = left
            if context.connection is not None and plan.state is not None:
                state.require_same_place(plan.state, context.connection, self._environment.root)
            # When a step is tried again, those before it may have written rows.
            again = progress.running is not None
            if left.steps and left.uncounted and not again and context.connection is not None:
                require_agreed(left.losses, loss_counts.count(left.uncounted, context.connection))
            one_transaction = context.impl.transactional_ddl and not context.opts["transaction_per_migration"]
            progress.enclosed = progress.enclosed or one_transaction
            # What env.py says of it (transactional_ddl=False) does not change what these two can roll back.
            is_postgresql = context.dialect.name == "postgresql"
            transactional = context.impl.transactional_ddl or is_postgresql or context.dialect.name == "sqlite"
            # One that cannot be imported stops the run before its first step.
            self._environment.load(left.steps)
            assert plan.state is not None
            begin = partial(
                recording.begin, self._journal, context, replace(plan.state, heads=heads), self._environment
            )
            # A migration may connect to SQLite itself, which has one lock for all.
            begins_later = context.dialect.name == "sqlite"
            if left.steps and not begins_later:
                # A disk that is full stops the first of them.
                progress.running, progress.started = left.steps[0], self._clock()
                begin()
            for number, step in enumerate(left.steps, 1):
                progress.running, progress.sent = step, SentStatements(transactional)
                self._confirm(step.name)
                self._observer.step_started(step)
                progress.started = self._clock()
                todo = self._environment.step(step)
                # The commit of the last one waits for those before it.
                postpones = is_postgresql and not progress.enclosed and step is not left.steps[-1]
                begins_now = begins_later and step is left.steps[0]
                if self._journal.is_open or begins_now:
                    todo.migration_fn = recording.recorded(
                        todo.migration_fn, self._journal, step, self._clock,
                        begin=begin if begins_now else None, postpones_flush=postpones,
                    )  # fmt: skip
                elif postpones and context.connection is not None:
                    todo.migration_fn = commits.postpone_flush(context.connection, todo.migration_fn)
                if progress.begins_first and step is left.steps[0] and context.connection is not None:
                    todo.migration_fn = begun(context.connection, todo.migration_fn)
                yield todo
                # Alembic asks for the next step when this one, and its transaction, have finished.
                progress.running = None
                progress.unflushed = postpones
                progress.done.append(StepResult(step, "done", self._clock() - progress.started))
                if not progress.enclosed:
                    self._observer.step_finished(progress.done[-1])
                self._journal.keep(step, len(left.steps) - number)
                if self._after is not None and context.connection is not None:
                    with reading(context.connection):
                        self._after(step, context.connection)

        def current() -> SentStatements | None:
            is_ours = not self._journal.is_writing and bool(progress.running or progress.enclosed)
            return progress.sent if is_ours else None

        def prepare(connection: Connection) -> None:
            progress.enclosed = connection.in_transaction()
            hasten(connection)
            if limit is not None:
                limit(connection)

        assert plan.state is not None
        settings = self._environment.settings
        limit = limiter(settings.table_lock_timeout(plan.state.url), settings.statement_timeout or 0.0)
        # Without the lock another process may be making the same file.
        new_file = created(plan.state.url) if settings.lock else nullcontext(lambda connection: None)
        with new_file as hasten, sent.watch(current):
            self._environment.run(steps, reading=False, prepare=prepare)

    def _failure(self, progress: Progress, error: BaseException) -> MigrationFailed:
        now, unread = self._find_out(progress)
        lines, next = outcome.report(self._environment, progress, error, now, unread)
        left = self._undone(progress.plan, now) if now is not None else progress.plan.steps
        lost = progress.find_lost(left) if now is not None else ()
        results = []
        for step in [progress.running] if progress.running else [done.step for done in progress.done]:
            became: StepState = "failed" if step in left else "done"
            became = "unknown" if progress.sent.in_doubt and now is None else became
            results.append(StepResult(step, became, self._clock() - progress.started))
            self._observer.step_finished(results[-1])
            if became == "failed" and now is not None and not isinstance(error, KeyboardInterrupt):
                recording.record_failure(self._environment, self._journal, now, step, error)
        failure = MigrationFailed("\n".join([*lines, *outcome.describe_lost(lost)]), next=next)
        failure.report = Report("", None, None, (*lost, *results))
        return failure

    def _find_out(self, progress: Progress) -> tuple[State | None, str]:
        """The state after a failure, or None and why it cannot be known."""
        try:
            if not progress.sent.in_doubt or commits.wait(lambda: state.has_settled(self._environment)):
                return self._flush(progress) or state.read(self._environment), ""
        except (FastmanError, KeyboardInterrupt) as failure:
            return None, str(failure) or "interrupted before it could be asked."
        return None, "the database is still committing, or holds the lost connection open."
