from __future__ import annotations
from typing import Any
class Seeding:
    def __init__(self, project: Any) -> None:
        self.project = project
