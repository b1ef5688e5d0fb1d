"""What a CREATE INDEX says."""

from __future__ import annotations

from collections.abc import Sequence

from fastman_tasks.databases.sql.tokens import Token, end_of_group, excerpt, split, tokens
from fastman_tasks.making.comparing.table_states import IndexState


def parse(sql: str) -> IndexState:
    """The index that ``sql`` creates, in PostgreSQL's or SQLite's words."""
    found = tokens(sql)
    words = [token.word for token in found]
    at = words.index("ON") + 1
    method = None
    # The table's name, perhaps with a schema, and ONLY before it.
    while words[at] not in {"(", "USING"}:
        at += 1
    if words[at] == "USING":
        method = found[at + 1].name
        at += 2
    end = end_of_group(found, at)
    parts = _parts(sql, found[at : end + 1])
    include: tuple[str, ...] = ()
    options = where = None
    distinct = False
    at = end + 1
    while at < len(found):
        if words[at] == "WHERE":
            where = excerpt(sql, found[at + 1 :])
            break
        if words[at] in {"INCLUDE", "WITH"}:
            end = end_of_group(found, at + 1)
            if words[at] == "INCLUDE":
                include = _parts(sql, found[at + 1 : end + 1])
            else:
                options = excerpt(sql, found[at + 2 : end])
            at = end
        distinct = distinct or words[at : at + 3] == ["NULLS", "NOT", "DISTINCT"]
        at += 1
    return IndexState(words[1] == "UNIQUE", parts, method, include, where, options, distinct)


def _parts(sql: str, group: Sequence[Token]) -> tuple[str, ...]:
    # Ascending is what they are anyway.
    return tuple(excerpt(sql, part[:-1] if part[-1].word == "ASC" else part) for part in split(group[1:-1]))
