"""Which consent a command needs, and who agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy.engine import make_url

from fastman_tasks import settings
from fastman_tasks.consent import (
    Consent,
    Level,
    Risk,
    force,
    level_to_change,
    level_to_roll_back,
    named,
    refuse,
    require_agreed,
)
from fastman_tasks.databases.database import Database
from fastman_tasks.errors import ConsentMissing, LossGrew, UsageError
from fastman_tasks.plans import Loss

LEVELS: tuple[Level, ...] = ("none", "yes", "name")
ROWS = (Loss("users", None, 1),)
NONE = (Loss("users", None, 0),)


def read(tmp_path: Path, **environ: str) -> settings.Settings:
    """Settings of a project without a .env."""
    return settings.load(tmp_path, environ)


@pytest.mark.parametrize(
    ("url", "protected"),
    [
        ("sqlite:///app.db", False),
        ("postgresql://localhost/shop", False),
        ("postgresql://LOCALHOST/shop", False),
        ("postgresql://127.0.0.1:5433/shop", False),
        ("postgresql://[::1]/shop", False),
        ("postgresql:///shop", False),
        ("postgresql:///shop?host=/var/run/postgresql", False),
        ("postgresql:///shop?host=localhost:5433", False),
        ("mysql:///shop?unix_socket=/run/mysqld.sock", False),
        ("postgresql://db/shop", True),
        ("postgresql://localhost.example/shop", True),
        ("postgresql:///shop?host=db.example", True),
        ("postgresql://localhost/shop?hostaddr=10.0.0.7", True),
        ("postgresql:///shop?host=localhost:5432&host=db.example:5432", True),
        ("postgresql:///shop?host=localhost,db.example", True),
        ("mysql://10.0.0.7/shop", True),
        ("postgresql://127.0.0.53/shop", False),
        ("postgresql://127.0.0.1.example/shop", True),
    ],
)
def test_hosts(tmp_path: Path, url: str, protected: bool) -> None:
    """Without ENVIRONMENT a database on another machine is protected, wherever its URL names the host."""
    assert level_to_change(read(tmp_path), Database(make_url(url))) == ("yes" if protected else "none")
    assert level_to_change(read(tmp_path, ENVIRONMENT="staging"), Database(make_url(url))) == "none"


@pytest.mark.parametrize("environment", ["prd", "prod-eu", "PRODUCTION2", "acme", "staging-eu"])
def test_unknown_environments(tmp_path: Path, environment: str) -> None:
    """A name that nobody knows may be a production's: on another machine it is protected, on this one it is not."""
    found = read(tmp_path, ENVIRONMENT=environment)
    assert level_to_change(found, Database(make_url("postgresql://db.example/shop"))) == "yes"
    assert level_to_roll_back(found, Database(make_url("postgresql://db.example/shop")), ROWS) == "name"
    assert level_to_change(found, Database(make_url("postgresql://localhost/shop"))) == "none"


@pytest.mark.parametrize("environment", ["development", "dev", "testing", "TEST", "ci", "staging", "qa"])
def test_known_environments(tmp_path: Path, environment: str) -> None:
    """They are no production, wherever the database is, unless FASTMAN_PROTECTED names them: then everywhere."""
    there, here = (Database(make_url(f"postgresql://{host}/shop")) for host in ("db.example", "localhost"))
    assert level_to_change(read(tmp_path, ENVIRONMENT=environment), there) == "none"
    named = read(tmp_path, ENVIRONMENT=environment, FASTMAN_PROTECTED=f"prd, {environment.lower()}")
    assert [level_to_change(named, each) for each in (there, here)] == ["yes", "yes"]
    assert named.production


@pytest.mark.parametrize("environment", ["production", "Production", "PROD", "prod", "live", "LIVE"])
def test_production(tmp_path: Path, environment: str) -> None:
    """The three names in any case protect a database on this machine too; APP_ENV is as good."""
    for name in ("ENVIRONMENT", "APP_ENV"):
        found = read(tmp_path, **{name: environment, "DATABASE_URL": "sqlite:///a.db"})
        assert level_to_change(found, Database(make_url("sqlite:///a.db"))) == "yes"
        assert level_to_roll_back(found, Database(make_url("sqlite:///a.db")), ROWS) == "name"


@pytest.mark.parametrize(
    ("losses", "needed"),
    [
        ((), "yes"),
        (NONE, "yes"),
        (ROWS, "name"),
        ((*NONE, *ROWS), "name"),
        ((Loss("a", None, 0, "estimate"),), "name"),
        ((Loss("a", "b", 0, "at least"),), "name"),
        ((Loss("a", None, None),), "name"),
        ((Loss(reason="DELETE FROM a"),), "name"),
    ],
)
def test_rolling_back(tmp_path: Path, losses: tuple[Loss, ...], needed: str) -> None:
    """A protected database's name is asked for unless it is certain that nothing is lost; elsewhere yes will do."""
    database = Database(make_url("sqlite:///a.db"))
    assert level_to_roll_back(read(tmp_path, ENVIRONMENT="prod"), database, losses) == needed
    assert level_to_roll_back(read(tmp_path, ENVIRONMENT="test"), database, losses) == "yes"


def rows(number: int, precision: Literal["exact", "estimate", "at least"] = "exact") -> tuple[Loss, ...]:
    """A table with so many."""
    return (Loss("users", None, number, precision),)


MORE = [
    ((), rows(1)),
    (NONE, rows(5000)),
    (rows(10), rows(12)),
    (rows(1), rows(2)),
    (rows(50_000), rows(100_000, "at least")),
    (rows(90_000), rows(250_000, "estimate")),
    (rows(200_000, "estimate"), rows(500_000, "estimate")),
    (rows(7), (*rows(7), Loss("users", "name", 1))),
    (rows(7), (*rows(7), Loss("posts", None, 1))),
    ((), (Loss(reason="DELETE FROM users"),)),
]
NO_MORE = [
    ((), ()),
    ((), NONE),
    (NONE, NONE),
    (rows(7), ()),
    (rows(7), rows(3)),
    (rows(10), rows(11)),
    (rows(100_000), rows(104_000, "estimate")),
    (rows(200_000, "estimate"), rows(390_000, "estimate")),
    (rows(200_000, "estimate"), rows(150_000)),
    (rows(200_000, "estimate"), rows(100_000, "at least")),
    (rows(100_000, "at least"), rows(9_000_000, "estimate")),
    ((Loss(reason="DELETE FROM users"),), (Loss(reason="DELETE FROM users"),)),
    ((Loss("users", None, 5, reason="DELETE FROM users"),), (Loss("users", None, 5, reason="DELETE FROM users"),)),
]


@pytest.mark.parametrize(("agreed", "found"), MORE)
def test_more_than_was_agreed_to(agreed: tuple[Loss, ...], found: tuple[Loss, ...]) -> None:
    """What was empty or not in the list, and more than a tenth more rows."""
    with pytest.raises(LossGrew) as raised:
        require_agreed(agreed, found)
    assert (raised.value.losses, raised.value.code) == (found, 5)


@pytest.mark.parametrize(("agreed", "found"), NO_MORE)
def test_no_more_than_was_agreed_to(agreed: tuple[Loss, ...], found: tuple[Loss, ...]) -> None:
    """Fewer, a few more in a table that is in use, and another estimate of as much."""
    require_agreed(agreed, found)


def risk(level: Level) -> Risk:
    """One of that level, on a database called shop."""
    return Risk(level, "Roll back 1 migration?", Database(make_url("postgresql://localhost/shop")))


def test_consent_from_python() -> None:
    """By default nothing is agreed to; ``force`` says yes and never a name; ``named`` has to be the name."""
    cases: dict[Consent, tuple[Level, ...]] = {refuse: ("none",), force: ("none", "yes"), named("shop"): LEVELS}
    for consent, agreed in cases.items():
        for level in LEVELS:
            if level in agreed:
                consent(risk(level))
            else:
                with pytest.raises(ConsentMissing, match="Nothing was changed"):
                    consent(risk(level))
    for wrong in ("Shop", "shop.db", "shop "):
        with pytest.raises(UsageError, match="is not this database's name, shop"):
            named(wrong)(risk("yes"))
