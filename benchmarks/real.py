"""Real projects from PyPI: their own migrations under their own env.py, against plain Alembic."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks import packages, projects
from benchmarks.measure import Command, CommandError, interleaved
from benchmarks.rows import Bench, Row

_INITIAL = """
import sys
from importlib import import_module
from sqlalchemy import create_engine

import_module(sys.argv[1]).Base.metadata.create_all(create_engine("sqlite:///initial.db"))
"""

# Prefect's env.py only runs in a worker thread of AnyIO, where its own command puts Alembic.
_IN_WORKER_THREAD = '''"""Plain Alembic, started as Prefect's own command starts it."""

import functools
import sys

import anyio
from alembic.config import main

anyio.run(functools.partial(anyio.to_thread.run_sync, functools.partial(main, sys.argv[1:])))
'''
_TASKS_IN_WORKER_THREAD = '''"""Tasks of a project whose env.py only runs in a worker thread of AnyIO."""

import functools

import anyio
from invoke import Collection

from fastman_tasks import database, make, migrate


def in_worker_thread(body):
    @functools.wraps(body)
    def run(*args, **flags):
        return anyio.run(functools.partial(anyio.to_thread.run_sync, functools.partial(body, *args, **flags)))

    return run


ns = Collection(database, make, migrate)
for name in ns.task_names:
    ns[name].body = in_worker_thread(ns[name].body)
'''


@dataclass(frozen=True)
class _Project:
    """A package that brings migrations along.

    ``url`` is where its own settings take the database from, a variable; without one it is in alembic.ini. ``initial``
    is the module whose tables have to be there before the first migration.
    """

    name: str
    package: str
    script_location: str
    url: str = ""
    initial: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    worker_thread: bool = False


_PROJECTS = (
    _Project("Optuna", "optuna", "optuna.storages._rdb:alembic"),
    _Project(
        "MLflow",
        "mlflow-skinny",
        "mlflow.store:db_migrations",
        initial="mlflow.store.tracking.dbmodels.initial_models",
        variables={"MLFLOW_DISABLE_TELEMETRY": "true"},
    ),
    _Project(
        "Prefect",
        "prefect",
        "prefect.server.database:_migrations",
        url="PREFECT_SERVER_DATABASE_CONNECTION_URL",
        variables={"PREFECT_HOME": "{folder}/prefect", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
        worker_thread=True,
    ),
)

# mlflow-skinny is MLflow without what a server needs, which takes its database libraries away, too. Optuna's env.py
# sets up logging from alembic.ini, so its sections have to be there.
_NEEDED = ("alembic", "sqlalchemy")
_CONFIGURATION = """[alembic]
script_location = {script_location}
{url}
[loggers]
keys = root

[handlers]
keys = console

[formatters]
keys = generic

[logger_root]
level = WARNING
handlers = console

[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = generic

[formatter_generic]
format = %(message)s
"""


def real(bench: Bench) -> list[Row]:
    """Apply every migration of Optuna, MLflow and Prefect to a new SQLite file, and status afterwards."""
    environment = bench.folder / "real"
    names = [project.package for project in _PROJECTS]
    try:
        packages.install(environment, *names, *_NEEDED)
    except CommandError as error:
        return [Row("Optuna, MLflow, Prefect", note=f"not installed: {error}")]
    return [row for project in _PROJECTS for row in _measured(project, environment, bench)]


def _measured(project: _Project, environment: Path, bench: Bench) -> list[Row]:
    folder = bench.folder / project.package
    names = [f"{project.name}: {what}" for what in ("apply / alembic upgrade", "status / alembic current")]
    try:
        fresh = _prepared(project, environment, folder)
        version = f"import importlib.metadata as m; print(m.version({project.package!r}))"
        named = f"{project.name} {packages.run((packages.program(environment, 'python'), '-c', version), folder)}"
        names = [name.replace(project.name, named, 1) for name in names]
        variables = [f"{name}={value.format(folder=folder)}" for name, value in project.variables.items()]
        if project.url:
            variables.append(f"{project.url}=sqlite+aiosqlite:///{folder / 'app.db'}")
        inv = ("env", *variables, packages.program(environment, "inv"))
        started = ("python", "plain.py") if project.worker_thread else ("alembic",)
        alembic = ("env", *variables, packages.program(environment, started[0]), *started[1:])
        # What is applied last is what the status is of.
        applied = interleaved(
            [
                Command((*inv, "database.migrate"), folder, fresh),
                Command((*alembic, "upgrade", "head"), folder, fresh),
            ],
            bench.quick,
        )
        read = interleaved(
            [Command((*inv, "migrate.status", "--check"), folder), Command((*alembic, "current"), folder)],
            2 * bench.quick,
        )
    except CommandError as error:
        return [Row(name, note=f"not measured: {error}") for name in names]
    return [Row(name, *series, 1.1) for name, series in zip(names, (applied, read), strict=True)]


def _prepared(project: _Project, environment: Path, folder: Path) -> Callable[[], None]:
    """Make the project's folder; what is returned makes its database anew."""
    projects.tasks_only(folder, _TASKS_IN_WORKER_THREAD if project.worker_thread else projects.COLLECTION)
    url = "" if project.url else "sqlalchemy.url = sqlite:///app.db\n"
    configuration = _CONFIGURATION.format(script_location=project.script_location, url=url)
    (folder / "alembic.ini").write_text(configuration, "utf-8")
    if project.worker_thread:
        (folder / "plain.py").write_text(_IN_WORKER_THREAD, "utf-8")
    if project.initial:
        packages.run((packages.program(environment, "python"), "-c", _INITIAL, project.initial), folder)
    return partial(_anew, folder)


def _anew(folder: Path) -> None:
    # Prefect's engine keeps a write-ahead log beside the file.
    for name in ("app.db", "app.db-wal", "app.db-shm"):
        (folder / name).unlink(missing_ok=True)
    if (folder / "initial.db").is_file():
        shutil.copy(folder / "initial.db", folder / "app.db")
