"""Record that revisions are applied, without running them."""

from __future__ import annotations

from collections.abc import Callable, Collection

from fastman_tasks.actions import replay
from fastman_tasks.actions.carry_out import Action, carry_out
from fastman_tasks.consent import Consent, refuse
from fastman_tasks.errors import Command, FastmanError
from fastman_tasks.plans import Observer, Plan, Report, State, Step, StepResult
from fastman_tasks.project import Project
from fastman_tasks.sources import first_line


def stamp(
    project: Project,
    revision: str,
    *,
    preview: bool = False,
    consent: Consent = refuse,
    observer: Observer | None = None,
) -> Report:
    """Record ``revision`` (its id, its file's name, a part of either, "heads" or "base") as what the database is at.

    Nothing runs. What is recorded of branches that share nothing with it stays; a revision that no file has does not.
    ``consent`` is always needed. Returns a Report. Raises UsageError for an unknown revision.
    """

    def find(state: State) -> tuple[str, ...]:
        from fastman_tasks.migrating.stamping import heads_after

        migrator = project.migrator
        return () if revision == "base" else heads_after(migrator.graph, state.heads, migrator.resolve(revision, ""))

    return record(project, Command("migrate.stamp", (revision,)), find, preview, consent, observer)


def record(
    project: Project,
    command: Command,
    find: Callable[[State], Collection[str]],
    preview: bool,
    consent: Consent,
    observer: Observer | None,
    *,
    strictly: bool = False,
) -> Report:
    """Record the heads that ``find`` returns instead of those of the state; ``strictly`` also tells of what they do not
    make. Otherwise as ``stamp``."""
    migrator = project.migrator

    def plan() -> Plan:
        state = migrator.state
        after = find(state)
        if set(after) == set(state.heads):
            return Plan((), state)
        steps = [migrator.graph[each].step("stamp") for each in after]
        return Plan(tuple(steps or [Step("stamp", "base")]), state, notes=_differences(project, after, strictly))

    def run(plan: Plan, observer: Observer, confirm: Callable[[str], None]) -> tuple[StepResult, ...]:
        from fastman_tasks.migrating import stamping

        if not preview:
            assert plan.state is not None
            confirm("stamping")
            stamping.stamp(project.environment, plan.steps, plan.state.heads, observer.warned)
            migrator.forget_state()
        note = "\n".join(plan.notes) if preview else ""
        results = tuple(StepResult(step, "planned" if preview else "done", note=note) for step in plan.steps)
        for result in results:
            observer.step_finished(result)
        return results

    return carry_out(
        Action(
            project,
            command,
            plan,
            run,
            level=lambda _plan: "name" if project.settings.protects(project.database.url) else "yes",
            question=_question,
            preview=preview,
            locks=lambda _plan: not preview,
        ),
        consent,
        observer or Observer(),
    )


def _differences(project: Project, targets: Collection[str], strictly: bool) -> tuple[str, ...]:
    """What the migrations up to ``targets`` make, and this database does not have; ``strictly`` also the reverse."""
    try:
        with replay.empty(project) as copy:
            replay.migrate(copy, targets)
            expected = replay.snapshot(copy)
    except FastmanError as error:
        return (f"Whether the database looks like that is not known: {first_line(error)}",)
    found = expected.differences(replay.snapshot(project))
    different = [str(each) for each in found if strictly or each.after is None]
    return ("The database does not look like that:", *(f"  {each}" for each in different)) if different else ()


def _question(plan: Plan) -> str:
    assert plan.state is not None
    before = ", ".join(plan.state.heads) or "nothing"
    return f"Record {', '.join(step.name for step in plan.steps)} as applied, instead of {before}, without running it,"
