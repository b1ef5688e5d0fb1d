"""Look into the database: all of its tables, or one."""

from __future__ import annotations

import difflib
from dataclasses import replace

from sqlalchemy import Connection

from fastman_tasks.databases import overview
from fastman_tasks.databases.overview import Overview, TableDetails
from fastman_tasks.databases.tables import list_tables
from fastman_tasks.errors import Command, DatabaseUnavailable, UsageError
from fastman_tasks.project import Project


def describe_database(project: Project, *, counts: bool = False) -> Overview:
    """Returns the server and the tables of the project's database. The rows are the server's estimate, unless they are
    to be counted (``counts``). Nothing is changed. Raises DatabaseUnavailable."""
    with project:
        _require_database(project)
        return project.database.run(lambda connection: overview.read(connection, counts=counts))


def describe_table(project: Project, name: str) -> TableDetails:
    """Returns the table ``name`` of the project's database, qualified if it is in another schema than the first of
    search_path. Nothing is changed. Raises UsageError, with the nearest names, for an unknown one."""
    with project:
        _require_database(project)
        found = project.database.run(lambda connection: _read(connection, name))
        if not project.has_environment:
            return found
        from fastman_tasks.migrating.origins import find_origins

        migrator = project.migrator
        applied = migrator.graph.with_ancestors(each for each in migrator.state.heads if each in migrator.graph)
        revisions = [each for each in migrator.graph.revisions if each.id in applied]
        names = [column.name for column in found.columns]
        origins = find_origins(revisions, found.name, names, project.database.url.get_dialect().name)
        return replace(found, columns=tuple(replace(each, migration=origins.get(each.name)) for each in found.columns))


def _require_database(project: Project) -> None:
    project.locate_database()
    if not project.database.exists:
        # Connecting to a SQLite file creates it.
        raise DatabaseUnavailable(f"{project.display_url} does not exist yet.", next=Command("database.setup"))


def _read(connection: Connection, name: str) -> TableDetails:
    from fastman_tasks.migrating.loss_counts import UncountedLoss, count

    names = list_tables(connection)
    if name not in names:
        # Also one that is spelled in another case, or that has its schema left out.
        by_key = {each.rpartition(".")[2].lower(): each for each in names}
        near = difflib.get_close_matches(name.lower(), by_key, n=2, cutoff=0.5)
        meant = f" Did you mean {' or '.join(by_key[each] for each in near)}?" if near else ""
        raise UsageError(f"There is no table {name}.{meant} inv database.show lists them.")
    found = overview.read_table(connection, name, names)
    counted = count([UncountedLoss(name)], connection)
    return replace(found, rows=counted[0].rows, precision=counted[0].precision) if counted else found
