"""Everything that can go wrong for a user, each with the exit code it ends in."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastman_tasks.plans import Report


@dataclass(frozen=True)
class Command:
    """A command to be typed: ``task`` ("migrate.rollback"), its ``words`` and flags. A flag that is None or False is
    left out, one with several values is repeated."""

    task: str
    words: tuple[str, ...] = ()
    flags: tuple[tuple[str, str | int | bool | tuple[str, ...] | None], ...] = ()

    def __str__(self) -> str:
        typed = [shlex.quote(word) for word in self.words]
        for name, value in self.flags:
            flag = f"--{name.rstrip('_').replace('_', '-')}"
            for each in value if isinstance(value, tuple) else (value,):
                if each is not None and each is not False:
                    typed.append(flag if each is True else f"{flag}={shlex.quote(str(each))}")
        return " ".join(["inv", self.task, *typed])


class FastmanError(Exception):
    """Something the user has to know of; its text says what happened and what to do.

    ``code`` is the process's exit code: 1 failed, 2 wrong usage, 4 the lock was not free in
    time, 5 refused for want of consent. ``next`` is the command that goes on from here, if one does; ``report`` what
    the action had done when it failed, if it had begun.
    """

    code: ClassVar[int] = 1
    report: Report | None = None

    def __init__(self, message: str = "", *, next: Command | None = None) -> None:
        super().__init__(message)
        self.next = next


class UsageError(FastmanError):
    """A flag, an argument or a name that makes no sense; nothing has been touched."""

    code = 2


class LockTimeout(FastmanError):
    """Somebody else held the migration lock for longer than FASTMAN_LOCK_TIMEOUT."""

    code = 4


class ConsentMissing(FastmanError):
    """The user declined, or could not be asked."""

    code = 5


@dataclass(frozen=True)
class Candidate:
    """Something dropped, ``old``, and something added, ``new``, that could be one thing with a new name.

    ``flag`` is what --rename takes for it, such as ``users.name:full_name``; ``question`` asks a person.
    """

    old: str
    new: str
    flag: str
    question: str

    def excludes(self, other: Candidate) -> bool:
        """Whether both cannot be: they are about the same dropped or added thing."""
        return self.old == other.old or self.new == other.new


class RenamesUndecided(ConsentMissing):
    """Something may have been renamed, and nobody has said so; ``candidates`` are what to ask about, in order."""

    def __init__(self, message: str, candidates: Sequence[Candidate], *, next: Command | None = None) -> None:
        super().__init__(message, next=next)
        self.candidates = tuple(candidates)


class SettingsError(FastmanError):
    """A variable or a ``.env`` file that cannot be used."""


class DatabaseUnavailable(FastmanError):
    """No connection: the server is down, the database absent, the password wrong, the driver missing."""


class EnvironmentFailed(FastmanError):
    """The project's Alembic environment (alembic.ini, env.py, the version files) cannot be used."""


class NoEnvironment(EnvironmentFailed):
    """The project has no Alembic environment yet."""


class ModelsFailed(FastmanError):
    """The project's models cannot be imported, or contradict each other."""


class MigrationRefused(FastmanError):
    """A plan that must not be carried out, found before anything is touched."""


class StateChanged(MigrationRefused):
    """The database is no longer where it was when the plan was made; nothing of the plan was carried out."""


class MigrationFailed(FastmanError):
    """A migration raised an error while it ran."""


class SeederFailed(FastmanError):
    """A seeder is missing, unusable, or raised an error while it ran."""


class NoSeeders(SeederFailed):
    """The project has no seeders yet."""


class SeedingRefused(FastmanError):
    """Seeders must not run as things stand, found before anything is touched."""


class UpsertRefused(FastmanError):
    """Rows that cannot be told apart by their key, or do not fit the model; nothing of their batch was written."""


class LoadFailed(FastmanError):
    """A data file that cannot be read, does not fit its table, or holds a bad value; file and line are named."""


class FileNotWritten(FastmanError):
    """A file that was to be generated exists already, or its folder cannot be written."""
