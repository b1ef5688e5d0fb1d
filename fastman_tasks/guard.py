"""Which consent a command needs. Pure: it is asked for elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from sqlalchemy.engine import URL

from fastman_tasks.databases import urls
from fastman_tasks.errors import ConsentMissing, UsageError
from fastman_tasks.migrating.losses import Loss
from fastman_tasks.settings import Settings

#: Nothing; yes (or --force); or the database's name (or --confirm=NAME).
Consent = Literal["none", "yes", "name"]


def database_name(url: URL) -> str:
    """What the database is called: its name on the server, or its file's."""
    file = urls.sqlite_file(url)
    return Path(file).name if file is not None else url.database or "memory"


def to_change(settings: Settings, url: URL, losses: Iterable[Loss] = ()) -> Consent:
    """What applying migrations, which lose ``losses``, or running seeders needs."""
    return to_roll_back(settings, url, losses) if settings.protects(url) else "none"


def to_roll_back(settings: Settings, url: URL, losses: Iterable[Loss]) -> Consent:
    """What rolling back needs."""
    loses = not all(loss.harmless for loss in losses)
    return "name" if loses and settings.protects(url) else "yes"


def permit_rollback(settings: Settings) -> None:
    """Raises ConsentMissing where FASTMAN_PROHIBIT_DESTRUCTIVE forbids rolling back altogether."""
    if settings.prohibit_destructive:
        raise ConsentMissing(
            "FASTMAN_PROHIBIT_DESTRUCTIVE is set: rolling back is refused here, whatever the flags. Nothing was done."
        )


def answered(consent: Consent, *, force: bool, confirm: str | None, name: str) -> bool:
    """Whether the flags give ``consent``. Raises UsageError for ``confirm`` with another database's name."""
    if confirm is not None and confirm != name:
        raise UsageError(f"--confirm={confirm} is not this database's name, {name}. Nothing was done.")
    if consent == "none" or confirm is not None:
        return True
    return consent == "yes" and force
