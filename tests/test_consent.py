"""Which consent a command needs, and whether the flags give it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from fastman_tasks import guard, settings
from fastman_tasks.errors import ConsentMissing, UsageError
from fastman_tasks.migrating.losses import Loss

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
    ],
)
def test_hosts(tmp_path: Path, url: str, protected: bool) -> None:
    """Without ENVIRONMENT a database on another machine is protected, wherever its URL names the host."""
    assert guard.to_change(read(tmp_path), make_url(url)) == ("yes" if protected else "none")
    assert guard.to_change(read(tmp_path, ENVIRONMENT="staging"), make_url(url)) == "none"


@pytest.mark.parametrize("environment", ["production", "Production", "PROD", "prod", "live", "LIVE"])
def test_production(tmp_path: Path, environment: str) -> None:
    """The three names in any case protect a database on this machine too; APP_ENV is as good."""
    for name in ("ENVIRONMENT", "APP_ENV"):
        found = read(tmp_path, **{name: environment, "DATABASE_URL": "sqlite:///a.db"})
        assert guard.to_change(found, make_url("sqlite:///a.db")) == "yes"
        assert guard.to_roll_back(found, make_url("sqlite:///a.db"), ROWS) == "name"


@pytest.mark.parametrize(
    ("losses", "needed"),
    [
        ((), "yes"),
        (NONE, "yes"),
        (ROWS, "name"),
        ((*NONE, *ROWS), "name"),
        ((Loss("a", None, 0, estimated=True),), "name"),
        ((Loss("a", "b", 0, more=True),), "name"),
        ((Loss("a", None, None),), "name"),
        ((Loss(sql="DELETE FROM a"),), "name"),
    ],
)
def test_rolling_back(tmp_path: Path, losses: tuple[Loss, ...], needed: str) -> None:
    """A protected database's name is asked for unless it is certain that nothing is lost; elsewhere yes will do."""
    url = make_url("sqlite:///a.db")
    assert guard.to_roll_back(read(tmp_path, ENVIRONMENT="prod"), url, losses) == needed
    assert guard.to_roll_back(read(tmp_path, ENVIRONMENT="test"), url, losses) == "yes"
    for environment in ("prod", "test"):
        guard.permit_rollback(read(tmp_path, ENVIRONMENT=environment))
        forbidding = read(tmp_path, ENVIRONMENT=environment, FASTMAN_PROHIBIT_DESTRUCTIVE="1")
        with pytest.raises(ConsentMissing, match="FASTMAN_PROHIBIT_DESTRUCTIVE is set"):
            guard.permit_rollback(forbidding)


def test_flags() -> None:
    """--force says yes and never a name; --confirm has to be the name, and says yes too."""
    cases = {("none", False): True, ("yes", False): False, ("yes", True): True, ("name", True): False}
    for (consent, force), enough in cases.items():
        assert guard.answered(consent, force=force, confirm=None, name="shop") is enough
    for consent in ("none", "yes", "name"):
        assert guard.answered(consent, force=False, confirm="shop", name="shop")
        for wrong in ("Shop", "shop.db", "shop "):
            with pytest.raises(UsageError):
                guard.answered(consent, force=True, confirm=wrong, name="shop")
