"""Commands as they are called in this tasks.py, which may have renamed our namespaces."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

from invoke import Collection, Program

_COMMAND = re.compile(r"\binv ((?:make|database|migrate)\.\w+)\b")


def running_program() -> Program | None:
    """Returns Invoke's program if it is running."""
    program = getattr(sys.modules.get("invoke.main"), "program", None)
    return program if isinstance(program, Program) else None


def own_commands(collection: Collection) -> Iterable[tuple[str, str]]:
    """Yields each of our commands in ``collection``: our name for it, and its name there."""
    for name in collection.task_names:
        body = collection[name].body
        room, _, module = body.__module__.rpartition(".")
        if room == __name__.rpartition(".")[0]:
            yield f"{module}.{body.__name__}", name


def spell(text: str) -> str:
    """Returns ``text`` with each command such as ``inv migrate.rollback`` as it is called in this tasks.py."""
    program = running_program() if "inv " in text else None
    collection = getattr(program, "collection", None)
    if collection is None:
        return text
    names = dict(own_commands(collection))
    return _COMMAND.sub(lambda found: f"inv {names.get(found[1], found[1])}", text)
