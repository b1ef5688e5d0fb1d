"""What a person has to decide where a difference can mean two things."""

from __future__ import annotations

from dataclasses import dataclass


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
