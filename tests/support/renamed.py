"""Models of which something is renamed."""

from __future__ import annotations

import pytest

from command import Sandbox
from generated import Walk, fresh

SERVERS = ["sqlite", "postgresql", "mariadb"]


def begun(project: Sandbox, request: pytest.FixtureRequest, server: str, models: str) -> Walk:
    """A database on ``server`` with the tables of ``models``."""
    url = f"sqlite:///{project.root / 'app.db'}" if server == "sqlite" else fresh(request, server)
    walk = Walk(project, url)
    walk.make(models)
    walk.migrate()
    return walk
