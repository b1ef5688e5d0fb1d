"""Revisions that are in the database and in no file: where they may be, and what to do."""

from __future__ import annotations

import shlex
from pathlib import Path

from fastman_tasks import git
from fastman_tasks.errors import MigrationRefused
from fastman_tasks.revisions.graph import RevisionGraph
from fastman_tasks.revisions.squashed import find_replacement
from fastman_tasks.text import printable


def refuse(missing: list[str], graph: RevisionGraph, root: Path) -> MigrationRefused:
    """Returns the error that the database has the ``missing`` revision ids: what became of them, and what to do."""
    squashed = _describe_squashed(missing, graph)
    return MigrationRefused(squashed or _describe_missing(missing, root))


def _describe_missing(missing: list[str], root: Path) -> str:
    """Returns the text about the ``missing`` revision ids: the git branches that have them, and what to do."""
    what = "a revision" if len(missing) == 1 else "revisions"
    lines = [f"The database has {what} that no file here has. Nothing was changed."]
    current = git.current_branch(root)
    for revision_id in missing:
        found = git.branches_with_revision(revision_id, root)
        lines.append(f"  {printable(revision_id)}  {_places(found)}")
        here = [path for branch, path in found if branch == current]
        if here:
            lines.append(f"  The file was deleted here: git restore --source=HEAD -- {_quote(f':/{here[0]}')}")
        elif found:
            branch = found[0][0]
            dashes = "-- " if branch.startswith("-") else ""
            lines.append(f"  Roll it back from there: git switch {dashes}{_quote(branch)}, then inv migrate.rollback")
    lines.append("Or restore the file, and run the command again.")
    lines.append("Or, if its changes are not in the database, mark the revision that is: inv migrate.stamp REVISION")
    return "\n".join(lines)


def _describe_squashed(missing: list[str], graph: RevisionGraph) -> str | None:
    """Returns the text about those ``missing`` revision ids that a squash has replaced; None if there is none."""
    found = {each: replacement for each in missing if (replacement := find_replacement(each, graph))}
    if not found:
        return None
    lines = [f"{each} was squashed into {replacement.id} ({replacement.name})." for each, replacement in found.items()]
    newest = next(iter(found.values()))
    return "\n".join(
        [
            *lines,
            "Nothing was changed. This database is in the middle of what was squashed: migrate it to "
            f"{newest.id} with the files of the release before, then with these.",
        ]
    )


def describe_branches(revision_id: str, root: Path) -> str:
    """Returns the git branches that have a version file with that id, as text."""
    return _places(git.branches_with_revision(revision_id, root))


def _places(found: list[tuple[str, str]]) -> str:
    places = (printable(f"branch {branch}: {path}") for branch, path in found)
    return ", ".join(places) or "in no local git branch"


def _quote(word: str) -> str:
    return printable(shlex.quote(word))
