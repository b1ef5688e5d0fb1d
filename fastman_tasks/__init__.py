"""Invoke tasks for migrating, rolling back and seeding a database, on Alembic and SQLAlchemy.

In a project's tasks.py::

    from invoke import Collection
    from fastman_tasks import database, make, migrate

    ns = Collection(database, make, migrate)
"""

from fastman_tasks.tasks import database, make, migrate

__all__ = ["database", "make", "migrate"]
