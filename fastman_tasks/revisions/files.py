"""The header of a version file: what is before its first function, read from its text. It is not imported."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_NAMES = ("revision", "down_revision", "branch_labels", "depends_on")
# The end of the header. It may also match a line of the docstring; then the text before it cannot be parsed.
_BODY = re.compile(r"^(?:def|async|class|@)\b", re.MULTILINE)
# One of the names may be given another value further down.
_AGAIN = re.compile(rf"\b(?:{'|'.join(_NAMES)})\b[ \t]*(?::[^=\n]*)?=(?!=)|\bimport[ \t]*\*", re.ASCII)
# Or anywhere, by other means.
_HIDDEN = re.compile(r"\b(?:globals|exec|setattr|__dict__)\b")


@dataclass(frozen=True)
class Header:
    """The identifiers of a revision, as written in its file, and its whole docstring."""

    revision: str
    down_revision: str | tuple[str, ...] | None
    branch_labels: tuple[str, ...]
    depends_on: tuple[str, ...]
    docstring: str


def read(file: Path) -> Header | None:
    """Returns the header of the version ``file``; None if it has to be imported: it is not Python, or a value is not a
    literal, or may be assigned twice.

    Raises OSError.
    """
    try:
        # As Python reads it: with a declared encoding and any kind of line ending.
        content = file.read_bytes()
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        source = content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
        return _read(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _read(source: str) -> Header | None:
    found = _BODY.search(source)
    end = found.start() if found else len(source)
    try:
        tree = _parse(source[:end])
    except SyntaxError:
        tree, end = _parse(source), len(source)
    if _AGAIN.search(source, end) or _HIDDEN.search(source):
        return None
    values: dict[str, object] = {}
    for statement in tree.body:
        assigned = list(_assigned(statement))
        for name in assigned:
            if name in values or name == "*" or not _is_plain(statement, name):
                return None
            value = getattr(statement, "value", None)
            values[name] = ast.literal_eval(value) if value is not None else None
    revision, down = values.get("revision"), values.get("down_revision")
    if "down_revision" not in values or not isinstance(revision, str):
        return None
    parents = down if down is None or isinstance(down, str) else _names(down)
    docstring = (ast.get_docstring(tree, clean=False) or "").strip()
    return Header(revision, parents, _names(values.get("branch_labels")), _names(values.get("depends_on")), docstring)


def _parse(source: str) -> ast.Module:
    with warnings.catch_warnings():
        # Python shows them when the file runs.
        warnings.simplefilter("ignore")
        return ast.parse(source)


def _assigned(statement: ast.stmt) -> Iterator[str]:
    """Yields those of the four names that ``statement`` assigns or deletes in any way."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and node.id in _NAMES:
            yield node.id
        elif isinstance(node, ast.alias):
            name = node.asname or node.name
            if name in (*_NAMES, "*"):
                yield name


def _is_plain(statement: ast.stmt, name: str) -> bool:
    """Whether ``statement`` is ``name = …`` or ``name: type = …``."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=found)]) | ast.AnnAssign(target=ast.Name(id=found), value=ast.expr()):
            return found == name
    return False


def _names(value: object) -> tuple[str, ...]:
    """Returns ``value`` as names. Raises ValueError if it is neither a name nor several."""
    names = () if value is None else (value,) if isinstance(value, str) else value
    if not isinstance(names, tuple | list | set) or not all(isinstance(name, str) for name in names):
        raise ValueError(value)
    return tuple(names)
