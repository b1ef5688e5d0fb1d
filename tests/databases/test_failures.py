"""What is said where an engine cannot be made."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import make_url

from fastman_tasks.databases.failures import driver_errors
from fastman_tasks.errors import DatabaseUnavailable

# As greenlet's own import fails, and as SQLAlchemy 2.0 and 2.1 put it.
WITHOUT_GREENLET = [
    ModuleNotFoundError("No module named 'greenlet'", name="greenlet"),
    ValueError("the greenlet library is required to use this function. No module named 'greenlet'"),
    ImportError("The SQLAlchemy asyncio module requires that the Python 'greenlet' library is installed."),
]


@pytest.mark.parametrize("error", WITHOUT_GREENLET, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("url", "needs"),
    [
        ("postgresql+asyncpg://localhost/shop", "asyncpg needs greenlet"),
        ("sqlite+aiosqlite:///shop.db", "aiosqlite needs greenlet"),
        # An env.py may have an async engine of its own.
        ("sqlite:///shop.db", "SQLAlchemy's asyncio needs greenlet"),
        (None, "SQLAlchemy's asyncio needs greenlet"),
    ],
)
def test_greenlet_is_missing(url: str | None, needs: str, error: Exception) -> None:
    """SQLAlchemy's asyncio does not bring it along on every machine: one line says what to install."""
    with pytest.raises(DatabaseUnavailable) as told, driver_errors(make_url(url) if url else None):
        raise error
    assert str(told.value) == f"{needs}, which is not installed: pip install 'sqlalchemy[asyncio]'"


def test_the_driver_is_missing_as_well() -> None:
    """Its package brings greenlet along, so that one is named."""
    url = make_url("mysql+aiomysql://shop:sesame@localhost/shop")
    with pytest.raises(DatabaseUnavailable) as told, driver_errors(url):
        raise WITHOUT_GREENLET[0]
    assert str(told.value).startswith("The driver aiomysql is not installed (mysql+aiomysql://shop:***@localhost/shop)")


@pytest.mark.parametrize("error", [ValueError("no"), ImportError("no"), ModuleNotFoundError("x", name="x")])
def test_any_other_error_stays(error: Exception) -> None:
    """It is not ours to explain."""
    with pytest.raises(type(error)) as told, driver_errors(make_url("sqlite:///shop.db")):
        raise error
    assert told.value is error
