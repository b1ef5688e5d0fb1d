"""Where each migration stands, by the version table and the history."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

from fastman_tasks.history import entries, outside, source
from fastman_tasks.history.entries import History
from fastman_tasks.migrating import missing
from fastman_tasks.migrating import state as database
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.plans import Entry, State, Step, StepResult, StepState
from fastman_tasks.revisions import fingerprint, squashed
from fastman_tasks.revisions.graph import RevisionGraph
from fastman_tasks.text import printable

Sources = Callable[[Collection[int]], Mapping[int, bytes]]


def find(graph: RevisionGraph, state: State, history: History, sources: Sources, root: Path) -> list[StepResult]:
    """Returns the status of every migration, oldest first, then of those that no file has. ``sources`` returns the
    texts of the version files of entries, by their ids. See ``StepState``."""
    lost = [head for head in state.heads if head not in graph]
    parents = outside.parents_of_lost(history, graph, sources) if lost else {}
    applied = graph.with_ancestors(state.heads) | outside.with_lost_ancestors(lost, graph, parents)
    never_ran = outside.skipped(history, applied, graph)
    found = []
    for each in graph.revisions:
        became: StepState = "pending" if each.id not in applied else "skipped" if each.id in never_ran else "applied"
        entry = history.standing.get(each.id) if each.id in applied else None
        found.append(StepResult(each.step("apply"), became, entry=entry))
    edited = _edited(found, sources)
    phantoms = [each for each in history.standing if each in applied and each in parents]
    return [
        *(edited.get(each.step.id, each) for each in found),
        *(_phantom(each, history.standing[each], root) for each in phantoms),
        *(_missing(each, root) for each in lost if each not in phantoms),
    ]


def read_texts(environment: Environment, ids: Collection[int]) -> Mapping[int, bytes]:
    """Returns the contents of version files that the history has kept, by the ids of their entries."""
    found: dict[int, bytes] = {}
    database.read(environment, lambda now, connection: found.update(entries.sources(connection, now, ids)))
    return found


def _edited(found: Collection[StepResult], sources: Sources) -> dict[str, StepResult]:
    """Those of ``found`` whose file is not the text that was applied, by their ids."""
    changed: dict[int, tuple[StepResult, bytes]] = {}
    for each in found:
        if each.entry is not None and each.entry.checksum and each.step.file is not None:
            content = source.read(each.step.file)
            if source.checksum(content) != each.entry.checksum:
                changed[each.entry.id] = each, content
    texts = sources(list(changed)) if changed else {}
    return {
        result.step.id: _compared(result, texts[number], content)
        for number, (result, content) in changed.items()
        if number in texts
    }


def _compared(result: StepResult, applied: bytes, now: bytes) -> StepResult:
    if squashed.find(now) != squashed.find(applied):
        # It does what several have done.
        return result
    before, after = fingerprint.find(applied), fingerprint.find(now)
    if after is None:
        return replace(result, state="edited", note="the file is not valid Python")
    if before is None or before.upgrade != after.upgrade:
        return replace(result, state="edited", note="upgrade() does something else than what was applied")
    if before.downgrade != after.downgrade:
        return replace(result, note="downgrade() was edited")
    return result


def _phantom(revision: str, entry: Entry, root: Path) -> StepResult:
    name = printable(Path(entry.file).stem) if entry.file else revision
    where = missing.describe_branches(revision, root)
    if where == missing.NOWHERE and entry.git_branch:
        where = f"applied on branch {printable(entry.git_branch)}, {where} any more"
    return StepResult(Step("apply", name, id=revision), "phantom", note=where, entry=entry)


def _missing(revision: str, root: Path) -> StepResult:
    return StepResult(Step("apply", revision, id=revision), "missing", note=missing.describe_branches(revision, root))
