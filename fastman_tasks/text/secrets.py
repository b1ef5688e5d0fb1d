"""Mask passwords and the like in texts: those that are known in every spelling, others by the words before them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

MASK = "***"
# None of them, no secret.
_HINTS = ("://", "pass", "pwd", "secret", "token", "key", "identified")
_NAME = re.compile(r"pass|pwd|secret|token|credential|(?:^|_)keys?(?:_|$)|apikey", re.IGNORECASE)
_SECRET = r"\w*(?:pass|pwd|secret|token)\w*"
_QUOTED = r"""(?:[EN]?'(?:[^'\\]|''|\\.)*(?:'|\Z)|\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z))"""
# ``kept`` is what tells that a secret follows.
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        # A URL. The word itself stands in examples.
        r"(?P<kept>\b[a-z][\w+.-]*://[^\s:/@'\"]*:)(?!password@)[^\s'\"]+(?=@)",
        # Parameters of a URL or of a connection, variables; what is bound in SQL is none.
        rf"(?P<kept>(?<![\w.=-]){_SECRET}=)(?![?$]|%[(s]|:\w|excluded\.|values\()(?:'[^']*'|\"[^\"]*\"|[^\s&;,)'\"]+)",
        # A dict.
        rf"(?P<kept>['\"]{_SECRET}['\"]: )(?:'[^']*'|\"[^\"]*\"|[^\s,}}]+)",
        # SQL. Alembic, too, says "revision identified by".
        rf"(?P<kept>\b{_SECRET}[\"`\]]?\s*=\s*)(?:{_QUOTED}|\"[^\"]*\")",
        rf"(?P<kept>\b\w*password(?:\s+for\s+\S+\s*=)?\s*[\s(]\s*){_QUOTED}",
        r"(?P<kept>(?<!revision )\bidentified\s+(?:with\s+\S+\s+)?(?:by|as)\s+(?:password\s+)?)"
        rf"(?:{_QUOTED}|\"[^\"]*\")",
    )
)
_INSERT = re.compile(
    r"\binsert\s+into\s+[^()]+\((?P<columns>[^()]+)\)\s*(?:overriding\s+\w+\s+value\s+)?values\b", re.I
)
_BOUND = re.compile(r"[\"`]?(\w+)[\"`]?\s*=\s*(?:\?|%s|\$\d+)")
_TOKEN = re.compile(r"'(?:[^']|'')*'|[(),]|[^'(),]+|.", re.DOTALL)
# PostgreSQL's.
_ROWS = re.compile(r"(Failing row contains |\bCOPY .*, line \d+.*?: )[(\"].*[)\"]")
# A shorter word may be a part of another one.
_LONG = 12


def is_secret(name: str) -> bool:
    """Whether a column or a parameter of that ``name`` holds what nobody is to see."""
    return bool(_NAME.search(name))


def redact(text: str, known: Iterable[str] = ()) -> str:
    """Returns ``text`` with everything masked that looks like a password, and the ``known`` ones."""
    text = hide(text, known)
    lower = text.lower()
    if not any(hint in lower for hint in _HINTS):
        return text
    for pattern in _PATTERNS:
        text = pattern.sub(_masked, text)
    return _mask_inserts(text)


def hide(text: str, secrets: Iterable[str]) -> str:
    """Returns ``text`` with each of ``secrets`` masked, however it is quoted. One that may as well be a part of another
    word is left."""
    for secret in secrets:
        text = _exact(secret).sub(MASK, text)
    return text


def redact_traceback(text: str, error: BaseException | None) -> str:
    """Returns ``text``, the traceback of ``error``, with the rows masked that databases quote."""
    while error is not None:
        text = hide_bound(text, getattr(error, "statement", None), getattr(error, "params", None))
        error = error.__cause__ or error.__context__
    return _ROWS.sub(lambda found: f"{found[1]}{MASK}", text)


def mask_row(statement: str, row: Any) -> Any:
    """Returns ``row``, the values that ``statement`` binds, with those of columns such as password masked."""
    if isinstance(row, Mapping):
        return {name: MASK if value is not None and is_secret(str(name)) else value for name, value in row.items()}
    if not isinstance(row, Sequence) or isinstance(row, str):
        return row
    if row and isinstance(row[0], Mapping | Sequence) and not isinstance(row[0], str):
        return [mask_row(statement, each) for each in row]
    names = _columns(statement)
    if len(names) != len(row):
        # Which is which is unknown.
        return tuple(MASK for _ in row) if any(map(is_secret, re.findall(r"\w+", statement))) else row
    return tuple(
        MASK if value is not None and is_secret(name) else value for name, value in zip(names, row, strict=True)
    )


def hide_bound(text: str, statement: str | None, row: Any) -> str:
    """Returns ``text`` with the values masked that ``mask_row`` masks."""
    return hide(text, (value for value in _masked_values(statement or "", row) if value in text))


def _masked_values(statement: str, row: Any) -> Iterator[str]:
    masked = mask_row(statement, row)
    if isinstance(row, Mapping):
        row, masked = list(row.values()), list(masked.values())
    if isinstance(row, Sequence) and not isinstance(row, str):
        for value, shown in zip(row, masked, strict=True):
            if shown == MASK and value != MASK:
                yield str(value)
            elif value is not shown:
                yield from _masked_values(statement, value)


def _columns(statement: str) -> list[str]:
    inserted = _INSERT.search(statement)
    if inserted is None:
        return _BOUND.findall(statement)
    names = [each.strip().strip('"`[]') for each in inserted["columns"].split(",")]
    # Several rows, in one statement.
    several = len(re.findall(r"\?|%s|\$\d+", statement)) // len(names)
    return names * max(1, several)


def _masked(found: re.Match[str]) -> str:
    quote = "'" if found[0].endswith("'") and "'" in found[0].removeprefix(found["kept"])[:2] else ""
    return f"{found['kept']}{quote}{MASK}{quote}"


def _mask_inserts(text: str) -> str:
    """``text`` with the literals masked that are inserted into columns such as password."""
    for found in reversed(list(_INSERT.finditer(text))):
        names = [each.strip().strip('"`[]') for each in found["columns"].split(",")]
        if not any(map(is_secret, names)):
            continue
        parts, depth, at, ended = [], 0, -1, False
        for token in _TOKEN.findall(text[found.end() :]):
            ended = ended or (depth == 0 and token.strip() not in ("", ",", "("))
            depth += (token == "(") - (token == ")")
            at = at + (depth == 1 and token in ("(", ",")) if depth else -1
            hides = not ended and token.startswith("'") and 0 <= at < len(names) and is_secret(names[at])
            parts.append(f"'{MASK}'" if hides else token)
        text = text[: found.end()] + "".join(parts)
    return text


@functools.lru_cache(maxsize=64)
def _exact(secret: str) -> re.Pattern[str]:
    """Every spelling of ``secret``: as it is, as a URL or an alembic.ini quotes it, and as Python does."""
    text = "".join(_spellings(character) for character in secret)
    if len(secret) < 4:
        text = rf"(?<=['\"`(]){text}(?=['\"`),])"
    elif len(secret) < _LONG and re.fullmatch(r"\w+", secret):
        text = rf"(?:(?<!\w)|(?<=%[0-9a-fA-F]{{2}})){text}(?!\w)"
    return re.compile(text)


def _spellings(character: str) -> str:
    quoted = "".join(f"%%?{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
    forms = {re.escape(character), f"(?i:{quoted})", re.escape(repr(character)[1:-1])}
    if character in "\\'\"":
        forms.add(re.escape(f"\\{character}"))
    if character == " ":
        forms.add(r"\+")
    return f"(?:{'|'.join(sorted(forms, key=len, reverse=True))})"
