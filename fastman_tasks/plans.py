"""The values that planning, running and reporting exchange. They need no library."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import URL, Engine

Action = Literal[
    "apply", "roll back", "wipe", "load", "seed", "stamp", "rebase", "write", "remove", "check", "wait",
    "create", "drop", "back up", "restore", "accept",
]  # fmt: skip
#: The result of a step; *applied*, *pending* and *missing* are the status of a migration, *planned* is what would run.
#: So are *edited* (its file does something else than what was applied), *phantom* (no file, but a source that is known)
#: and *skipped* (it counts as applied, and never ran here); of other steps, *skipped* is what another process has done.
#: *Rolled back* is a seeder that ran before the run failed; *unknown* is whether a step was committed. A check has
#: *passed* or *found* something.
StepState = Literal[
    "done", "skipped", "failed", "rolled back", "unknown", "planned", "applied", "pending", "missing", "edited",
    "phantom", "passed", "found",
]  # fmt: skip


@dataclass(frozen=True)
class State:
    """The database that env.py connects to: its URL, the revisions in its version table, and which table that is.

    ``has_metadata`` is whether env.py sets ``target_metadata``. ``engine`` is the one that it connects with.
    ``keeps_history`` is whether plain ``alembic`` leaves the table of our history alone there.
    """

    url: URL
    heads: tuple[str, ...]
    version_table: str = "alembic_version"
    schema: str | None = None
    has_metadata: bool = False
    engine: Engine | None = field(default=None, repr=False, compare=False)
    keeps_history: bool = field(default=True, compare=False)


@dataclass(frozen=True)
class Step:
    """One migration or seeder, and what to do with it.

    ``name`` is what people call it: the file's name without ``.py``, or the seeder's class. ``id`` is a migration's
    revision; ``file`` is None where a revision has none. ``is_empty`` is whether its ``downgrade()`` undoes nothing.
    """

    action: Action
    name: str
    file: Path | None = None
    id: str = ""
    message: str = ""
    is_head: bool = False
    is_empty: bool = False


@dataclass(frozen=True)
class Entry:
    """One row of the history: what was done with a revision or a seeder, when and by whom.

    ``kind`` is *migration*, *seeder*, *stamp*, *squash* or *outside* (another tool did it). ``action`` is *apply*,
    *revert*, *mark* and *unmark* (it was recorded as applied, or as not applied, and nothing ran), *accept* (of a file
    that was edited afterwards), or *failed*. ``at`` is the database's time in UTC.
    ``batch`` is the number of the run; ``tool`` the version of this package. ``dirty`` is whether git had changes that
    were not committed. ``file`` is relative to the project; ``message`` the error of what failed, or a remark.
    ``checksum`` is the SHA-256 of the file. The ``message`` of a seeder that has run is its ``once``, if it has one.
    """

    id: int
    kind: str
    name: str
    action: str
    batch: int
    at: datetime | None = None
    seconds: float | None = None
    os_user: str | None = None
    host: str | None = None
    db_user: str | None = None
    environment: str | None = None
    git_commit: str | None = None
    git_branch: str | None = None
    dirty: bool | None = None
    tool: str | None = None
    file: str | None = None
    message: str | None = None
    checksum: str | None = None

    @property
    def by(self) -> str:
        """``ada@laptop``: who did it, where."""
        return "@".join(filter(None, (self.os_user, self.host)))


@dataclass(frozen=True)
class Counts:
    """The rows of one table that a step created, updated, deleted or left unchanged."""

    created: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0


@dataclass(frozen=True)
class Finding:
    """Something that a check has found, in words; ``file`` and ``line`` are where."""

    text: str
    file: Path | None = None
    line: int | None = None


@dataclass(frozen=True)
class StepResult:
    """The result of ``step``, and the ``seconds`` it took. ``rows`` are what a seeder wrote, by table; ``statements``
    the SQL of a preview; ``findings`` what a check found; ``note`` is a remark on the result. ``entry`` is the newest
    one of the history on it."""

    step: Step
    state: StepState
    seconds: float | None = None
    rows: tuple[tuple[str, Counts], ...] = ()
    note: str = ""
    statements: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    entry: Entry | None = None


@dataclass(frozen=True)
class Loss:
    """Data that a plan loses: a table or a column, with the number of rows or values in it now.

    ``rows`` is None where they could not be counted; ``precision`` says how good the number is. ``reason`` is a
    statement, or code, that may lose something: in place of a ``table``, or beside the one that it empties.
    """

    table: str | None = None
    column: str | None = None
    rows: int | None = None
    precision: Literal["exact", "estimate", "at least"] = "exact"
    reason: str | None = None

    @property
    def is_harmless(self) -> bool:
        """Whether certainly no data is lost."""
        return self.rows == 0 and self.precision == "exact"


@dataclass(frozen=True)
class Plan:
    """Steps to run in this order, starting from ``state``, and their losses. ``state`` is None without migrations.

    ``uncounted`` are the losses that the steps name, also in tables that do not exist yet: to be counted again when the
    plan is run, or None if nobody has to agree to them.
    ``notes`` are what else there is to know before agreeing.
    """

    steps: tuple[Step, ...]
    state: State | None = None
    losses: tuple[Loss, ...] = ()
    notes: tuple[str, ...] = ()
    uncounted: tuple[Loss, ...] | None = field(default=None, repr=False, compare=False)

    @property
    def migrations(self) -> tuple[Step, ...]:
        """The steps that apply or roll back a migration."""
        return tuple(step for step in self.steps if step.action in ("apply", "roll back"))

    @property
    def seeders(self) -> tuple[Step, ...]:
        """The steps that run a seeder."""
        return tuple(step for step in self.steps if step.action == "seed")


class Observer:
    """Is notified of the progress of an action. The methods do nothing: override the ones you need.

    They are called in the thread of the action, between its statements. An exception in one ends the action.
    """

    def warned(self, text: str) -> None:
        """Something is wrong that stops nothing: ``text`` says what."""

    def server_waiting(self, what: str, reason: str, waited: float) -> None:
        """The server of the database ``what`` does not answer yet, for this ``reason``, after ``waited`` seconds.
        Called at first, and every five seconds."""

    def lock_waiting(self, holder: str | None) -> None:
        """Another process has the migration lock: ``holder``, as far as the server knows."""

    def lock_acquired(self, waited: float) -> None:
        """The migration lock was acquired after ``waited`` seconds."""

    def step_started(self, step: Step) -> None:
        """``step`` starts."""

    def step_progress(self, step: Step, done: int | None, total: int | None) -> None:
        """``step`` is running; a loop in it has finished ``done`` of ``total`` items (None: unknown)."""

    def step_retrying(self, step: Step, pause: float) -> None:
        """``step`` ran into a locked table, was rolled back, and is retried in ``pause`` seconds."""

    def step_finished(self, result: StepResult) -> None:
        """A step has finished, was skipped, or failed."""


@dataclass(frozen=True)
class Report:
    """What a command did. ``command`` is its name ("migrate.rollback"), ``database`` the URL with its password masked;
    None if it was about none.

    Without ``steps`` there was nothing to do. A step that another process ran in the meantime is *skipped*.
    """

    command: str
    database: str | None
    environment: str | None
    steps: tuple[StepResult, ...] = ()
    losses: tuple[Loss, ...] = ()
    preview: bool = False

    def in_state(self, state: StepState) -> tuple[StepResult, ...]:
        """The steps in ``state``."""
        return tuple(result for result in self.steps if result.state == state)
