"""Ask what only a person knows while a migration is written: whether something was renamed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fastman_tasks.tasks import console

if TYPE_CHECKING:
    from fastman_tasks.errors import Candidate
    from fastman_tasks.making.decisions import Decisions
    from fastman_tasks.making.migration import Draft


def drafted(draft: Callable[[Decisions], Draft], decisions: Decisions) -> Draft:
    """What ``draft`` makes of ``decisions`` and of the user's answers to what they leave open.

    Raises RenamesUndecided where there is no terminal to ask on, ConsentMissing where the user cancels.
    """
    from fastman_tasks.errors import RenamesUndecided

    while True:
        try:
            return draft(decisions)
        except RenamesUndecided as undecided:
            if not sys.stdin.isatty():
                raise
            decisions = _ask(undecided.candidates, decisions)


def _ask(candidates: Sequence[Candidate], decisions: Decisions) -> Decisions:
    from fastman_tasks.errors import ConsentMissing

    renamed: list[Candidate] = []
    for candidate in candidates:
        if any(candidate.excludes(other) for other in renamed):
            continue
        answer = console.choose(candidate.question)
        if answer is None:
            raise ConsentMissing("Cancelled; nothing was written.")
        if answer:
            renamed.append(candidate)
    declined = {candidate.flag for candidate in candidates if candidate not in renamed}
    return replace(
        decisions,
        renames=(*decisions.renames, *(candidate.flag for candidate in renamed)),
        declined=decisions.declined | declined,
    )
