"""The file of a dump: a first line that says what it was made of, then the statements."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import dataclass

_MARK = b"-- fastman-tasks dump "
# A line that no statement has: they can be told apart without knowing SQL, and programs of the databases run them.
# Where one has it, such as in the text of a row, it is the first with a number that none has.
_END = ";"


@dataclass(frozen=True)
class DumpFile:
    """What the file of a dump contains. ``heads`` are the revisions that a database is at once it is loaded;
    ``migrations`` is the hash of the version files that it was made of, see ``revisions.content``; ``lines`` are the
    numbers of the lines on which the ``statements`` begin. ``is_edited`` is whether somebody has changed them."""

    backend: str
    heads: tuple[str, ...]
    migrations: str
    statements: tuple[str, ...]
    lines: tuple[int, ...] = ()
    is_edited: bool = False


def write(dump: DumpFile) -> bytes:
    """Returns the content of the file. Raises ValueError, which names the statement, if it would be read as another."""
    lines = {line for each in dump.statements if f"\n{_END}" in f"\n{each}" for line in each.split("\n")}
    numbered = (f"{_END} -- {number}" for number in itertools.count(1))
    end = next(each for each in itertools.chain([_END], numbered) if each not in lines)
    body = "".join(f"\n{statement}\n{end}\n" for statement in dump.statements).encode("utf-8", "surrogatepass")
    content = _head(dump, end, body) + body
    found = parse(content).statements
    for one, other in zip(dump.statements, (*found, None), strict=False):
        if one != other:
            raise ValueError(one)
    return content


def parse(content: bytes) -> DumpFile:
    """Returns what the file with this ``content`` contains. Raises ValueError, which says what is wrong, if it is not a
    dump."""
    first, _, body = content.partition(b"\n")
    if not first.startswith(_MARK):
        raise ValueError("it is not a dump of fastman-tasks")
    try:
        head = json.loads(first[len(_MARK) :])
        found = DumpFile(str(head["backend"]), tuple(map(str, head["heads"])), str(head["migrations"]), ())
        digest, end = str(head["snapshot"]), f"\n{head.get('end', _END)}\n"
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("its first line is damaged") from error
    if _digest(body) != digest and _digest(body.replace(b"\r\n", b"\n")) == digest:
        # Git may write other line ends on Windows; those of the statements themselves are kept.
        body = body.replace(b"\r\n", b"\n")
    statements, lines, line = [], [], 2
    for part in body.decode("utf-8", "surrogatepass").split(end):
        if (statement := part.removeprefix("\n")).strip():
            statements.append(statement)
            lines.append(line + len(part) - len(statement))
        line += part.count("\n") + 2
    return DumpFile(
        found.backend, found.heads, found.migrations, tuple(statements), tuple(lines), _digest(body) != digest
    )


def _head(dump: DumpFile, end: str, body: bytes) -> bytes:
    said = {
        "backend": dump.backend,
        "heads": list(dump.heads),
        "migrations": dump.migrations,
        "snapshot": _digest(body),
        **({"end": end} if end != _END else {}),
    }
    return _MARK + json.dumps(said).encode() + b"\n"


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
