"""Commands as they are called in this tasks.py, which may have given our namespaces other names."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

from invoke import Collection, Program

_COMMAND = re.compile(r"\binv ((?:make|database|migrate)\.\w+)\b")


def running_program() -> Program | None:
    """The command ``inv``, if that is what runs."""
    program = getattr(sys.modules.get("invoke.main"), "program", None)
    return program if isinstance(program, Program) else None


def own_commands(collection: Collection) -> Iterable[tuple[str, str]]:
    """Each of our commands in ``collection``: what it is called here, and what it is called there."""
    for name in collection.task_names:
        body = collection[name].body
        room, _, module = body.__module__.rpartition(".")
        if room == __name__.rpartition(".")[0]:
            yield f"{module}.{body.__name__}", name


def spell(text: str) -> str:
    """``text``, in which each ``inv migrate.rollback`` and its like reads as it is to be typed."""
    program = running_program() if "inv " in text else None
    collection = getattr(program, "collection", None)
    if collection is None:
        return text
    names = dict(own_commands(collection))
    return _COMMAND.sub(lambda found: f"inv {names.get(found[1], found[1])}", text)
