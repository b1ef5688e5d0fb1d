"""Names of files, classes and tables from what the user typed. Pure functions."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from fastman_tasks.errors import UsageError

Kind = Literal[
    "create_table",
    "drop_table",
    "rename_table",
    "add_column",
    "drop_column",
    "rename_column",
    "index",
    "data",
]

# The first pattern that fits the message, its words joined by _, says what is meant.
_MEANINGS: tuple[tuple[Kind, str], ...] = (
    # A message does not say which columns an index has.
    ("index", r"(create|add|drop|remove|delete)_index_(on|to|for|of|from|in)_(?P<table>\w+?)(_table)?"),
    ("index", r"(create|add|drop|remove|delete)_(?P<table>\w+?)_index"),
    ("rename_column", r"rename_(?P<columns>\w+?)(_column)?_to_(?P<new>\w+?)_(on|in|of)_(?P<table>\w+?)(_table)?"),
    ("rename_column", r"rename_(?P<columns>\w+?)(_column)?_(on|in|of)_(?P<table>\w+?)(_table)?_to_(?P<new>\w+?)"),
    ("rename_column", r"rename_(?P<columns>\w+?)_column_to_(?P<new>\w+?)"),
    ("rename_table", r"rename_(table_)?(?P<table>\w+?)(_table)?_to_(?P<new>\w+?)(_table)?"),
    ("create_table", r"create_(table_(?P<table>\w+)|(?P<table_>\w+?)(_table)?)"),
    ("add_column", r"add_(column_)?(?P<columns>\w+?)(_columns?)?(_(to|on|in)_(?P<table>\w+?)(_table)?)?"),
    (
        "drop_column",
        r"(drop|remove|delete)_(column_)?(?P<columns>\w+?)(_columns?)?_(from|on|in)_(?P<table>\w+?)(_table)?",
    ),
    ("drop_column", r"(drop|remove|delete)_(?P<columns>\w+?)_columns?"),
    ("drop_table", r"(drop|remove|delete)_(table_(?P<table>\w+)|(?P<table_>\w+?)_table)"),
)


@dataclass(frozen=True)
class Meaning:
    """What a message asks for: ``add_column`` of ``columns`` to ``table``; ``new`` is what something is renamed to."""

    kind: Kind
    table: str | None
    columns: tuple[str, ...] = ()
    new: str | None = None


def meaning(message: str, *, create: str | None = None, table: str | None = None) -> Meaning | None:
    """Returns what ``message`` asks for; None if it cannot be interpreted.

    ``create`` is a table to create, whatever the message says; ``table`` is the table that the message is about.
    """
    if create:
        return Meaning("create_table", create)
    words = "_".join(re.findall(r"\w+", message.lower()))
    for kind, pattern in _MEANINGS:
        if match := re.fullmatch(pattern, words):
            groups = match.groupdict()
            found = Meaning(
                kind,
                groups.get("table") or groups.get("table_"),
                tuple((groups.get("columns") or "").split("_and_")) if groups.get("columns") else (),
                groups.get("new"),
            )
            found = replace(found, table=table or found.table)
            return found if found.table else None
    return None


def require_message(text: str) -> str:
    """Returns ``text`` as a migration's message. Raises UsageError if it cannot name a file."""
    message = _typed(text, "message", "make.migration", '"create users table"')
    if not re.search(r"[^\W_]", message):
        raise UsageError(f"The message {text!r} needs a letter or a digit, for the name of its file.")
    return message


def escape_docstring(message: str) -> str:
    """Returns ``message`` escaped for use between triple quotes."""
    return message.replace("\\", "\\\\").replace('"', '\\"')


def require_table(text: str, flag: str) -> str:
    """Returns ``text`` as a table's name. Raises UsageError if it is not a valid one."""
    if not re.fullmatch(r"\w[\w $-]*", text):
        raise UsageError(f"--{flag}={text!r} is not the name of a table.")
    return text


@dataclass(frozen=True)
class SeederName:
    """The module, the class and the subject of a seeder: ``user_seeder``, ``UserSeeder``, ``User``."""

    module: str
    class_: str
    subject: str


def seeder_name(text: str) -> SeederName:
    """Returns the seeder that ``user``, ``User``, ``UserSeeder`` and ``user_seeder`` all name.

    Raises UsageError if ``text`` cannot name a Python module and class.
    """
    parts = _words(_typed(text, "name", "make.seeder", "user"))
    if len(parts) > 1 and parts[-1].lower() == "seeder":
        parts.pop()
    subject = _camel(parts)
    if not subject.isidentifier():
        raise UsageError(
            f"{text!r} is not a valid name for a class; use letters, digits and _, beginning with a letter."
        )
    stem = "_".join(part.lower() for part in parts)
    module = f"{stem}_seeder"
    return SeederName(module, f"{subject}Seeder", subject)


def suggestion(typed: str, known: Iterable[str], ending: str = "") -> str:
    """Returns ``Did you mean UserSeeder? Known: UserSeeder, PostSeeder, RoleSeeder.``: the names most like ``typed``
    first, the others sorted. An ``ending`` that all have is ignored."""
    by_text = {name.lower().removesuffix(ending.lower()): name for name in sorted(known)}
    text = typed.lower().removesuffix(ending.lower())
    near = [by_text[each] for each in difflib.get_close_matches(text, by_text, n=3, cutoff=0.65)]
    listed = ", ".join([*near, *(name for name in by_text.values() if name not in near)])
    return f"{f'Did you mean {near[0]}? ' if near else ''}Known: {listed or 'none'}."


def camel(text: str) -> str:
    """Returns ``user_seeder`` as ``UserSeeder``."""
    return _camel(_words(text))


def _camel(parts: list[str]) -> str:
    return "".join(part[:1].upper() + part[1:] for part in parts)


def _words(text: str) -> list[str]:
    humps = re.sub(r"(?<=[^\W_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text)
    return [part for part in re.split(r"[\s_-]+", humps) if part]


def _typed(text: str, what: str, task: str, example: str) -> str:
    if not text.strip():
        raise UsageError(f"The {what} is empty. For example: inv {task} {example}")
    if text.startswith("-"):
        raise UsageError(f"{text!r} is not a {what}. For help: inv --help {task}")
    if not text.isprintable():
        raise UsageError(f"The {what} {text!r} has characters that cannot be printed, such as a line break.")
    if len(text) > 200:
        raise UsageError(f"The {what} has {len(text)} characters; the limit is 200.")
    return text.strip()
