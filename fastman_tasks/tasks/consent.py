"""Say what would be lost, and get the user's consent, or say how to give it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastman_tasks.tasks import console
from fastman_tasks.text import counted

if TYPE_CHECKING:
    from fastman_tasks.guard import Consent
    from fastman_tasks.migrating.losses import Loss
    from fastman_tasks.project import Project


def obtain(
    project: Project,
    consent: Consent,
    question: str,
    command: str,
    *,
    force: bool,
    confirm: str | None = None,
    terminal: bool = True,
) -> None:
    """Go on only with ``consent``: from the flags, or from the user's answer to ``question`` (default no).

    Raises ConsentMissing when the user declines, and at once, with the ``command`` that would work, where there is no
    ``terminal`` to ask on, or stdout is for JSON alone; UsageError for ``confirm`` with another database's name.
    """
    from fastman_tasks import guard
    from fastman_tasks.errors import ConsentMissing

    name = guard.database_name(project.database.url)
    if guard.answered(consent, force=force, confirm=confirm, name=name):
        return
    if not (terminal and sys.stdin.isatty()):
        flag = f"--confirm={shlex.quote(name)}" if consent == "name" else "--force"
        enough = " --force is not enough here: data would be lost." if consent == "name" and force else ""
        why = "There is no terminal to ask on" if terminal else "Where JSON is wanted nobody is asked"
        raise ConsentMissing(f"{question} {why}, so nothing was done.{enough} To go ahead: {command} {flag}")
    if consent == "name":
        given = console.ask(f"{question} Type the database's name, {name}, to go ahead:", name)
    else:
        given = console.ask(f"{question} [y/N]", "y")
    if not given:
        raise ConsentMissing("Declined; nothing was done.")


def name_losses(found: Sequence[Loss]) -> None:
    """Print what would be lost."""
    sections = {
        "This drops, with what is in them now:": [(_loss(loss), loss) for loss in found if not loss.sql],
        "This deletes rows:": [
            (f"{loss.sql}  ({_loss(loss)})", loss) for loss in found if loss.sql and loss.table and not loss.harmless
        ],
        "Could not be analysed; data may be lost:": [
            (str(loss.sql), loss) for loss in found if loss.sql and not loss.table
        ],
    }
    for title, lines in sections.items():
        if lines:
            console.line(title)
        for text, loss in lines:
            console.line(f"  {text}", style=None if loss.harmless else "red")
    if any(sections.values()):
        console.line()


def _loss(loss: Loss) -> str:
    what = f"{loss.table}.{loss.column}" if loss.column else loss.table
    about = "~" if loss.estimated else "more than " if loss.more else ""
    return f"{what}: {about}{counted(loss.count or 0, 'value' if loss.column else 'row')}"
