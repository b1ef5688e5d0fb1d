"""Make what is drawn at random the same in every run."""

from __future__ import annotations

import random
from importlib.util import find_spec


def seed(number: int) -> None:
    """Seed ``random`` and, where they are installed, Faker and polyfactory. What the system draws (uuid4, secrets)
    stays as random as it is."""
    random.seed(number)
    if find_spec("faker"):
        from faker import Faker

        Faker.seed(number)
    if find_spec("polyfactory"):
        from polyfactory.factories.base import BaseFactory

        BaseFactory.seed_random(number)
