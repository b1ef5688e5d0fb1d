"""The order in which the parts of a schema can be created."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """Something that ``statements`` create. Parts come by their ``rank`` and ``name``, if nothing that they depend on
    says otherwise; ``key`` is what others call it."""

    key: Hashable
    rank: int
    name: str
    statements: tuple[str, ...]


def sort(parts: Iterable[Part], depends: Iterable[tuple[Hashable, Hashable]]) -> list[Part]:
    """Returns ``parts`` in order; ``depends`` are pairs of a key and one that has to come before it.

    Those that depend on each other come last: nothing can be said of them.
    """
    by_key = {part.key: part for part in parts}
    before: dict[Hashable, set[Hashable]] = {key: set() for key in by_key}
    after: dict[Hashable, set[Hashable]] = {key: set() for key in by_key}
    for key, needed in depends:
        if key in by_key and needed in by_key and key != needed:
            before[key].add(needed)
            after[needed].add(key)
    ready = [(part.rank, part.name, number, part) for number, part in enumerate(by_key.values())]
    numbers = {part.key: number for _, _, number, part in ready}
    ready = [each for each in ready if not before[each[3].key]]
    heapq.heapify(ready)
    ordered: list[Part] = []
    while ready:
        part = heapq.heappop(ready)[3]
        ordered.append(part)
        for key in after[part.key]:
            before[key].discard(part.key)
            if not before[key]:
                found = by_key[key]
                heapq.heappush(ready, (found.rank, found.name, numbers[key], found))
    placed = {part.key for part in ordered}
    left = [part for part in by_key.values() if part.key not in placed]
    return ordered + sorted(left, key=lambda part: (part.rank, part.name))
