"""Plan migrations, and tell where each stands. Returns values; nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial

from sqlalchemy import Connection

from fastman_tasks.errors import DatabaseUnavailable, FastmanError, UsageError
from fastman_tasks.history import entries
from fastman_tasks.history.entries import History
from fastman_tasks.migrating import missing as branches
from fastman_tasks.migrating import revision_names, state
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.migrating.heads import require_one_end
from fastman_tasks.plans import Loss, Plan, State, Step, StepResult
from fastman_tasks.revisions.graph import Revision, RevisionGraph
from fastman_tasks.text import printable


class Migrator:
    """Reads and plans in one Alembic environment."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._state: State | None = None
        self._history: History | None = None
        # While env.py runs to read the state.
        self._connection: Connection | None = None
        # Why it could not be read.
        self._failure: DatabaseUnavailable | None = None

    @property
    def graph(self) -> RevisionGraph:
        """Every revision that has a file; known without a database, too."""
        # An env.py may say where the files lie, and what they can import: it has to run first, until it connects.
        if not self._environment.has_run:
            with suppress(DatabaseUnavailable):
                _ = self.state
        return self._environment.graph

    @property
    def state(self) -> State:
        """The state of the database when it was last read; it is read on first use. Raises DatabaseUnavailable."""
        if self._failure is not None:
            raise self._failure
        return self._read() if self._state is None else self._state

    @property
    def knows_state(self) -> bool:
        """Whether ``state`` has been read already."""
        return self._state is not None

    def forget_state(self) -> None:
        """Discard ``state``, so that the next use reads it again."""
        self._state = self._failure = self._history = None

    @property
    def known_applied(self) -> set[str] | None:
        """The ids of the applied revisions; None if they are not known: the database cannot be reached, or has
        revisions that no file has."""
        try:
            return None if self.missing else self.applied
        except DatabaseUnavailable:
            return None

    @property
    def applied(self) -> set[str]:
        """The ids of the applied revisions. Raises MigrationRefused if the database has some that no file has."""
        return self.applied_by(self.state.heads)

    @property
    def missing(self) -> list[str]:
        """The revisions that the database records and no file has."""
        return self._missing(self.state.heads)

    @property
    def history(self) -> History:
        """What was done to the database before; it is read on first use. Raises DatabaseUnavailable."""
        if self._history is None:
            self.status()
        return self._history or History()

    def status(self) -> tuple[StepResult, ...]:
        """Returns where every migration stands, oldest first; see ``statuses.find``."""
        from fastman_tasks.migrating import statuses

        found: list[StepResult] = []

        def look(connection: Connection) -> None:
            kept = self._environment.settings.history
            self._history = entries.read(connection, self.state) if kept else History()
            texts = partial(entries.sources, connection, self.state)
            found[:] = statuses.find(self.graph, self.state, self._history, texts, self._environment.root)

        self._read(look)
        return tuple(found)

    def pending(self) -> tuple[Revision, ...]:
        """Returns the unapplied revisions, oldest first. Raises MigrationRefused as ``plan_migrate`` does."""
        applied = self.applied
        return tuple(revision for revision in self.graph.revisions if revision.id not in applied)

    def plan_migrate(self, to: str | None = None) -> Plan:
        """Returns the plan that brings the database to ``to`` (a revision, a part of its id or of its file's name, a
        label, "heads"), or to the newest revision. Raises UsageError for an unknown ``to``, and MigrationRefused if the
        database has revisions that no file has, or if there are several heads to choose from.
        """

        def find() -> tuple[Step, ...]:
            revisions = self.graph.upgrade(self._targets(to), self.applied)
            return tuple(self.graph[each].step("apply") for each in revisions)

        return self.plan(find)

    def plan_rollback(self, *, steps: int | None = None, to: str | None = None, accept_empty: bool = False) -> Plan:
        """Returns the plan that rolls back the newest ``steps`` applied revisions, or all but ``to`` and its ancestors;
        with neither, everything. ``accept_empty`` rolls back past a ``downgrade()`` that is empty. Raises UsageError
        for a ``to`` that is unknown or not applied, and MigrationRefused as ``plan_migrate`` does and for a revision
        that cannot be rolled back: its ``downgrade()`` is missing, empty or raises NotImplementedError.
        """
        return self.plan(lambda: self._steps_back(steps, to, accept_empty, "--steps=N or --to=REVISION"))

    def plan_refresh(self, *, steps: int | None, only_these: bool = False, accept_empty: bool = False) -> Plan:
        """Returns the plan that rolls back the newest ``steps`` applied revisions (None: all), and then applies what is
        pending, or ``only_these`` again. Raises what ``plan_rollback`` and ``plan_migrate`` raise."""

        def find() -> tuple[Step, ...]:
            back = self._steps_back(steps, None, accept_empty, "--steps=N")
            again = [step.id for step in reversed(back)]
            if not only_these:
                ends = self._targets("heads" if len(self.state.heads) > 1 else None, chooses=False)
                again = self.graph.upgrade(ends, self.applied - set(again))
            return (*back, *(self.graph[each].step("apply") for each in again))

        return self.plan(find)

    def plan_fresh(self) -> Plan:
        """Returns the plan that applies every migration to an empty database; its losses are not known. Raises
        MigrationRefused if there are several heads to choose from."""
        revisions = self.graph.upgrade(self._targets(None, chooses=False), ())
        return Plan(tuple(self.graph[each].step("apply") for each in revisions), self.state)

    def plan(self, find: Callable[[], tuple[Step, ...]]) -> Plan:
        """Returns the plan of the steps that ``find`` returns. If the database has not been read yet, one run of env.py
        is enough for everything."""
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
                return Plan(steps, self.state, tuple(Loss(reason=loss.reason) for loss in named), uncounted=named)
            self._read(plan)
        if refused:
            raise refused[0]
        return found[0]

    def _read(self, also: Callable[[Connection], object] = lambda connection: None) -> State:
        def look(state: State, connection: Connection) -> None:
            self._state, self._connection = state, connection
            also(connection)

        self._state = self._failure = None
        try:
            self._state = state.read(self._environment, look)
        except DatabaseUnavailable as error:
            self._failure = error
            raise
        finally:
            self._connection = None
        return self._state

    def _counted(self, steps: tuple[Step, ...], connection: Connection) -> Plan:
        if not steps:
            return Plan((), self.state)
        from fastman_tasks.migrating import loss_counts, losses

        named = losses.find(steps, connection.dialect.name)
        return Plan(steps, self.state, loss_counts.count(named, connection), uncounted=named)

    def _steps_back(self, steps: int | None, to: str | None, accept_empty: bool, fewer: str) -> tuple[Step, ...]:
        from fastman_tasks.migrating.downgrades import steps_back

        applied = self.applied
        kept: set[str] = set()
        if to is not None and to != "base":
            kept = self.graph.with_ancestors(self.resolve(to))
            if not kept <= applied:
                raise UsageError(
                    f"--to={printable(to)} is not applied, so the database cannot be rolled back to it. "
                    "See inv migrate.status"
                )
        newest_first = [each for each in reversed(self.graph.revisions) if each.id in applied - kept]
        dialect = self.state.url.get_dialect().name
        return steps_back(newest_first[:steps], dialect, accept_empty=accept_empty, fewer=fewer)

    def applied_by(self, heads: Collection[str]) -> set[str]:
        """The ids of the revisions that are applied in a database that records ``heads``; raises as ``applied``."""
        if missing := self._missing(heads):
            settings = self._environment.settings
            if self._history is None and self._connection is not None and settings.history:
                self._history = entries.read(self._connection, self.state)
            known = self._history.standing if self._history is not None else ()
            protected = settings.protects(self.state.url)
            raise branches.refuse(missing, self.graph, settings.root, known, is_protected=protected)
        return self.graph.with_ancestors(heads)

    def _missing(self, heads: Collection[str]) -> list[str]:
        return sorted(head for head in heads if head not in self.graph)

    def _targets(self, to: str | None, *, chooses: bool = True) -> list[str]:
        if to is not None and to != "heads":
            return self.resolve(to)
        if to is None:
            require_one_end(self.graph, self._environment.root, lambda: self.known_applied, chooses=chooses)
        return [head.id for head in self.graph.heads]

    def resolve(self, name: str, flag: str = "--to=") -> list[str]:
        """Returns the ids of the revisions that ``name`` means; see ``revision_names.resolve``."""
        return revision_names.resolve(name, self.graph, self._environment.scripts, flag)
