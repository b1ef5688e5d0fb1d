"""What surrounds a run of the project's env.py: safe defaults, the Flask application, quiet logging."""

from __future__ import annotations

import logging
import logging.config
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TextIO

from alembic.runtime.environment import EnvironmentContext
from sqlalchemy.engine import URL, Connection

from fastman_tasks.databases.failures import driver_errors
from fastman_tasks.databases.hooks import watch_connections
from fastman_tasks.errors import EnvironmentFailed
from fastman_tasks.migrating import flask, registrations


def wrap_configure(
    context: EnvironmentContext,
    prepare: Callable[[Connection], None],
    output: TextIO | None,
    dialect_name: str | None,
) -> None:
    """Add safe defaults to the ``configure`` that env.py calls; its own arguments have precedence.

    Alembic's own are one transaction for all migrations, and none at all on SQLite. The others are those of
    ``Environment.run``.
    """
    original = context.configure

    def configure(connection: Connection | None = None, **options: Any) -> None:
        options.setdefault("transaction_per_migration", True)
        if output is not None:
            options["output_buffer"] = output
        if connection is None and not context.is_offline_mode():
            raise EnvironmentFailed(
                f"{context.script.env_py_location} opens no connection: context.configure() needs connection=…"
            )
        if connection is not None:
            if connection.dialect.name == "sqlite" and options.get("transactional_ddl") is None:
                options["transactional_ddl"] = True
            prepare(connection)
        elif not options.get("url"):
            # An env.py may know no URL where there is nothing to connect to.
            options["dialect_name"] = options.get("dialect_name") or dialect_name
        original(connection=connection, **options)

    context.configure = configure  # type: ignore[method-assign,assignment]


@contextmanager
def surroundings(
    file: Path,
    url: URL | None,
    connect_timeout: float,
    *,
    reading: bool,
    migrating: bool,
    copies: Path | None,
    debug: bool,
) -> Iterator[None]:
    """What env.py in ``file`` runs in; ``url`` is the database that it most likely connects to. Alembic's own log lines
    are left out, but for ``debug``."""
    with (
        driver_errors(url),
        _application(file),
        _logging_kept(debug),
        registrations.forget_registrations(),
        watch_connections(connect_timeout, reading=reading, migrating=migrating, copies=copies),
    ):
        yield


def _application(file: Path) -> AbstractContextManager[Any]:
    if file.is_file() and "current_app" in file.read_text("utf-8", errors="replace"):
        return flask.application_context()
    return nullcontext()


@contextmanager
def _logging_kept(debug: bool) -> Iterator[None]:
    """Leave Python's logging as the application set it up, without Alembic's own INFO lines.

    ``logging.config.fileConfig()``, which most env.py call, disables every logger that there is, closes their files,
    and prints Alembic's lines; the commands report each step themselves. With ``debug`` all of them are seen.
    """
    original, running = logging.config.fileConfig, True

    def file_config(*arguments: Any, **options: Any) -> None:
        # A module that is imported meanwhile may keep this function.
        if not running:
            original(*arguments, **options)

    logging.config.fileConfig = file_config
    try:
        with nullcontext() if debug else hide_info_lines():
            yield
    finally:
        logging.config.fileConfig, running = original, False


@contextmanager
def hide_info_lines() -> Iterator[None]:
    """Leave out what Alembic logs of its own going on, wherever the application sends its log."""

    def is_warning(record: logging.LogRecord) -> bool:
        return record.levelno > logging.INFO

    names = [name for name in logging.Logger.manager.loggerDict if name.partition(".")[0] == "alembic"]
    for name in names:
        logging.getLogger(name).addFilter(is_warning)
    try:
        yield
    finally:
        for name in names:
            logging.getLogger(name).removeFilter(is_warning)
