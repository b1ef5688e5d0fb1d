"""Roll back what other branches have left applied in the database."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fastman_tasks.actions.carry_out import Action, carry_out
from fastman_tasks.actions.migrate import run_migrations, run_preview
from fastman_tasks.consent import Consent, level_to_roll_back, refuse
from fastman_tasks.errors import Command, ConsentMissing, FastmanError, MigrationFailed, MigrationRefused
from fastman_tasks.plans import Observer, Plan, Report, Step, StepResult
from fastman_tasks.project import Project
from fastman_tasks.text import pluralize, printable

if TYPE_CHECKING:
    from fastman_tasks.migrating.phantoms import Phantom

_WAYS = (
    "Other ways out: inv migrate.repair; inv migrate.stamp REVISION, where the database does not have their changes; "
    "or inv migrate.fresh, which drops everything and starts over."
)
_FROM_TABLE = "the source is code out of the database"


def rollback_phantoms(
    project: Project,
    *,
    accept_empty: bool = False,
    preview: bool = False,
    consent: Consent = refuse,
    observer: Observer | None = None,
) -> Report:
    """Roll back every phantom, newest first: each revision that counts as applied and that no file here has. Returns a
    Report, with where each source was found.

    The sources are looked for in the branches of git, then in ``.git/fastman``, then in the history's table. To run one
    of the latter, which is in the notes for the question, is code out of a database: that needs the consent of level
    "name", which ``force`` does not give. Raises ConsentMissing on a protected database; MigrationRefused if the source
    of one is not known, or if it cannot be rolled back: then nothing was changed; and what ``rollback`` raises.
    """
    command = Command("migrate.rollback", flags=(("phantoms", True), ("accept_empty", accept_empty)))
    with project:
        found = find(project)
        if not found:
            return Report(command.task, project.display_url, project.settings.environment, preview=preview)
        with _included(project, found):
            try:
                report = carry_out(
                    _action(project, command, found, accept_empty, preview), consent, observer or Observer()
                )
            except (FastmanError, KeyboardInterrupt) as error:
                if isinstance(error, MigrationFailed):
                    # A plain rollback would not have the files.
                    error.next = command
                if (done := getattr(error, "report", None)) is not None:
                    error.report = _without_files(done, found)  # type: ignore[union-attr]
                raise
        return _without_files(report, found)


def find(project: Project) -> tuple[Phantom, ...]:
    """Returns the phantoms. Raises ConsentMissing on a protected database, and MigrationRefused if the source of one is
    not known."""
    from fastman_tasks.migrating import missing, phantoms

    migrator = project.migrator
    migrator.forget_state()
    if not migrator.missing:
        return ()
    if project.settings.protects(project.database.url):
        raise ConsentMissing(
            f"{project.display_url} is protected: phantom migrations are never rolled back there. Nothing was changed. "
            "Roll them back from the branch that has their files, or see inv migrate.repair"
        )
    found, unknown = phantoms.find(project.environment, migrator)
    # Also of what another branch follows: this one has it, within something else.
    ids = [*migrator.missing, *(each.id for each in found)]
    if (squashed := missing.refuse_squashed(list(dict.fromkeys(ids)), migrator.graph)) is not None:
        raise squashed
    if unknown:
        listed = "".join(f"\n  {printable(each)}" for each in unknown)
        raise MigrationRefused(
            "The source of these migrations is in no branch of git, not in .git/fastman and not in the history, so "
            f"nothing was changed:{listed}\n{_WAYS}",
            next=Command("migrate.repair"),
        )
    return found


def _action(project: Project, command: Command, found: Sequence[Phantom], accept_empty: bool, preview: bool) -> Action:
    from fastman_tasks.migrating.phantoms import describe_branches

    from_table = any(each.place == "table" for each in found)

    def plan() -> Plan:
        planned = project.migrator.plan(lambda: _steps_back(project, found, accept_empty))
        return replace(planned, notes=tuple(_notes(found)))

    def run(plan: Plan, observer: Observer, confirm: Callable[[str], None]) -> tuple[StepResult, ...]:
        if not preview:
            return run_migrations(project, plan, observer, confirm)
        if not from_table:
            return run_preview(project, plan)
        # Nobody has agreed to run it.
        reason = f"{_FROM_TABLE}, and its SQL is only known when it runs"
        return tuple(StepResult(step, "planned", note=reason) for step in plan.steps)

    return Action(
        project,
        command,
        plan,
        run,
        level=lambda plan: (
            "name" if from_table else level_to_roll_back(project.settings, project.database, plan.losses)
        ),
        question=lambda plan: f"Roll back {pluralize(len(plan.steps), 'phantom migration')}{describe_branches(found)}",
        destructive=True,
        preview=preview,
        locks=lambda _plan: not preview,
        reason=_FROM_TABLE if from_table else "",
    )


def _steps_back(project: Project, found: Sequence[Phantom], accept_empty: bool) -> tuple[Step, ...]:
    from fastman_tasks.migrating.downgrades import steps_back

    migrator, ids = project.migrator, {each.id for each in found}
    graph, applied = migrator.graph, migrator.applied
    # None that has a file builds on them: Alembic could not read that one.
    newest_first = [each for each in reversed(graph.revisions) if each.id in applied & ids]
    dialect = migrator.state.url.get_dialect().name
    return steps_back(newest_first, dialect, accept_empty=accept_empty, ways=_WAYS)


def _notes(found: Sequence[Phantom]) -> Iterator[str]:
    """Where each source was found, in words; of one out of the database, all of it."""
    for number, each in enumerate(found):
        if number and found[number - 1].place == "table":
            yield ""
        name = printable(Path(each.name).stem)
        yield f"{name}: source from {each.where}"
        if not each.is_as_applied:
            yield "  It does something else than what was applied; the source that was applied is not known."
        if each.place == "table":
            from fastman_tasks.revisions import files

            yield "  Whoever can write to that table can have written it. Read it before you agree to run it:"
            yield ""
            yield from (f"  {printable(line)}".rstrip() for line in files.decode(each.content).splitlines())


@contextmanager
def _included(project: Project, found: Sequence[Phantom]) -> Iterator[None]:
    """Have the files of ``found`` for as long as this block lasts."""
    with tempfile.TemporaryDirectory(prefix="fastman-phantoms-") as name:
        folder, paths = Path(name).resolve(), list[Path]()
        for number, each in enumerate(found, 1):
            path = folder / each.name
            path = folder / f"{number}_{each.name}" if path.exists() else path
            path.write_bytes(each.content)
            paths.append(path)
        with project.environment.including(paths):
            project.migrator.forget_state()
            try:
                yield
            finally:
                project.migrator.forget_state()


def _without_files(report: Report, found: Sequence[Phantom]) -> Report:
    """Returns ``report`` without the files, which are not there any more, and with the place of each source."""
    places = {each.id: f"source from {each.where}" for each in found}

    def describe(result: StepResult) -> StepResult:
        if result.step.id not in places:
            return result
        # That of a preview says what its SQL lacks.
        note = result.note if report.preview else "; ".join(filter(None, (result.note, places[result.step.id])))
        return replace(result, step=replace(result.step, file=None), note=note)

    return replace(report, steps=tuple(map(describe, report.steps)))
