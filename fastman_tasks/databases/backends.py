"""The modules of one room for the kinds of database: each is imported where a project has such a database."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from fastman_tasks.errors import UsageError

_MODULES = {"postgresql": "postgresql", "sqlite": "sqlite", "mysql": "mysql", "mariadb": "mysql"}


def choose(room: str, backend: str, cannot: str) -> ModuleType:
    """Returns the module of the package ``room`` for ``backend``, a dialect's name. Raises UsageError for another
    database, which says what it ``cannot``: "be dumped"."""
    if backend not in _MODULES:
        raise UsageError(f"A {backend} database cannot {cannot}: only PostgreSQL, SQLite, MySQL, MariaDB.")
    return import_module(f"{room}.{_MODULES[backend]}")
