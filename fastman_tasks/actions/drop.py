"""Drop the project's database."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection

from fastman_tasks.actions.carry_out import Action, carry_out, hold_lock
from fastman_tasks.actions.create import is_missing
from fastman_tasks.actions.wait import contact
from fastman_tasks.consent import Consent, refuse, require_agreed
from fastman_tasks.databases import attempts, urls
from fastman_tasks.databases.admin import Server
from fastman_tasks.databases.tables import list_tables, own_tables
from fastman_tasks.errors import Command, DatabaseInUse, DatabaseUnavailable, UsageError
from fastman_tasks.plans import Loss, Observer, Plan, Report, Step, StepResult
from fastman_tasks.project import Project

# What servers keep their own affairs in.
_SYSTEM = {
    "postgresql": ("postgres", "template0", "template1"),
    "mysql": ("mysql", "information_schema", "performance_schema", "sys"),
}
_SYSTEM["mariadb"] = _SYSTEM["mysql"]
_COMPANIONS = ("", "-wal", "-shm", "-journal")


def drop(
    project: Project,
    *,
    end_connections: bool = False,
    preview: bool = False,
    consent: Consent = refuse,
    observer: Observer | None = None,
) -> Report:
    """Drop the database of ``project`` with everything in it; for SQLite, delete its file. Returns a Report, without
    steps if there is none.

    ``consent`` is always needed: for a protected database, to its name. A migration that is running is waited for.
    Raises DatabaseInUse if others are connected, unless it is to ``end_connections``; DatabaseUnavailable if the user
    may not; UsageError for a database in memory, or one that the server needs itself; LossGrew, ConsentMissing.
    """
    with project:
        found = contact(project)
        if found.failure is not None and found.reason != "missing":
            raise found.failure
        file = urls.sqlite_file(project.database.url)
        if (is_missing(project, found) and file is None) or (file is not None and not file.exists()):
            return Report("database.drop", project.display_url, project.settings.environment, preview=preview)
        project.locate_database()
        name, backend = project.database.name, project.database.url.get_backend_name()
        if name in _SYSTEM.get(backend, ()):
            raise UsageError(f"{name} is the server's own database. It is not dropped.")
        return _Drop(project, file, end_connections, preview).run(consent, observer or Observer())


class _Drop:
    def __init__(self, project: Project, file: Path | None, end_connections: bool, preview: bool) -> None:
        self._project = project
        self._file = file
        self._end_connections = end_connections
        self._preview = preview
        self._step = Step("drop", f"drop database {project.database.name}")

    def run(self, consent: Consent, observer: Observer) -> Report:
        project = self._project
        return carry_out(
            Action(
                project,
                Command("database.drop"),
                lambda: Plan((self._step,), losses=self._losses()),
                self._run,
                level=lambda _plan: "name" if project.settings.protects(project.database.url) else "yes",
                question=lambda _plan: "Drop the whole database",
                destructive=True,
                backs_up=True,
                preview=self._preview,
                # On PostgreSQL it would be a connection to the database, which can then not be dropped.
                locks=lambda _plan: False,
            ),
            consent,
            observer,
        )

    def _losses(self) -> tuple[Loss, ...]:
        from fastman_tasks.migrating.loss_counts import UncountedLoss
        from fastman_tasks.migrating.loss_counts import count as count_rows

        project = self._project
        own = own_tables(project.migrator.state) if project.has_environment else ()

        def count(connection: Connection) -> tuple[Loss, ...]:
            named = [name for name in list_tables(connection) if name.rpartition(".")[2] not in own]
            return count_rows([UncountedLoss(name) for name in named], connection)

        return project.database.run(count)

    def _run(self, plan: Plan, observer: Observer, _confirm: Callable[[str], None]) -> tuple[StepResult, ...]:
        started = time.monotonic()
        if self._preview:
            server = self._server()
            statements = (f"{server.removal(end_connections=self._end_connections)};",) if server else ()
            if server is not None:
                server.close()
            return (StepResult(self._step, "planned", statements=statements),)
        with hold_lock(self._project, observer):
            require_agreed(plan.losses, self._losses())
            observer.step_started(self._step)
            if self._file is not None:
                self._delete(self._file)
        if (server := self._server()) is not None:
            try:
                server.drop(end_connections=self._end_connections)
            finally:
                server.close()
        result = StepResult(self._step, "done", time.monotonic() - started)
        observer.step_finished(result)
        return (result,)

    def _server(self) -> Server | None:
        project = self._project
        if self._file is not None:
            return None
        engine = project.migrator.state.engine if project.has_environment else None
        if engine is not None and not engine.dialect.is_async:
            # What it keeps in its pool would be a connection to the database, too.
            engine.dispose()
        found = attempts.find(project.database)
        if engine is not None and not engine.dialect.is_async:
            engine.dispose()
        if found is None:
            raise DatabaseUnavailable(
                f"{project.display_url} cannot be dropped: env.py connects to it by a function of its own (creator=), "
                "which leads nowhere else. Drop it by hand."
            )
        return Server(found, project.database.url, project.settings.connect_timeout)

    def _delete(self, file: Path) -> None:
        if not self._end_connections:
            _require_unused(file)
        try:
            for each in {file, file.resolve()}:
                for ending in _COMPANIONS:
                    each.with_name(f"{each.name}{ending}").unlink(missing_ok=True)
        except OSError as error:
            raise DatabaseUnavailable(f"{file} cannot be deleted: {error.strerror}.") from error


def _require_unused(file: Path) -> None:
    """Raises DatabaseInUse if another process reads or writes the SQLite ``file`` just now."""
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            raise DatabaseInUse(
                f"Another process is using {file}. Nothing was changed. End it, or drop the database with --force."
            ) from error
