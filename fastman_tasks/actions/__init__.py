"""The commands as functions, to be called from your own tasks. Each returns a Report or raises FastmanError.

>>> from fastman_tasks import Project, actions, force
>>> with Project.open() as project:
...     report = actions.migrate(project, consent=force)
"""

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
