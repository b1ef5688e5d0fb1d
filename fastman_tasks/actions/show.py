"""The SQL of one migration, in both directions."""

from __future__ import annotations

from dataclasses import replace

from fastman_tasks.actions import replay
from fastman_tasks.errors import MigrationFailed, UsageError
from fastman_tasks.plans import Plan, StepResult
from fastman_tasks.project import Project
from fastman_tasks.sources import first_line


def show(project: Project, revision: str) -> tuple[StepResult, ...]:
    """Returns the result of ``revision`` (its id, its file's name, or a part of either) with its state, and the SQL of
    its ``upgrade()``; and one with that of its ``downgrade()``. Nothing is changed.

    On SQLite, where tables are rebuilt from what is there, the migrations before it run in a scratch database. Raises
    UsageError for an unknown revision.
    """
    migrator = project.migrator
    found = migrator.resolve(revision, "")
    if len(found) != 1:
        raise UsageError(f"{revision} means {len(found)} revisions: {', '.join(found)}. Name one.")
    (there,) = (each for each in migrator.status() if each.step.id == found[0])
    both = (replace(there.step, action="apply"), replace(there.step, action="roll back"))
    parents = migrator.graph[found[0]].parents
    if migrator.state.url.get_backend_name() != "sqlite":
        up, down = _preview(project, Plan(both, replace(migrator.state, heads=parents)))
    else:
        try:
            with replay.empty(project) as copy:
                replay.migrate(copy, parents)
                up, down = _preview(copy, Plan(both, copy.migrator.state))
        except MigrationFailed as error:
            # An application may make its first tables itself, without a migration.
            note = f"the migrations before it cannot be replayed: {first_line(error)}"
            up, down = (StepResult(step, "planned", note=note) for step in both)
    return replace(there, statements=up.statements, note=up.note), down


def _preview(project: Project, plan: Plan) -> tuple[StepResult, StepResult]:
    from fastman_tasks.migrating.preview import preview

    results, failure = preview(project.environment, plan)
    nothing = tuple(StepResult(step, "planned", note=str(failure)) for step in plan.steps)
    up, down = (*results, *nothing[len(results) :])
    return up, down
