"""Plan migrations, apply them, roll them back, report. Returns values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from alembic.util import CommandError
from sqlalchemy import Connection

from fastman_tasks.databases.timeouts import PROTECTED_LOCK_TIMEOUT, limiter
from fastman_tasks.errors import MigrationFailed, MigrationRefused, UsageError
from fastman_tasks.migrating import losses, preview, state
from fastman_tasks.migrating import missing as branches
from fastman_tasks.migrating.downgrades import EMPTY, MARK, irreversible
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.migrating.executor import Executor
from fastman_tasks.migrating.losses import Loss
from fastman_tasks.plans import Done, Entry, Plan, Preview, State, Status
from fastman_tasks.revisions.graph import History, Revision


class Migrator:
    """Works on one Alembic environment; each method but ``apply`` only reads."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._state: State | None = None

    @property
    def history(self) -> History:
        """Every revision that has a file."""
        # An env.py may say where the files lie, and what they can import: it has to run first.
        _ = self.state
        return self._environment.history

    @property
    def state(self) -> State:
        """The database as it was when this was first asked for, or last read again."""
        if self._state is None:
            self._state = state.read(self._environment)
        return self._state

    def read_again(self) -> None:
        """Forget what the database said before."""
        self._state = None

    def status(self) -> Status:
        """Where every revision stands."""
        applied = self.history.with_ancestors(self.state.heads)
        entries = [
            Entry(revision.id, "applied" if revision.id in applied else "pending", revision)
            for revision in self.history.revisions
        ]
        root = self._environment.root
        missing = [Entry(head, "missing", None, branches.whereabouts(head, root)) for head in self._missing()]
        return Status((*entries, *missing))

    def pending(self) -> tuple[Revision, ...]:
        """Every revision that is not applied, oldest first. Raises MigrationRefused as ``plan_migrate`` does."""
        applied = self._applied()
        return tuple(revision for revision in self.history.revisions if revision.id not in applied)

    def renewed(self, plan: Plan) -> Plan:
        """What is left of ``plan`` now that the database is read again.

        Raises MigrationRefused where a rollback would no longer be of what was asked about.
        """
        self.read_again()
        applied = self._applied()
        if plan.direction == "downgrade" and set(self.state.heads) != set(plan.state.heads):
            raise MigrationRefused("Another process migrated this database in the meantime. Run the command again.")
        left = [each for each in plan.revisions if (each.id in applied) == (plan.direction == "downgrade")]
        return replace(plan, revisions=tuple(left), state=self.state)

    def plan_migrate(self, to: str | None = None) -> Plan:
        """What brings the database to ``to``, or to the newest: a revision, a part of its id or of its file's name, a
        label, "heads".

        Raises UsageError for an unknown ``to``; MigrationRefused when the database has revisions that no file has,
        and when there are several heads to choose from.
        """
        applied = self._applied()
        revisions = self.history.upgrade(self._targets(to), applied)
        return Plan("upgrade", tuple(self.history[each] for each in revisions), self.state)

    def plan_rollback(self, *, steps: int | None = None, to: str | None = None, accept_empty: bool = False) -> Plan:
        """What rolls back the newest ``steps`` applied revisions, or all but ``to`` and its ancestors; or, with
        neither, everything. ``accept_empty`` passes over a ``downgrade()`` that is empty.

        Raises UsageError for a ``to`` that is unknown or not applied; MigrationRefused as ``plan_migrate`` does, and
        for a revision that cannot be rolled back: its ``downgrade()`` is missing, empty or raises NotImplementedError.
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
        revisions = tuple(newest_first[:steps])
        dialect = self.state.url.get_dialect().name
        reasons = {each: reason for each in revisions if (reason := irreversible(each.file, dialect))}
        empty = tuple(each.id for each, reason in reasons.items() if reason == EMPTY)
        stuck = [each for each in reasons if not (accept_empty and each.id in empty)]
        if stuck:
            raise MigrationRefused(_cannot_roll_back({each.name: reasons[each] for each in stuck}))
        return Plan("downgrade", revisions, self.state, passed=empty)

    def losses(self, plan: Plan) -> tuple[Loss, ...]:
        """What ``plan`` would drop, with the rows and values that are in it now."""
        return losses.found(self._environment, plan)

    def _applied(self) -> set[str]:
        if missing := self._missing():
            raise MigrationRefused(branches.explained(missing, self._environment.root))
        return self.history.with_ancestors(self.state.heads)

    def _missing(self) -> list[str]:
        return sorted(head for head in self.state.heads if head not in self.history)

    def _targets(self, to: str | None) -> list[str]:
        if to is not None and to != "heads":
            return self._resolve(to)
        heads = self.history.heads
        # A head that another one depends on is on the way to it.
        ends = self.history.heads_of({revision.id for revision in self.history.revisions})
        if to is None and len(ends) > 1 and not self.history.independent(heads):
            raise MigrationRefused(
                f"{self.forked()}\nMerge them: alembic merge heads. Or choose: --to=REVISION, or --to=heads for all."
            )
        return [head.id for head in heads]

    def forked(self) -> str:
        """The several heads, and what leads to each, in words."""
        heads = self.history.heads
        lines = [f"There are {len(heads)} heads, and nothing says which is meant. Nothing was done."]
        lines_of = [self.history.with_ancestors([head.id]) for head in heads]
        shared = set.intersection(*lines_of)
        for head, line in zip(heads, lines_of, strict=True):
            lines.append(f"To {head.id}:")
            own = [revision for revision in self.history.revisions if revision.id in line - shared]
            lines += [f"  {revision.name}  {revision.message}" for revision in own]
        return "\n".join(lines)

    def _resolve(self, name: str) -> list[str]:
        try:
            found = self._environment.scripts.get_revisions(name)
        except CommandError as error:
            return [self._named(name, error).id]
        if not found or not all(found):
            raise UsageError(f"--to={name} names no revision. See inv migrate.status")
        return [script.revision for script in found]

    def _named(self, name: str, error: CommandError) -> Revision:
        """The revision whose file is called ``name``, or has it in its name; it alone."""
        fitting = self.history.named(name)
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            listed = "".join(f"\n  {each.name}" for each in fitting)
            raise UsageError(f"--to={name} is a part of several names:{listed}") from error
        near = "".join(f"\n  {each.name}  {each.id}" for each in self.history.near(name))
        way = f"Did you mean:{near}" if near else "See inv migrate.status"
        raise UsageError(f"--to={name}: {error}. {way}") from error

    def apply(
        self,
        plan: Plan,
        on_done: Callable[[Done], None] = lambda done: None,
        on_retry: Callable[[Revision, float], None] = lambda revision, pause: None,
    ) -> tuple[Done, ...]:
        """Carry out ``plan``; ``on_done`` is called after each revision, ``on_retry`` with the pause in seconds
        before a revision is tried again because a table was locked.

        Raises MigrationFailed, which names the revision, the line and what is kept; MigrationRefused when the
        database is no longer as planned.
        """
        try:
            return Executor(self._environment, lambda: state.read(self._environment), self._limits(plan)).apply(
                plan, on_done, on_retry
            )
        finally:
            self.read_again()

    def preview(self, plan: Plan) -> tuple[tuple[Preview, ...], MigrationFailed | None]:
        """The statements of each revision of ``plan``, as far as they can be told; up to the one that fails, and how it
        does, if one does. Changes nothing."""
        return preview.preview(self._environment, plan)

    def _limits(self, plan: Plan) -> Callable[[Connection], None] | None:
        settings = self._environment.settings
        protected = settings.protects(plan.state.url)
        lock = settings.ddl_lock_timeout
        return limiter(
            lock if lock is not None else PROTECTED_LOCK_TIMEOUT if protected else 0.0,
            settings.statement_timeout or 0.0,
        )


def _cannot_roll_back(stuck: dict[str, str]) -> str:
    listed = "".join(f"\n  {name}: {reason}" for name, reason in stuck.items())
    ways = "Write their downgrade(), or roll back fewer: --steps=N or --to=REVISION."
    if set(stuck.values()) == {EMPTY}:
        ways = (
            "Write their downgrade(), or roll back fewer: --steps=N or --to=REVISION. "
            "Or leave what they did as it is, and roll back past them: --accept-empty\n"
            f'Where there is nothing to undo, let the docstring of downgrade() say so: """{MARK}."""'
        )
    return f"These migrations cannot be rolled back, so nothing was done:{listed}\n{ways}"
