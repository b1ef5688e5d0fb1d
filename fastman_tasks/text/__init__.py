"""Format numbers and long texts, and escape what a terminal would obey."""

from __future__ import annotations

import re

# Control characters, separators that some programs take for a line's end, what reverses the order of letters (bidi),
# and halves of characters, which a file name that is not UTF-8 has in Python.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb]"
)


def pluralize(number: int, noun: str) -> str:
    """Returns ``1 migration``, ``2 migrations``, ``1,204 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shorten(text: str, longest: int) -> str:
    """Returns ``text`` as one line, cut after ``longest`` characters."""
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[:longest]} …"


def printable(text: str, *, keep: str = "") -> str:
    """Returns ``text`` with each character that is not printed as it is written as ``\\u001b``, also a line's end;
    those in ``keep`` are left."""
    return _UNPRINTABLE.sub(lambda found: found[0] if found[0] in keep else f"\\u{ord(found[0]):04x}", text)
