"""Revisions that are in the database and in no file: where they may be, and what to do."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from fastman_tasks import git
from fastman_tasks.errors import Command, MigrationRefused, RevisionsMissing
from fastman_tasks.history.kept import KeptFiles
from fastman_tasks.revisions.graph import RevisionGraph
from fastman_tasks.revisions.squashed import find_replacements
from fastman_tasks.text import printable

#: Where a revision is that git does not have.
NOWHERE = "in no git branch"


def refuse(
    missing: list[str], graph: RevisionGraph, root: Path, standing: Collection[str], *, is_protected: bool
) -> MigrationRefused:
    """Returns the error that the database has the ``missing`` revision ids: what became of them, and what to do.
    ``standing`` are the revisions whose source the history has."""
    if (squashed := refuse_squashed(missing, graph)) is not None:
        return squashed
    text, can_roll_back = _describe_missing(missing, root, standing, is_protected)
    next = Command("migrate.rollback", flags=(("phantoms", True),)) if can_roll_back else Command("migrate.repair")
    return RevisionsMissing(text, next=next)


def refuse_squashed(missing: list[str], graph: RevisionGraph) -> MigrationRefused | None:
    """Returns the error that a squash has replaced some of the ``missing`` revision ids; None if there is none."""
    text = _describe_squashed(missing, graph)
    return None if text is None else MigrationRefused(text)


def list_missing(missing: list[str], root: Path) -> str:
    """Returns the text that the database has the ``missing`` revision ids, and which git branches have them."""
    what = "a revision" if len(missing) == 1 else "revisions"
    lines = [f"The database has {what} that no file here has. Nothing was changed."]
    lines += [f"  {printable(each)}  {describe_branches(each, root)}" for each in missing]
    return "\n".join(lines)


def _describe_missing(
    missing: list[str], root: Path, standing: Collection[str], is_protected: bool
) -> tuple[str, bool]:
    """The text, and whether all of them may be phantoms of other branches, which can be rolled back here."""
    lines = [list_missing(missing, root)]
    current = git.current_branch(root)
    elsewhere, can_roll_back = KeptFiles(root), not is_protected
    for revision_id in missing:
        found = git.branches_with_revision(revision_id, root)
        here = [each.path for each in found if each.branch == current]
        has_source = bool(found) or revision_id in standing or elsewhere.read(revision_id) is not None
        can_roll_back = can_roll_back and has_source and not here
        which = f"{printable(revision_id)}: " if len(missing) > 1 else ""
        if here:
            lines.append(f"{which}The file was deleted here: {restore_command({'HEAD': here[:1]})}")
        elif found:
            lines.append(
                f"{which}Roll it back from there: {switch_command(found[0].branch, is_remote=found[0].is_remote)}"
            )
    if can_roll_back:
        lines.append("To roll back here what another branch has left: inv migrate.rollback --phantoms")
    lines.append("Or restore the file, and run the command again.")
    lines.append("Or, if its changes are not in the database, mark the revision that is: inv migrate.stamp REVISION")
    if can_roll_back:
        lines.append("Other ways out: inv migrate.repair")
    return "\n".join(lines), can_roll_back


def restore_command(sources: Mapping[str, Iterable[str]]) -> str:
    """Returns the commands that restore files, each branch with the paths from the repository's root."""
    return " && ".join(
        f"git restore --source={_quote(branch)} -- {' '.join(_quote(f':/{path}') for path in paths)}"
        for branch, paths in sources.items()
    )


def switch_command(branch: str, rollback: str = "inv migrate.rollback", *, is_remote: bool = False) -> str:
    """Returns how to run the command ``rollback`` with the migrations of a ``branch``."""
    # Of a remote's branch git makes no local one unless it is asked to.
    flags = "--detach " if is_remote else "-- " if branch.startswith("-") else ""
    return f"git switch {flags}{_quote(branch)}, then {rollback}"


def _describe_squashed(missing: list[str], graph: RevisionGraph) -> str | None:
    """Returns the text about those ``missing`` revision ids that a squash has replaced; None if there is none."""
    replacements = find_replacements(graph) if missing else {}
    found = {each: replacements[each] for each in missing if each in replacements}
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


def _places(found: list[git.BranchFile]) -> str:
    places = (printable(f"branch {each.branch}: {each.path}") for each in found)
    return ", ".join(places) or NOWHERE


def _quote(word: str) -> str:
    return printable(shlex.quote(word))
