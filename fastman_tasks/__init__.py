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
    from fastman_tasks.project import Project
    from fastman_tasks.tasks import database, make, migrate

__all__ = ["Project", "database", "make", "migrate"]

_PLACES = {
    "Project": "project:Project",
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
