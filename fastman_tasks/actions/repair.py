"""Ways out where the database has revisions that no file has."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from fastman_tasks.actions import accept, replay
from fastman_tasks.actions.fresh import fresh
from fastman_tasks.actions.rollback import roll_back_planned
from fastman_tasks.actions.stamp import record
from fastman_tasks.consent import Consent, refuse
from fastman_tasks.databases.snapshot import Snapshot
from fastman_tasks.errors import Command, FastmanError, MigrationFailed, RepairUndecided, UsageError
from fastman_tasks.making import files
from fastman_tasks.migrating import lost_files, missing
from fastman_tasks.migrating.downgrades import steps_back
from fastman_tasks.migrating.lost_files import LostFile
from fastman_tasks.plans import Observer, Plan, Report, State, Step, StepResult
from fastman_tasks.project import Project
from fastman_tasks.revisions.graph import Revision, RevisionGraph
from fastman_tasks.text import printable

Way = Literal["restore", "roll back", "stamp", "start over"]
#: To replay more of them would take too long for a hint.
_ENOUGH = 100


def repair(
    project: Project,
    way: Way | None = None,
    *,
    preview: bool = False,
    consent: Consent = refuse,
    observer: Observer | None = None,
) -> Report:
    """Go the ``way`` out for the revisions in the version table that no file has. Returns a Report.

    "restore" writes their files, as a git branch has them; "roll back" only has these files until their migrations have
    been rolled back; "stamp" records the revision before them instead, or the newest one that the schema has everything
    of; "start over" does what ``fresh`` does. Whatever changes the database needs ``consent``.

    Where every revision has a file, the migrations that were edited after they had been applied are accepted as they
    are now, see ``accept``. Without a ``way``, raises RepairUndecided with those that are possible; MigrationRefused
    for revisions that were squashed; UsageError for a way that is not possible; and what ``rollback``, ``stamp`` and
    ``fresh`` raise.
    """
    with project:
        found = _Found.of(project)
        if found is None and way is None and (edited := accept.find(project)):
            return accept.accept(project, edited, preview=preview, consent=consent, observer=observer)
        if found is None:
            return Report("migrate.repair", project.display_url, project.settings.environment, preview=preview)
        if way is None:
            text = missing.list_missing(found.missing, project.root)
            raise RepairUndecided(text, found.ways)
        if way not in found.ways:
            raise UsageError(f"{way} is not possible here; possible are: {', '.join(found.ways)}.")
        if way == "restore":
            return found.restore(preview)
        if way == "roll back":
            return found.roll_back(preview, consent, observer)
        if way == "stamp":
            return found.stamp(preview, consent, observer)
        return fresh(project, preview=preview, consent=consent, observer=observer)


@dataclass(frozen=True)
class _Found:
    """The ``missing`` revisions; the ``files`` that git has of them; and the revisions ``before`` them, None if those
    are not known."""

    project: Project
    missing: list[str]
    files: tuple[LostFile, ...]
    before: tuple[str, ...] | None

    @classmethod
    def of(cls, project: Project) -> _Found | None:
        migrator = project.migrator
        if not (lost := migrator.missing):
            return None
        graph = migrator.graph
        if (refused := missing.refuse_squashed(lost, graph)) is not None:
            raise refused
        found = lost_files.find(project.environment, graph, lost)
        if found:
            parents = {parent for each in found for parent in each.parents if parent in graph}
            before: tuple[str, ...] | None = tuple(parents)
        else:
            before = _find_fitting(project)
        return cls(project, lost, found, before)

    @property
    def ways(self) -> dict[str, tuple[str, str]]:
        """What is possible: each with what it does, and how to do it by other commands."""
        found = {}
        undone = ", ".join([each.id for each in self.files] or self.missing)
        if self.files:
            sources: dict[str, list[str]] = {}
            for each in self.files:
                sources.setdefault(each.branch, []).append(each.source)
            names, places = ", ".join(each.path.name for each in self.files), " and ".join(sources)
            restoring = missing.restore_command(sources)
            back = str(Command("migrate.rollback", flags=(("steps", len(self.files)),)))
            found["restore"] = (f"Restore {names} from {places}", restoring)
            found["roll back"] = (
                f"Roll back {undone} with these files, which are not kept",
                missing.switch_command(self.files[0].branch, back, is_remote=self.files[0].is_remote)
                if len(sources) == 1
                else f"{restoring}, then {back}, and remove them",
            )
        if self.before is not None:
            names = ", ".join(self._after(self.project.migrator.state)) or "base"
            what = f"Record {names} instead: what {undone} did is not in the database"
            found["stamp"] = (what, str(self._stamp_command()))
        again = str(Command("migrate.fresh"))
        found["start over"] = ("Start over: drop everything, its rows too, and apply all migrations", again)
        return {way: (printable(what), how) for way, (what, how) in found.items()}

    def _after(self, state: State) -> tuple[str, ...]:
        """What is to be recorded: what is before the missing revisions, and what else is applied."""
        graph = self.project.migrator.graph
        return graph.heads_of(graph.with_ancestors([*(self.before or ()), *state.heads]))

    def _stamp_command(self) -> Command:
        after = self._after(self.project.migrator.state) or ("base",)
        return Command("migrate.stamp", after) if len(after) == 1 else Command("migrate.repair")

    def stamp(self, preview: bool, consent: Consent, observer: Observer | None) -> Report:
        return record(self.project, self._stamp_command(), self._after, preview, consent, observer, strictly=True)

    def restore(self, preview: bool) -> Report:
        if not preview:
            _write(self.files)
        return self._report("write", "planned" if preview else "done")

    def _report(self, action: Literal["write", "roll back"], state: Literal["planned", "done"]) -> Report:
        steps = tuple(
            StepResult(Step(action, each.path.stem, each.path, each.id), state, note=f"from branch {each.branch}")
            for each in self.files
        )
        project, is_preview = self.project, state == "planned"
        return Report("migrate.repair", project.display_url, project.settings.environment, steps, preview=is_preview)

    def roll_back(self, preview: bool, consent: Consent, observer: Observer | None) -> Report:
        if preview:
            # Their SQL needs the files, and then something would be changed.
            return self._report("roll back", "planned")
        command = Command("migrate.repair")
        try:
            return roll_back_planned(self.project, command, self._plan, False, consent, observer, self._restored)
        except MigrationFailed as error:
            # A plain rollback would not have the files.
            error.next = command
            raise

    def _plan(self) -> Plan:
        """The plan that rolls back what the files have done. They are read elsewhere: nobody has agreed yet to have
        them here."""
        migrator = self.project.migrator
        revised = {parent for each in self.files for parent in each.parents}
        with tempfile.TemporaryDirectory(prefix="fastman-") as name:
            revisions = []
            for number, each in enumerate(self.files):
                # Two folders may have files of one name.
                copy = Path(name, str(number), each.path.name)
                copy.parent.mkdir()
                copy.write_bytes(each.content)
                is_head = each.id not in revised
                revisions.append(Revision(each.id, copy, each.message, each.parents, is_head=is_head))
            newest_first = RevisionGraph(revisions).revisions[::-1]
            plan = migrator.plan(lambda: steps_back(newest_first, migrator.state.url.get_dialect().name))
        paths = {each.id: each.path for each in self.files}
        return replace(plan, steps=tuple(replace(step, file=paths[step.id]) for step in plan.steps))

    @contextmanager
    def _restored(self) -> Iterator[None]:
        _write(self.files)
        self._forget()
        try:
            yield
        finally:
            for each in self.files:
                each.path.unlink(missing_ok=True)
                with suppress(OSError, NotImplementedError):
                    Path(importlib.util.cache_from_source(each.path)).unlink(missing_ok=True)
            self._forget()

    def _forget(self) -> None:
        self.project.environment.forget_files()
        self.project.migrator.forget_state()


def _write(found: tuple[LostFile, ...]) -> None:
    """Write all files, or none."""
    done: list[Path] = []
    try:
        for each in found:
            done.append(files.write_bytes(each.content, each.path))
    except BaseException:
        for path in done:
            path.unlink(missing_ok=True)
        raise


def _find_fitting(project: Project) -> tuple[str, ...] | None:
    """The newest revision of which the database has everything; None if there is none, or it is not known."""
    graph = project.migrator.graph
    if not graph.revisions or len(graph.heads) > 1 or len(graph.revisions) > _ENOUGH:
        return None
    fitting: tuple[str, ...] | None = None
    try:
        live = replay.snapshot(project)

        def look(step: Step, after: Snapshot) -> None:
            nonlocal fitting
            if not any(each.after is None for each in after.differences(live)):
                fitting = (step.id,)

        with replay.empty(project) as copy:
            replay.migrate(copy, after=look)
    except FastmanError:
        return None
    return fitting
