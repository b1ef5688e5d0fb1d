"""What a migration does, as a value that no formatter changes.

It is made of the syntax tree, in a form of its own: that of Python's ``ast.dump`` differs between versions.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from fastman_tasks.revisions import files

# What a rebase changes, and what says nothing of what is done.
_HEADER = {"revision", "down_revision", "branch_labels", "depends_on"}
_WITHOUT = {"annotation", "returns", "type_comment", "ctx", "kind", "type_params"}
_Node = TypeVar("_Node")
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Fingerprint(NamedTuple):
    """What ``upgrade()`` and ``downgrade()`` do, each as 64 hexadecimal digits; empty where there is no such function,
    and nothing else that is run.

    Equal for two files whose functions, and what these use of their module, differ only in layout, comments,
    docstrings, annotations and imports. What is imported from other modules is not looked at.
    """

    upgrade: str
    downgrade: str


def find(content: bytes) -> Fingerprint | None:
    """Returns the fingerprint of the version file with this ``content``; None if it cannot be parsed.

    The same on every version of Python that can parse it.
    """
    try:
        body = files.parse(files.decode(content)).body
        return Fingerprint(_digest(body, "upgrade"), _digest(body, "downgrade"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _digest(body: Sequence[ast.stmt], function: str) -> str:
    """The SHA-256 of ``function`` and of the statements of its module that it uses, or that run in any case."""
    forms = [_Form(each) for each in _meaningful(body) if _HEADER.isdisjoint(_bound(each))]
    wanted: set[int] = set()
    names = {function}
    while True:
        found = {
            number
            for number, form in enumerate(forms)
            if number not in wanted and (not form.binds or not form.binds.isdisjoint(names))
        }
        if not found:
            break
        wanted |= found
        names = {name for number in found for name in forms[number].names}
    text = "\n".join(forms[number].text for number in sorted(wanted))
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


class _Form:
    """One statement of a module: its ``text``, the ``names`` in it, and those that it ``binds`` (none: it is run for
    what it does)."""

    def __init__(self, statement: ast.stmt) -> None:
        self.names: set[str] = set()
        self.binds = set(_bound(statement))
        # Without recursion: how deep it may go depends on the version of Python, and on who asks.
        written: list[str] = []
        ahead: list[object] = [statement]
        while ahead:
            each = ahead.pop()
            if type(each) is _Mark:
                written.append(each)
            else:
                ahead += self._parts(each)[::-1]
        self.text = "".join(written)

    def _parts(self, value: object) -> list[object]:
        """Returns what ``value`` is written as: marks, and values that are written the same way."""
        if isinstance(value, list):
            return [_BEGIN, *(part for each in _meaningful(value) for part in (each, _COMMA)), _END]
        if not isinstance(value, ast.AST):
            return [_constant(value)]
        if isinstance(value, ast.Constant):
            return [_constant(value.value)]
        if isinstance(value, ast.Name):
            self.names.add(value.id)
        elif isinstance(value, ast.AnnAssign) and value.value is not None:
            return [ast.Assign([value.target], value.value)]
        elif isinstance(value, ast.Delete):
            # "del (a, b)", whose parentheses Black removes.
            value = ast.Delete(_unpack(value.targets))
        elif isinstance(value, ast.JoinedStr):
            return _joined(value)
        parts: list[object] = [_Mark(f"{type(value).__name__}(")]
        for name, field in ast.iter_fields(value):
            # A field that an older Python does not have is empty in a newer one.
            if name not in _WITHOUT and field is not None and field != []:
                parts += (_Mark(f"{name}="), field, _COMMA)
        return [*parts, _CLOSE]


class _Mark(str):
    """Text of a form, in contrast to one that a migration has."""

    __slots__ = ()


_BEGIN, _COMMA, _END, _CLOSE = map(_Mark, "[,])")


def _joined(node: ast.JoinedStr) -> list[object]:
    """An f-string, whose literal parts are not cut in the same way by each version."""
    parts: list[object] = []
    for each in node.values:
        text = each.value if isinstance(each, ast.Constant) else None
        if isinstance(text, str) and parts and isinstance(parts[-1], str):
            parts[-1] += text
        else:
            parts.append(each if text is None else text)
    if all(isinstance(part, str) for part in parts):
        return [_constant("".join(map(str, parts)))]
    return [_Mark("JoinedStr("), *(part for part in parts if part != ""), _CLOSE]


def _unpack(targets: Iterable[ast.expr]) -> list[ast.expr]:
    unpacked: list[ast.expr] = []
    for each in targets:
        unpacked += _unpack(each.elts) if isinstance(each, ast.Tuple) else [each]
    return unpacked


def _meaningful(body: Sequence[_Node]) -> Iterator[_Node]:
    """The elements of ``body`` without the statements that do nothing."""
    for each in body:
        if isinstance(each, ast.Import | ast.ImportFrom | ast.Pass):
            continue
        # Docstrings, and "...".
        if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
            continue
        if isinstance(each, ast.AnnAssign) and each.value is None:
            continue
        # What later versions of Python have for annotations: "type Name = str".
        if type(each).__name__ == "TypeAlias":
            continue
        # "if TYPE_CHECKING:" with imports alone.
        if isinstance(each, ast.If) and not each.orelse and not list(_meaningful(each.body)):
            continue
        yield each


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names that ``statement`` gives a value, if that is all it does."""
    if isinstance(statement, _DEFINITIONS):
        yield statement.name
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        targets = [statement.target]
    for target in targets:
        yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name) and _is_bound(target))


def _is_bound(target: ast.expr) -> bool:
    # What is given to an attribute or an element changes something that exists.
    return not any(isinstance(node, ast.Attribute | ast.Subscript) for node in ast.walk(target))


def _constant(value: object) -> _Mark:
    # Of a text, repr() writes what the Unicode of that Python knows; of a long number nothing.
    return _Mark(f"{type(value).__name__}:{hex(value) if type(value) is int else ascii(value)}")
