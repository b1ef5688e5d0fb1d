"""What a person has to decide where a difference can mean two things."""

from __future__ import annotations

from dataclasses import dataclass

from fastman_tasks.errors import UsageError


@dataclass(frozen=True)
class Decisions:
    """What was decided on the command line, or by answering.

    ``renames`` are pairs ``old:new`` as --rename takes them, ``declined`` those that are no renames; ``no_renames``
    declines all others. ``allow_drops`` is whether data may be lost. ``backfill`` is what --backfill gives:
    ``column=value``, or a value where one column needs it. ``command`` is what was typed, to be shown once more with
    the flag that was missing.
    """

    renames: tuple[str, ...] = ()
    declined: frozenset[str] = frozenset()
    no_renames: bool = False
    allow_drops: bool = False
    backfill: tuple[str, ...] = ()
    command: str = "inv make.migration …"


def require_pairs(renames: tuple[str, ...]) -> tuple[str, ...]:
    """``renames`` as they are. Raises UsageError for one that is not a pair ``old:new``."""
    for pair in renames:
        old, separator, new = pair.partition(":")
        if not (old and separator and new) or ":" in new:
            raise UsageError(f"--rename={pair} is not a pair old:new, such as users.name:full_name or users:people.")
    return renames
