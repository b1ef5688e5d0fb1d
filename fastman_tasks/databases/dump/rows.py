"""A table's rows as INSERT statements."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

_BATCH = 100


def insert(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], extra: str = "") -> Iterator[str]:
    """Yields the statements that insert ``rows``, whose values are literals of SQL, a hundred at a time.

    ``table`` and ``columns`` are quoted; ``extra`` stands before VALUES.
    """
    every = iter(rows)
    head = f"INSERT INTO {table} ({', '.join(columns)}){extra} VALUES\n"
    while batch := list(itertools.islice(every, _BATCH)):
        yield head + ",\n".join(f"({', '.join(map(str, row))})" for row in batch)
