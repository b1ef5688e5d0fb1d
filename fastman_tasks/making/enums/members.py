"""How the members of an enum differ between the database and the models, and which of them were renamed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from fastman_tasks.errors import Candidate
from fastman_tasks.making.decisions import Questions


@dataclass(frozen=True)
class Difference:
    """From the members in the database to those of the models: first ``renames`` (old, new), which makes ``renamed`` of
    them, then ``wanted``."""

    renames: tuple[tuple[str, str], ...]
    renamed: tuple[str, ...]
    wanted: tuple[str, ...]

    @property
    def added(self) -> tuple[str, ...]:
        """The members that are new."""
        return tuple(each for each in self.wanted if each not in self.renamed)

    @property
    def removed(self) -> tuple[str, ...]:
        """The members that are gone."""
        return tuple(each for each in self.renamed if each not in self.wanted)

    @property
    def only_adds(self) -> bool:
        """Whether the members that stay are in the same order, and none goes."""
        return self.renamed == tuple(each for each in self.wanted if each in self.renamed)

    def hint(self, label: str) -> str:
        """What to do if a member that is removed was renamed, and has moved, too."""
        if not self.added or not self.removed:
            return ""
        return "\nIf one was renamed, and the rows keep it under its new name: " + (
            flag(label, self.removed[0], self.added[0])
        )

    @property
    def is_rename(self) -> bool:
        """Whether nothing is left to do once the members have their new names."""
        return self.renamed == self.wanted

    @property
    def text(self) -> str:
        """It in words."""
        said = [f"rename {old!r} to {new!r}" for old, new in self.renames]
        said += [f"add {each!r}" for each in self.added]
        said += [f"remove {each!r} (no rows have it)" for each in self.removed]
        return ", ".join(said) or "new order"


def compare(label: str, existing: Sequence[str], wanted: Sequence[str], questions: Questions) -> Difference:
    """The difference of the enum that is called ``label``. ``questions`` get what may have been renamed."""
    vanished = [each for each in existing if each not in wanted]
    appeared = [each for each in wanted if each not in existing]
    decided = questions.decisions
    renames = {old: new for old in vanished for new in appeared if f"{label}.{old}:{new}" in decided.renames}
    if not decided.no_renames:
        open_ = {
            Candidate(f"{label}.{old}", f"{label}.{new}", pair, f"Was {old!r} of {label} renamed to {new!r}?"): (
                old,
                new,
            )
            for old, new in _candidates(existing, wanted)
            if old not in renames and new not in renames.values()
            if (pair := f"{label}.{old}:{new}") not in decided.declined
        }
        renames |= dict(open_[each] for each in questions.ask_renames(open_))
    return Difference(tuple(renames.items()), tuple(renames.get(each, each) for each in existing), tuple(wanted))


def _candidate(label: str, old: str, new: str) -> Candidate:
    question = f"Was {old!r} of {label} renamed to {new!r}?"
    return Candidate(f"{label}.{old}", f"{label}.{new}", f"{label}.{old}:{new}", question)


def flag(label: str, old: str, new: str) -> str:
    """What decides, in a shell, that ``old`` was renamed."""
    return f"--rename={shlex.quote(f'{label}.{old}:{new}')}"


def _candidates(existing: Sequence[str], wanted: Sequence[str]) -> list[tuple[str, str]]:
    """A member that is gone with the one that is in its place."""
    found: list[tuple[str, str]] = []
    for kind, i, j, k, n in SequenceMatcher(None, existing, wanted, autojunk=False).get_opcodes():
        if kind == "replace":
            gone = [each for each in existing[i:j] if each not in wanted]
            new = [each for each in wanted[k:n] if each not in existing]
            found.extend(zip(gone, new, strict=False))
    return found
