"""Move the migrations that only this branch has onto the other head: their files change, and no database."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fastman_tasks import git
from fastman_tasks.actions.carry_out import Action, carry_out
from fastman_tasks.actions.migrate import run_migrations
from fastman_tasks.consent import Consent, level_to_roll_back, refuse
from fastman_tasks.errors import (
    Command,
    ConsentMissing,
    DatabaseUnavailable,
    GitFailed,
    MigrationFailed,
    MigrationRefused,
    UsageError,
)
from fastman_tasks.plans import Observer, Plan, Report, Step, StepResult
from fastman_tasks.project import Project
from fastman_tasks.revisions import rewrite
from fastman_tasks.sources import display_path, first_line
from fastman_tasks.text import pluralize, printable

if TYPE_CHECKING:
    from fastman_tasks.migrating.rebasing import Move

_OTHER = "Another process migrated this database in the meantime. Run the command again."


def rebase(
    project: Project,
    revision: str | None = None,
    *,
    onto: str | None = None,
    unchecked: bool = False,
    roll_back: bool = False,
    preview: bool = False,
    consent: Consent = refuse,
    observer: Observer | None = None,
) -> Report:
    """Put everything that leads to ``revision``, and not to ``onto``, on top of ``onto``: the ``down_revision`` of the
    first migration changes. Returns a Report.

    By default it is what only this branch has, by git, that moves onto the other head. What is applied in this database
    is only moved with ``roll_back``: it is rolled back before, with ``consent``, and applied afterwards. ``unchecked``
    goes on although version files are not committed, the branch was pushed, or what is applied is not known.

    Raises RebaseUndecided where it is not clear what to move; MigrationRefused for what others have; ConsentMissing
    with the commands to run instead; UsageError for an unknown revision; FileNotWritten, and then no file has changed.
    """
    with project:
        found = _find(project, revision, onto)
        command = Command("migrate.rebase", (revision,) if revision else (), (("onto", onto),))
        if found is None:
            database = None if project.migrator.known_applied is None else project.display_url
            return Report(command.task, database, project.settings.environment, preview=preview)
        if found.back and not (roll_back or preview):
            raise ConsentMissing(_describe_applied(project, found))
        if not (unchecked or preview) and (reasons := found.doubts):
            raise ConsentMissing("\n".join(reasons), next=replace(command, flags=(*command.flags, ("force", True))))
        rebasing = _Rebasing(project, command, lambda: _find(project, revision, onto), preview)
        if not found.knows_database:
            results = rebasing.run(Plan(found.steps), observer or Observer(), lambda what: None)
            return Report(command.task, None, project.settings.environment, results, preview=preview)
        return carry_out(
            Action(
                project,
                command,
                rebasing.plan,
                rebasing.run,
                level=lambda plan: (
                    level_to_roll_back(project.settings, project.database, plan.losses) if found.back else "none"
                ),
                question=_question,
                destructive=bool(found.back),
                preview=preview,
                locks=lambda _plan: not preview,
            ),
            consent,
            observer or Observer(),
        )


@dataclass(frozen=True)
class _Found:
    """What to do: roll ``back``, rewrite by ``changes``, and apply ``again``; ``doubts`` are the reasons not to."""

    move: Move
    changes: tuple[rewrite.Change, ...]
    back: tuple[Step, ...]
    again: tuple[Step, ...]
    doubts: tuple[str, ...]
    knows_database: bool

    @property
    def steps(self) -> tuple[Step, ...]:
        """All of it, in order."""
        graph = self.move.after
        return (*self.back, *(graph[each].step("rebase") for each in self.move.parents), *self.again)


def _find(project: Project, revision: str | None, onto: str | None) -> _Found | None:
    from fastman_tasks.migrating import heads, rebasing
    from fastman_tasks.migrating.downgrades import steps_back

    migrator, root = project.migrator, project.root
    graph, applied = migrator.graph, migrator.known_applied
    ids = (_resolve(project, revision, ""), _resolve(project, onto, "--onto="))
    chosen = rebasing.choose(graph, root, applied, *ids)
    move = rebasing.find_move(graph, project.environment, *chosen) if chosen else None
    if move is None or not move.parents:
        return None
    moved = {each.id: each for each in move.moved}
    published, pushed = heads.find_shared(moved, root)
    if published:
        first = next(iter(published))
        raise MigrationRefused(
            f"{moved[first].name} is in {published[first]} already, and others may have applied it, so it stays where "
            "it is. Nothing was changed.",
            next=Command("migrate.merge") if len(graph.ends) > 1 else None,
        )
    changes = tuple(rewrite.change_parents(graph[each].file, old, new) for each, (old, new) in move.parents.items())
    doubts = []
    files: list[Path] = []
    with suppress(GitFailed):
        files = git.uncommitted((each.file for each in graph.revisions), root)
    if files:
        listed = "".join(f"\n  {printable(str(display_path(each, root)))}" for each in files)
        doubts.append(f"Version files have changes that are not committed:{listed}\nCommit them first.")
    if pushed:
        branch = next(iter(pushed.values()))
        doubts.append(f"This was pushed to {branch}. Whoever has applied it has to roll it back before pulling.")
    if applied is None:
        doubts.append(f"Whether these migrations are applied is not known: {_why_unknown(project)}")
    there = (applied or set()) & set(moved)
    back: tuple[Step, ...] = ()
    again: tuple[Step, ...] = ()
    if there:
        newest_first = [each for each in reversed(graph.revisions) if each.id in there]
        back = steps_back(newest_first, migrator.state.url.get_dialect().name)
        pending = move.after.upgrade(there, (applied or set()) - there)
        again = tuple(move.after[each].step("apply") for each in pending)
    return _Found(move, changes, back, again, tuple(doubts), applied is not None)


def _resolve(project: Project, name: str | None, flag: str) -> str | None:
    if name is None:
        return None
    found = project.migrator.resolve(name, flag)
    if len(found) != 1:
        raise UsageError(f"{flag}{name} means {len(found)} revisions: {', '.join(found)}. Name one.")
    return found[0]


def _why_unknown(project: Project) -> str:
    try:
        missing = project.migrator.missing
    except DatabaseUnavailable as error:
        return first_line(error)
    return f"the database has {', '.join(missing)}, which no file has. See inv migrate.repair"


def _describe_applied(project: Project, found: _Found) -> str:
    graph, there = project.migrator.graph, {step.id for step in found.back}
    applied = project.migrator.known_applied or set()
    kept = graph.heads_of(applied - there)
    if len(kept) <= 1:
        flag: tuple[str, str | int] = ("to", kept[0] if kept else "base")
    else:
        newest_first = [each.id for each in reversed(graph.revisions) if each.id in applied]
        flag = ("steps", max(newest_first.index(each) for each in there) + 1)
    move = (found.move.revision.id,), (("onto", found.move.onto.id),)
    commands = Command("migrate.rollback", flags=(flag,)), Command("migrate.rebase", *move), Command("database.migrate")
    listed = "".join(f"\n  {each}" for each in commands)
    return (
        f"Applied here: {', '.join(step.name for step in found.back)}. If it were rebased now, what it then "
        "follows would never run. Nothing was changed. On a terminal this command asks, and does all of it; otherwise "
        f"run one after the other:{listed}"
    )


def _question(plan: Plan) -> str:
    back = sum(step.action == "roll back" for step in plan.steps)
    forward = sum(step.action == "apply" for step in plan.steps)
    return f"Roll back {pluralize(back, 'migration')}, rebase, and apply {forward:,}"


@dataclass(frozen=True)
class _Rebasing:
    """Plans and runs in ``project`` what ``find`` finds, each time anew."""

    project: Project
    command: Command
    find: Callable[[], _Found | None]
    preview: bool

    def plan(self) -> Plan:
        found = self.find()
        if found is None:
            return Plan((), self.project.migrator.state)
        plan = self.project.migrator.plan(lambda: (*found.back, *found.again))
        return replace(plan, steps=found.steps)

    def run(self, plan: Plan, observer: Observer, confirm: Callable[[str], None]) -> tuple[StepResult, ...]:
        found = self.find()
        if found is None or found.steps != plan.steps:
            raise MigrationRefused(_OTHER)
        if self.preview:
            return tuple(self._result(found, step, "planned") for step in plan.steps)
        project, migrator = self.project, self.project.migrator
        results: tuple[StepResult, ...] = ()
        # Whether the files can be written is known before anything is rolled back.
        with rewrite.prepare(found.changes) as move:
            if found.back:
                part = replace(plan, steps=found.back, state=migrator.state)
                try:
                    results = run_migrations(project, part, observer, confirm)
                except MigrationFailed as error:
                    error.next = self.command
                    raise
            confirm("rebasing")
            move()
        project.environment.forget_files()
        migrator.forget_state()
        for step in plan.steps:
            if step.action == "rebase":
                results = (*results, self._result(found, step, "done"))
                observer.step_finished(results[-1])
        if found.again:
            # What is to be lost was lost on the way back.
            steps = tuple(migrator.graph[step.id].step("apply") for step in found.again)
            part = Plan(steps, migrator.state)
            results += run_migrations(project, part, observer, confirm)
        return results

    @staticmethod
    def _result(found: _Found, step: Step, state: Literal["planned", "done"]) -> StepResult:
        if step.action != "rebase":
            return StepResult(step, state)
        old, new = found.move.parents[step.id]
        before = f", instead of {', '.join(old)}" if old else ""
        return StepResult(step, state, note=f"revises {', '.join(new)}{before}")
