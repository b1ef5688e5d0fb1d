"""Which revisions a name means."""

from __future__ import annotations

from alembic.script import ScriptDirectory
from alembic.util import CommandError

from fastman_tasks.errors import UsageError
from fastman_tasks.revisions.graph import Revision, RevisionGraph
from fastman_tasks.text import printable


def resolve(name: str, graph: RevisionGraph, scripts: ScriptDirectory, flag: str) -> list[str]:
    """Returns the ids of the revisions that ``name`` means: an id, a part of it or of a file's name, a label, "heads".

    Raises UsageError, which quotes the ``flag`` that it came with.
    """
    if not name and not flag:
        raise UsageError("Which revision? inv migrate.status lists them.")
    try:
        # Alembic asserts that something stands after a label's @.
        found = () if not name or name.endswith("@") else scripts.get_revisions(name)
    except CommandError as error:
        return [_named(name, graph, flag, error).id]
    if not found or not all(found):
        raise UsageError(f"{flag}{printable(name)} does not match a revision. See inv migrate.status")
    return [script.revision for script in found]


def _named(name: str, graph: RevisionGraph, flag: str, error: CommandError) -> Revision:
    """Returns the only revision whose file is called ``name``, or has it in its name. Raises UsageError."""
    fitting = graph.find_by_name(name)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        listed = "".join(f"\n  {each.name}" for each in fitting)
        raise UsageError(f"{flag}{printable(name)} matches several migrations:{listed}") from error
    near = "".join(f"\n  {each.name}  {each.id}" for each in graph.suggest(name))
    way = f"Did you mean:{near}" if near else "See inv migrate.status"
    raise UsageError(f"{printable(f'{flag}{name}: {error}')}. {way}") from error
