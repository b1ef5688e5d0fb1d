"""What a person has to decide where a difference can mean two things."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from fastman_tasks.errors import Candidate, Command, ConsentMissing, MigrationRefused, RenamesUndecided, UsageError
from fastman_tasks.text import printable

_COMMAND = Command("make.migration", ("…",))


@dataclass(frozen=True)
class Decisions:
    """What was decided on the command line, or by answering.

    ``renames`` are pairs ``old:new`` as --rename takes them, ``declined`` those that are no renames; ``no_renames``
    declines all others. ``allow_drops`` is whether data may be lost. ``backfill`` is what --backfill gives:
    ``column=value``, or a value where one column needs it. ``typed`` is the command without what decides, to be shown
    once more with all of that.
    """

    renames: tuple[str, ...] = ()
    declined: frozenset[str] = frozenset()
    no_renames: bool = False
    allow_drops: bool = False
    backfill: tuple[str, ...] = ()
    typed: Command = _COMMAND

    @property
    def command(self) -> Command:
        """The command that decides so."""
        flags = (
            ("rename", self.renames),
            ("no_renames", self.no_renames or bool(self.declined)),
            ("allow_drops", self.allow_drops),
            ("backfill", self.backfill),
        )
        return replace(self.typed, flags=(*self.typed.flags, *flags))

    @property
    def flags(self) -> list[str]:
        """The flags that were given for it."""
        given = {"--rename": self.renames, "--no-renames": self.no_renames, "--allow-drops": self.allow_drops,
                 "--backfill": self.backfill}  # fmt: skip
        return [flag for flag, value in given.items() if value]


class Questions:
    """What ``decisions`` leave open: gathered while a migration is made, to be refused all at once.

    What may have been renamed is taken for renamed meanwhile, so that what else is open comes to light.
    """

    def __init__(self, decisions: Decisions) -> None:
        self.decisions = decisions
        self.candidates: list[Candidate] = []
        #: Columns that need a value where nothing was renamed.
        self.unrenamed: list[str] = []
        self._says: list[str] = []
        self._answers = decisions
        self._drops = False

    @property
    def is_open(self) -> bool:
        """Whether there is something to decide."""
        return bool(self.candidates or self._says)

    def ask_renames(self, candidates: Iterable[Candidate], *, drops: bool = False) -> list[Candidate]:
        """Ask about each of ``candidates``, the likeliest first; returns those to go on with as if they were renames.
        If they are none, the one is added, and the other is removed, which ``drops`` data or not."""
        likeliest: list[Candidate] = []
        for each in candidates:
            if all(each.flag != other.flag for other in self.candidates):
                self.candidates.append(each)
                self._drops |= drops
            if not any(each.excludes(other) for other in likeliest):
                likeliest.append(each)
        flags = [each.flag for each in likeliest if each.flag not in self._answers.renames]
        self._answers = replace(self._answers, renames=(*self._answers.renames, *flags))
        return likeliest

    def ask_values(self, says: Sequence[str], columns: Sequence[str], *, are_named: bool) -> None:
        """Ask what the rows that there are get in ``columns``, of which ``says`` tells; with their names where there
        are other columns."""
        if columns:
            way = "(--backfill), or the column a default in the models (default= or server_default=)."
            self._says += [*says, f"Give such rows a value {way}"]
            values = [f"{each}=VALUE" if are_named else "VALUE" for each in columns]
            self._answers = replace(self._answers, backfill=(*self._answers.backfill, *values))
            self.unrenamed = [*columns, *(each for each in self.unrenamed if each not in columns)]

    def ask_drops(self, says: Sequence[str]) -> None:
        """Ask whether data may be lost, as ``says`` tells."""
        if says and not self.decisions.allow_drops:
            self._says += says
            self._answers = replace(self._answers, allow_drops=True)

    def refusal(self) -> ConsentMissing | MigrationRefused:
        """All that is open, with the command that decides it."""
        if not self.candidates:
            return MigrationRefused("\n".join([*self._says, "Nothing was written."]), next=self._answers.command)
        asked = [f"  {each.question}" for each in self.candidates]
        values = tuple(f"{each}=VALUE" for each in self.unrenamed)
        other = replace(
            self.decisions,
            no_renames=True,
            allow_drops=self._drops or self._answers.allow_drops,
            backfill=(*self.decisions.backfill, *values),
        )
        lines = [
            "What was renamed keeps what is in it, what is dropped does not:",
            *asked,
            *self._says,
            "There is no terminal to ask on, so nothing was written.",
            f"If nothing was renamed: {printable(str(other.command))}",
            "If it was renamed, it keeps what is in it.",
        ]
        return RenamesUndecided("\n".join(lines), self.candidates, next=self._answers.command)


def require_pairs(renames: tuple[str, ...]) -> tuple[str, ...]:
    """``renames`` as they are. Raises UsageError for one that is not a pair ``old:new``."""
    for pair in renames:
        old, separator, new = pair.partition(":")
        if not (old and separator and new) or ":" in new:
            raise UsageError(f"--rename={pair} is not a pair old:new, such as users.name:full_name or users:people.")
    return renames
