"""The commands as functions, to be called from your own tasks. Each returns a Report or raises FastmanError.

>>> from fastman_tasks import Project, actions, force
>>> with Project.open() as project:
...     report = actions.migrate(project, consent=force)
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastman_tasks.actions.backup import backup
    from fastman_tasks.actions.check import check
    from fastman_tasks.actions.create import create
    from fastman_tasks.actions.drop import drop
    from fastman_tasks.actions.fresh import fresh
    from fastman_tasks.actions.load import load
    from fastman_tasks.actions.migrate import migrate
    from fastman_tasks.actions.phantoms import rollback_phantoms
    from fastman_tasks.actions.rebase import rebase
    from fastman_tasks.actions.refresh import redo, refresh
    from fastman_tasks.actions.repair import repair
    from fastman_tasks.actions.restore import restore
    from fastman_tasks.actions.rollback import reset, rollback
    from fastman_tasks.actions.seed import seed
    from fastman_tasks.actions.setup import setup
    from fastman_tasks.actions.stamp import stamp
    from fastman_tasks.actions.wait import wait

__all__ = [
    "backup", "check", "create", "drop", "fresh", "load", "migrate", "rebase", "redo",
    "refresh", "repair", "reset", "restore", "rollback", "rollback_phantoms", "seed", "setup", "stamp", "wait",
]  # fmt: skip

#: The modules of those that have none of their own.
_MODULES = {"redo": "refresh", "reset": "rollback", "rollback_phantoms": "phantoms"}


class _Actions(ModuleType):
    """Imports an action when it is first asked for: a command needs one of them."""

    def __getattr__(self, name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        function = getattr(importlib.import_module(f"{__name__}.{_MODULES.get(name, name)}"), name)
        setattr(self, name, function)
        return function

    def __setattr__(self, name: str, value: Any) -> None:
        # Python makes a module an attribute of its package: here it would hide the function that it is called after.
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Actions
