"""What may go wrong for the user's data, and who may agree to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from fastman_tasks.errors import Command, ConsentMissing, UsageError
from fastman_tasks.plans import Loss, Step

if TYPE_CHECKING:
    from fastman_tasks.databases.database import Database
    from fastman_tasks.settings import Settings

#: Nothing; yes (or --force); or the database's name (or --confirm=NAME).
Level = Literal["none", "yes", "name"]


@dataclass(frozen=True)
class Risk:
    """What a command is about to do with ``database``: ``steps``, and ``losses`` with them.

    ``level`` is the consent that it needs. ``command`` is what was called, for those who refuse to say how to agree.
    """

    level: Level
    question: str
    database: Database
    losses: tuple[Loss, ...] = ()
    steps: tuple[Step, ...] = ()
    command: Command | None = None


#: Returns where the user agrees to a risk, and raises ConsentMissing where not. It is called before anything changes,
#: with level "none" too.
Consent = Callable[[Risk], None]


def refuse(risk: Risk) -> None:
    """Agree to nothing that needs consent. Raises ConsentMissing."""
    if risk.level != "none":
        ways = f"consent=named({risk.database.name!r})" if risk.level == "name" else "consent=force"
        raise ConsentMissing(f"{risk.question} Nothing was changed: it needs consent, such as {ways}.")


def force(risk: Risk) -> None:
    """Agree, but for the loss of data on a protected database. Raises ConsentMissing."""
    if risk.level == "name":
        refuse(risk)


def named(name: str) -> Consent:
    """Agree to everything on the database called ``name``; on another one it raises UsageError."""

    def agree(risk: Risk) -> None:
        require_name(name, risk.database)

    return agree


def require_name(name: str, database: Database, *, flag: str = "") -> None:
    """Raises UsageError, which says with which ``flag`` it came, where ``database`` has another ``name``."""
    if name != database.name:
        raise UsageError(f"{flag}{name} is not this database's name, {database.name}. Nothing was changed.")


def level_to_change(settings: Settings, database: Database, losses: Sequence[Loss] = ()) -> Level:
    """What applying migrations, which lose ``losses``, or running seeders needs."""
    return level_to_roll_back(settings, database, losses) if settings.protects(database.url) else "none"


def level_to_roll_back(settings: Settings, database: Database, losses: Sequence[Loss]) -> Level:
    """What rolling back needs."""
    loses = not all(loss.is_harmless for loss in losses)
    return "name" if loses and settings.protects(database.url) else "yes"


def consent_command(risk: Risk) -> Command | None:
    """The command that agrees to ``risk``, where it is a command that was called."""
    if risk.command is None:
        return None
    flag = ("confirm", risk.database.name) if risk.level == "name" else ("force", True)
    return replace(risk.command, flags=(*risk.command.flags, flag))
