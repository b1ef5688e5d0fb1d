"""The data that a plan would lose: the tables and columns that it drops, with their rows."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fastman_tasks.migrating.loss_counts import UncountedLoss
from fastman_tasks.plans import Step


def find(steps: Iterable[Step], dialect: str) -> tuple[UncountedLoss, ...]:
    """Returns what ``steps`` lose on ``dialect``, in their order. No migration is run.

    When rolling back, code that cannot be analysed counts as a loss. When migrating, only what certainly drops or
    deletes does: most data migrations cannot be analysed, and lose nothing.
    """
    steps = tuple(steps)
    if not any(map(_may_lose, steps)):
        return ()
    # What reads code takes longer to import than most plans take to run.
    from fastman_tasks.migrating import losses_in_code

    return tuple(dict.fromkeys(losses_in_code.find(steps, dialect)))


# Nothing is lost forward without one of these words. Most migrations have them in their downgrade() only, and looking
# for words takes a twentieth of the time of following the code, which counts where a thousand are applied.
_LOSING = re.compile(r"drop|delete|truncate|downgrade", re.IGNORECASE)
_DOWNGRADE = re.compile(r"^def downgrade\b[^\n]*\n(?:[ \t][^\n]*(?:\n|\Z)|\r?\n)*", re.MULTILINE)


def _may_lose(step: Step) -> bool:
    if step.action == "roll back" or step.file is None:
        return True
    try:
        # Whatever its encoding, these words are spelled in ASCII.
        source = step.file.read_bytes().decode("latin-1")
    except OSError:
        return True
    return _LOSING.search(_DOWNGRADE.sub("", source)) is not None
