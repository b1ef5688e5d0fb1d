"""A password reaches no output, whatever fails and whatever the flags."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from command import Init, Result, Sandbox
from fastman_tasks.databases import urls
from fastman_tasks.errors import SettingsError
from fastman_tasks.text.secrets import redact
from servers import Server, execute, free_port

pytestmark = pytest.mark.thorough

MARKS = ("p@ss", "w/rd", "rd%40", quote("p@ss"), quote("w/rd", safe=""), quote("rd%40"), "sesame")


def run(project: Sandbox, *args: str, env: dict[str, str] | None = None) -> Result:
    """Run ``inv``, with --debug too where told so, and see that it keeps the secret."""
    result = project.run("invoke", *args, env=env, code=None)
    said = result.stdout + result.stderr
    assert not [mark for mark in MARKS if mark in said], said
    return result


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg", "mysql+pymysql"])
def test_whatever_fails(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> None:
    """Each command, with --debug, when a migration, a seeder, env.py or a connection fails."""
    server: Server = request.getfixturevalue("postgresql" if driver.startswith("postgresql") else "mariadb")
    url = server.fresh(driver)
    project.add_environment()
    project.write(".env", f"DATABASE_URL={url}")
    telling = """
        url = op.get_bind().engine.url.render_as_string(hide_password=False)
        raise RuntimeError(f"cannot reach {url} or {op.get_bind().engine.url.password!r}")
    """
    project.add_migration("1_users", "1a", None, 'op.execute("CREATE TABLE users (a INT)")', telling)
    project.add_migration("2_telling", "2b", "1a", telling)
    project.write(
        "database/seeders/user_seeder.py",
        """
        class UserSeeder:
            def run(self, db):
                url = db.get_bind().engine.url.render_as_string(hide_password=False)
                raise RuntimeError(f"cannot reach {url}")
        """,
    )
    run(project, "database.migrate", "--to=1a")
    (project.root / "database/migrations/versions/2_telling.py").rename(project.root / "later.py")
    assert "UserSeeder failed" in run(project, "--debug", "database.seed").stderr
    (project.root / "later.py").rename(project.root / "database/migrations/versions/2_telling.py")
    failed = run(project, "--debug", "database.migrate", "--pretend", "database.migrate")
    assert "RuntimeError: cannot reach " in failed.stderr and "***" in failed.stderr
    failed = run(project, "--debug", "migrate.status", "migrate.reset", "--force")
    assert "1_users failed" in failed.stderr and "***" in failed.stderr
    # The server hangs up in the middle.
    kill = "SELECT pg_terminate_backend(pg_backend_pid())" if "postgresql" in driver else "KILL CONNECTION_ID()"
    project.add_migration("2_telling", "2b", "1a", f'op.execute("{kill}")')
    failed = run(project, "--debug", "database.migrate")
    assert failed.code == 1 and "2_telling failed" in failed.stderr
    assert execute(url, "SELECT version_num FROM alembic_version") == [("1a",)]
    down = url.replace(f":{server.port}/", f":{free_port()}/")
    failed = run(project, "--debug", "make.migration", "create posts table", env={"DATABASE_URL": down})
    assert failed.code == 1 and "Cannot connect" in failed.stderr


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://ada:p@ss:w/rd%40@localhost:1/shop",
        "postgresql://ada@localhost:sesame/shop",
        "postgresql+nothing://ada:sesame@localhost/shop",
        "postgresql:///shop?host=127.0.0.1&port=1&user=ada&password=sesame",
        "mysql+pymysql://127.0.0.1:1/shop?password=sesame&user=ada",
    ],
)
def test_urls_that_are_wrong(project: Sandbox, address: str) -> None:
    """Code 1, no piece of the URL's password, with --debug either."""
    project.add_environment()
    project.add_migration("1_users", "1a", None, 'op.execute("CREATE TABLE users (a INT)")')
    assert run(project, "--debug", "database.migrate", env={"DATABASE_URL": address}).code == 1


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12), st.sampled_from(["", "@:/?#"]))
@settings(max_examples=200, deadline=None)
def test_fuzzed(password: str, more: str) -> None:
    """A URL that can be read is masked in every spelling; one that cannot be read is not repeated."""
    secret = f"Mark{password}{more}er"
    url = make_url(f"postgresql+psycopg://ada:{quote(secret, safe='')}@db.example:5432/shop")
    for spelling in (url.render_as_string(hide_password=False), secret, repr(secret)[1:-1], quote(secret, safe="")):
        redacted = redact(f"cannot reach <{spelling}>", urls.passwords(url))
        assert secret not in redacted and "***" in redacted
    assert secret not in urls.mask(url)
    try:
        found = urls.parse(f"postgresql://ada:{secret}@db.example:port/shop")
    except SettingsError as error:
        assert secret not in str(error) and error.__suppress_context__
    else:
        assert found.password is not None or secret not in urls.mask(found)


def test_an_at_sign_that_is_not_quoted(project: Sandbox, alembic_init: Init) -> None:
    """Neither where the settings have it, nor where an env.py hands it to a driver, is the password's rest printed."""
    project.add_environment()
    refused = run(project, "migrate.status", env={"DATABASE_URL": "postgresql://u:p@sesame@127.0.0.1:1/d"})
    assert "DATABASE_URL is not a database URL." in refused.stderr

    foreign = Sandbox(project.root / "foreign")
    alembic_init(foreign, "postgresql+psycopg://u:p@sesame@127.0.0.1:1/d")
    refused = foreign.run("invoke", "migrate.status", code=1)
    assert "database d: failed to resolve host '***@127.0.0.1'" in refused.stderr
    assert "In a URL, write an @ in the password as %40." in refused.stderr
    assert "sesame" not in refused.stdout + refused.stderr
