"""A foreign env.py decides which database it is; only what the user has set for us is handed to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from command import Sandbox
from servers import tables
from walk import Walked, add_chain, contents, headers, read_states, write_env, write_ini

Walk = Callable[..., Walked]
# Two ways to fall back on the application's own settings, as they are found in real projects.
IF_NOT = """
from shop import settings
if not config.get_main_option("sqlalchemy.url"):
    config.set_main_option("sqlalchemy.url", settings.url.replace("%", "%%"))
"""
OR = """
from shop import settings
url = config.get_main_option("sqlalchemy.url") or settings.url
"""
# And one that asks nobody else.
OWN = """
from shop import settings
url = settings.url
"""


def write_shop(project: Sandbox, url: str, head: str, ini_url: str | None = None) -> None:
    """A project whose URL stands in shop/settings.py alone; ``head`` is what its env.py makes of that."""
    project.write("shop/__init__.py", "")
    project.write("shop/settings.py", f"url = {url!r}\n")
    write_ini(project, ini_url)
    chosen = {"url": "url"} if "url = " in head else {}
    write_env(project, url, head=head, **chosen)
    add_chain(project)


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+asyncpg"])
def test_a_default_that_env_py_sets(walk: Walk, driver: str) -> None:
    """``if not config.get_main_option("sqlalchemy.url")``: nothing is there, as under plain alembic."""
    walked = walk(lambda project, url: write_shop(project, url, IF_NOT), driver, fails=True)
    assert "(development, from migrations/env.py)" in walked.said[0].stdout
    assert not (walked.ours.root / "app.db").exists()


@pytest.mark.parametrize("driver", ["sqlite+aiosqlite", "postgresql+psycopg"])
def test_a_default_that_env_py_falls_back_on(walk: Walk, driver: str) -> None:
    """``config.get_main_option("sqlalchemy.url") or settings.url``: nothing is there, as under plain alembic."""
    walked = walk(lambda project, url: write_shop(project, url, OR), driver)
    assert "(development, from migrations/env.py)" in walked.said[0].stdout
    assert not (walked.ours.root / "app.db").exists()


@pytest.mark.parametrize("environment", ["development", "production"])
def test_every_command_names_the_database_of_env_py(project: Sandbox, environment: str) -> None:
    """Each command's header line is of settings.url, in production without any DATABASE_URL too."""
    write_shop(project, "sqlite:///own.db", IF_NOT)
    commands = (
        *(
            "migrate.status",
            "database.migrate",
            "--pretend",
            "database.migrate",
            "--force",
            "migrate.status",
            "--check",
        ),
        *("migrate.rollback", "--pretend", "migrate.rollback", "--confirm=own.db", "migrate.reset", "--confirm=own.db"),
        *("make.migration", "more", "--empty", "--pretend"),
    )
    said = project.inv(*commands, env={"ENVIRONMENT": environment})
    assert headers(said) == ["sqlite:///own.db"] * 8
    assert said.stdout.count(f"({environment}, from migrations/env.py)") == 8
    files = {path for path in project.files() if path.endswith(".db")}
    assert {path for path in files if not path.startswith("database/backups/")} == {"own.db"}


URL = {"DATABASE_URL": "sqlite:///users.db"}
PARTS = {"DB_CONNECTION": "sqlite", "DB_NAME": "users.db"}


@pytest.mark.parametrize(
    ("head", "variables", "place"),
    [(IF_NOT, URL, "shell"), (IF_NOT, PARTS, ".env"), (OR, PARTS, "shell"), (OR, URL, ".env")],
    ids=["if not-url-shell", "if not-parts-file", "or-parts-shell", "or-url-file"],
)
def test_a_url_that_the_user_has_set(project: Sandbox, head: str, variables: dict[str, str], place: str) -> None:
    """DATABASE_URL, or DB_CONNECTION with its parts, is handed to env.py and named with where it was set."""
    write_shop(project, "sqlite:///own.db", head)
    if place == ".env":
        project.write(".env", "\n".join(f"{name}={value}" for name, value in variables.items()))
    said = project.inv(
        "migrate.status", "database.migrate", "migrate.status", "--check", env=variables if place == "shell" else {}
    )
    assert headers(said) == ["sqlite:///users.db"] * 3
    assert said.stdout.count("from .env)" if place == ".env" else "from the environment)") == 3
    assert {path for path in project.files() if path.endswith(".db")} == {"users.db"}
    assert tables(f"sqlite:///{project.root}/users.db") == {"users", "posts", "tags", "alembic_version"}


def test_a_url_that_env_py_does_not_take(project: Sandbox) -> None:
    """An env.py that listens to nobody has the last word: the header line tells what it connected to."""
    write_shop(project, "sqlite:///own.db", OWN)
    project.write(".env", "DATABASE_URL=sqlite:///users.db")
    said = project.inv("migrate.status", "database.migrate", "migrate.rollback", "--force")
    assert headers(said) == ["sqlite:///own.db"] * 3
    assert said.stdout.count("from migrations/env.py)") == 3
    assert {path for path in project.files() if path.endswith(".db")} == {"own.db"}


FOREIGN = {
    "parts of a server": "DB_HOST=db.internal\nDB_USERNAME=shop\nDB_DATABASE=shop\nDB_PORT=many\n",
    "a word": "DATABASE_URL=redis\n",
    "another kind of URL": "DATABASE_URL=redis://localhost:6379/0\n",
    "a driver that nobody has": "DATABASE_URL=postgresql+nosuch://localhost/shop\n",
}


def test_settings_that_are_not_ours(walk: Walk) -> None:
    """Variables of the project's own, whatever they are called, block nothing where env.py decides."""

    def write(project: Sandbox, url: str) -> None:
        write_shop(project, url, OWN)
        project.write(".env", FOREIGN["parts of a server"])

    walk(write)


@pytest.mark.parametrize(
    ("name", "head"),
    [*((name, OWN) for name in FOREIGN), *((name, IF_NOT) for name in FOREIGN if name != "a driver that nobody has")],
)
def test_settings_that_nobody_can_use(project: Sandbox, name: str, head: str) -> None:
    """A value that is not a valid database URL is not handed to env.py, and does no harm where nobody uses it."""
    write_shop(project, "sqlite:///own.db", head)
    project.write(".env", FOREIGN[name])
    said = project.inv("migrate.status", "database.migrate", "migrate.rollback", "--force")
    assert headers(said) == ["sqlite:///own.db"] * 3
    assert {path for path in project.files() if path.endswith(".db")} == {"own.db"}


@pytest.mark.parametrize("name", ["parts of a server", "a word"])
def test_settings_that_are_needed(project: Sandbox, name: str) -> None:
    """The same variables are an error, named, where the env.py is ours and nothing else tells the database."""
    project.add_environment()
    project.write(".env", FOREIGN[name])
    before = contents(project)
    for command in ("migrate.status", "database.migrate"):
        refused = project.inv(command, code=1)
        assert ("DB_CONNECTION" if "DB_HOST" in FOREIGN[name] else "DATABASE_URL") in refused.stderr
    assert contents(project) == before


def test_a_url_with_a_name_that_env_py_fills_in(walk: Walk) -> None:
    """``sqlalchemy.url`` may interpolate an option that only env.py sets, with ``set_section_option``."""

    def write(project: Sandbox, url: str) -> None:
        write_ini(project, more=["sqlalchemy.url = sqlite:///%(DB_FILE)s"])
        write_env(project, head='config.set_section_option(config.config_ini_section, "DB_FILE", "shop.db")')
        add_chain(project)

    assert "from migrations/env.py)" in walk(write).said[0].stdout


@pytest.mark.parametrize(
    ("driver", "placeholder"),
    [
        ("sqlite", "set in env.py"),
        ("postgresql+psycopg", "driver://user:pass@localhost/dbname"),
    ],
)
def test_a_placeholder_for_a_url(walk: Walk, driver: str, placeholder: str) -> None:
    """``sqlalchemy.url`` may be anything at all where env.py does not read it."""

    def write(project: Sandbox, url: str) -> None:
        write_shop(project, url, OWN)
        with (project.root / "alembic.ini").open("a", encoding="utf-8") as file:
            file.write(f"sqlalchemy.url = {placeholder}\n")

    assert "from migrations/env.py)" in walk(write, driver).said[0].stdout


def test_a_placeholder_and_a_url_that_the_user_has_set(project: Sandbox) -> None:
    """A DATABASE_URL takes the place of what alembic.ini has, readable or not."""
    write_ini(project, "set in env.py")
    write_env(project)
    add_chain(project)
    said = project.inv("database.migrate", "migrate.status", "--json", env={"DATABASE_URL": "sqlite:///users.db"})
    assert set(read_states(said).values()) == {"applied"}
    assert {path for path in project.files() if path.endswith(".db")} == {"users.db"}
