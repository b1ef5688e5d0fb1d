"""Start quickly: a command that finds nothing to do takes as long as it takes to import SQLAlchemy and Alembic."""

from __future__ import annotations

import gc
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import GeneratorType
from typing import TYPE_CHECKING

from fastman_tasks.tasks.spelling import running_program

if TYPE_CHECKING:
    from fastman_tasks.project import Project

# Python's own numbers are 700 and, later, 2,000.
_OBJECTS = 20_000


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Have Python look for garbage in circles seldom in the block, which imports libraries or reads a schema: that
    makes 100,000 objects and no garbage, and searching them is a tenth of the time of a small command."""
    before = gc.get_threshold()
    if 0 < before[0] < _OBJECTS:
        gc.set_threshold(_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def import_libraries(project: Project) -> None:
    """Import what migrating needs before any of the project's own code but its tasks.

    In a process of Invoke's own, Python then looks for no garbage among all that was imported. At the end of a process
    it would search everything once more, which is a fifth of the time of a command that has little to do.
    """
    with seldom_collecting(), _without("pygments"):
        if project.has_environment:
            _ = project.migrator
    # What is not looked at is not told that it is garbage, either: a file that tasks.py has left open would lose what
    # it has not written yet.
    if running_program() is not None and not _is_anything_open():
        gc.freeze()


def _is_anything_open() -> bool:
    """Whether there is an object with a finalizer, such as an open file, other than the standard streams."""
    objects = gc.get_objects()
    kinds = {kind for kind in set(map(type, objects)) if any("__del__" in vars(base) for base in kind.__mro__)}
    # What a generator holds is looked at itself; a socket keeps nothing back.
    kinds -= {GeneratorType, socket.socket}
    standard = set(_standard_streams())
    return any(id(each) not in standard for each in objects if type(each) in kinds)


def _standard_streams() -> Iterator[int]:
    for stream in (sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__):
        buffer = getattr(stream, "buffer", None)
        yield from map(id, (stream, buffer, getattr(buffer, "raw", None)))


@contextmanager
def _without(name: str) -> Iterator[None]:
    """Have the module ``name`` not found while something else is imported in the block.

    Mako, which Alembic imports, imports Pygments where it is installed (Rich brings it along), for error pages in HTML
    that no command makes. It does without, and a tenth of the memory is saved.
    """
    absent = name not in sys.modules
    if absent:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if absent:
            del sys.modules[name]
