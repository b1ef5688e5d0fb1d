"""Take migrations as they are for what was applied: one that was edited since, and one that never ran."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from fastman_tasks.actions.carry_out import Action, carry_out
from fastman_tasks.consent import Consent, refuse
from fastman_tasks.errors import Command, FastmanError, MigrationRefused
from fastman_tasks.plans import Observer, Plan, Report, StepResult
from fastman_tasks.project import Project
from fastman_tasks.text import pluralize


def find(project: Project) -> tuple[StepResult, ...]:
    """Returns the migrations that were edited after they had been applied, and those that count as applied and never
    ran here."""
    found = project.migrator.status()
    return tuple(
        each for each in found if each.state in ("edited", "skipped") or (each.state == "applied" and each.note)
    )


def accept(
    project: Project,
    edited: Sequence[StepResult],
    *,
    preview: bool = False,
    consent: Consent = refuse,
    observer: Observer | None = None,
) -> Report:
    """Have the history take the files of ``edited``, which ``find`` returns, for what was applied; nothing runs.

    The difference is in the notes for the question. ``consent`` is always needed. Returns a Report. Raises
    MigrationRefused if a file has changed since it was shown, and FastmanError if the history cannot be written.
    """

    def plan() -> Plan:
        steps = tuple(replace(each.step, action="accept") for each in edited)
        return Plan(steps, project.migrator.state, notes=_differences(project, edited))

    def run(plan: Plan, observer: Observer, confirm: Callable[[str], None]) -> tuple[StepResult, ...]:
        from fastman_tasks.history.migration_journal import MigrationJournal
        from fastman_tasks.migrating import recording

        if preview:
            shown = zip(plan.steps, ("\n".join(plan.notes), *("" for _ in plan.steps[1:])), strict=True)
            return tuple(StepResult(step, "planned", note=note) for step, note in shown)
        assert plan.state is not None
        # What was agreed to is what was shown.
        if _differences(project, find(project)) != plan.notes:
            raise MigrationRefused("The files, or the history, have changed in the meantime. Run the command again.")
        confirm("accepting")
        journal = MigrationJournal(project.settings, observer.warned)

        def write() -> None:
            for step in plan.steps:
                journal.accept(step)

        recording.write(project.environment, journal, plan.state, write)
        project.migrator.forget_state()
        if not journal.is_on:
            raise FastmanError("Nothing was accepted, as that is written to the history alone.")
        results = tuple(StepResult(step, "done") for step in plan.steps)
        for result in results:
            observer.step_finished(result)
        return results

    return carry_out(
        Action(
            project,
            Command("migrate.repair"),
            plan,
            run,
            level=lambda _plan: "yes",
            question=lambda plan: f"Accept {pluralize(len(plan.steps), 'migration')} as applied, without running it,",
            preview=preview,
            locks=lambda _plan: not preview,
        ),
        consent,
        observer or Observer(),
    )


def _differences(project: Project, edited: Sequence[StepResult]) -> tuple[str, ...]:
    """The lines that show what was edited."""
    from fastman_tasks.history import source
    from fastman_tasks.migrating import statuses
    from fastman_tasks.revisions.differences import describe_difference

    texts = statuses.read_texts(project.environment, [each.entry.id for each in edited if each.entry is not None])
    lines = []
    for each in edited:
        if each.entry is None or each.step.file is None:
            lines.append(f"{each.step.name} never ran here: its changes are in the database only if others made them.")
            continue
        lines.append(f"{each.step.name}:")
        found = describe_difference(texts[each.entry.id], source.read(each.step.file))
        lines += [f"  {line}" for line in found.splitlines()]
    return tuple(lines)
