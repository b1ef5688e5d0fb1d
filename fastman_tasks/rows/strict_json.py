"""JSON as the standard has it, and what is wrong with a text that Python cannot read."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

# Texts first: they may hold anything.
_TOKENS = re.compile(r'"(?P<text>[^"\\]*(?:\\.[^"\\]*)*)"(?P<key>\s*:)?|[\[\]{}]|-?\d+|-?[A-Za-z]+', re.DOTALL)
_NOT_NUMBERS = ("NaN", "Infinity", "-Infinity")
# Of a whole number; more take Python a time that grows with the square of their number.
_MOST_DIGITS = 4300


class NotJSON(ValueError):
    """A text is not JSON, or not what Python can read; ``line`` and ``column`` say where, as far as that is known.

    ``line`` counts from the beginning of the text. ``column`` is the key, in the outermost object, of what is wrong.
    """

    def __init__(self, problem: str, line: int, column: str | None = None) -> None:
        super().__init__(problem)
        self.line = line
        self.column = column


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


_decoder = json.JSONDecoder(parse_constant=_refuse)


def read_value(text: str, at: int = 0) -> tuple[Any, int]:
    """Returns the value that begins at ``at``, and where it ends. Raises NotJSON."""
    try:
        return _decoder.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise NotJSON(f"not JSON: {error.msg} (character {error.colno})", error.lineno) from error
    except (ValueError, RecursionError) as error:
        raise _explain(text, at) from error


def read(text: str) -> Any:
    """Returns the value that ``text`` is. Raises NotJSON."""
    value, end = read_value(text, len(text) - len(text.lstrip()))
    if text[end:].strip():
        raise NotJSON(f"not JSON: Extra data (character {end + 1})", 1)
    return value


def _explain(text: str, at: int) -> NotJSON:
    """Returns what a value has, from ``at`` on, that Python cannot read."""
    depth, deepest, place = 0, 0, at
    column: str | None = None
    around: str | None = None
    for token in _TOKENS.finditer(text, at):
        said = token[0]
        if said in ("[", "{"):
            depth += 1
            if depth > deepest:
                deepest, place, around = depth, token.start(), column
        elif said in ("]", "}"):
            depth -= 1
            if not depth:
                break
        elif token["key"] and depth == 1:
            column = token["text"]
        elif said in _NOT_NUMBERS:
            return NotJSON(f"{said} is not JSON", _line(text, token.start()), column)
        elif token["text"] is None and len(said) > _MOST_DIGITS:
            return NotJSON(f"a number of {len(said)} digits is too long", _line(text, token.start()), column)
    return NotJSON(f"nested too deeply, in {deepest} levels", _line(text, place), around)


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
