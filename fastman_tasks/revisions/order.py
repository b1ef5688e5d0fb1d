"""Alembic's order of revisions, without its quadratic search."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence


def newest_first(parents: Mapping[str, Sequence[str]], wanted: Collection[str]) -> list[str]:
    """Returns the ids that are ``wanted``, children before their parents, in the order of Alembic's RevisionMap.

    ``parents`` are those of each id, including dependencies; ids are in the order in which their files were read.

    A branch is followed down to a revision that has to wait for another one. Alembic finds those by collecting the
    ancestors of every open branch again at each merge; looking for remaining children has the same result.
    """
    left = set(wanted)
    children: dict[str, list[str]] = {each: [] for each in parents if each in left}
    for each in children:
        for parent in parents[each]:
            if parent in left:
                children[parent].append(each)
    branches = [each for each, following in children.items() if not following]
    found: list[str] = []
    at = 0
    while branches:
        candidate = branches[at]
        waiting = [each for each in children[candidate] if each in left]
        if waiting:
            at = _first_above(waiting, children, left, branches)
            continue
        found.append(candidate)
        left.remove(candidate)
        following = [each for each in parents[candidate] if each in left and each not in branches]
        if following:
            branches[at] = following[0]
            branches.extend(following[1:])
        else:
            del branches[at]
            at = max(at - 1, 0)
    return found


def _first_above(
    ids: Sequence[str], children: Mapping[str, Sequence[str]], left: Collection[str], branches: Sequence[str]
) -> int:
    """Returns the first of ``branches`` that is one of ``ids`` or of their descendants."""
    above: set[str] = set()
    open_ids = list(ids)
    while open_ids:
        each = open_ids.pop()
        if each not in above:
            above.add(each)
            open_ids.extend(child for child in children[each] if child in left)
    return next(at for at, branch in enumerate(branches) if branch in above)
