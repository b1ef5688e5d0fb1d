"""Make random data the same in every run."""

from __future__ import annotations

import random
from importlib.util import find_spec


def seed(number: int) -> None:
    """Seed ``random`` and, if they are installed, Faker and polyfactory. The system's own random numbers (uuid4,
    secrets) are not affected."""
    random.seed(number)
    if find_spec("faker"):
        from faker import Faker

        Faker.seed(number)
    if find_spec("polyfactory"):
        from polyfactory.factories.base import BaseFactory

        BaseFactory.seed_random(number)
