"""Find, order and run seeders. Seeders import ``upsert`` and ``load`` from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastman_tasks.rows.load import load
    from fastman_tasks.rows.upsert import Upserted, upsert

__all__ = ["Upserted", "load", "upsert"]


def __getattr__(name: str) -> Any:
    # Imported on first use: SQLAlchemy takes longer than listing the commands.
    if name == "load":
        from fastman_tasks.rows.load import load

        return load
    if name in ("Upserted", "upsert"):
        from fastman_tasks.rows import upsert

        return getattr(upsert, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
