"""The dump of the project's schema, and whether it can stand for the migrations that it was made of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection

from fastman_tasks.databases import wipe
from fastman_tasks.databases.database import Database
from fastman_tasks.databases.dump import file as files
from fastman_tasks.databases.dump.file import DumpFile
from fastman_tasks.databases.tables import own_tables
from fastman_tasks.errors import FastmanError, MigrationRefused
from fastman_tasks.plans import Plan, State, Step, StepResult
from fastman_tasks.revisions import content
from fastman_tasks.revisions.graph import RevisionGraph
from fastman_tasks.sources import display_path
from fastman_tasks.text import pluralize, printable

_ONE = {"mariadb": "mysql"}


def backend(dialect: str) -> str:
    """Returns what dumps of ``dialect`` are called after."""
    return _ONE.get(dialect, dialect)


def path(root: Path, dialect: str) -> Path:
    """Returns where the dump for ``dialect`` is, or would be."""
    return root / "database" / "schema" / f"{backend(dialect)}.sql"


def read(file: Path, root: Path) -> DumpFile:
    """Returns what is in ``file``. Raises MigrationRefused if it cannot be read or is not a dump."""
    name = display_path(file, root)
    try:
        return files.parse(file.read_bytes())
    except OSError as error:
        raise MigrationRefused(f"{name} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise MigrationRefused(f"{name} cannot be loaded: {error}.") from error


def find_problem(dump: DumpFile, dialect: str, graph: RevisionGraph) -> str:
    """Returns why ``dump`` does not do what the migrations of ``graph`` do on ``dialect``; empty if it does."""
    if dump.backend != backend(dialect):
        return f"it is a dump of {printable(dump.backend)}"
    unknown = [each for each in dump.heads if each not in graph]
    if unknown:
        return f"it is of revisions that no file has: {', '.join(map(printable, unknown))}"
    if not dump.heads:
        return "it is of no revision"
    if content.find_hash(graph, dump.heads) != dump.migrations:
        return "the migrations that it was made of have changed"
    if dump.is_edited:
        return "it was edited by hand"
    return ""


def find_content(connection: Connection, state: State) -> str:
    """Returns what there is in the database behind ``connection``, such as "3 tables", apart from our history
    and a version table without rows; empty if there is nothing."""
    found = wipe.find(connection)
    own = own_tables(state, version_table=not state.heads)
    left = tuple(each for each in found.things if not (each.kind == "table" and each.name in own))
    return str(replace(found, things=left)) if left else ""


def is_empty(database: Database, state: State) -> bool:
    """Whether there is nothing in the ``database``."""
    try:
        return not database.exists or not database.run(lambda connection: find_content(connection, state))
    except MigrationRefused:
        # Something else depends on what is there.
        return False


def begin_with_dump(
    plan: Plan, database: Database | None, root: Path, graph: RevisionGraph
) -> tuple[Plan, tuple[StepResult, ...]]:
    """Returns ``plan`` with the dump in place of the migrations that it was made of, if there is one that fits and the
    ``database`` is empty, as it is without one; otherwise as it was. The result says why one does not fit."""
    assert plan.state is not None
    dialect = plan.state.url.get_backend_name()
    file = path(root, dialect)
    if plan.state.heads or not plan.migrations or not file.is_file():
        return plan, ()
    if database is not None and not is_empty(database, plan.state):
        return plan, ()
    name = str(display_path(file, root))
    try:
        dump = read(file, root)
        problem = find_problem(dump, dialect, graph)
    except FastmanError as error:
        problem = str(error)
    if problem:
        return plan, (StepResult(Step("load", name, file), "skipped", note=problem),)
    inside = graph.with_ancestors(dump.heads)
    if not inside <= {step.id for step in plan.migrations}:
        # --to stops before.
        return plan, ()
    others = tuple(step for step in plan.steps if step.id not in inside)
    at = next((number for number, step in enumerate(others) if step.action != "wipe"), len(others))
    return replace(plan, steps=(*others[:at], load_step(file, root, inside), *others[at:])), ()


def load_step(file: Path, root: Path, revisions: Collection[str]) -> Step:
    """Returns the step that loads the dump ``file``, which stands for so many ``revisions``."""
    return Step("load", str(display_path(file, root)), file, message=pluralize(len(revisions), "migration"))
