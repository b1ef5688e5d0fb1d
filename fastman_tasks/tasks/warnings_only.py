"""What a command that prints JSON shows while it runs."""

from __future__ import annotations

from fastman_tasks.plans import Observer
from fastman_tasks.tasks import console


class WarningsOnly(Observer):
    """Prints, beside the JSON, what is wrong and stops nothing."""

    def warned(self, text: str) -> None:
        console.warn(text)
