"""Create the project's database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fastman_tasks.actions.carry_out import Action, carry_out
from fastman_tasks.actions.wait import Contact, contact
from fastman_tasks.consent import Consent, refuse
from fastman_tasks.databases import urls
from fastman_tasks.databases.admin import Server
from fastman_tasks.databases.database import Database
from fastman_tasks.errors import Command, DatabaseExists, DatabaseUnavailable, UsageError
from fastman_tasks.plans import Observer, Plan, Report, Step, StepResult
from fastman_tasks.project import Project


def create(
    project: Project,
    *,
    if_missing: bool = False,
    preview: bool = False,
    consent: Consent = refuse,
    observer: Observer | None = None,
) -> Report:
    """Create the database of ``project``, empty, with the name, the server and the user that its URL has. For SQLite,
    that is the file, and its folder. Returns a Report, without steps if it exists and ``if_missing``.

    What another process creates at the same moment is *skipped*. Raises DatabaseUnavailable, which names the right that
    the user lacks, DatabaseExists, and UsageError for a database in memory.
    """
    with project:
        found = contact(project)
        if found.failure is not None and found.reason != "missing":
            raise found.failure
        file = urls.sqlite_file(project.database.url)
        if not is_missing(project, found) or (file is not None and file.exists()):
            if not if_missing:
                raise DatabaseExists(f"{project.display_url} exists already. --if-missing accepts that.")
            return Report("database.create", project.display_url, project.settings.environment, preview=preview)
        return create_missing(
            project,
            found,
            Command("database.create", flags=(("if_missing", if_missing),)),
            "Create the database",
            preview=preview,
            consent=consent,
            observer=observer or Observer(),
        )


def is_missing(project: Project, found: Contact) -> bool:
    """Whether there is no such database, as far as what was ``found`` tells. A SQLite file of no length counts as
    missing. Raises UsageError for a database in memory."""
    if project.database.url.get_backend_name() != "sqlite":
        return found.reason == "missing"
    file = urls.sqlite_file(project.database.url)
    if file is None:
        raise UsageError(
            f"{project.display_url} is a database in memory, which is gone with the process that has made it. Set "
            "DATABASE_URL to a file: sqlite:///app.db"
        )
    return not file.exists() or not file.stat().st_size


def create_missing(
    project: Project,
    found: Contact,
    command: Command,
    question: str,
    *,
    preview: bool,
    consent: Consent,
    observer: Observer,
    is_used: bool = False,
) -> Report:
    """Create the database that was ``found`` to be missing; see ``create``. ``question`` is what to ask for, of a
    protected database. If it ``is_used`` afterwards, the file of SQLite, which comes by itself then, is not created."""
    with _server(project, found) as server:
        if server is not None and server.url != project.database.url:
            project.assume_database(Database(server.url, project.database.source))
        step = Step("create", f"create database {project.database.name}")

        def run(_plan: Plan, observer: Observer, _confirm: Callable[[str], None]) -> tuple[StepResult, ...]:
            if preview:
                return (StepResult(step, "planned", statements=(f"{server.creation()};",) if server else ()),)
            observer.step_started(step)
            started = time.monotonic()
            is_new = _make_file(project, only_folder=is_used) if server is None else server.create()
            seconds = time.monotonic() - started
            result = StepResult(
                step,
                "done" if is_new else "skipped",
                seconds,
                note="" if is_new else "another process has just created it",
            )
            observer.step_finished(result)
            return (result,)

        return carry_out(
            Action(
                project,
                command,
                lambda: Plan((step,)),
                run,
                level=lambda _plan: "yes" if project.settings.protects(project.database.url) else "none",
                question=lambda _plan: question,
                preview=preview,
                locks=lambda _plan: False,
            ),
            consent,
            observer,
        )


@contextmanager
def _server(project: Project, found: Contact) -> Iterator[Server | None]:
    url = project.database.url
    if url.get_backend_name() == "sqlite":
        yield None
        return
    if found.attempt is None or not url.database:
        raise DatabaseUnavailable(
            f"{project.display_url} cannot be created: only env.py knows its name and its server. Create it by hand."
        )
    server = Server(found.attempt, url, project.settings.connect_timeout)
    try:
        yield server
    finally:
        server.close()


def _make_file(project: Project, *, only_folder: bool) -> bool:
    """Create the SQLite file, and its folder; returns False if another process has created it."""
    file = urls.sqlite_file(project.database.url)
    assert file is not None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not only_folder:
            file.touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError as error:
        raise DatabaseUnavailable(f"{file} cannot be created: {error.strerror}.") from error
    return True
