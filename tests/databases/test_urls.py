"""Database URLs: completed, anchored, shown and redacted."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import URL, make_url

from fastman_tasks.databases import urls
from fastman_tasks.errors import SettingsError
from fastman_tasks.text.secrets import redact
from servers import PASSWORD

ROOT = Path("/srv/shop")


@pytest.mark.parametrize(
    ("text", "drivername"),
    [
        ("postgres://h/d", "postgresql+psycopg"),
        ("pgsql://h/d", "postgresql+psycopg"),
        ("postgresql://h/d", "postgresql+psycopg"),
        ("postgresql+asyncpg://h/d", "postgresql+asyncpg"),
        ("postgres+asyncpg://h/d", "postgresql+asyncpg"),
        ("mysql://h/d", "mysql+pymysql"),
        ("mariadb://h/d", "mariadb+pymysql"),
        ("sqlite:///a.db", "sqlite"),
        ("sqlite+aiosqlite:///a.db", "sqlite+aiosqlite"),
        ("sqlsrv://h/d", "mssql"),
        ("nonsense://h/d", "nonsense"),
    ],
)
def test_names_of_backends_and_drivers(text: str, drivername: str) -> None:
    """Other tools' names are understood, an installed driver is filled in, a named one is left."""
    assert urls.parse(text).drivername == drivername


@pytest.mark.parametrize(
    "text", ["shop", "sesame@host", "postgresql://u:sesame@host:port/d", "://sesame", "a b://sesame"]
)
def test_what_is_no_url_is_refused_without_being_shown(text: str) -> None:
    """A broken URL may hold a password, so the complaint names the variable and never the text."""
    with pytest.raises(SettingsError) as refused:
        urls.parse(text)
    assert str(refused.value).startswith("DATABASE_URL is not a database URL.")
    assert "sesame" not in str(refused.value)


def test_a_relative_file_is_taken_from_the_root() -> None:
    """Only a SQLite file with a relative path is moved: not memory, not a file: URI, not an absolute path."""

    def anchored(text: str) -> str | None:
        return urls.anchor(urls.parse(text), ROOT).database

    assert anchored("sqlite:///data/app.db") == "/srv/shop/data/app.db"
    assert anchored("sqlite+aiosqlite:///app.db") == "/srv/shop/app.db"
    assert anchored("sqlite:////var/app.db") == "/var/app.db"
    assert anchored("sqlite://") is None
    assert anchored("sqlite:///:memory:") == ":memory:"
    assert anchored("sqlite:///file:app.db?uri=true") == "file:app.db"
    assert anchored("postgresql://h/app.db") == "app.db"


def test_what_is_shown_hides_the_password_and_the_root() -> None:
    """People see no password, wherever in the URL it is, and a file as seen from the root."""

    def shown(text: str) -> str:
        return urls.display_url(urls.anchor(urls.parse(text), ROOT), ROOT)

    assert shown("sqlite:///data/app.db") == "sqlite:///data/app.db"
    assert shown("sqlite:////var/app.db") == "sqlite:////var/app.db"
    assert shown("postgresql://u:sesame@h:5432/d") == "postgresql+psycopg://u:***@h:5432/d"
    for parameter in ("password", "sslpassword", "PASSWD"):
        assert "sesame" not in shown(f"postgresql://h/d?{parameter}=sesame&sslmode=require")
    assert "sslmode=require" in shown("postgresql://h/d?password=sesame&sslmode=require")


@pytest.mark.parametrize("password", ["p@sesame", "sesame@", "@@sesame@"])
def test_an_at_sign_that_is_not_quoted(password: str) -> None:
    """It would end the password, and make a host of the rest: what is wrong is said without it."""
    with pytest.raises(SettingsError, match=r"must be URL-quoted \(%40") as refused:
        urls.parse(f"postgresql://u:{password}@localhost/d")
    assert "ses" not in str(refused.value)
    assert "ses" not in urls.mask(make_url(f"postgresql://u:{password}@localhost/d"))


def test_every_spelling_of_a_password_is_redacted() -> None:
    """A message has the password raw, or quoted as a URL or as a form: none of them stays."""
    url = URL.create("postgresql", "u", PASSWORD, "h", database="d")
    text = f"a {PASSWORD} b {quote(PASSWORD, safe='')} c {quote_plus(PASSWORD)} d"
    assert redact(text, urls.passwords(url)) == "a *** b *** c *** d"
    assert redact("nothing to hide", urls.passwords(url.set(password=None))) == "nothing to hide"


def test_a_password_that_is_no_secret_is_left() -> None:
    """Where user and password are one word, masking each "shop" of a message would tell the password."""
    url = URL.create("postgresql", "shop", "shop", "h", database="shop")
    assert redact("database shop of user shop", urls.passwords(url)) == "database shop of user shop"


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1))
def test_any_password_survives_a_url(password: str) -> None:
    """URL-quoted, every password comes back as it was."""
    assert urls.parse(f"postgresql://u:{quote(password, safe='')}@h/d").password == password


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("sqlite:///a.db", True),
        ("postgresql://localhost/d", True),
        ("postgresql://127.0.0.1/d", True),
        ("postgresql://[::1]/d", True),
        ("postgresql:///d", True),
        ("postgresql://db.example.com/d", False),
        ("postgresql://localhost.example.com/d", False),
    ],
)
def test_what_is_on_this_machine(text: str, local: bool) -> None:
    """A file, a socket and a loopback address are local, nothing else."""
    assert urls.is_local(urls.parse(text)) is local


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("sqlite:///file:app.db?uri=true", "app.db"),
        ("sqlite:///file:my%20shop/app.db?uri=1&mode=rwc", "my shop/app.db"),
        ("sqlite:///file:///srv/app.db?uri=true", "/srv/app.db"),
        ("sqlite:///file://localhost/srv/app.db?uri=true", "/srv/app.db"),
        ("sqlite:///file:app.db", "file:app.db"),
        ("sqlite:///file:app.db?uri=false", "file:app.db"),
        ("sqlite:///file:shared?mode=memory&uri=true", None),
        ("sqlite:///file::memory:?uri=true", None),
        ("sqlite:///file:?uri=true", None),
        ("sqlite:///file:/app.db?vfs=memdb&uri=true", None),
        ("sqlite://", None),
    ],
)
def test_the_file_of_a_uri(text: str, file: str | None) -> None:
    """As SQLite reads it: the file that the lock is beside."""
    assert urls.sqlite_file(urls.parse(text)) == (file and Path(file))
