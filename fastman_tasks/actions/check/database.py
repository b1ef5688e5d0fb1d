"""Whether the database is what its migrations have made."""

from __future__ import annotations

from fnmatch import fnmatchcase

from fastman_tasks.actions import replay
from fastman_tasks.actions.check.outcome import judge, outcome
from fastman_tasks.databases.snapshot import Entry, Snapshot
from fastman_tasks.plans import Finding, StepResult
from fastman_tasks.project import Project
from fastman_tasks.text import pluralize


def check(project: Project) -> StepResult:
    """Returns how the schema of the database differs from what the migrations that are applied in it make of an empty
    one. The tables of FASTMAN_IGNORE_TABLES are left out."""
    if not project.database.exists:
        return outcome("database", "skipped", f"{project.display_url} does not exist")
    ignored = project.settings.ignore_tables
    migrator = project.migrator
    # One that no file has, raises an error.
    pending = {revision.id for revision in migrator.pending()}
    applied = [revision.id for revision in migrator.graph.revisions if revision.id not in pending]
    live = _without(replay.snapshot(project), ignored)
    with replay.empty(project) as copy:
        replay.migrate(copy, applied)
        expected = _without(replay.snapshot(copy), ignored)
    note = f"{project.display_url}, at {', '.join(migrator.state.heads) or 'no migration'}"
    found = tuple(Finding(str(each)) for each in expected.differences(live))
    return judge("database", found, f"{note}, {pluralize(len(applied), 'migration')} replayed")


def _without(found: Snapshot, patterns: tuple[str, ...]) -> Snapshot:
    tables = {each.table for each in found.entries if _is_ignored(each, patterns)}
    return found.without(tables=tables) if tables else found


def _is_ignored(entry: Entry, patterns: tuple[str, ...]) -> bool:
    table = entry.table.rpartition(".")[2]
    return bool(table) and any(fnmatchcase(entry.table if "." in each else table, each) for each in patterns)
