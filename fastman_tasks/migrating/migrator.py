"""Plan migrations, and tell where each stands. Returns values; nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from alembic.util import CommandError
from sqlalchemy import Connection

from fastman_tasks.errors import FastmanError, MigrationRefused, UsageError
from fastman_tasks.migrating import missing as branches
from fastman_tasks.migrating import state
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.plans import Action, Loss, Plan, State, Step, StepResult
from fastman_tasks.revisions.graph import History, Revision


class Migrator:
    """Reads and plans in one Alembic environment."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._state: State | None = None

    @property
    def history(self) -> History:
        """Every revision that has a file."""
        # An env.py may say where the files lie, and what they can import: it has to run first.
        if not self._environment.has_run:
            _ = self.state
        return self._environment.history

    @property
    def state(self) -> State:
        """The database as it was when this was first asked for, or last read again."""
        if self._state is None:
            return self._read()
        return self._state

    @property
    def knows_state(self) -> bool:
        """Whether ``state`` has been read, so that asking for it runs nothing."""
        return self._state is not None

    def forget_state(self) -> None:
        """Read the database anew when it is asked for next."""
        self._state = None

    def status(self) -> tuple[StepResult, ...]:
        """Where every migration stands, oldest first: *applied* or *pending*; those that no file has, *missing*, come
        last, each with the git branches that have it as its note."""
        applied = self.history.with_ancestors(self.state.heads)
        known = [
            StepResult(_step("apply", each), "applied" if each.id in applied else "pending")
            for each in self.history.revisions
        ]
        root = self._environment.root
        return (
            *known,
            *(
                StepResult(Step("apply", head, id=head), "missing", note=branches.whereabouts(head, root))
                for head in self._missing(self.state.heads)
            ),
        )

    def pending(self) -> tuple[Revision, ...]:
        """Every revision that is not applied, oldest first. Raises MigrationRefused as ``plan_migrate`` does."""
        applied = self._applied(self.state.heads)
        return tuple(revision for revision in self.history.revisions if revision.id not in applied)

    def replan(self, plan: Plan, heads: Collection[str]) -> Plan:
        """What is left of the migrations of ``plan`` where the database records ``heads`` by now.

        Raises MigrationRefused where a rollback would no longer be of what was asked about, and as ``plan_migrate``.
        """
        assert plan.state is not None
        if set(heads) == set(plan.state.heads):
            return plan
        applied = self._applied(heads)
        if any(step.action == "roll back" for step in plan.steps):
            raise MigrationRefused("Another process migrated this database in the meantime. Run the command again.")
        left = tuple(step for step in plan.steps if step.id not in applied)
        return replace(plan, steps=left, state=replace(plan.state, heads=tuple(heads)))

    def plan_migrate(self, to: str | None = None) -> Plan:
        """What brings the database to ``to``, or to the newest: a revision, a part of its id or of its file's name, a
        label, "heads".

        Raises UsageError for an unknown ``to``; MigrationRefused when the database has revisions that no file has,
        and when there are several heads to choose from.
        """

        def find() -> tuple[Step, ...]:
            revisions = self.history.upgrade(self._targets(to), self._applied(self.state.heads))
            return tuple(_step("apply", self.history[each]) for each in revisions)

        return self._plan(find)

    def plan_rollback(self, *, steps: int | None = None, to: str | None = None, accept_empty: bool = False) -> Plan:
        """What rolls back the newest ``steps`` applied revisions, or all but ``to`` and its ancestors; or, with
        neither, everything. ``accept_empty`` passes over a ``downgrade()`` that is empty.

        Raises UsageError for a ``to`` that is unknown or not applied; MigrationRefused as ``plan_migrate`` does, and
        for a revision that cannot be rolled back: its ``downgrade()`` is missing, empty or raises NotImplementedError.
        """
        return self._plan(lambda: self._steps_back(steps, to, accept_empty))

    def _plan(self, find: Callable[[], tuple[Step, ...]]) -> Plan:
        """The plan of the steps that are to ``find``. Where nothing is known of the database yet, one run of env.py
        tells all of it."""
        found: list[Plan] = []
        refused: list[FastmanError] = []

        def plan(connection: Connection) -> None:
            # Not through env.py, which may make something else of an error.
            try:
                found[:] = [self._counted(find(), connection)]
            except FastmanError as error:
                refused[:] = [error]

        if self._state is None:
            self._read(plan)
        else:
            steps = find()
            if not steps:
                return Plan((), self.state)
            # What reads the migrations' own code is imported where there is some.
            from fastman_tasks.migrating import losses

            named = losses.find(steps, self.state.url.get_dialect().name)
            if not any(loss.table for loss in named):
                return Plan(steps, self.state, tuple(Loss(reason=loss.reason) for loss in named))
            self._read(plan)
        if refused:
            raise refused[0]
        return found[0]

    def _read(self, also: Callable[[Connection], None] | None = None) -> State:
        def look(state: State, connection: Connection) -> None:
            self._state = state
            if also is not None:
                also(connection)

        self._state = None
        self._state = state.read(self._environment, look)
        return self._state

    def _counted(self, steps: tuple[Step, ...], connection: Connection) -> Plan:
        if not steps:
            return Plan((), self.state)
        from fastman_tasks.migrating import losses

        named = losses.find(steps, connection.dialect.name)
        return Plan(steps, self.state, losses.count(named, connection))

    def _steps_back(self, steps: int | None, to: str | None, accept_empty: bool) -> tuple[Step, ...]:
        from fastman_tasks.migrating.downgrades import EMPTY, irreversible

        applied = self._applied(self.state.heads)
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
        revisions = newest_first[:steps]
        dialect = self.state.url.get_dialect().name
        reasons = {each: reason for each in revisions if (reason := irreversible(each.file, dialect))}
        stuck = {each.name: reason for each, reason in reasons.items() if not (accept_empty and reason == EMPTY)}
        if stuck:
            raise MigrationRefused(_cannot_roll_back(stuck))
        return tuple(_step("roll back", each, is_empty=reasons.get(each) == EMPTY) for each in revisions)

    def _applied(self, heads: Collection[str]) -> set[str]:
        if missing := self._missing(heads):
            raise MigrationRefused(branches.explained(missing, self._environment.root))
        return self.history.with_ancestors(heads)

    def _missing(self, heads: Collection[str]) -> list[str]:
        return sorted(head for head in heads if head not in self.history)

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
        lines = [f"There are {len(heads)} heads; choose one. Nothing was changed."]
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


def _step(action: Action, revision: Revision, *, is_empty: bool = False) -> Step:
    return Step(action, revision.name, revision.file, revision.id, revision.message, revision.is_head, is_empty)


def _cannot_roll_back(stuck: dict[str, str]) -> str:
    from fastman_tasks.migrating.downgrades import EMPTY, MARK

    listed = "".join(f"\n  {name}: {reason}" for name, reason in stuck.items())
    ways = "Write their downgrade(), or roll back fewer: --steps=N or --to=REVISION."
    if set(stuck.values()) == {EMPTY}:
        ways = (
            "Write their downgrade(), or roll back fewer: --steps=N or --to=REVISION. "
            "Or leave what they did as it is, and roll back past them: --accept-empty\n"
            f'Where there is nothing to undo, let the docstring of downgrade() say so: """{MARK}."""'
        )
    return f"These migrations cannot be rolled back, so nothing was changed:{listed}\n{ways}"
