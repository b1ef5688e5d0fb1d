"""Whether the migrations follow each other, here and after a merge."""

from __future__ import annotations

from dataclasses import replace

from fastman_tasks.actions.check.outcome import judge
from fastman_tasks.migrating.version_trees import Trees
from fastman_tasks.plans import StepResult
from fastman_tasks.revisions import problems
from fastman_tasks.revisions.problems import VersionFile
from fastman_tasks.text import pluralize, printable


def check(here: tuple[VersionFile, ...], trees: Trees | None) -> StepResult:
    """Returns what is wrong with the migrations ``here``, and with those of ``trees`` once they are merged."""
    found = problems.find(here)
    note = pluralize(len(here), "migration")
    if trees is not None:
        ref = printable(trees.ref)
        merged = (each for each in problems.find(trees.merged) if each not in found)
        found += tuple(replace(each, text=f"merged with {ref}: {each.text}") for each in merged)
        note += f", {len(trees.merged):,} merged with {ref}"
    return judge("graph", found, note)
