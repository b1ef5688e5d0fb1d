"""What is printed of an error, and the exit code that it ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastman_tasks.tasks.spelling import spell
from fastman_tasks.text import printable

if TYPE_CHECKING:
    from fastman_tasks.project import Project


def describe(error: BaseException, project: Project | None) -> tuple[str, int, str | None]:
    """Returns the message for ``error``, the exit code, and the command to run next."""
    from fastman_tasks.errors import ConsentMissing, FastmanError

    if isinstance(error, FastmanError):
        message, next = str(error), None if error.next is None else spell(str(error.next))
        typed = printable(next or "")
        if project is not None and (hint := _hint(project, error)):
            message = f"{message}\n{hint}"
        if next is not None:
            message = (
                f"{message} To go ahead: {typed}" if isinstance(error, ConsentMissing) else f"{message}\nNext: {typed}"
            )
        return spell(message), error.code, next
    if isinstance(error, KeyboardInterrupt):
        where = spell("inv migrate.status")
        return f"Interrupted. For what is applied now: {where}", 1, None
    return f"Unexpected {type(error).__name__}: {error}\nFor the traceback: inv --debug …", 1, None


def _hint(project: Project, error: BaseException) -> str | None:
    """Returns what to do if ``error`` comes from a variable that is in a .env file and not in the environment."""
    from fastman_tasks.sources import missing_variable

    name = missing_variable(error)
    if name is None or name not in project.settings.unset:
        return None
    return (
        f"{name} is set in .env, but not in the environment. Set FASTMAN_EXPORT_ENV=1 in .env to export all of it "
        "while a command runs."
    )
