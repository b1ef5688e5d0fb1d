"""Where in the user's files an error was raised."""

from __future__ import annotations

import traceback
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from fastman_tasks.errors import FastmanError
from fastman_tasks.text import printable
from fastman_tasks.text.secrets import hide_bound


def first_line(text: object) -> str:
    """Returns the first line of ``text`` that is not blank; empty if there is none."""
    return next((line.strip() for line in str(text).splitlines() if line.strip()), "")


def describe_error(error: BaseException) -> str:
    """Returns ``error`` as one line: the database's own message if it has one, otherwise its type and text."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        message = error.orig.args[-1] if error.orig.args else error.orig
        # asyncpg keeps apart which values it is about; SQLAlchemy's own error comes from its.
        detail = getattr(error.orig.__cause__, "detail", None) or ""
        said = " ".join(f"{message} {detail}".split()) or type(error.orig).__name__
        # The database may quote the row.
        return hide_bound(said, error.statement, error.params)
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    if isinstance(error, FastmanError):
        return str(error)
    if isinstance(error, KeyError) and _is_of_environ(error):
        return f"the environment variable {error.args[0]} is not set"
    return f"{type(error).__name__}: {first_line(error)}".removesuffix(": ")


def missing_variable(error: BaseException) -> str | None:
    """Returns the environment variable whose absence caused ``error``; None for any other error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KeyError) and _is_of_environ(cause):
            return str(cause.args[0])
        cause = cause.__cause__
    return None


def _is_of_environ(error: KeyError) -> bool:
    frames = list(traceback.walk_tb(error.__traceback__))
    return bool(frames) and frames[-1][0].f_globals.get("__name__") == "os"


def display_path(path: Path, root: Path) -> str:
    """Returns ``path``, printable, relative to ``root`` if it is inside it."""
    return printable(path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path))


def place(error: BaseException, root: Path, file: Path | None = None, *, folder: Path | None = None) -> str | None:
    """Returns ``path:line`` of the innermost line of ``file``, or of any file in ``root`` or ``folder``, in the
    traceback of ``error``.

    Paths are relative to ``root`` if they are inside it. None if there is no such line.
    """
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno))
    for name, line in reversed(frames):
        path = Path(name)
        own = path == file if file else path.is_relative_to(root) and "site-packages" not in path.parts
        if own or (folder and not file and path.is_relative_to(folder)):
            return f"{display_path(path, root)}:{line}"
    return None


def blame(error: BaseException, root: Path, file: Path | None = None, *, folder: Path | None = None) -> str:
    """Returns ``path:line: what went wrong``; without the place if it is not in the user's files. See ``place``."""
    where = place(error, root, file, folder=folder)
    return f"{where}: {describe_error(error)}" if where else describe_error(error)


def nearest_root(start: Path) -> Path:
    """Returns the nearest folder from ``start`` upwards that has a tasks.py or tasks/; ``start`` if there is none."""
    for folder in (start, *start.parents):
        if (folder / "tasks.py").is_file() or (folder / "tasks" / "__init__.py").is_file():
            return folder
    return start
