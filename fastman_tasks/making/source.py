"""What a generated file imports, under names that nothing else in it has."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterable

_STANDARD = {"datetime", "decimal", "uuid", "enum"}
_LIBRARIES = {"sqlalchemy", "fastman_tasks"}
_WIDTH = 120


class GeneratedNames:
    """The names of one generated file; ``taken`` are those that it has by itself. Who comes first keeps its own name,
    the next one gets a ``_``."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._imported: dict[tuple[str, str], str] = {}

    def import_name(self, module: str, name: str) -> str:
        """How ``name``, imported from ``module``, is called in the file."""
        if (module, name) not in self._imported:
            self._imported[module, name] = self.local(name)
        return self._imported[module, name]

    def of(self, class_: type) -> str:
        """How ``class_`` is called in the file; it is imported from its module, or the class that it is nested in."""
        outer, dot, inner = class_.__qualname__.partition(".")
        return self.import_name(class_.__module__, outer) + dot + inner

    def attribute(self, class_: type, name: str) -> str:
        """How the attribute ``name`` of ``class_`` is written in the file."""
        if name.isidentifier() and not keyword.iskeyword(name):
            return f"{self.of(class_)}.{name}"
        return f"getattr({self.of(class_)}, {quote(name)})"

    def local(self, wish: str) -> str:
        """A new name for a variable: ``wish``, unless it cannot be one or has a meaning already."""
        name = re.sub(r"\W", "_", wish)
        while name in self._taken or keyword.iskeyword(name):
            name += "_"
        self._taken.add(name)
        return name

    @property
    def import_lines(self) -> list[str]:
        """``from … import …`` in groups with blank lines between: the standard library, libraries, the project."""
        statements: dict[tuple[str, str], list[str]] = {}
        for (module, name), called in sorted(self._imported.items(), key=lambda each: _order(each[0][1])):
            # Linters want each renamed one alone, after the others of its module that come before it.
            if called != name:
                statements[module, name] = [f"{name} as {called}"]
            else:
                statements.setdefault((module, ""), []).append(name)
        groups: list[list[str]] = [[], [], []]
        for (module, _), imports in sorted(statements.items(), key=lambda each: (each[0][0], _order(each[1][0]))):
            top = module.partition(".")[0]
            groups[0 if top in _STANDARD else 1 if top in _LIBRARIES else 2] += _statement(module, imports)
        lines: list[str] = []
        for group in filter(None, groups):
            lines += [*([""] if lines else []), *group]
        return lines


def quote(text: str) -> str:
    """``text`` as a Python literal, in the quotes that formatters choose: the double ones unless that escapes more."""
    literal = json.dumps(text, ensure_ascii=False)
    if text.count('"') <= text.count("'"):
        return literal
    return "'" + literal[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"


def _statement(module: str, imports: list[str]) -> list[str]:
    line = f"from {module} import {', '.join(imports)}"
    if len(line) <= _WIDTH:
        return [line]
    return [f"from {module} import (", *(f"    {name}," for name in imports), ")"]


def _order(name: str) -> tuple[int, str, str]:
    """As formatters sort names: CONSTANTS, then Classes, then the others, without regard to case, 2 before 10."""
    name = name.partition(" ")[0]
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, re.sub(r"\d+", lambda digits: digits[0].zfill(9), name.lower()), name
