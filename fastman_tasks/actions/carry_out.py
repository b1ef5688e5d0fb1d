"""The only way to change a database: check that it is allowed, ask for consent, lock, run, report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from fastman_tasks.actions.backup import back_up_before, is_wanted
from fastman_tasks.consent import Consent, Level, Risk, consent_command
from fastman_tasks.errors import Command, ConsentMissing, DatabaseUnavailable, FastmanError, LockLost, LossGrew
from fastman_tasks.plans import Observer, Plan, Report, Step, StepResult
from fastman_tasks.project import Project

#: Runs what is left of a plan while the lock is held, and notifies the observer of each step. It plans again from what
#: it reads under the lock. What it is called with last is called with what comes next, before each
#: step or commit, and raises LockLost if the lock is not ours any more.
Run = Callable[[Plan, Observer, Callable[[str], None]], tuple[StepResult, ...]]


@dataclass
class Action:
    """What to do in ``project``.

    ``command`` is the command that was called. ``plan`` only reads; ``level`` returns the consent that its plan needs,
    and ``reason`` is why, if not for a loss or the database; ``question`` returns what to ask for it. A ``destructive``
    action is refused under FASTMAN_PROHIBIT_DESTRUCTIVE. One that ``backs_up`` writes a backup before, see
    ``backup.is_wanted``. With ``preview`` no change is kept, and no consent is needed.
    """

    project: Project
    command: Command
    plan: Callable[[], Plan]
    run: Run
    level: Callable[[Plan], Level]
    question: Callable[[Plan], str]
    destructive: bool = False
    backs_up: bool = False
    preview: bool = False
    locks: Callable[[Plan], bool] = lambda plan: True
    reason: str = ""


def carry_out(action: Action, consent: Consent, observer: Observer) -> Report:
    """Plan ``action``, ask for ``consent``, run it under the migration lock, and return its Report.

    Raises ConsentMissing if it is prohibited or consent is refused, LockTimeout after FASTMAN_LOCK_TIMEOUT, and
    whatever the plan and the run raise. An error, and a KeyboardInterrupt, has a ``report`` of what was done before.
    """
    with action.project:
        return _carry_out(action, consent, observer)


def _carry_out(action: Action, consent: Consent, observer: Observer) -> Report:
    project = action.project
    if action.destructive and not action.preview:
        _require_permission(project)
    # Whoever has looked at the project before may have waited since.
    if project.has_environment:
        project.migrator.forget_state()
    plan = action.plan()
    results: tuple[StepResult, ...] = ()
    if plan.steps:
        noted = _Noted(observer)
        project.locate_database()
        try:
            if not action.preview:
                _require_consent(consent, _risk(action, plan))
            if action.level(plan) == "none":
                # Nobody was asked, so nothing was agreed to that a loss could go beyond.
                plan = replace(plan, uncounted=None)
            with hold_lock(project, observer, wanted=action.locks(plan)) as confirm:
                if _backs_up(action, plan):
                    results = (back_up_before(project, action.command, noted),)
                results += action.run(plan, noted, confirm)
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            # What the observer raised is no failure of the step that was under way.
            cause = noted.failure or error
            if isinstance(cause, LossGrew):
                plan = replace(plan, losses=cause.losses)
                cause.next = consent_command(_risk(action, plan))
            if isinstance(cause, LockLost) and not action.destructive:
                cause.next = action.command
            if isinstance(cause, FastmanError | KeyboardInterrupt):
                before: Report | None = getattr(cause, "report", None)
                cause.report = _report(action, plan, _merge(noted.results, before))  # type: ignore[union-attr]
            if cause is error:
                raise
            raise cause from None
    return _report(action, plan, results)


@contextmanager
def hold_lock(project: Project, observer: Observer, *, wanted: bool = True) -> Iterator[Callable[[str], None]]:
    """Hold the database's migration lock in this block, if it is ``wanted``. The state that was read before is
    discarded. Yields a function that raises LockLost, which says what was stopped, if the lock is not ours any more.

    Raises LockTimeout after FASTMAN_LOCK_TIMEOUT, and DatabaseUnavailable if only env.py can connect.
    """
    if not wanted:
        yield lambda what: None
        return
    from fastman_tasks.databases import lock, outages

    table, schema = "alembic_version", None
    if project.has_environment:
        table, schema = project.migrator.state.version_table, project.migrator.state.schema
    with ExitStack() as stack:
        try:
            found = lock.for_database(project.database, table, schema) if project.settings.lock else None
            if found is not None:
                waited = stack.enter_context(lock.hold(found, project.settings.lock_timeout, observer.lock_waiting))
                observer.lock_acquired(waited)
        except DatabaseUnavailable as error:
            if not project.has_environment or outages.is_lost(error):
                raise
            raise DatabaseUnavailable(
                f"{error}\nThe migration lock needs its own connection. If only env.py can reach the database, "
                "and no other process migrates at the same time, set FASTMAN_LOCK=off."
            ) from error
        if found is not None and project.has_environment:
            project.migrator.forget_state()
        yield (lambda what: None) if found is None else found.confirm


def _require_permission(project: Project) -> None:
    if project.settings.prohibit_destructive:
        raise ConsentMissing(
            "FASTMAN_PROHIBIT_DESTRUCTIVE is set: rolling back, starting over and dropping are prohibited here, "
            "whatever the flags. Nothing was changed."
        )


def _require_consent(consent: Consent, risk: Risk) -> None:
    answer: object = consent(risk)  # type: ignore[func-returns-value]
    if answer is False:
        # Whoever writes a consent of their own may take it for a question.
        raise ConsentMissing("Cancelled; nothing was changed.")


def _backs_up(action: Action, plan: Plan) -> bool:
    return action.backs_up and not action.preview and is_wanted(action.project, plan)


def _risk(action: Action, plan: Plan) -> Risk:
    question = f"{action.question(plan)} on {action.project.display_url}?"
    notes = (*plan.notes, *(["A backup is written first."] if _backs_up(action, plan) else []))
    return Risk(
        action.level(plan), question, action.project.database, plan.losses, plan.steps, notes, action.command,
        action.reason,
    )  # fmt: skip


def _merge(noted: Sequence[StepResult], found: Report | None) -> tuple[StepResult, ...]:
    """The results that were ``noted``, as far as a failure has not ``found`` what became of them afterwards."""
    known = found.steps if found else ()
    steps = {result.step for result in known}
    return (*(result for result in noted if result.step not in steps), *known)


def _report(action: Action, plan: Plan, results: tuple[StepResult, ...]) -> Report:
    project = action.project
    return Report(
        action.command.task,
        project.display_url,
        project.settings.environment,
        results,
        plan.losses,
        preview=action.preview,
    )


@dataclass
class _Noted(Observer):
    """Keeps what finished for the report of a failure, and passes everything on, until the observer raises."""

    observer: Observer
    results: list[StepResult] = field(default_factory=list)
    failure: Exception | SystemExit | None = None

    def warned(self, text: str) -> None:
        self._tell(self.observer.warned, text)

    def lock_waiting(self, holder: str | None) -> None:
        self._tell(self.observer.lock_waiting, holder)

    def lock_acquired(self, waited: float) -> None:
        self._tell(self.observer.lock_acquired, waited)

    def step_started(self, step: Step) -> None:
        self._tell(self.observer.step_started, step)

    def step_progress(self, step: Step, done: int | None, total: int | None) -> None:
        self._tell(self.observer.step_progress, step, done, total)

    def step_retrying(self, step: Step, pause: float) -> None:
        self._tell(self.observer.step_retrying, step, pause)

    def step_finished(self, result: StepResult) -> None:
        self.results.append(result)
        self._tell(self.observer.step_finished, result)

    def _tell(self, method: Callable[..., None], *what: object) -> None:
        if self.failure is None:
            try:
                method(*what)
            except (Exception, SystemExit) as error:
                self.failure = error
                raise
