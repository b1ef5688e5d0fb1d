"""Where a plan stands that was not carried out to its end, as lines for people and as the command that goes on."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.exc import DBAPIError

from fastman_tasks.databases.outages import advise
from fastman_tasks.errors import Command
from fastman_tasks.migrating import causes
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.migrating.progress import Progress
from fastman_tasks.plans import Plan, State, Step, StepResult
from fastman_tasks.revisions.graph import RevisionGraph
from fastman_tasks.sources import blame
from fastman_tasks.text import pluralize, shorten


def undone(graph: RevisionGraph, plan: Plan, state: State) -> tuple[Step, ...]:
    """Returns the steps of ``plan`` that are still to do in ``state``."""
    now = graph.with_ancestors(state.heads)
    return tuple(each for each in plan.steps if (each.id in now) == (each.action == "roll back"))


def standing(graph: RevisionGraph, plan: Plan, state: State, failed: Step | None = None) -> list[str]:
    """Returns, as lines, what was done of ``plan`` before the ``failed`` step, what is applied, and what remains."""
    now, left = graph.with_ancestors(state.heads), undone(graph, plan, state)
    changed = sum(each not in left and each != failed for each in plan.steps)
    verb = "rolled back" if plan.steps[0].action == "roll back" else "applied"
    before = f"{pluralize(changed, 'migration')} before it {'was' if changed == 1 else 'were'} {verb}; "
    applied = f"{before if changed else ''}{len(now)} applied now."
    return [f"{applied} Remaining:", *(f"  {each.name}" for each in left)] if left else [applied]


def describe_lost(lost: Sequence[StepResult]) -> list[str]:
    """Returns, as lines, the steps that were reported as done and that a crash of the server has undone."""
    if not lost:
        return []
    names = (f"  {result.step.name}" for result in lost)
    return ["The server crashed before these were on its disk. Nothing of them is left:", *names]


def again(graph: RevisionGraph, plan: Plan, left: tuple[Step, ...]) -> Command:
    """Returns the command that does what is ``left`` of ``plan``, and no more."""
    assert plan.state is not None
    planned_from = graph.with_ancestors(plan.state.heads)
    ids = {each.id for each in left}
    if left[0].action == "roll back":
        applied = planned_from - ({each.id for each in plan.steps} - ids)
        newest_first = [each.id for each in reversed(graph.revisions) if each.id in applied]
        how: tuple[str, str | int] = ("steps", len(left))
        if newest_first[: len(left)] != [each.id for each in left]:
            how = ("to", graph.heads_of(applied - ids)[-1])
        return Command("migrate.rollback", flags=(how, ("accept_empty", any(each.is_empty for each in left))))
    if planned_from | {step.id for step in plan.steps} != {revision.id for revision in graph.revisions}:
        return Command("database.migrate", flags=(("to", left[-1].id),))
    one = len(graph.heads) == 1 or graph.are_independent(graph.heads)
    return Command("database.migrate", flags=() if one else (("to", "heads"),))


def report(
    environment: Environment, progress: Progress, error: BaseException, now: State | None, unread: str
) -> tuple[list[str], Command | None]:
    """Returns the lines that report ``error``, and the command to run next. ``now`` is what the database is in, or
    ``unread`` says why that is not known."""
    plan, step = progress.plan, progress.running
    name = step.name if step else "The commit"
    root, graph = environment.root, environment.graph
    if isinstance(error, KeyboardInterrupt):
        lines = [f"{name} was interrupted."]
    else:
        lines = [f"{name} failed: {blame(error, root, step.file if step else None)}"]
    if isinstance(error, DBAPIError) and error.statement:
        lines.append(f"  Statement: {shorten(error.statement, 1000)}")
    advice = advise(error)
    if now is None:
        if progress.sent.in_doubt:
            return [*lines, f"The outcome is unknown: {unread}"], Command("migrate.status")
        lines += [*progress.sent.describe(), f"Could not determine what is applied now: {unread}"]
        return [*lines, *advice], None
    if cause := causes.find(error):
        lines += causes.explain(cause, environment)
    left = undone(graph, plan, now)
    if step is None:
        lines.append("All changes were rolled back." if left else "It was committed all the same.")
    elif step in left:
        lines += progress.sent.describe()
    else:
        # A signal, or a lost connection, at its commit.
        lines.append("It was committed all the same.")
    lines += standing(graph, plan, now, step)
    if left and not isinstance(error, KeyboardInterrupt) and not progress.sent.in_doubt:
        lines += advice or ["Correct the file first."]
    return lines, again(graph, plan, left) if left else None
