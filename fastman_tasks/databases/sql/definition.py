"""The text of a SQLite table: taken apart into its columns and constraints, changed, and written again.

SQLite itself keeps a table as its CREATE TABLE statement, and reflection tells only a part of it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

_TOKEN = re.compile(
    r"(?P<space>\s+|--[^\n]*|/\*.*?(?:\*/|$))"
    r"|(?P<quoted>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|\[[^\]]*\])|(?P<word>[\w$]+)|(?P<sign>.)",
    re.DOTALL,
)
_OF_TABLE = {"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"}
_OF_COLUMN = _OF_TABLE - {"FOREIGN"} | {"NOT", "NULL", "DEFAULT", "COLLATE", "REFERENCES", "GENERATED", "AS"}
# How many words after the first of a clause are certainly its own, whatever they are.
_FOLLOWING = {"NOT": 1, "PRIMARY": 1, "DEFAULT": 1, "COLLATE": 1, "REFERENCES": 1, "GENERATED": 2}


@dataclass(frozen=True)
class Token:
    """A word, a quoted text, or a sign; ``spaced`` is whether something that says nothing stands before it."""

    text: str
    is_word: bool
    spaced: bool

    @property
    def keyword(self) -> str:
        """The word in capitals; empty for what is quoted."""
        return self.text.upper() if self.is_word else ""

    @property
    def name(self) -> str:
        """What the token names, without quotes."""
        first = self.text[0]
        if first == "[":
            return self.text[1:-1]
        return self.text[1:-1].replace(first * 2, first) if first in "\"`'" else self.text


def tokens(sql: str) -> list[Token]:
    """``sql`` without its comments."""
    found: list[Token] = []
    spaced = False
    for match in _TOKEN.finditer(sql):
        if match["space"]:
            spaced = True
            continue
        found.append(Token(match[0], match["word"] is not None, spaced))
        spaced = False
    return found


def join(several: list[Token]) -> str:
    """The tokens on one line, spaced as they were."""
    return "".join(f"{' ' if each.spaced else ''}{each.text}" for each in several).strip()


@dataclass(frozen=True)
class Clause:
    """A part of a column's definition, or a constraint of the table. ``kind`` is the keyword that it begins with, after
    its ``name`` if it has one."""

    kind: str
    name: str | None
    tokens: list[Token] = field(repr=False)

    @property
    def columns(self) -> list[str]:
        """The columns of a key: the names in the first parentheses."""
        return [part[0].name for part in _split(_first_group(self.tokens)) if part]

    @property
    def condition(self) -> str:
        """What a CHECK says."""
        return join(_first_group(self.tokens))

    def __str__(self) -> str:
        return join(self.tokens)


@dataclass(frozen=True)
class Column:
    """A column's definition."""

    token: Token = field(repr=False)
    type: str
    clauses: tuple[Clause, ...]

    @property
    def name(self) -> str:
        """The column's name."""
        return self.token.name

    @property
    def is_computed(self) -> bool:
        """Whether no value can be inserted into it."""
        return any(clause.kind in ("GENERATED", "AS") for clause in self.clauses)

    def without(self, *kinds: str) -> Column:
        """The column without its clauses of these kinds."""
        return replace(self, clauses=tuple(each for each in self.clauses if each.kind not in kinds))

    def only(self, *kinds: str) -> tuple[Clause, ...]:
        """Its clauses of these kinds."""
        return tuple(each for each in self.clauses if each.kind in kinds)

    def __str__(self) -> str:
        return " ".join(filter(None, [self.token.text, self.type, *map(str, self.clauses)]))


@dataclass(frozen=True)
class Definition:
    """A table's definition; ``options`` are what follows its parentheses."""

    columns: tuple[Column, ...]
    constraints: tuple[Clause, ...]
    options: str = ""

    def column(self, name: str) -> Column | None:
        """The column of that name, in capitals or not."""
        return next((each for each in self.columns if each.name.lower() == name.lower()), None)

    def clauses(self) -> Iterator[Clause]:
        """All clauses, those of columns too."""
        return itertools.chain(*(column.clauses for column in self.columns), self.constraints)

    @property
    def counts_up(self) -> bool:
        """Whether its ids come from AUTOINCREMENT."""
        return any(token.keyword == "AUTOINCREMENT" for clause in self.clauses() for token in clause.tokens)

    def unnamed_uniques(self) -> list[list[str]]:
        """The columns of each unique constraint without a name."""
        on_columns = [[column.name] for column in self.columns for each in column.only("UNIQUE") if each.name is None]
        return on_columns + [each.columns for each in self.constraints if each.kind == "UNIQUE" and each.name is None]

    def with_column(self, new: Column, *, instead_of: str | None = None) -> Definition:
        """The table with ``new`` as its last column, or ``instead_of`` one that it has."""
        if instead_of is None:
            return replace(self, columns=(*self.columns, new))
        old = instead_of.lower()
        return replace(self, columns=tuple(new if each.name.lower() == old else each for each in self.columns))

    def without(self, unwanted: Callable[[Clause], bool]) -> Definition:
        """The table without the clauses that are ``unwanted``."""
        columns = tuple(
            replace(each, clauses=tuple(clause for clause in each.clauses if not unwanted(clause)))
            for each in self.columns
        )
        return replace(
            self, columns=columns, constraints=tuple(each for each in self.constraints if not unwanted(each))
        )

    def create(self, table: str) -> str:
        """The statement that makes it under the name ``table``, which is in quotes if it needs them."""
        parts = ",\n    ".join([*map(str, self.columns), *map(str, self.constraints)])
        return f"CREATE TABLE {table} (\n    {parts}\n){f' {self.options}' if self.options else ''}"


def parse(sql: str) -> Definition | None:
    """The definition that a CREATE TABLE statement holds; None where it is none (a virtual table)."""
    found = tokens(sql)
    opening = next((at for at, each in enumerate(found) if each.text == "(" and not each.is_word), None)
    if opening is None or "VIRTUAL" in (each.keyword for each in found[:opening]):
        return None
    closing = _closing(found, opening)
    columns: list[Column] = []
    constraints: list[Clause] = []
    for part in _split(found[opening + 1 : closing]):
        if part[0].keyword in _OF_TABLE:
            constraints.append(_clause(part))
        else:
            columns.append(_column(part))
    return Definition(tuple(columns), tuple(constraints), join(found[closing + 1 :]).rstrip("; "))


def parts(sql: str) -> list[list[Token]]:
    """What stands between the commas in the first parentheses of ``sql``: the columns of an index."""
    return list(_split(_first_group(tokens(sql))))


def _first_group(several: list[Token]) -> list[Token]:
    """What stands in the first parentheses."""
    opening = next((at for at, each in enumerate(several) if each.text == "("), None)
    return [] if opening is None else several[opening + 1 : _closing(several, opening)]


def _closing(several: list[Token], opening: int) -> int:
    depth = 0
    for at in range(opening, len(several)):
        depth += {"(": 1, ")": -1}.get(several[at].text, 0)
        if depth == 0:
            return at
    return len(several)


def _split(several: list[Token]) -> Iterator[list[Token]]:
    """The parts between the commas that stand in no parentheses."""
    part: list[Token] = []
    depth = 0
    for each in several:
        depth += {"(": 1, ")": -1}.get(each.text, 0)
        if each.text == "," and depth == 0:
            yield part
            part = []
        else:
            part.append(each)
    if part:
        yield part


def _column(part: list[Token]) -> Column:
    starts = [*_starts(part), len(part)]
    clauses = [_clause(part[start:stop]) for start, stop in itertools.pairwise(starts)]
    return Column(part[0], join(part[1 : starts[0]]), tuple(clauses))


def _starts(part: list[Token]) -> Iterator[int]:
    """Where the clauses of a column begin."""
    at, depth = 1, 0
    while at < len(part):
        token = part[at]
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        following = part[at + 1].keyword if at + 1 < len(part) else ""
        if depth == 0 and token.keyword == "SET":
            at += 1  # NULL or DEFAULT, of a foreign key
        elif depth == 0 and token.keyword in _OF_COLUMN and following != "DEFERRABLE":
            yield at
            if token.keyword == "CONSTRAINT":
                at += 2
            at += _FOLLOWING.get(part[at].keyword, 0) if at < len(part) else 0
            if at < len(part) and part[at].text in ("+", "-"):
                at += 1
            if at < len(part) and part[at].text == "(":
                depth += 1
        at += 1


def _clause(part: list[Token]) -> Clause:
    name, start = None, 0
    if part[0].keyword == "CONSTRAINT" and len(part) > 2:
        name, start = part[1].name, 2
    return Clause(part[start].keyword, name, part)
