"""Carry out a plan, and say exactly what stands when it fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from alembic.runtime.migration import MigrationContext, MigrationStep
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from fastman_tasks.databases.timeouts import is_lock_timeout
from fastman_tasks.errors import EnvironmentFailed, FastmanError, MigrationFailed, MigrationRefused, StateChanged
from fastman_tasks.migrating import causes
from fastman_tasks.migrating import sent as ledger
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.migrating.sent import Ledger
from fastman_tasks.plans import Done, Plan, State
from fastman_tasks.revisions.graph import Revision
from fastman_tasks.sources import blame
from fastman_tasks.text import counted, shortened

#: Seconds to pause before each new try after a lock timeout.
PAUSES = (1.0, 3.0, 9.0)


@dataclass
class _Progress:
    """How far a run has come; ``ledger`` is the running revision's. ``enclosed`` is whether one transaction of env.py's
    holds all migrations: none has been applied before the run has finished."""

    done: list[Done] = field(default_factory=list)
    running: Revision | None = None
    enclosed: bool = False
    ledger: Ledger = field(default_factory=Ledger)


class Executor:
    """Carries out plans in one Alembic environment; ``read`` tells the database's state, ``prepare`` sets limits."""

    def __init__(
        self,
        environment: Environment,
        read: Callable[[], State],
        prepare: Callable[[Connection], None] | None,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._environment = environment
        self._read = read
        self._prepare = prepare
        self._clock = clock
        self._sleep = sleep

    def apply(
        self, plan: Plan, on_done: Callable[[Done], None], on_retry: Callable[[Revision, float], None]
    ) -> tuple[Done, ...]:
        """Carry out ``plan``. A revision that meets a lock timeout, nothing of it committed, is tried again after
        each of ``PAUSES``; ``on_retry`` is told before. Raises MigrationFailed and MigrationRefused.
        """
        progress = _Progress()
        left = plan
        for pause in (*PAUSES, None):
            try:
                self._run(left, progress, on_done)
                break
            except (FastmanError, KeyboardInterrupt) as error:
                if progress.running is None or isinstance(error, MigrationRefused):
                    raise
                cause = error.__cause__ if isinstance(error, EnvironmentFailed) and error.__cause__ else error
                progress.ledger.settle(cause)
                if pause is None or progress.ledger.kept or not is_lock_timeout(cause):
                    raise MigrationFailed(self._report(plan, progress, cause)) from cause
                on_retry(progress.running, pause)
                self._sleep(pause)
                state = self._read()
                rest = self._undone(plan, state)
                progress.done = [done for done in progress.done if done.revision not in rest]
                left = replace(plan, revisions=rest, state=state)
        if progress.running is not None:
            kept_quiet = f"{progress.running.name} failed, and env.py has swallowed the error: it has to raise it."
            raise MigrationFailed("\n".join([kept_quiet, *self._standing(plan, self._read())]))
        # Otherwise Alembic has committed each of them.
        if progress.enclosed and self._undone(plan, self._read()):
            raise MigrationFailed(
                "env.py began a transaction before context.configure() and never committed it, so nothing of this run "
                "was kept. Commit there (connection.commit()) what it does before configure(), and run it again."
            )
        if progress.enclosed:
            for done in progress.done:
                on_done(done)
        return tuple(progress.done)

    def _undone(self, plan: Plan, state: State) -> tuple[Revision, ...]:
        now = self._environment.history.with_ancestors(state.heads)
        return tuple(each for each in plan.revisions if (each.id in now) == (plan.direction == "downgrade"))

    def _run(self, plan: Plan, progress: _Progress, on_done: Callable[[Done], None]) -> None:
        ran = False

        def steps(heads: tuple[str, ...], context: MigrationContext) -> Iterator[MigrationStep]:
            nonlocal ran
            if ran:
                # An env.py that runs migrations twice on one database; Alembic would have nothing left to do, either.
                return
            ran = True
            if set(heads) != set(plan.state.heads):
                raise StateChanged("Another process migrated this database in the meantime. Run the command again.")
            one_transaction = context.impl.transactional_ddl and not context.opts["transaction_per_migration"]
            progress.enclosed = progress.enclosed or one_transaction
            # What env.py says of it (transactional_ddl=False) does not change what these two can roll back.
            transactional = context.impl.transactional_ddl or context.dialect.name in ("postgresql", "sqlite")
            # One that cannot be imported stops the run before its first step.
            self._environment.load(plan.revisions)
            for revision in plan.revisions:
                progress.running, progress.ledger = revision, Ledger(transactional)
                started = self._clock()
                yield self._environment.step(plan.direction, revision)
                # Alembic asks for the next step when this one, and its transaction, are through.
                progress.running = None
                progress.done.append(Done(revision, self._clock() - started))
                if not progress.enclosed:
                    on_done(progress.done[-1])

        def prepare(connection: Connection) -> None:
            progress.enclosed = connection.in_transaction()
            if self._prepare is not None:
                self._prepare(connection)

        with ledger.watching(lambda: progress.ledger if progress.running else None):
            self._environment.run(steps, reading=False, prepare=prepare)

    def _report(self, plan: Plan, progress: _Progress, error: BaseException) -> str:
        revision = progress.running
        assert revision is not None
        root = self._environment.root
        if isinstance(error, KeyboardInterrupt):
            lines = [f"{revision.name} was interrupted."]
        else:
            lines = [f"{revision.name} failed: {blame(error, root, revision.file)}"]
        if isinstance(error, DBAPIError) and error.statement:
            lines.append(f"  Statement: {shortened(error.statement, 1000)}")
        try:
            state = self._read()
        except FastmanError as failure:
            lines += [*self._kept(progress), f"What is applied now cannot be told: {failure}"]
        else:
            # A signal may come when the last statement, the commit, is through.
            if cause := causes.find(error):
                lines += causes.explain(cause, self._environment)
            lines += self._kept(progress) if revision in self._undone(plan, state) else ["It was through by then."]
            lines += self._standing(plan, state)
            correct = "" if isinstance(error, KeyboardInterrupt) else "correct the file, then "
            if left := self._undone(plan, state):
                lines.append(f"Next: {correct}inv {self._again(plan, left)}")
        return "\n".join(lines)

    def _again(self, plan: Plan, left: tuple[Revision, ...]) -> str:
        """The command that does what is ``left`` of ``plan``, and no more."""
        history = self._environment.history
        if plan.direction == "downgrade":
            applied = history.with_ancestors(plan.state.heads) - {
                each.id for each in plan.revisions if each not in left
            }
            newest_first = [each for each in reversed(history.revisions) if each.id in applied]
            kept = history.heads_of(applied - {each.id for each in left})
            how = f"--steps={len(left)}" if newest_first[: len(left)] == list(left) else f"--to={kept[-1]}"
            passes = any(each.id in plan.passed for each in left)
            return f"migrate.rollback {how}{' --accept-empty' if passes else ''}"
        planned = history.with_ancestors(plan.state.heads) | {revision.id for revision in plan.revisions}
        if planned != {revision.id for revision in history.revisions}:
            return f"database.migrate --to={left[-1].id}"
        one = len(history.heads) == 1 or history.independent(history.heads)
        return "database.migrate" if one else "database.migrate --to=heads"

    @staticmethod
    def _kept(progress: _Progress) -> list[str]:
        assert progress.running is not None
        found = progress.ledger
        if not found.kept and found.under_way is None:
            if found.transactional:
                return ["Nothing of the failed one was kept."]
            return [
                "This run kept nothing of the failed one. This database commits each DDL statement by itself: "
                "what an earlier run that was cut off had carried out is still there."
            ]
        lines = [
            "The failed one had committed a part of itself."
            if found.transactional
            else "This database commits each DDL statement by itself."
        ]
        if found.kept:
            lines += ["Carried out, and still there:", *_listed(sent.text for sent in found.kept)]
        if found.under_way is not None:
            lines += ["Under way, so it may be carried out yet:", *_listed([found.under_way])]
        left = [sent.text for sent in (*found.undone, *found.open)]
        left += [found.failed] if found.failed and found.failed != found.under_way else []
        return [*lines, *(["Not carried out:", *_listed(left)] if left else [])]

    def _standing(self, plan: Plan, state: State) -> list[str]:
        now, left = self._environment.history.with_ancestors(state.heads), self._undone(plan, state)
        changed = len(plan.revisions) - len(left)
        verb = "applied" if plan.direction == "upgrade" else "rolled back"
        before = f"{counted(changed, 'migration')} before it {'was' if changed == 1 else 'were'} {verb}; "
        return [f"{before if changed else ''}{len(now)} applied now. Remaining:", *(f"  {each.name}" for each in left)]


def _listed(statements: Iterable[str]) -> Iterator[str]:
    for statement in statements:
        yield f"  {shortened(statement.rstrip().rstrip(';'), 200)}"
