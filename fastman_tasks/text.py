"""Format numbers and long texts."""

from __future__ import annotations


def pluralize(number: int, noun: str) -> str:
    """Returns ``1 migration``, ``2 migrations``, ``1,204 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shorten(text: str, longest: int) -> str:
    """Returns ``text`` as one line, cut after ``longest`` characters."""
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[:longest]} …"
