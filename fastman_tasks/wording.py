"""How numbers are written."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """``1 migration``, ``2 migrations``, ``1,204 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
