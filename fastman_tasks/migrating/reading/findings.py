"""The operations found in a version file so far."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from fastman_tasks.migrating.reading.directives import Operation

_LONGEST = 200
_PASSWORD = re.compile(r"(://[^:/@\s'\"]*:)[^@\s'\"]+@")


class Findings:
    """Keeps the ``operations`` of the ``source`` of a version file, in order."""

    def __init__(self, source: str) -> None:
        self.operations: list[Operation] = []
        #: Above 0 while it is unknown whether the code that is followed is reached.
        self.maybe = 0
        self._lines = source.split("\n")
        self._places: list[ast.expr] = []

    def clear(self) -> None:
        """Start again."""
        self.operations.clear()
        self._places.clear()
        self.maybe = 0

    def note(self, operation: Operation, node: ast.expr) -> None:
        """Add ``operation``, which the call ``node`` does.

        Code that may not be reached does not certainly create anything; and after a rename in it, names are unknown.
        """
        if self.maybe and operation.kind in ("create table", "add column"):
            return
        if self.maybe and operation.kind in ("rename table", "rename column"):
            self.note_unknown(node)
            return
        self.operations.append(replace(operation, line=node.lineno, certain=not self.maybe))
        self._places.append(node)

    def note_unknown(self, node: ast.expr) -> None:
        """Record that the call ``node`` could not be analysed: once, and once for all calls in it."""
        while self.operations and self.operations[-1].kind == "?" and _encloses(node, self._places[-1]):
            self.operations.pop()
            self._places.pop()
        if any(place is node and found.kind == "?" for place, found in zip(self._places, self.operations, strict=True)):
            return
        text = _PASSWORD.sub(r"\1***@", " ".join(self._segment(node).split()))
        text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
        self.operations.append(Operation("?", text=text, line=node.lineno))
        self._places.append(node)

    def _segment(self, node: ast.expr) -> str:
        # ast.get_source_segment() splits the whole source each time. Offsets are those of bytes.
        lines = [line.encode() for line in self._lines[node.lineno - 1 : node.end_lineno]]
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        return b"\n".join(lines).decode()


def _encloses(outer: ast.expr, inner: ast.expr) -> bool:
    begins = (outer.lineno, outer.col_offset) <= (inner.lineno, inner.col_offset)
    ends = (inner.end_lineno or 0, inner.end_col_offset or 0) <= (outer.end_lineno or 0, outer.end_col_offset or 0)
    return begins and ends
