"""Record revisions in the version table without running them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial

from alembic.runtime.migration import MigrationContext, StampStep

from fastman_tasks.databases import commits
from fastman_tasks.databases.outages import advise, is_lost
from fastman_tasks.errors import Command, EnvironmentFailed, FastmanError, MigrationFailed, MigrationRefused
from fastman_tasks.history.migration_journal import MigrationJournal
from fastman_tasks.migrating import recording, state
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.plans import Report, State, Step, StepResult, StepState
from fastman_tasks.revisions.graph import RevisionGraph
from fastman_tasks.sources import blame


def stamp(
    environment: Environment,
    wanted: Sequence[Step],
    expected: Collection[str],
    warn: Callable[[str], None] = lambda text: None,
) -> None:
    """Let the version table record the revisions of the steps that are ``wanted`` alone, which have files. The caller
    holds the lock. ``warn`` is called if the history cannot be written.

    Raises MigrationRefused, before anything is written, if it does not record the ``expected`` revisions any more, and
    MigrationFailed, with a report of the steps, if the connection is lost or a signal comes.
    """
    heads = [step.id for step in wanted if step.id]
    stamped = False

    def run(recorded: tuple[str, ...], context: MigrationContext) -> list[StampStep]:
        nonlocal stamped
        # An env.py that runs migrations twice.
        if stamped:
            return []
        if set(recorded) != set(expected):
            raise MigrationRefused("Another process migrated this database in the meantime. Run the command again.")
        stamped = True
        todo = steps(
            environment,
            [each for each in recorded if each not in heads],
            [each for each in heads if each not in recorded],
        )
        if todo and context.bind is not None:
            found = state.describe(recorded, context, context.bind)
            todo[0].migration_fn = partial(_write, environment, context, found, heads, warn)
        return todo

    try:
        environment.run(run, reading=False, models=False)
    except (Exception, KeyboardInterrupt) as error:
        if not stamped or not (isinstance(error, KeyboardInterrupt) or is_lost(error)):
            raise
        raise _failure(environment, wanted, expected, error) from error


def _write(
    environment: Environment,
    context: MigrationContext,
    before: State,
    heads: Sequence[str],
    warn: Callable[[str], None],
    **_arguments: object,
) -> None:
    """Write to the history what is stamped, in the same transaction."""
    graph = environment.graph
    journal = MigrationJournal(environment.settings, warn)
    recording.begin(journal, context, before, environment)
    journal.mark(graph.with_ancestors(heads), graph, "recorded without running it")


def _failure(
    environment: Environment, wanted: Sequence[Step], expected: Collection[str], error: BaseException
) -> MigrationFailed:
    """Returns what to raise after ``error``, which may have met the commit."""
    names = ", ".join(step.name for step in wanted)
    lines = [f"Recording {names} was interrupted."]
    if not isinstance(error, KeyboardInterrupt):
        cause = error.__cause__ if isinstance(error, EnvironmentFailed) and error.__cause__ else error
        lines = [f"Recording {names} failed: {blame(cause, environment.root)}"]
    became: StepState = "unknown"
    # Where it cannot be asked, or while another signal comes, it is not known.
    with suppress(FastmanError, KeyboardInterrupt):
        if commits.wait(lambda: state.has_settled(environment)):
            now = set(state.read(environment).heads)
            became = "done" if now == {step.id for step in wanted if step.id} else became
            became = "failed" if now == set(expected) else became
    next = None
    if became == "done":
        lines.append("It was committed all the same.")
    elif became == "failed":
        lines += ["All changes were rolled back.", *advise(error)]
    else:
        lines.append("The outcome is unknown.")
        next = Command("migrate.status")
    failure = MigrationFailed("\n".join(lines), next=next)
    failure.report = Report("", None, None, tuple(StepResult(step, became) for step in wanted))
    return failure


def may_be_recorded(error: BaseException) -> bool:
    """Whether ``stamp`` may have recorded what it was to, although it has raised ``error``."""
    report: Report | None = getattr(error, "report", None)
    found = report.steps if report is not None else ()
    return any(each.step.action == "stamp" and each.state in ("done", "unknown") for each in found)


def steps(environment: Environment, gone: Sequence[str], new: Sequence[str]) -> list[StampStep]:
    """Returns what Alembic runs to record the revisions ``new`` instead of those that are ``gone``."""
    revision_map = environment.scripts.revision_map
    if gone and new:
        # Each step may be a transaction of its own: in none of them nothing at all is recorded.
        return [StampStep(gone, new[0], True, False, revision_map), *steps(environment, (), new[1:])]
    return [
        *(StampStep(each, None, False, True, revision_map) for each in gone),
        *(StampStep((), each, True, True, revision_map) for each in new),
    ]


def heads_after(graph: RevisionGraph, recorded: Collection[str], targets: Collection[str]) -> tuple[str, ...]:
    """Returns what is recorded once ``targets`` are stamped: they, and what is ``recorded`` of branches apart from
    theirs. What no file has is recorded no more."""
    ancestors = graph.with_ancestors(targets)
    others = [each for each in recorded if each in graph and not graph.with_ancestors([each]) & ancestors]
    return tuple(dict.fromkeys([*targets, *others]))
