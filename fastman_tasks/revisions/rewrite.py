"""Change what version files revise: ``down_revision`` and the ``Revises:`` line, and no other byte."""

from __future__ import annotations

import ast
import importlib.util
import io
import os
import re
import shutil
import tokenize
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fastman_tasks.errors import FileNotWritten
from fastman_tasks.names import escape_docstring

_NAME = "down_revision"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_REVISES = re.compile(r"(?<![^\r\n])([ \t]*Revises:)([^\r\n]*)")


@dataclass(frozen=True)
class Change:
    """A version file, and its content ``before`` and ``after``."""

    file: Path
    before: bytes
    after: bytes


def change_parents(file: Path, old: Sequence[str], new: Sequence[str]) -> Change:
    """Returns the Change after which ``file`` revises ``new`` instead of ``old``; it is not written.

    Raises FileNotWritten if the file cannot be read, or does not assign its ``down_revision`` once, by itself.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise FileNotWritten(f"{file} cannot be read: {error.strerror}.") from error
    try:
        return Change(file, content, rewrite(content, old, new))
    except (ValueError, SyntaxError) as error:
        wanted = _literal(new, '"')
        raise FileNotWritten(
            f"{file} cannot be rewritten: {error}. Change it by hand to {_NAME} = {wanted}. Nothing was changed."
        ) from error


def rewrite(content: bytes, old: Sequence[str], new: Sequence[str]) -> bytes:
    """Returns ``content``, the source of a version file that revises ``old``, as one that revises ``new``.

    Raises ValueError if it does not assign ``down_revision`` once, by itself, and SyntaxError if it is not Python.
    """
    # As Python reads it: an encoding may be declared.
    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    text = content.decode(encoding)
    source = _Source(text)
    value = source.find_value()
    spans = source.replacements(value, old, new)
    spans += source.find_revises(old, new)
    for start, end, replacement in sorted(spans, reverse=True):
        text = text[:start] + replacement + text[end:]
    if _Source(text).read(_Source(text).find_value()) != tuple(new):
        raise ValueError(f"the value of {_NAME} is not a plain one")
    return text.encode(encoding)


def write(changes: Sequence[Change]) -> None:
    """Write all ``changes``, or none. Raises FileNotWritten."""
    with prepare(changes) as move:
        move()


@contextmanager
def prepare(changes: Sequence[Change]) -> Iterator[Callable[[], None]]:
    """Write ``changes`` beside their files for this block. Yields a function that puts all of them in place, or none.
    Both raise FileNotWritten."""
    with ExitStack() as stack:
        prepared = [(change, stack.enter_context(_written_beside(change))) for change in changes]
        yield lambda: _move(prepared)


def _move(prepared: Sequence[tuple[Change, Path]]) -> None:
    done: list[Change] = []
    try:
        for change, temporary in prepared:
            if change.file.read_bytes() != change.before:
                raise FileNotWritten(f"{change.file} has been changed in the meantime. Run the command again.")
            done.append(change)
            temporary.replace(change.file.resolve())
    except BaseException as error:
        for change in done:
            change.file.write_bytes(change.before)
        if isinstance(error, OSError):
            raise _unwritable(error) from error
        raise
    for change, _ in prepared:
        # Bytecode knows its source by the second and the size, which may both be what they were.
        with suppress(OSError, NotImplementedError):
            Path(importlib.util.cache_from_source(change.file)).unlink(missing_ok=True)


@contextmanager
def _written_beside(change: Change) -> Iterator[Path]:
    file = change.file.resolve()
    temporary = file.with_name(f".fastman-{os.getpid()}-{file.stem}.tmp")
    try:
        try:
            with temporary.open("wb") as written:
                written.write(change.after)
                written.flush()
                # Some disks only say now that they are full.
                os.fsync(written.fileno())
            shutil.copymode(file, temporary)
        except OSError as error:
            raise _unwritable(error) from error
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _unwritable(error: OSError) -> FileNotWritten:
    return FileNotWritten(f"{error.filename} cannot be written: {error.strerror}.")


_Span = tuple[int, int, str]


class _Source:
    """The text of a version file, and where in it something stands."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tree = ast.parse(text)
        lines = [match.group() for match in _LINE.finditer(text)]
        # Python counts bytes in a line, not characters.
        self._lines = [line.encode("utf-8", "surrogatepass") for line in lines]
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line))

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self._index(node.lineno, node.col_offset), self._index(node.end_lineno, node.end_col_offset)

    def _index(self, line: int, column: int) -> int:
        before = self._lines[line - 1][:column].decode("utf-8", "surrogatepass")
        return self._starts[line - 1] + len(before)

    def find_value(self) -> ast.expr:
        """Returns the only value that ``down_revision`` is given. Raises ValueError if there are others, or none."""
        values = [
            (value, name) for statement in self._tree.body for value, name in _assignments(statement) if name == _NAME
        ]
        stored = sum(
            isinstance(node, ast.Name) and node.id == _NAME and not isinstance(node.ctx, ast.Load)
            for node in ast.walk(self._tree)
        )
        if len(values) != 1 or stored != 1:
            raise ValueError(f"{_NAME} is not assigned once, by itself")
        return values[0][0]

    def read(self, value: ast.expr) -> tuple[str, ...] | None:
        """Returns the ids that ``value`` stands for; None if it is not made of literals and names of literals."""
        constants = self._constants()

        def text(node: ast.expr) -> str | None:
            if isinstance(node, ast.Constant):
                return node.value if isinstance(node.value, str) else None
            return constants.get(node.id) if isinstance(node, ast.Name) else None

        if isinstance(value, ast.Tuple | ast.List | ast.Set):
            found = [text(each) for each in value.elts]
            return tuple(each for each in found if each is not None) if None not in found else None
        single = text(value)
        return None if single is None else (single,)

    def _constants(self) -> Mapping[str, str]:
        return {
            name: value.value
            for statement in self._tree.body
            for value, name in _assignments(statement)
            if isinstance(value, ast.Constant) and isinstance(value.value, str)
        }

    def replacements(self, value: ast.expr, old: Sequence[str], new: Sequence[str]) -> list[_Span]:
        """Returns what to replace so that ``value`` stands for ``new`` instead of ``old``: one id of several, where
        that is all."""
        if isinstance(value, ast.Tuple | ast.List | ast.Set) and len(old) == len(new):
            spans: list[_Span] = []
            for element in value.elts:
                known = self.read(element)
                if known and known[0] in old and (wanted := new[list(old).index(known[0])]) != known[0]:
                    spans.append((*self._span(element), _literal([wanted], self._quote(element))))
            if len(spans) == sum(before != after for before, after in zip(old, new, strict=True)):
                return spans
        return [(*self._span(value), _literal(new, self._quote(value)))]

    def _quote(self, node: ast.expr) -> str:
        start, end = self._span(node)
        return "'" if self._text[start:end].rstrip(" ,)]}").endswith("'") else '"'

    def find_revises(self, old: Sequence[str], new: Sequence[str]) -> list[_Span]:
        """Returns what to replace in the docstring, if it has the line of ``old`` that Alembic writes."""
        first = self._tree.body[0]
        if not (isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)):
            return []
        if not isinstance(first.value.value, str):
            return []
        start, end = self._span(first.value)
        found = _REVISES.search(self._text, start, end)
        if found is None or [each for each in re.split(r"[,\s]+", found[2]) if each] != [*old]:
            return []
        if not old:
            return [(found.end(1), found.end(2), f" {escape_docstring(', '.join(new))}")]
        written = found[2].rstrip(" \t")
        begin = found.start(2) + len(written) - len(written.lstrip(" \t"))
        return [(begin, found.start(2) + len(written), escape_docstring(", ".join(new)))]


def _assignments(statement: ast.stmt) -> Iterator[tuple[ast.expr, str]]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            yield value, name
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield value, name


def _literal(ids: Sequence[str], quote: str) -> str:
    texts = [
        f"{quote}{each}{quote}" if each.isprintable() and not set(each) & {"'", '"', "\\"} else repr(each)
        for each in ids
    ]
    return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"
