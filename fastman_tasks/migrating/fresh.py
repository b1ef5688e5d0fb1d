"""Plan to empty the database and apply every migration."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import replace

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from fastman_tasks.databases import wipe
from fastman_tasks.databases.tables import own_tables
from fastman_tasks.databases.wipe import Wipe
from fastman_tasks.errors import EnvironmentFailed, FastmanError, MigrationRefused
from fastman_tasks.migrating import loss_counts, state
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.migrating.loss_counts import UncountedLoss
from fastman_tasks.migrating.migrator import Migrator
from fastman_tasks.plans import Loss, Plan, State

_SCHEMA = re.compile(rb"""schema\s*=\s*["'](\w+)["']|CREATE SCHEMA (?:IF NOT EXISTS )?["'\\]*(\w+)""", re.IGNORECASE)


def find(
    environment: Environment,
    migrator: Migrator,
    schemas: Collection[str] = (),
    keep: Collection[str] = (),
    agreed: tuple[Loss, ...] | None = None,
) -> tuple[Plan, Wipe]:
    """Returns the plan of all migrations, with the tables that are lost before, and what is to be dropped. Only reads.

    What is lost is not counted again if it is ``agreed``. Without ``schemas`` those count that search_path, the version
    table and the migrations name. Raises what ``wipe.find`` and ``Migrator.plan_fresh`` raise.
    """
    plan, dropped = _look(
        environment, migrator, lambda now, connection: schemas or _schemas(environment, now, connection), keep, agreed
    )
    return replace(plan, steps=migrator.plan_fresh().steps), dropped


def find_losses(environment: Environment, migrator: Migrator) -> Plan:
    """Returns the plan, without steps, with every table in the database, which is lost if all schemas are emptied. Only
    reads; no version file is needed."""
    return _look(environment, migrator, lambda _now, connection: wipe.list_schemas(connection))[0]


def _look(
    environment: Environment,
    migrator: Migrator,
    choose: Callable[[State, Connection], Collection[str]],
    keep: Collection[str] = (),
    agreed: tuple[Loss, ...] | None = None,
) -> tuple[Plan, Wipe]:
    found: list[tuple[Wipe, Plan]] = []
    refused: list[FastmanError] = []

    def look(now: State, connection: Connection) -> None:
        # Not through env.py, which may make something else of an error.
        try:
            dropped = wipe.find(connection, choose(now, connection), keep)
            own = own_tables(now)
            named = (table for table in dropped.tables if table.rpartition(".")[2] not in own)
            uncounted = tuple(map(UncountedLoss, named))
            lost = loss_counts.count(uncounted, connection) if agreed is None else agreed
            plan = Plan((), replace(now, heads=()), lost, uncounted=uncounted)
            found[:] = [(dropped, plan)]
        except FastmanError as error:
            refused[:] = [error]

    migrator.forget_state()
    try:
        state.read(environment, look)
    except EnvironmentFailed as error:
        # Nothing is locked while it is planned, and MySQL drops one table after the other.
        if state.met_changing_table(error.__cause__) or _names_missing_table(error.__cause__):
            raise MigrationRefused(
                "Another process is changing this database's tables. Run the command again."
            ) from error
        raise
    if refused:
        raise refused[0]
    dropped, plan = found[0]
    return plan, dropped


def _names_missing_table(error: BaseException | None) -> bool:
    """Whether a statement on PostgreSQL failed for want of a table."""
    orig = error.orig if isinstance(error, DBAPIError) else None
    return (getattr(orig, "sqlstate", None) or getattr(orig, "pgcode", None)) == "42P01"


def _schemas(environment: Environment, now: State, connection: Connection) -> list[str]:
    if connection.dialect.name != "postgresql":
        return []
    files = [revision.file for revision in environment.graph.revisions]
    named = {each.decode() for file in files for match in _SCHEMA.findall(file.read_bytes()) for each in match if each}
    own = list(connection.exec_driver_sql("SELECT unnest(current_schemas(false))").scalars())
    known = set(inspect(connection).get_schema_names()) - {"information_schema"}
    return list(dict.fromkeys([*own, *([now.schema] if now.schema else []), *sorted(named & known)]))
