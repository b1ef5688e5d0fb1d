"""SQL from a database as SQLAlchemy's text() and Alembic's files take it."""

from __future__ import annotations

import re

from sqlalchemy import TextClause, text

# What text() takes for the beginning of a parameter, in quotes too: not a cast (::), not the time 12:30.
_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w)")


def escaped(sql: str) -> str:
    """``sql`` with a backslash before each colon that text() would take for the beginning of a parameter."""
    return _PARAMETER.sub(r"\\:", sql)


def written_text(sql: str) -> TextClause:
    """A text() for Alembic to write into a file, which says ``sql`` when the file runs."""
    # A second backslash for the one that Alembic takes away as it writes.
    return text(_PARAMETER.sub(r"\\\\:", sql))
