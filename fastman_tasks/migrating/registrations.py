"""Remove what an env.py registers with SQLAlchemy and Alembic at the end of its run.

With alembic env.py runs once in a process; here a command may run it twice, and several commands share a process. The
modules that it imports are imported once, so what they register stays.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from alembic.autogenerate import comparators, renderers
from alembic.operations import Operations
from sqlalchemy import event
from sqlalchemy.event import api

# What Alembic calls the module that it loads env.py as.
_MODULE = "env_py"


@contextmanager
def forget_registrations() -> Iterator[None]:
    """At the end of this block, remove the functions that env.py has registered, and restore the current folder."""
    listened: list[tuple[Any, str, Any]] = []
    listen, folder = event.listen, os.getcwd()  # noqa: PTH109

    def noting_listen(target: Any, identifier: str, fn: Callable[..., Any], *args: Any, **kw: Any) -> None:
        listen(target, identifier, fn, *args, **kw)
        if _is_its_own(fn):
            listened.append((target, identifier, fn))

    event.listen = api.listen = noting_listen
    try:
        yield
    finally:
        event.listen = api.listen = listen
        os.chdir(folder)
        for target, identifier, function in listened:
            if event.contains(target, identifier, function):
                event.remove(target, identifier, function)
        for registry in _registries():
            for key, entry in list(registry.items()):
                if _is_its_own(entry):
                    del registry[key]
                elif isinstance(entry, list):
                    entry[:] = [each for each in entry if not _is_its_own(each[0] if isinstance(each, tuple) else each)]


def _registries() -> list[dict[Any, Any]]:
    """Returns the registries of Alembic's dispatchers; there is no public way to remove an entry."""
    dispatchers: tuple[Any, ...] = (renderers, comparators, Operations._to_impl)
    return [registry for each in dispatchers if isinstance(registry := getattr(each, "_registry", None), dict)]


def _is_its_own(function: Any) -> bool:
    return getattr(function, "__module__", None) == _MODULE
