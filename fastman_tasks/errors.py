"""The errors that a user can cause, each with its exit code."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastman_tasks.plans import Loss, Report


@dataclass(frozen=True)
class Command:
    """A command to type: ``task`` ("migrate.rollback"), its ``words`` and flags. A flag that is None or False is left
    out; one with several values is repeated."""

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
    """An error that is reported to the user; its message says what happened and what to do.

    ``code`` is the exit code of the process: 1 failed, 2 wrong usage, 4 the lock was not free in time or was lost, 5
    consent is missing. ``next`` is the command to run next, if there is one. ``report`` is what the action had done
    when it failed, if it had started.
    """

    code: ClassVar[int] = 1
    report: Report | None = None

    def __init__(self, message: str = "", *, next: Command | None = None) -> None:
        super().__init__(message)
        self.next = next


class UsageError(FastmanError):
    """A flag, an argument or a name is not valid; nothing was changed."""

    code = 2


class LockTimeout(FastmanError):
    """Another process held the migration lock for longer than FASTMAN_LOCK_TIMEOUT."""

    code = 4


class LockLost(FastmanError):
    """The migration lock was lost while the command ran: another process may have acquired it since."""

    code = 4


class ConsentMissing(FastmanError):
    """The user did not agree, or could not be asked."""

    code = 5


class LossGrew(ConsentMissing):
    """More would be lost than the user agreed to: ``losses``. Raised before anything is changed."""

    def __init__(self, message: str, losses: Sequence[Loss]) -> None:
        super().__init__(message)
        self.losses = tuple(losses)


@dataclass(frozen=True)
class Candidate:
    """``old`` is dropped and ``new`` is added: it may be a rename.

    ``flag`` is the value of --rename for it, such as ``users.name:full_name``; ``question`` asks the user.
    """

    old: str
    new: str
    flag: str
    question: str

    def excludes(self, other: Candidate) -> bool:
        """Whether the two are mutually exclusive: they share what is dropped or what is added."""
        return self.old == other.old or self.new == other.new


class RenamesUndecided(ConsentMissing):
    """Something may have been renamed, and no flag decides it; ``candidates`` are to be asked about in order."""

    def __init__(self, message: str, candidates: Sequence[Candidate], *, next: Command | None = None) -> None:
        super().__init__(message, next=next)
        self.candidates = tuple(candidates)


class RebaseUndecided(ConsentMissing):
    """Several branches may be moved, and neither git nor a flag tells which; ``candidates`` are the commands to choose
    from."""

    def __init__(self, message: str, candidates: Sequence[Command]) -> None:
        super().__init__(message)
        self.candidates = tuple(candidates)


class RepairUndecided(ConsentMissing):
    """The database has revisions that no file has, and there are several ``ways`` out: each with what it does, and how
    to do it by other commands."""

    def __init__(self, message: str, ways: Mapping[str, tuple[str, str]]) -> None:
        listed = "".join(f"\n  {what}:\n    {how}" for what, how in ways.values())
        super().__init__(f"{message}\nChoose one on a terminal, or by these commands:{listed}")
        self.what = message
        self.ways = dict(ways)


class SettingsError(FastmanError):
    """A variable or a ``.env`` file is not valid."""


class GitFailed(FastmanError):
    """There is no git or no repository, or git cannot tell what it is asked."""


class DatabaseUnavailable(FastmanError):
    """No connection: the server is down, the database or the driver is missing, or the password is wrong."""


class DatabaseExists(FastmanError):
    """The database to create exists."""


class DatabaseInUse(FastmanError):
    """The database to drop is in use by others."""


class EnvironmentFailed(FastmanError):
    """The project's Alembic environment (alembic.ini, env.py, the version files) cannot be used."""


class ReplayImpossible(EnvironmentFailed):
    """The migrations cannot be replayed in a scratch database: env.py connects to another one in any case."""


class NoEnvironment(EnvironmentFailed):
    """The project has no Alembic environment yet."""


class ModelsFailed(FastmanError):
    """The project's models cannot be imported, or contradict each other."""


class MigrationRefused(FastmanError):
    """A plan cannot be run; raised before anything is changed."""


class RevisionsMissing(MigrationRefused):
    """The database has revisions that no file has. ``next`` is ``migrate.rollback --phantoms`` where that may do."""


class MigrationFailed(FastmanError):
    """A migration raised an error while it ran."""


class SeederFailed(FastmanError):
    """A seeder is missing, unusable, or raised an error while it ran."""


class NoSeeders(SeederFailed):
    """The project has no seeders yet."""


class SeedingRefused(FastmanError):
    """Seeders cannot run yet; raised before anything is changed."""


class UpsertRefused(FastmanError):
    """Rows are not unique by their key, or do not fit the model; their batch was not written."""


class LoadFailed(FastmanError):
    """A data file cannot be read, does not fit its table, or contains an invalid value; names file and line."""


class FileNotWritten(FastmanError):
    """A file to generate already exists, or its folder is not writable."""


class ProgramFailed(FastmanError):
    """A program of the database's is not installed, or has failed."""


class BackupFailed(FastmanError):
    """A backup cannot be written or restored."""
