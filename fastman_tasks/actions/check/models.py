"""Whether the models are what the migrations make."""

from __future__ import annotations

import re

from fastman_tasks.actions import replay
from fastman_tasks.actions.check.outcome import judge, outcome
from fastman_tasks.errors import MigrationRefused
from fastman_tasks.plans import Finding, StepResult
from fastman_tasks.project import Project
from fastman_tasks.revisions.problems import VersionFile
from fastman_tasks.text import pluralize


def check(project: Project, here: tuple[VersionFile, ...]) -> StepResult:
    """Returns what ``make.migration`` would write for a scratch database in which all migrations are applied."""
    from fastman_tasks.making.request import Request

    with replay.full(project) as copy:
        try:
            draft = copy.migration_writer.write(Request.of("", check=True, scratch=True))
        except MigrationRefused:
            if len(copy.migrator.graph.ends) < 2:
                raise
            return outcome("models", "skipped", "there is more than one head, as said above")
    if not draft.tables:
        where = f" in {', '.join(draft.models)}" if draft.models else ""
        return outcome("models", "skipped", f"no models found{where}")
    texts = [change.text for change in draft.changes]
    texts += [f"not covered by autogenerate: {each}" for each in draft.said.uncovered]
    if draft.said.open and not texts:
        texts = [str(draft.said.open)]
    note = f"{pluralize(draft.tables, 'table')}, {pluralize(len(here), 'migration')} replayed"
    if names := [each.name for each in here if re.search(rb"\bcreate_all *\(", each.content)]:
        # Whatever the models are, such a migration makes.
        note += f"; {', '.join(names)} calls create_all(): what it makes cannot differ"
    return judge("models", tuple(map(Finding, texts)), note)
