"""Errors that are nobody's mistake: the database could not go on, and may the next time."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError

_BUSY = (
    "Another process is writing to the database (or a second connection of this one). When it has finished, run the "
    "same command again."
)
_FULL = "The disk of the database is full. Free some space, then run the same command again."
_BROKEN = (
    "The disk of the database failed. Check that it works and has some space left, then run the same command again."
)
_READ_ONLY = "SQLite cannot write to its file or folder. Make both writable, then run the same command again."
LOST = "The connection to the database was lost. When the server can be reached, run the same command again."
# The state of PostgreSQL, the number of MySQL and MariaDB -> what to do. A lost connection is also what SQLAlchemy
# says it is.
_CODES: dict[str | int, str] = {
    "53100": _FULL,
    "58030": _BROKEN,
    **dict.fromkeys(("25P03", "57P01", "57P02", "57P03", "57P05"), LOST),
    **dict.fromkeys((1021, 1114), _FULL),
    **dict.fromkeys((1053, 1152, 1158, 1159, 1160, 1161, 1927, 2006, 2013, 2055, 4031), LOST),
}
_TEXTS = {
    # Of a statement by itself, as COPY is one, a driver does not say it in any other way.
    r"server closed the connection|connection (was|is) (closed|lost)|lost connection|reset by peer|EOF detected": LOST,
    # Of MariaDB's storage engines; the number is of what they were doing. So it is of what PostgreSQL was doing.
    r"no space left|got error 28\b|errcode: 28\b": _FULL,
}
_SQLITE = {
    "database is locked": _BUSY,
    "database or disk is full": _FULL,
    "disk I/O error": _BROKEN,
    "attempt to write a readonly database": _READ_ONLY,
    "unable to open database file": _READ_ONLY,
}


def advise(error: BaseException) -> list[str]:
    """Returns one line, what to do, if ``error`` or what it comes from is such an error; none for any other."""
    remedy = _find(error)
    return [] if remedy is None else [remedy]


def is_busy(error: BaseException) -> bool:
    """Whether SQLite gave up waiting for another process that writes."""
    return _find(error) == _BUSY


def is_lost(error: BaseException) -> bool:
    """Whether a connection was lost, also while it was made."""
    cause: BaseException | None = error
    while cause is not None:
        # asyncpg raises those of a socket as they are.
        if isinstance(cause, ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
            return True
        cause = cause.__cause__
    return _find(error) == LOST


def _find(error: BaseException) -> str | None:
    for each in _from_driver(error):
        if isinstance(each, DBAPIError):
            if each.connection_invalidated:
                return LOST
            continue
        said = " ".join(map(str, each.args))
        if isinstance(each, sqlite3.Error):
            return _SQLITE.get(said)
        state: str = getattr(each, "sqlstate", None) or getattr(each, "pgcode", None) or ""
        codes = [code for code in (state, *each.args[:1]) if code in _CODES]
        texts = [remedy for text, remedy in _TEXTS.items() if re.search(text, said, re.IGNORECASE)]
        return _CODES[codes[0]] if codes else LOST if state.startswith("08") else texts[0] if texts else None
    return None


def _from_driver(error: BaseException) -> Iterator[BaseException]:
    """``error`` and what it comes from, as far as a database driver has raised it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, DBAPIError):
            yield cause
            if cause.orig is not None:
                yield cause.orig
            return
        # asyncpg's classes, and those of every other driver (PEP 249).
        names = {each.__name__ for each in type(cause).mro()}
        if hasattr(cause, "sqlstate") or names & {"DatabaseError", "InterfaceError"}:
            yield cause
            return
        cause = cause.__cause__
