"""Wait until the database can be used."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import text
from sqlalchemy.engine import URL

from fastman_tasks.databases import urls
from fastman_tasks.databases.attempts import Attempt, note_attempts
from fastman_tasks.databases.database import Database
from fastman_tasks.databases.reachability import Reason, explain
from fastman_tasks.errors import DatabaseUnavailable
from fastman_tasks.plans import Observer, Report, Step, StepResult
from fastman_tasks.project import Project
from fastman_tasks.sources import first_line

# In seconds: between two attempts, between two lines, and what one attempt may take at least.
_PAUSE, _INTERVAL, _SHORTEST = 0.25, 5.0, 1.0


@dataclass(frozen=True)
class Contact:
    """One attempt to connect to the project's database as its env.py does. If it failed, the project has the database
    that it was to, as far as that is known.

    ``reason`` is why it failed with ``failure``; both are None if it did not. ``attempt`` is how it was connected to;
    None if only the engine of env.py knows it.
    """

    reason: Reason | None
    failure: DatabaseUnavailable | None
    attempt: Attempt | None


def wait(project: Project, *, timeout: float = 60.0, observer: Observer | None = None) -> Report:
    """Wait for at most ``timeout`` seconds until the database of ``project`` accepts a login and answers a query.

    Only what may become different is waited for: a server that cannot be reached, or is starting. Raises
    DatabaseUnavailable when the time is over, and at once for a wrong password or a database that does not exist.
    """
    with project:
        started = time.monotonic()
        wait_for_server(project, timeout, observer or Observer())
        seconds = time.monotonic() - started
        step = Step("wait", f"{project.database.name} accepts connections")
        return Report(
            "database.wait",
            project.display_url,
            project.settings.environment,
            (StepResult(step, "done", seconds),),
        )


def wait_for_server(
    project: Project,
    timeout: float,
    observer: Observer,
    *,
    may_be_missing: bool = False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Contact:
    """``wait``, which also returns if the server answers that there is no such database, if it ``may_be_missing``."""
    started, said = clock(), -_INTERVAL
    while True:
        left = timeout - (clock() - started)
        limit = project.settings.connect_timeout or left
        found = contact(project, max(_SHORTEST, min(limit, left)))
        if found.failure is None or (found.reason == "missing" and may_be_missing):
            return found
        if found.reason != "absent":
            raise found.failure
        waited = clock() - started
        if waited >= timeout:
            raise DatabaseUnavailable(f"{found.failure}\nWaited for {timeout:g} s.") from found.failure
        if waited - said >= _INTERVAL:
            said = waited
            cause = found.failure.__cause__
            what = urls.mask(found.attempt.url) if found.attempt else "the server"
            observer.server_waiting(what, first_line(cause.args[-1] if cause and cause.args else cause), waited)
        sleep(min(_PAUSE, timeout - waited))


def contact(project: Project, limit: float | None = None) -> Contact:
    """Connect to the database of ``project`` once, within ``limit`` seconds, and return what came of it. Raises
    whatever env.py raises, unless it is a failed connection."""
    settings = project.settings if limit is None else replace(project.settings, connect_timeout=limit)
    copy = Project(project.root, settings, debug=project.debug)
    with note_attempts() as attempts:
        try:
            if copy.has_environment:
                _ = copy.migrator.state
            elif copy.configured_database.exists:
                copy.configured_database.run(lambda connection: connection.scalar(text("SELECT 1")))
        except DatabaseUnavailable as error:
            attempt = attempts[-1] if attempts else None
            if attempt is not None:
                project.assume_database(_describe(copy, attempt.url))
            return Contact(explain(error), error, attempt)
    project.forget_database()
    return Contact(None, None, attempts[-1] if attempts else None)


def _describe(copy: Project, url: URL) -> Database:
    configured = None if copy.settings.url_problem else copy.configured_database.url
    if configured is not None and (configured.database, configured.host) == (url.database, url.host):
        # It says more: which spelling, and what its query asks for.
        url = configured
    return copy.describe_database(url)
