"""What the .env files hold, put into the environment for code that reads it there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def export_environ(values: Mapping[str, str]) -> Iterator[None]:
    """For this block, have ``values`` in ``os.environ``, but for what is set there already."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
