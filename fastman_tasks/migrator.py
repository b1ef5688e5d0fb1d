"""Plan migrations, apply them, roll them back, report. Returns values."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.util import CommandError
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from fastman_tasks.environment import Environment
from fastman_tasks.errors import EnvironmentFailed, FastmanError, MigrationFailed, MigrationRefused, UsageError
from fastman_tasks.history import History, Revision
from fastman_tasks.sources import blame

Place = Literal["applied", "pending", "missing"]


@dataclass(frozen=True)
class State:
    """What the database says: its URL and the revisions its version table holds."""

    url: URL
    heads: tuple[str, ...]
    has_metadata: bool = False


@dataclass(frozen=True)
class Entry:
    """One line of a status: ``revision`` is None where ``state`` is *missing*."""

    id: str
    state: Place
    revision: Revision | None


@dataclass(frozen=True)
class Status:
    """Every revision, oldest first; those that no file has come last."""

    entries: tuple[Entry, ...]

    def of(self, state: Place) -> tuple[Entry, ...]:
        """The entries in ``state``."""
        return tuple(entry for entry in self.entries if entry.state == state)

    @property
    def up_to_date(self) -> bool:
        """Whether nothing is pending and nothing missing."""
        return all(entry.state == "applied" for entry in self.entries)


@dataclass(frozen=True)
class Plan:
    """Revisions to apply or to roll back, in that order. ``applied`` is how many the database has before."""

    direction: Literal["upgrade", "downgrade"]
    revisions: tuple[Revision, ...]
    state: State
    applied: int


@dataclass(frozen=True)
class Done:
    """A revision that was applied or rolled back, and the seconds it took."""

    revision: Revision
    seconds: float


class Migrator:
    """Works on one Alembic environment; each method but ``apply`` only reads."""

    def __init__(self, environment: Environment, clock: Callable[[], float] = time.perf_counter) -> None:
        self._environment = environment
        self._clock = clock

    @property
    def history(self) -> History:
        """Every revision that has a file."""
        return self._environment.history

    @cached_property
    def state(self) -> State:
        """The database as it was when this was first asked for."""
        return self._read()

    def _read(self) -> State:
        seen: list[State] = []

        def look(heads: tuple[str, ...], context: MigrationContext) -> tuple[()]:
            if context.bind is not None:
                has_metadata = context.opts.get("target_metadata") is not None
                seen.append(State(context.bind.engine.url, heads, has_metadata))
            return ()

        self._environment.run(look, reading=True)
        if not seen:
            raise EnvironmentFailed(f"{self._environment.scripts.env_py_location} ran no migrations.")
        return seen[-1]

    def status(self) -> Status:
        """Where every revision stands."""
        applied = self.history.with_ancestors(self.state.heads)
        entries = [
            Entry(revision.id, "applied" if revision.id in applied else "pending", revision)
            for revision in self.history.revisions
        ]
        return Status((*entries, *(Entry(head, "missing", None) for head in self._missing())))

    def pending(self) -> tuple[Revision, ...]:
        """Every revision that is not applied, oldest first. Raises MigrationRefused as ``plan_migrate`` does."""
        applied = self._applied()
        return tuple(revision for revision in self.history.revisions if revision.id not in applied)

    def _missing(self) -> list[str]:
        return sorted(head for head in self.state.heads if head not in self.history)

    def plan_migrate(self, to: str | None = None) -> Plan:
        """What brings the database to ``to`` (a revision, a part of its id, a label, "heads"), or to the newest.

        Raises UsageError for an unknown ``to``; MigrationRefused when the database has revisions that no file has,
        and when there are several heads to choose from.
        """
        pending = self.pending()
        wanted = self.history.with_ancestors(self._targets(to))
        revisions = tuple(revision for revision in pending if revision.id in wanted)
        return Plan("upgrade", revisions, self.state, len(self._applied()))

    def plan_rollback(self, *, steps: int | None = None, to: str | None = None) -> Plan:
        """What takes back the newest ``steps`` applied revisions, or all but ``to`` and its ancestors; or, with
        neither, everything.

        Raises UsageError for a ``to`` that is unknown or not applied, MigrationRefused as ``plan_migrate`` does.
        """
        applied = self._applied()
        kept: set[str] = set()
        if to is not None and to != "base":
            kept = self.history.with_ancestors(self._resolve(to))
            if not kept <= applied:
                raise UsageError(
                    f"--to={to} is not applied, so nothing can be rolled back to it. See inv migrate.status"
                )
        newest_first = [
            revision
            for revision in reversed(self.history.revisions)
            if revision.id in applied and revision.id not in kept
        ]
        return Plan("downgrade", tuple(newest_first[:steps]), self.state, len(applied))

    def _applied(self) -> set[str]:
        if missing := self._missing():
            raise MigrationRefused(
                f"The database has {_listed(missing)}, which no file here has (another branch?). Nothing was done. "
                "Bring the file back (git log --all -- '*_*.py'), or tell Alembic where the database really "
                "stands: alembic stamp --purge REVISION"
            )
        return self.history.with_ancestors(self.state.heads)

    def _targets(self, to: str | None) -> list[str]:
        if to is not None and to != "heads":
            return self._resolve(to)
        heads = self.history.heads
        if to is None and len(heads) > 1 and not all(self._labels(head) for head in heads):
            lines = "\n".join(f"  {head.id}  {head.name}" for head in heads)
            raise MigrationRefused(
                f"There are {len(heads)} heads, and nothing says which is meant:\n{lines}\n"
                "Merge them (alembic merge heads), or choose: --to=REVISION, or --to=heads for all."
            )
        return [head.id for head in heads]

    def _labels(self, head: Revision) -> set[str]:
        line = self.history.with_ancestors([head.id])
        return {label for revision_id in line for label in self.history[revision_id].labels}

    def _resolve(self, name: str) -> list[str]:
        try:
            found = self._environment.scripts.get_revisions(name)
        except CommandError as error:
            raise UsageError(f"--to={name}: {error}. See inv migrate.status") from error
        if not found or not all(found):
            raise UsageError(f"--to={name} names no revision. See inv migrate.status")
        return [script.revision for script in found]

    def apply(self, plan: Plan, on_done: Callable[[Done], None] = lambda done: None) -> tuple[Done, ...]:
        """Carry out ``plan``; ``on_done`` is called after each revision.

        Raises MigrationFailed, which names the revision, the line and what is kept; MigrationRefused when the
        database is no longer as planned.
        """
        done: list[Done] = []
        running: list[Revision] = []
        transactional: list[bool] = []

        def steps(heads: tuple[str, ...], context: MigrationContext) -> Iterator[MigrationStep]:
            if set(heads) != set(plan.state.heads):
                raise MigrationRefused("Somebody else has migrated this database meanwhile. Run the command again.")
            transactional.append(context.impl.transactional_ddl)
            for revision in plan.revisions:
                running[:] = [revision]
                started = self._clock()
                yield self._step(plan, revision)
                # Alembic asks for the next step when this one, and its transaction, are through.
                done.append(Done(revision, self._clock() - started))
                on_done(done[-1])
            running.clear()

        try:
            self._environment.run(steps, reading=False)
        except FastmanError as error:
            if not running or isinstance(error, MigrationRefused):
                raise
            cause = error.__cause__ if isinstance(error, EnvironmentFailed) and error.__cause__ else error
            raise MigrationFailed(self._report(plan, running[0], cause, transactional[0])) from cause
        return tuple(done)

    def _step(self, plan: Plan, revision: Revision) -> MigrationStep:
        script = self._environment.scripts.get_revision(revision.id)
        make = MigrationStep.upgrade_from_script if plan.direction == "upgrade" else MigrationStep.downgrade_from_script
        return make(self._environment.scripts.revision_map, script)

    def _report(self, plan: Plan, revision: Revision, error: BaseException, transactional: bool) -> str:
        lines = [f"{revision.name} failed: {blame(error, self._environment.root, revision.file)}"]
        if isinstance(error, DBAPIError) and error.statement:
            lines.append(f"  Statement: {' '.join(error.statement.split())}")
        lines.append(self._kept(plan, transactional))
        again = "database.migrate" if plan.direction == "upgrade" else "migrate.rollback"
        lines.append(f"Correct the file and run inv {again} again; inv migrate.status shows what stands.")
        return "\n".join(lines)

    def _kept(self, plan: Plan, transactional: bool) -> str:
        try:
            now = self.history.with_ancestors(self._read().heads)
        except FastmanError as error:
            return f"What was kept cannot be told: {error}"
        changed = abs(len(now) - plan.applied)
        verb = "applied" if plan.direction == "upgrade" else "rolled back"
        before = f"{counted(changed, 'migration')} before it {'was' if changed == 1 else 'were'} {verb}. "
        if transactional:
            return (before if changed else "") + "Nothing of the failed one was kept."
        return (before if changed else "") + (
            "This database commits each DDL statement by itself: what the failed one did before its error is kept."
        )

    def sql(self, plan: Plan) -> Iterator[tuple[Revision, str | None]]:
        """The SQL of each revision of ``plan``; None for one that needs the live database to tell."""
        applied = self.history.with_ancestors(plan.state.heads)
        for revision in plan.revisions:
            yield revision, self._sql(plan, revision, self._heads_of(applied))
            (applied.add if plan.direction == "upgrade" else applied.discard)(revision.id)

    def _heads_of(self, applied: set[str]) -> tuple[str, ...]:
        implied = {parent for revision_id in applied for parent in self.history[revision_id].parents}
        return tuple(sorted(applied - implied))

    def _sql(self, plan: Plan, revision: Revision, heads: tuple[str, ...]) -> str | None:
        buffer = io.StringIO()
        running = False

        def steps(_heads: tuple[str, ...], _context: MigrationContext) -> Iterator[MigrationStep]:
            nonlocal running
            running = True
            yield self._step(plan, revision)
            running = False

        self._environment.config.output_buffer = buffer
        try:
            self._environment.run(steps, reading=True, as_sql=True, starting_rev=heads, destination_rev=revision.id)
        except EnvironmentFailed:
            if not running:
                raise
            return None
        return buffer.getvalue().strip()


def counted(number: int, noun: str) -> str:
    """``1 migration``, ``2 migrations``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _listed(ids: list[str]) -> str:
    return f"revision{'' if len(ids) == 1 else 's'} {', '.join(ids)}"
