"""Load the dump of the schema into an empty database."""

from __future__ import annotations

from collections.abc import Callable

from fastman_tasks.actions.carry_out import Action, carry_out
from fastman_tasks.actions.migrate import run_preview
from fastman_tasks.consent import Consent, level_to_change, refuse
from fastman_tasks.errors import Command, MigrationRefused
from fastman_tasks.plans import Observer, Plan, Report, StepResult
from fastman_tasks.project import Project
from fastman_tasks.sources import display_path
from fastman_tasks.text import printable


def load(
    project: Project,
    *,
    preview: bool = False,
    consent: Consent = refuse,
    observer: Observer | None = None,
) -> Report:
    """Load ``database/schema/<backend>.sql`` into an empty database, and record the revisions that it leads to.

    Nothing is kept if a statement fails. Returns a Report. Raises MigrationRefused if there is anything in the
    database, or the dump is of another kind of database or of revisions that no file has; MigrationFailed, which names
    the line.
    """

    def plan() -> Plan:
        from fastman_tasks.migrating import dumps

        migrator = project.migrator
        state, graph = migrator.state, migrator.graph
        dialect = state.url.get_backend_name()
        file = dumps.path(project.root, dialect)
        name = display_path(file, project.root)
        if not file.is_file():
            raise MigrationRefused(f"There is no {name}.", next=Command("database.dump"))
        found = dumps.read(file, project.root)
        unknown = [each for each in found.heads if each not in graph]
        if found.backend != dumps.backend(dialect) or unknown or not found.heads:
            raise MigrationRefused(f"{name} cannot be loaded: {dumps.find_problem(found, dialect, graph)}.")
        if not dumps.is_empty(project.database, state):
            raise MigrationRefused(
                f"{name} is only loaded into an empty database; this one is not. Nothing was changed."
            )
        problem = dumps.find_problem(found, dialect, graph)
        notes = (f"{printable(str(name))}: {problem}.",) if problem else ()
        return Plan((dumps.load_step(file, project.root, graph.with_ancestors(found.heads)),), state, notes=notes)

    def run(plan: Plan, observer: Observer, confirm: Callable[[str], None]) -> tuple[StepResult, ...]:
        from fastman_tasks.migrating import atomic

        if preview:
            return run_preview(project, plan)
        try:
            return atomic.run(project.environment, plan, observer, confirm)
        finally:
            project.migrator.forget_state()

    return carry_out(
        Action(
            project,
            Command("database.load"),
            plan,
            run,
            level=lambda _plan: level_to_change(project.settings, project.database),
            question=lambda plan: f"Load {plan.steps[0].name}",
            preview=preview,
            locks=lambda _plan: not preview,
        ),
        consent,
        observer or Observer(),
    )
