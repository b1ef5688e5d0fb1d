"""SQL from a database or a model, as SQLAlchemy's text() and Alembic's files take it."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import ColumnElement, TextClause
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles

# What text() takes for the beginning of a parameter, in quotes too: not a cast (::), not the time 12:30.
_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w)")


def escape(sql: str) -> str:
    """``sql`` with a backslash before each colon that text() would take for the beginning of a parameter."""
    return _PARAMETER.sub(r"\\:", sql)


def unescape(sql: str) -> str:
    """``sql`` as the database gets it from text()."""
    return sql.replace("\\:", ":")


def literal(text: str, dialect: Dialect | None = None) -> str:
    """``text`` in SQL, where a backslash is nothing special, unless the ``dialect`` is MySQL's."""
    doubled = text.replace("'", "''")
    if dialect is not None and dialect.name in ("mysql", "mariadb"):
        doubled = doubled.replace("\\", "\\\\")
    return f"'{doubled}'"


def qualify(dialect: Dialect, *names: str | None) -> str:
    """The name in SQL, of the parts that are not None, with quotes where it needs them."""
    return ".".join(dialect.identifier_preparer.quote(name) for name in names if name)


def python_literal(text: str) -> str:
    """``text`` as Python, in the quotes that need fewer backslashes."""
    double = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{double}"' if text.count("'") > text.count('"') and text.isprintable() else repr(text)


class WrittenText(TextClause):
    """A text that comes out of any dialect as it is, for Alembic to write into a file."""

    inherit_cache = False


@compiles(WrittenText)
def _compile_text(element: WrittenText, _: Any, **options: Any) -> str:
    return element.text


class WrittenCondition(ColumnElement[bool]):
    """A condition that comes out of any dialect as the text it is: Alembic writes text() with its % doubled, as some
    drivers want them, and without the backslashes, and doubles them again when the file runs."""

    inherit_cache = False

    def __init__(self, sql: str) -> None:
        self.text = escape(sql)


@compiles(WrittenCondition)
def _compile(condition: WrittenCondition, _: Any, **options: Any) -> str:
    return condition.text
