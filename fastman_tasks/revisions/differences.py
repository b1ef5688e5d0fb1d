"""How two versions of one version file differ, for people."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Sequence
from contextlib import suppress

from fastman_tasks.revisions import files, fingerprint
from fastman_tasks.text import pluralize, printable

_LONGEST = 40


def describe_difference(old: bytes, new: bytes) -> str:
    """Returns which of ``upgrade()`` and ``downgrade()`` does something else in the ``new`` version file than in the
    ``old`` one, and a unified diff of both; empty if they do the same.

    Where the diff is long, since a formatter has been at work as well, it is one of what is left without layout and
    comments. Nothing in it is obeyed by a terminal.
    """
    before, after = fingerprint.find(old), fingerprint.find(new)
    if before is not None and before == after:
        return ""
    changed = [
        f"{name}()"
        for name in ("upgrade", "downgrade")
        if before is None or after is None or getattr(before, name) != getattr(after, name)
    ]
    lines = _compare(_text(old), _text(new))
    if len(lines) > _LONGEST and before is not None and after is not None:
        with suppress(RecursionError):
            lines = _compare(_normalize(old), _normalize(new))
    if not lines:
        return ""
    if len(lines) > _LONGEST:
        lines = [*lines[:_LONGEST], f"… and {pluralize(len(lines) - _LONGEST, 'more line')}"]
    head = f"{' and '.join(changed)} {'does' if len(changed) == 1 else 'do'} something else:"
    if after is None:
        head = "The file is not valid Python any more:"
    return "\n".join([head, *(printable(each, keep="\t") for each in lines)])


def _compare(old: Sequence[str], new: Sequence[str]) -> list[str]:
    return list(difflib.unified_diff(old, new, "as applied", "now", n=2, lineterm=""))


def _text(content: bytes) -> list[str]:
    try:
        return files.decode(content).split("\n")
    except (SyntaxError, ValueError):
        return content.decode("latin-1").replace("\r\n", "\n").split("\n")


def _normalize(content: bytes) -> list[str]:
    return ast.unparse(files.parse(files.decode(content))).split("\n")
