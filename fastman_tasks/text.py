"""How numbers and long texts are written."""

from __future__ import annotations


def pluralize(number: int, noun: str) -> str:
    """``1 migration``, ``2 migrations``, ``1,204 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shorten(text: str, longest: int) -> str:
    """``text`` in one line, and no more of it than its ``longest`` first characters."""
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[:longest]} …"
