"""Whether each migration can be rolled back without a trace, and applied again."""

from __future__ import annotations

from collections.abc import Iterable

from fastman_tasks.actions import replay
from fastman_tasks.actions.check.outcome import brief, judge
from fastman_tasks.databases.snapshot import Difference, Entry, Snapshot
from fastman_tasks.errors import MigrationFailed
from fastman_tasks.plans import Finding, Step, StepResult
from fastman_tasks.project import Project
from fastman_tasks.revisions.problems import VersionFile
from fastman_tasks.text import pluralize


def check(project: Project, here: tuple[VersionFile, ...]) -> StepResult:
    """Apply all migrations in a scratch database, roll them back one by one, and apply them again; returns what each
    ``downgrade()`` has left or not restored, and what has failed.

    It stops at the newest migration that raises NotImplementedError or has no ``downgrade()``, as is said then.
    """
    trip = _Trip(project, here)
    trip.run()
    return judge("round trip", tuple(trip.findings), trip.note)


class _Trip:
    def __init__(self, project: Project, here: tuple[VersionFile, ...]) -> None:
        self._project = project
        self._files = {each.path: each for each in here}
        # What each migration has removed and made. A whole schema for each would need too much memory.
        self._changes: dict[str, tuple[set[Entry], set[Entry]]] = {}
        self._expected: set[Entry] = set()
        # What is known to differ from that.
        self._known: set[Difference] = set()
        self.findings: list[Finding] = []
        self.note = ""

    def run(self) -> None:
        with replay.empty(self._project) as copy:
            self._expected = set(replay.snapshot(copy).entries)
            replay.migrate(copy, after=self._note)
            steps = self._reversible(copy)
            self.note = f"{pluralize(steps, 'migration')} up, down and up{self.note}"
            full = _snapshot(self._expected)
            try:
                replay.rollback(copy, steps, after=self._compare)
                replay.migrate(copy)
            except MigrationFailed as error:
                self.findings.append(Finding(brief(error).replace("\n", "")))
                return
            # What is left before may well be the reason.
            if not self.findings:
                differences = full.differences(replay.snapshot(copy))
                self.findings += [Finding(f"applied again, {_change(each)}") for each in differences]

    def _note(self, step: Step, found: Snapshot) -> None:
        now = set(found.entries)
        self._changes[step.id] = self._expected - now, now - self._expected
        self._expected = now

    def _compare(self, step: Step, found: Snapshot) -> None:
        removed, made = self._changes[step.id]
        self._expected = (self._expected - made) | removed
        differences = _snapshot(self._expected).differences(found)
        # An older migration may leave what a newer one has left.
        for each in (each for each in differences if each not in self._known):
            text = f"downgrade() of {step.name} {_trace(each)}"
            file = self._files.get(step.file) if step.file else None
            self.findings.append(Finding(text, step.file, file.line("downgrade") if file else None))
        self._known = set(differences)

    def _reversible(self, copy: Project) -> int:
        """How many of the newest migrations can be rolled back."""
        from fastman_tasks.migrating.downgrades import EMPTY, irreversible_reason

        dialect = copy.database.url.get_backend_name()
        newest_first = copy.migrator.graph.revisions[::-1]
        for number, revision in enumerate(newest_first):
            reason = irreversible_reason(revision.file, dialect)
            if reason is not None and reason != EMPTY:
                self.note = f"; not {revision.name}, nor what is before it: {reason}"
                return number
        return len(newest_first)


def _snapshot(entries: Iterable[Entry]) -> Snapshot:
    return Snapshot(tuple(sorted(entries)))


def _trace(difference: Difference) -> str:
    kind, name, before, after = difference
    if before is None:
        return f"leaves the {kind} {name}"
    if after is None:
        return f"does not restore the {kind} {name}"
    return f"leaves the {kind} {name} as {after or 'plain'}; before it was {before or 'plain'}"


def _change(difference: Difference) -> str:
    kind, name, before, after = difference
    if before is None:
        return f"there is a new {kind} {name}"
    if after is None:
        return f"the {kind} {name} is missing"
    return f"the {kind} {name} is {after or 'plain'}, and was {before or 'plain'}"
