"""Replace many migrations by one that does the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from fastman_tasks import git
from fastman_tasks.actions import replay
from fastman_tasks.databases import dump, wipe
from fastman_tasks.databases.dump import Dump
from fastman_tasks.databases.snapshot import Snapshot
from fastman_tasks.databases.tables import list_tables, own_tables
from fastman_tasks.errors import Command, DatabaseUnavailable, GitFailed, MigrationRefused, UsageError
from fastman_tasks.migrating.running import run_text
from fastman_tasks.project import Project
from fastman_tasks.revisions.graph import Revision
from fastman_tasks.sources import display_path
from fastman_tasks.text import printable, shorten


@dataclass(frozen=True)
class Squash:
    """The migrations that were ``squashed``, oldest first, into the last one's file; ``text`` is what is in it now, in
    the SQL of ``backend``, and ``left_out`` what it does not do. ``was_checked`` is whether this database was looked
    at."""

    squashed: tuple[Revision, ...]
    text: str = ""
    backend: str = ""
    left_out: tuple[str, ...] = ()
    was_checked: bool = True


def squash(
    project: Project,
    *,
    to: str | None = None,
    archive: Path | None = None,
    preview: bool = False,
    force: bool = False,
) -> Squash:
    """Replace the migrations up to ``to``, by default the head, by one with the last one's id.

    They are replayed into a scratch database; what is in it then, rows too, is what the new one creates. That is tried
    in a second scratch database before any file is touched. The old files go to the folder ``archive``, or are removed.
    ``force`` goes on where git does not have them.

    Raises UsageError for an unknown revision; MigrationRefused if another migration depends on one in the middle, this
    database is at one, git does not have the files, or the new one does something else; FileNotWritten.
    """
    with project:
        squashed = _squashed(project, to)
        if len(squashed) < 2:
            return Squash(squashed)
        was_checked = _require_not_between(project, squashed)
        if archive is not None:
            archive = (project.root / archive).resolve()
            _require_outside(project, archive)
        if not preview and not force:
            _require_kept(project, squashed, archive)
        found, text = _try(project, squashed)
        if not preview:
            from fastman_tasks.making.squash import exchange

            exchange(squashed[-1].file, text, [each.file for each in squashed[:-1]], archive)
        return Squash(squashed, text, project.database.url.get_backend_name(), found.left_out, was_checked)


def _squashed(project: Project, to: str | None) -> tuple[Revision, ...]:
    """The migrations up to ``to``, the last one last."""
    graph = project.migrator.graph
    if to is None:
        targets = [head.id for head in graph.heads]
        if len(targets) > 1:
            names = ", ".join(head.name for head in graph.heads)
            raise MigrationRefused(
                f"There are {len(targets)} heads: {names}. Choose one (--to=…), or merge them first.",
                next=Command("migrate.merge"),
            )
    else:
        targets = project.migrator.resolve(to)
        if len(targets) > 1:
            raise UsageError(f"--to={to} means {len(targets)} revisions; choose one of them.")
    inside = graph.with_ancestors(targets)
    for revision in graph.revisions:
        between = [each for each in revision.parents if each in inside and each not in targets]
        if revision.id not in inside and between:
            raise MigrationRefused(
                f"{revision.name} builds on {graph[between[0]].name}, in the middle of what would be squashed. Nothing "
                f"was changed. Squash up to there (--to={between[0]}), or rebase {revision.id} first."
            )
    return tuple(each for each in graph.revisions if each.id in inside)


def _require_not_between(project: Project, squashed: tuple[Revision, ...]) -> bool:
    """Returns whether the project's database could be looked at."""
    last = squashed[-1]
    try:
        heads = project.migrator.state.heads
    except DatabaseUnavailable:
        return False
    between = {each.id for each in squashed[:-1]}.intersection(heads)
    if between:
        raise MigrationRefused(
            f"This database is at {', '.join(sorted(between))}, in the middle of what would be squashed: it could not "
            "be migrated any more. Nothing was changed. Migrate it first.",
            next=Command("database.migrate", flags=(("to", last.id),)),
        )
    return True


def _require_outside(project: Project, archive: Path) -> None:
    for location in {each.location for each in project.migrator.graph.revisions}:
        if archive == location or location in archive.parents:
            raise UsageError(f"--archive={archive}: Alembic may read it, as it is in the folder of the migrations.")
    if archive.exists() and (not archive.is_dir() or any(archive.iterdir())):
        raise UsageError(f"--archive={archive} has something in it; choose a new folder.")


def _require_kept(project: Project, squashed: tuple[Revision, ...], archive: Path | None) -> None:
    """Refuse to remove what nothing else has."""
    try:
        changed = git.uncommitted((each.file for each in squashed), project.root)
    except GitFailed as error:
        if archive is not None:
            return
        raise MigrationRefused(
            f"The migrations would be lost, as git does not have them ({error}). Nothing was changed. Keep them "
            "somewhere (--archive=DIR), or add --force."
        ) from error
    if changed:
        listed = "".join(f"\n  {printable(str(display_path(each, project.root)))}" for each in changed)
        raise MigrationRefused(
            f"Git does not have these files as they are:{listed}\nNothing was changed. Commit them, or add --force."
        )


def _try(project: Project, squashed: tuple[Revision, ...]) -> tuple[Dump, str]:
    """Returns what ``squashed`` leave in an empty database, and the text of the migration that leaves the same."""
    from fastman_tasks.making.squash import write_text

    last = squashed[-1]
    with replay.empty(project) as copy:
        before = replay.snapshot(copy)
        replay.migrate(copy, [last.id])
        expected = replay.snapshot(copy)
        found = replay.read_dump(copy)
        down = copy.database.run(lambda connection: _find_downgrade(copy, connection))
    backend = project.database.url.get_backend_name()
    text = write_text(project.environment, squashed, backend, found.statements, down, found.left_out)
    with replay.empty(project) as copy:
        name = display_path(last.file, project.root)
        copy.database.run(_committed(lambda connection: run_text(text, name, "upgrade", connection)))
        made = replay.snapshot(copy)
        differences = [str(each) for each in expected.differences(made)]
        if not differences:
            differences = _different_rows(found, replay.read_dump(copy))
        copy.database.run(_committed(lambda connection: run_text(text, name, "downgrade", connection)))
        left = _without_lasting(replay.snapshot(copy))
        differences += [f"{each}, and its downgrade() leaves it" for each in _without_lasting(before).differences(left)]
    if differences:
        listed = "".join(f"\n  {each}" for each in differences)
        raise MigrationRefused(
            f"One migration instead of {len(squashed)} would do something else:{listed}\nNo file was changed."
        )
    return found, text


def _find_downgrade(copy: Project, connection: Connection) -> tuple[str, ...]:
    """Returns the statements that drop everything that is there, and drops it."""
    schemas: list[str] = []
    if connection.dialect.name == "postgresql":
        query = """SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
            AND nspname <> ALL (current_schemas(false)) ORDER BY 1"""
        own = connection.exec_driver_sql("SELECT unnest(current_schemas(false))").scalars()
        schemas = [*own, *connection.exec_driver_sql(query).scalars()]
    kept = own_tables(copy.migrator.state) & set(list_tables(connection))
    found = wipe.find(connection, schemas, kept).statements
    # What would take something else along is said before it is rolled back; mostly it is not needed.
    plain = tuple(each.removesuffix(" CASCADE") for each in found)
    try:
        dump.load(connection, plain)
    except DBAPIError:
        return found
    return plain


def _without_lasting(snapshot: Snapshot) -> Snapshot:
    """What a downgrade is not expected to undo stays out: schemas and extensions may have been there before."""
    return snapshot.without(kinds=("schema", "extension", "comment"))


def _different_rows(one: Dump, other: Dump) -> list[str]:
    missing = [each for each in one.statements if each not in set(other.statements)]
    return [f"Not the same afterwards: {shorten(each, 200)}" for each in missing[:5]]


def _committed(work: Callable[[Connection], None]) -> Callable[[Connection], None]:
    def run(connection: Connection) -> None:
        work(connection)
        connection.commit()

    return run
