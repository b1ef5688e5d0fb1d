"""SQL in pieces, and in a form in which two texts that say the same are equal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

#: SQL without what a server adds to it or leaves out: casts, needless parentheses, quotes, case, spaces.
Form: TypeAlias = "tuple[str | Form, ...]"

_TOKEN = re.compile(
    r"""
    --[^\n]*|/\*.*?\*/                  # a comment
    |(?P<token>
        '(?:[^']|'')*'                  # a text
        |"(?:[^"]|"")*"|`(?:[^`]|``)*`  # a quoted name
        |\d+(?:\.\d+)?|\w+              # a number, a word
        |::|[<>=!~|&@\#^?%*/+-]+        # an operator
        |\S
    )
    """,
    re.VERBOSE | re.DOTALL,
)
# MySQL's texts may have \' in them, which ends a text elsewhere.
_TOKEN_WITH_ESCAPES = re.compile(_TOKEN.pattern.replace("'(?:[^']|'')*'", r"'(?:[^'\\]|''|\\.)*'"), _TOKEN.flags)
_OPENING, _CLOSING = {"(", "["}, {")", "]"}
_MORE_OF_A_TYPE = {"varying", "precision", "with", "without", "time", "zone"}


class Token(NamedTuple):
    """A piece of SQL, and where it stands in it."""

    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """A keyword in capitals; what is quoted is none and stays as it is."""
        return self.text.upper() if self.text[0] not in "'\"`" else self.text

    @property
    def name(self) -> str:
        """The name without its quotes."""
        quote = self.text[0]
        return self.text[1:-1].replace(quote * 2, quote) if quote in '"`' else self.text


def tokens(sql: str, *, escapes: bool = False) -> list[Token]:
    """The tokens of ``sql`` in order, without comments; ``escapes``: a backslash hides a quote, as in MySQL."""
    pattern = _TOKEN_WITH_ESCAPES if escapes else _TOKEN
    return [Token(found["token"], *found.span()) for found in pattern.finditer(sql) if found["token"]]


def end_of_group(found: Sequence[Token], start: int) -> int:
    """The index of the token that closes the parenthesis at ``start``; of the last one where none does."""
    depth = 0
    for at in range(start, len(found)):
        depth += (found[at].text in _OPENING) - (found[at].text in _CLOSING)
        if not depth:
            return at
    return len(found) - 1


def split(found: Iterable[Token]) -> list[list[Token]]:
    """The tokens ``found``, cut at the commas that are in no parentheses."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in found:
        depth += (token.text in _OPENING) - (token.text in _CLOSING)
        if token.text == "," and not depth:
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]


def excerpt(sql: str, found: Sequence[Token]) -> str:
    """The part of ``sql`` that the tokens ``found`` span."""
    return sql[found[0].start : found[-1].end] if found else ""


def form(sql: str | None, *, escapes: bool = False) -> Form | None:
    """``sql`` in a form that is the same for all ways to write it; None for None."""
    return None if sql is None else _tree(_without_casts(tokens(sql, escapes=escapes)))


def _without_casts(found: Sequence[Token]) -> list[Token]:
    """PostgreSQL adds ``::text`` and the like; which of them depends on the types that a column once had."""
    kept: list[Token] = []
    at = 0
    while at < len(found):
        if found[at].text != "::":
            kept.append(found[at])
            at += 1
            continue
        at += 2
        while at < len(found):
            if found[at].text == ".":
                at += 2
            elif found[at].text in _MORE_OF_A_TYPE:
                at += 1
            elif found[at].text == "(" or [each.text for each in found[at : at + 2]] == ["[", "]"]:
                at = end_of_group(found, at) + 1
            else:
                break
    return kept


def _tree(found: Sequence[Token]) -> Form:
    items: list[str | Form] = []
    at = 0
    while at < len(found):
        token = found[at]
        if token.text not in _OPENING:
            # A name is the same with and without its quotes.
            items.append(token.text if token.text[0] == "'" else token.name.lower())
            at += 1
            continue
        end = end_of_group(found, at)
        inner = _tree(found[at + 1 : end])
        # Arguments belong to their function, and items to their array.
        if items and (token.text == "[" or re.match(r"[\w\"`]", found[at - 1].text)):
            items[-1] = (items[-1], token.text, *inner)
        else:
            items.append(inner[0] if len(inner) == 1 else inner)
        at = end + 1
    # ((a)) is (a) is a.
    while len(items) == 1 and isinstance(items[0], tuple) and not _is_call(items[0]):
        items = list(items[0])
    return tuple(items)


def _is_call(item: Form) -> bool:
    return len(item) > 1 and item[1] in _OPENING
