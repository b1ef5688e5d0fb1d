"""The risk of a command to the user's data, and who may consent to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from fastman_tasks.errors import Command, ConsentMissing, LossGrew, UsageError
from fastman_tasks.plans import Loss, Step
from fastman_tasks.text import pluralize

if TYPE_CHECKING:
    from fastman_tasks.databases.database import Database
    from fastman_tasks.settings import Settings

#: Nothing; yes (or --force); or the database's name (or --confirm=NAME).
Level = Literal["none", "yes", "name"]


@dataclass(frozen=True)
class Risk:
    """What a command is about to do to ``database``: its ``steps``, and the ``losses`` they cause.

    ``level`` is the consent that it needs, and ``reason`` why, if that is neither a loss nor the database; ``notes``
    are what else there is to know. ``command`` is the command that was called, for an error that says how to consent.
    """

    level: Level
    question: str
    database: Database
    losses: tuple[Loss, ...] = ()
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    command: Command | None = None
    reason: str = ""


#: Returns if the user agrees to a risk, and raises ConsentMissing otherwise. It is called before anything changes, also
#: with level "none".
Consent = Callable[[Risk], None]


def refuse(risk: Risk) -> None:
    """Refuse every ``risk`` that needs consent. Raises ConsentMissing."""
    if risk.level != "none":
        ways = f"consent=named({risk.database.name!r})" if risk.level == "name" else "consent=force"
        raise ConsentMissing(f"{risk.question} Nothing was changed: it needs consent, such as {ways}.")


def force(risk: Risk) -> None:
    """Agree to every ``risk`` except the loss of data in a protected database, and code out of a database. Raises
    ConsentMissing."""
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


def require_agreed(agreed: Sequence[Loss], found: Sequence[Loss]) -> None:
    """Raises LossGrew if what is ``found`` to be lost is more than what was ``agreed`` to.

    A table that is in use grows while the user reads the question: a tenth more rows is no other decision, and for an
    estimate, which may be wrong by that much, twice as many.
    """
    known = {(each.table, each.column, each.reason): each for each in agreed}
    grown = [
        f"{_describe(each)} (confirmed: {_describe_rows(before) if before else 'nothing'})"
        for each in found
        if _has_grown(before := known.get((each.table, each.column, each.reason)), each)
    ]
    if grown:
        listed = "".join(f"\n  {text}" for text in grown)
        raise LossGrew(f"More data would be lost now than was confirmed:{listed}\nNothing was changed.", found)


def _has_grown(before: Loss | None, now: Loss) -> bool:
    if before is None or before.is_harmless:
        return not now.is_harmless
    if before.rows is None or now.rows is None or before.precision == "at least":
        return False
    if before.precision == "estimate":
        return now.rows > 2 * before.rows
    return now.precision == "at least" or now.rows > before.rows + before.rows // 10


def _describe(loss: Loss) -> str:
    what = f"{loss.table}.{loss.column}" if loss.column else loss.table or loss.reason
    return f"{what}: {_describe_rows(loss)}" if loss.table else str(what)


def _describe_rows(loss: Loss) -> str:
    about = {"exact": "", "estimate": "~", "at least": "more than "}[loss.precision]
    return f"{about}{pluralize(loss.rows or 0, 'value' if loss.column else 'row')}"


def consent_command(risk: Risk) -> Command | None:
    """Returns the command with the flag that consents to ``risk``; None if no command was called."""
    if risk.command is None:
        return None
    flag = ("confirm", risk.database.name) if risk.level == "name" else ("force", True)
    return replace(risk.command, flags=(*risk.command.flags, flag))
