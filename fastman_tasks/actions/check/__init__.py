"""Check the migrations: by themselves, against another branch, the models and the database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fastman_tasks.actions.check import append_only, graph, round_trip
from fastman_tasks.actions.check import database as check_database
from fastman_tasks.actions.check import models as check_models
from fastman_tasks.actions.check.outcome import brief, outcome
from fastman_tasks.errors import DatabaseUnavailable, FastmanError, GitFailed, ReplayImpossible
from fastman_tasks.plans import Observer, Report, Step, StepResult
from fastman_tasks.project import Project


def check(
    project: Project,
    *,
    against: str | None = None,
    models: bool = False,
    database: bool = False,
    replay: bool = False,
    observer: Observer | None = None,
) -> Report:
    """Check the migrations. Nothing is changed. Returns a Report with a step for each check: it *passed*, *found*
    something, was *skipped* since it is not possible here, or *failed*.

    The graph is always checked. With ``against``, a ref of git, also after a merge with it, and whether a migration
    that it has is what it was. ``models`` compares the models with the migrations, replayed in a scratch database,
    ``database`` the schema of the database with that; ``replay`` applies each migration there, rolls it back and
    applies it again. With none of the four, everything that is possible is checked.

    Raises NoEnvironment, and UsageError for a ref that is not a commit.
    """
    from fastman_tasks.migrating import version_trees

    everything = not (against or models or database or replay)
    observer = observer or Observer()
    results: list[StepResult] = []

    def run(name: str, work: Callable[[], StepResult]) -> None:
        observer.step_started(Step("check", name))
        try:
            result = work()
        except (DatabaseUnavailable, ReplayImpossible) as error:
            result = outcome(name, "skipped", str(error))
        except FastmanError as error:
            result = outcome(name, "failed", brief(error))
        if result.state == "skipped" and not everything:
            # One that was asked for and is not possible must not pass for one that has passed.
            result = replace(result, state="failed")
        results.append(result)
        observer.step_finished(result)

    with project:
        here = version_trees.read(project.environment, project.migrator)
        trees: version_trees.Trees | None = None
        unknown = ""
        if against is not None:
            try:
                trees = version_trees.compare(project.environment, here, against)
            except GitFailed as error:
                unknown = str(error)
        run("graph", lambda: graph.check(here, trees))
        if trees is not None:
            compared = trees
            run("append only", lambda: append_only.check(compared))
        elif against is not None:
            run("append only", lambda: outcome("append only", "failed", unknown))
        elif everything:
            run("append only", lambda: outcome("append only", "skipped", "no --against=REF to compare with"))
        if models or everything:
            run("models", lambda: check_models.check(project, here))
        if database or everything:
            run("database", lambda: check_database.check(project))
        if replay or everything:
            run("round trip", lambda: round_trip.check(project, here))
        url = project.display_url if database and project.knows_database else None
    return Report("migrate.check", url, project.settings.environment, tuple(results))
