"""Whether the migrations that others may have applied are what they were."""

from __future__ import annotations

from collections.abc import Iterator

from fastman_tasks.actions.check.outcome import judge
from fastman_tasks.migrating.version_trees import Trees
from fastman_tasks.plans import Finding, StepResult
from fastman_tasks.revisions import fingerprint
from fastman_tasks.revisions.problems import VersionFile
from fastman_tasks.text import pluralize, printable


def check(trees: Trees) -> StepResult:
    """Returns the migrations of the other branch that would be gone, do something else or follow another one after a
    merge."""
    merged = {each.header.revision: each for each in trees.merged if each.header is not None}
    ref = printable(trees.ref)
    found: list[Finding] = []
    unread = [each.name for each in trees.there if each.header is None]
    for theirs in trees.there:
        if theirs.header is None:
            continue
        ours = merged.get(theirs.header.revision)
        if ours is None:
            # A file of it that cannot be read is a finding of its own.
            found.append(Finding(f"{theirs.name} is in {ref}, and was removed here", theirs.path))
        elif ours is not theirs:
            found += _changes(theirs, ours, ref)
    note = f"{pluralize(len(trees.there), 'migration')} in {ref}"
    if unread:
        note += f"; not compared, since the revision is not written as a literal: {', '.join(unread)}"
    return judge("append only", tuple(found), note)


def _changes(theirs: VersionFile, ours: VersionFile, ref: str) -> Iterator[Finding]:
    assert theirs.header is not None and ours.header is not None
    before, after = theirs.header, ours.header
    for name, old, new in (
        ("down_revision", before.parents, after.parents),
        ("depends_on", before.depends_on, after.depends_on),
    ):
        if set(old) != set(new):
            verb = "follows" if name == "down_revision" else "depends on"
            text = f"{ours.name} {verb} {_list(new)}, and in {ref} {_list(old)}"
            yield Finding(text, ours.path, ours.line(name))
    if theirs.content == ours.content:
        return
    there, here = fingerprint.find(theirs.content), fingerprint.find(ours.content)
    if there is None or here is None:
        yield Finding(f"{ours.name} differs from {ref}, and one of both cannot be parsed", ours.path)
        return
    for function, old_digest, new_digest in zip(("upgrade", "downgrade"), there, here, strict=True):
        if old_digest != new_digest:
            text = f"{function}() of {ours.name} does something else than in {ref}"
            yield Finding(text, ours.path, ours.line(function))


def _list(ids: tuple[str, ...]) -> str:
    return printable(", ".join(ids)) or "nothing"
