"""What is around Alembic's comparison: the warnings that it gives."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SAWarning

# Tables that refer to each other are put into order afterwards; what cannot be reflected or altered the catalog tells.
_ANSWERED = re.compile(
    "Cannot correctly sort tables|Computed default on .* cannot be modified|autogenerate skipping .* index"
    "|Skipped unsupported reflection of expression-based index|Expression #.* operator clause"
)


@contextmanager
def catch_warnings() -> Iterator[list[str]]:
    """Yields a list, for what SQLAlchemy and Alembic warn of in this block; what is no longer so is left out.

    The warnings of others are given as they were.
    """
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield said
    for each in caught:
        text = " ".join(str(each.message).split())
        if issubclass(each.category, SAWarning) or (each.category is UserWarning and _is_alembic(each.filename)):
            if not _ANSWERED.search(text) and text not in said:
                said.append(text)
        else:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno, source=each.source)


def _is_alembic(file: str) -> bool:
    return bool(re.search(r"[/\\](alembic|sqlalchemy)[/\\]", file))
