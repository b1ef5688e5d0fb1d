"""The header of a version file: what is before its first function, read from its text. It is not imported."""

from __future__ import annotations

import ast
import codecs
import io
import re
import tokenize
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_NAMES = ("revision", "down_revision", "branch_labels", "depends_on")
# The end of the header. It may also match a line of the docstring; then the text before it cannot be parsed.
_BODY = re.compile(r"^(?:def|async|class|@)\b", re.MULTILINE)
# One of the names may be given another value further down.
_AGAIN = re.compile(rf"\b(?:{'|'.join(_NAMES)})\b[ \t]*(?::[^=\n]*)?=(?!=)|\bimport[ \t]*\*", re.ASCII)
# Or anywhere, by other means.
_HIDDEN = re.compile(r"\b(?:globals|exec|setattr|__dict__)\b")
# What the two above cannot be without. Most files have none of it, and looking for a word is much faster.
_AGAIN_WORDS, _HIDDEN_WORDS = ("revision", "branch_labels", "depends_on", "*"), ("globals", "exec", "setattr", "__dict")

# A header as Alembic's template, or one like it, writes it. It is read forty times as fast by this one pattern as by
# Python's parser, which counts where there are thousands of files; whatever is written in another way is parsed.
_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*(?: as [^\W\d]\w*)?"
_IMPORT = rf"(?![^\n]*\b(?:{'|'.join(_NAMES)})\b)(?:from \.*[\w.]+ )?import {_NAME}(?:, {_NAME})*"
_BLANK = r"[ \t]*(?:#[^\n]*)?\n"
_STRING = r"""(?:'[^'"\\\n]*'|"[^'"\\\n]*")"""
_STRINGS = re.compile(_STRING)
_VALUE = rf"(None|{_STRING}|\((?:{_STRING}, ?)+(?:{_STRING})?\))"
_TEMPLATE = re.compile(
    rf'(?:"""([^"\\]*)""")?\n?(?:{_BLANK}|{_IMPORT}[ \t]*\n)*'
    + rf"(?:{_BLANK})*".join(rf"{name}(?:: [\w\[\], |.]+)? = {_VALUE}{_BLANK}" for name in _NAMES)
    + rf"(?:{_BLANK}|{_IMPORT}[ \t]*\n)*(?=(?:def|async|class|@)\b|\Z)",
)


@dataclass(frozen=True)
class Header:
    """The identifiers of a revision, as written in its file, and its whole docstring."""

    revision: str
    down_revision: str | tuple[str, ...] | None
    branch_labels: tuple[str, ...]
    depends_on: tuple[str, ...]
    docstring: str

    @property
    def parents(self) -> tuple[str, ...]:
        """The revisions that it revises, each once."""
        down = self.down_revision
        return () if down is None else (down,) if isinstance(down, str) else tuple(dict.fromkeys(down))


def read(file: Path) -> Header | None:
    """Returns the header of the version ``file``; None if it has to be imported: it is not Python, or a value is not a
    literal, or may be assigned twice.

    Raises OSError.
    """
    # Less than half the time of Path.read_bytes().
    with open(file, "rb", buffering=0) as opened:  # noqa: PTH123
        return find(opened.read())


def find(content: bytes) -> Header | None:
    """Returns the header of the version file with this ``content``; None as ``read`` does."""
    try:
        return _read(decode(content))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def decode(content: bytes) -> str:
    """Returns ``content`` as Python reads it: an encoding may be declared, and every kind of line end is one.

    Raises SyntaxError or ValueError if it is not text.
    """
    encoding = "utf-8"
    if b"coding" in content or content.startswith(codecs.BOM_UTF8):
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    source = content.decode(encoding)
    return source.replace("\r\n", "\n").replace("\r", "\n") if "\r" in source else source


def encode(source: str) -> bytes:
    """Returns the content of a file that Python reads as ``source``."""
    content = source.encode("utf-8", "replace")
    if b"coding" in content:
        with suppress(SyntaxError, ValueError):
            encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
            return source.encode(encoding)
    return content


def _read(source: str) -> Header | None:
    if any(word in source for word in _HIDDEN_WORDS) and _HIDDEN.search(source):
        return None
    if found := _TEMPLATE.match(source):
        return None if _given_again(source, found.end()) else _as_written(*found.groups())
    found = _BODY.search(source)
    end = found.start() if found else len(source)
    try:
        tree = parse(source[:end])
    except SyntaxError:
        tree, end = parse(source), len(source)
    if _given_again(source, end):
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


def _given_again(source: str, end: int) -> bool:
    """Whether one of the names may be given a value after ``end``."""
    return any(source.find(word, end) >= 0 for word in _AGAIN_WORDS) and bool(_AGAIN.search(source, end))


def _as_written(docstring: str | None, *values: str) -> Header | None:
    revision, down, labels, depends = map(_value, values)
    if not isinstance(revision, str):
        return None
    return Header(revision, down, _names(labels), _names(depends), (docstring or "").strip())


def _value(text: str) -> str | tuple[str, ...] | None:
    """What ``text``, as ``_VALUE`` finds it, stands for; no escape is in it."""
    if text == "None":
        return None
    return tuple(each[1:-1] for each in _STRINGS.findall(text)) if text.startswith("(") else text[1:-1]


def parse(source: str) -> ast.Module:
    """Returns the syntax tree of ``source``. Raises SyntaxError and ValueError, and RecursionError or MemoryError."""
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
