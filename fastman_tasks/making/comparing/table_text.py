"""What a CREATE TABLE says: SQLite keeps its text, MySQL and MariaDB write one for SHOW CREATE TABLE."""

from __future__ import annotations

from collections.abc import Sequence

from fastman_tasks.databases.sql.tokens import Token, end_of_group, excerpt, split, tokens
from fastman_tasks.making.comparing.table_states import ColumnState, IndexState, TableState

# What starts a definition that is not a column.
_TABLE_WORDS = {"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "KEY", "INDEX", "FULLTEXT", "SPATIAL", "PERIOD"}
# What ends the part of a column's definition before it.
_COLUMN_WORDS = {
    *("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "REFERENCES", "NOT", "NULL", "DEFAULT", "COLLATE", "GENERATED", "AS"),
    *("COMMENT", "AUTO_INCREMENT", "ON", "KEY", "INVISIBLE", "STORED", "VIRTUAL", "PERSISTENT", "CHARACTER"),
}


def parse(sql: str, *, mysql: bool = False) -> TableState:
    """The table that ``sql`` creates."""
    found = tokens(sql, escapes=mysql)
    start = next(at for at, token in enumerate(found) if token.text == "(")
    state = TableState()
    key: list[str] = []
    for part in split(found[start + 1 : end_of_group(found, start)]):
        words = [token.word for token in part]
        if words[0] not in _TABLE_WORDS:
            state.columns[part[0].name] = _column(sql, part, mysql)
            key += [part[0].name] if "PRIMARY" in words[1:] else []
            continue
        name = None
        if words[0] == "CONSTRAINT":
            name = part[1].name
            part, words = part[2:], words[2:]
        if words[0] == "PRIMARY":
            at = words.index("(")
            key = [each[0].name for each in split(part[at + 1 : end_of_group(part, at)])]
        elif words[0] == "CHECK" and name is not None:
            state.checks[name] = excerpt(sql, part[1 : end_of_group(part, 1) + 1])
        elif mysql and "FOREIGN" not in words and "KEY" in words[:2]:
            at = words.index("KEY")
            state.indexes[part[at + 1].name] = _key(sql, part, at)
    state.others = {f"PRIMARY KEY ({', '.join(key)})" for _ in key[:1]}
    return state


def _column(sql: str, part: Sequence[Token], mysql: bool) -> ColumnState:
    words = [token.word for token in part]
    clauses: dict[str, str] = {}
    at = 1
    while at < len(part) and words[at] not in _COLUMN_WORDS:
        at = end_of_group(part, at) + 1
    kind = excerpt(sql, part[1:at])
    while at < len(part):
        word, start = words[at], at + 1
        at = start
        # NULL ends no DEFAULT, and CHARACTER SET no type.
        if word in {"DEFAULT", "COLLATE", "REFERENCES"}:
            at = end_of_group(part, at) + 1
        while at < len(part) and words[at] not in _COLUMN_WORDS:
            at = end_of_group(part, at) + 1
        if word == "ON" and mysql and words[start] == "UPDATE":
            clauses["DEFAULT"] = f"{clauses.get('DEFAULT', 'NULL')} {excerpt(sql, part[start - 1 : at])}"
        else:
            clauses.setdefault(word, excerpt(sql, part[start:at]))
    default = clauses.get("DEFAULT")
    computed = clauses.get("AS")
    if computed is not None:
        computed = f"{computed} {'STORED' if {'STORED', 'PERSISTENT'} & set(clauses) else 'VIRTUAL'}"
    collation = clauses.get("COLLATE")
    return ColumnState(
        type=kind,
        default=None if default is None or default.upper() == "NULL" else default,
        computed=computed,
        collation=None if collation is None else collation.strip("\"'`"),
    )


def _key(sql: str, part: Sequence[Token], at: int) -> IndexState:
    end = end_of_group(part, at + 2)
    parts = tuple(excerpt(sql, each) for each in split(part[at + 3 : end]))
    rest = [token.word for token in part[end + 1 :]]
    kind = part[0].word if part[0].word in {"FULLTEXT", "SPATIAL"} else None
    method = part[end + 2].name if rest[:1] == ["USING"] else kind
    return IndexState(part[0].word == "UNIQUE", parts, method)
