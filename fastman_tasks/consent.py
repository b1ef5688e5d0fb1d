"""The risk of a command to the user's data, and who may consent to it."""

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
    """What a command is about to do to ``database``: its ``steps``, and the ``losses`` they cause.

    ``level`` is the consent that it needs; ``notes`` are what else there is to know. ``command`` is the command that
    was called, for an error that says how to consent.
    """

    level: Level
    question: str
    database: Database
    losses: tuple[Loss, ...] = ()
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    command: Command | None = None


#: Returns if the user agrees to a risk, and raises ConsentMissing otherwise. It is called before anything changes, also
#: with level "none".
Consent = Callable[[Risk], None]


def refuse(risk: Risk) -> None:
    """Refuse every ``risk`` that needs consent. Raises ConsentMissing."""
    if risk.level != "none":
        ways = f"consent=named({risk.database.name!r})" if risk.level == "name" else "consent=force"
        raise ConsentMissing(f"{risk.question} Nothing was changed: it needs consent, such as {ways}.")


def force(risk: Risk) -> None:
    """Agree to every ``risk`` except the loss of data in a protected database. Raises ConsentMissing."""
    if risk.level == "name":
        refuse(risk)


def named(name: str) -> Consent:
    """Returns a Consent that agrees to everything on the database ``name``, and raises UsageError on any other."""

    def agree(risk: Risk) -> None:
        require_name(name, risk.database)

    return agree


def require_name(name: str, database: Database, *, flag: str = "") -> None:
    """Raises UsageError, which quotes the ``flag`` that it came with, if ``database`` has another ``name``."""
    if name != database.name:
        raise UsageError(f"{flag}{name} is not this database's name, {database.name}. Nothing was changed.")


def level_to_change(settings: Settings, database: Database, losses: Sequence[Loss] = ()) -> Level:
    """Returns the consent needed to apply migrations that cause ``losses``, or to run seeders."""
    return level_to_roll_back(settings, database, losses) if settings.protects(database.url) else "none"


def level_to_roll_back(settings: Settings, database: Database, losses: Sequence[Loss]) -> Level:
    """Returns the consent needed to roll back."""
    loses = not all(loss.is_harmless for loss in losses)
    return "name" if loses and settings.protects(database.url) else "yes"


def consent_command(risk: Risk) -> Command | None:
    """Returns the command with the flag that consents to ``risk``; None if no command was called."""
    if risk.command is None:
        return None
    flag = ("confirm", risk.database.name) if risk.level == "name" else ("force", True)
    return replace(risk.command, flags=(*risk.command.flags, flag))
