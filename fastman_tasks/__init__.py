"""Invoke tasks for migrating, rolling back and seeding a database, on Alembic and SQLAlchemy.

In a project's tasks.py::

    from invoke import Collection
    from fastman_tasks import database, make, migrate

    ns = Collection(database, make, migrate)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastman_tasks import actions
    from fastman_tasks.consent import force, named, refuse
    from fastman_tasks.plans import Observer
    from fastman_tasks.project import Project
    from fastman_tasks.tasks import database, make, migrate
    from fastman_tasks.tasks.boundary import project_task

__all__ = [
    "Observer", "Project", "actions", "database", "force", "make", "migrate", "named", "project_task", "refuse",
]  # fmt: skip

_PLACES = {
    "Observer": "plans:Observer",
    "Project": "project:Project",
    "actions": "actions",
    "force": "consent:force",
    "named": "consent:named",
    "project_task": "tasks.boundary:project_task",
    "refuse": "consent:refuse",
    "database": "tasks.database",
    "make": "tasks.make",
    "migrate": "tasks.migrate",
}


def __getattr__(name: str) -> Any:
    # Neither Invoke nor SQLAlchemy is imported before something that needs it is.
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    found = importlib.import_module(f"{__name__}.{module}")
    return getattr(found, attribute) if attribute else found
