"""Settings: which source wins, what is understood, what is refused; and from where a project is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import pytest

from command import Sandbox
from fastman_tasks import settings as settings_module
from fastman_tasks.env_file import VARIABLES, read_env_file
from fastman_tasks.errors import SettingsError
from fastman_tasks.settings import Settings
from servers import PASSWORD, tables


def load(root: Path, configured: Mapping[str, object] | None = None, **environ: str) -> Settings:
    """The settings of ``root`` with ``environ`` as the shell's environment."""
    return settings_module.load(root, environ, configured)


def database(settings: Settings) -> tuple[str | None, str]:
    """The database's name, and who gave it."""
    return settings.url.database if settings.url else None, settings.url_source


def test_the_order_of_the_sources(tmp_path: Path) -> None:
    """The shell beats .env.<ENVIRONMENT>, that beats .env, that beats Invoke's configuration; then there is none."""
    configured = {"database_url": "postgresql://h/invoke"}
    assert database(load(tmp_path)) == (None, "")
    assert database(load(tmp_path, configured)) == ("invoke", "Invoke's configuration")

    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://h/base\nENVIRONMENT=staging\n")
    assert database(load(tmp_path, configured)) == ("base", ".env")

    (tmp_path / ".env.staging").write_text("DATABASE_URL=postgresql://h/staging\n")
    (tmp_path / ".env.testing").write_text("DATABASE_URL=postgresql://h/testing\n")
    assert database(load(tmp_path, configured)) == ("staging", ".env.staging")
    assert database(load(tmp_path, configured, ENVIRONMENT="testing")) == ("testing", ".env.testing")
    assert database(load(tmp_path, configured, ENVIRONMENT="absent")) == ("base", ".env")

    shell = {"DATABASE_URL": "postgresql://h/shell", "ENVIRONMENT": "testing"}
    assert database(load(tmp_path, configured, **shell)) == ("shell", "the environment")


@pytest.mark.parametrize("variable", VARIABLES)
def test_every_variable_from_every_source_under_every_name(tmp_path: Path, variable: str) -> None:
    """Each variable is read from the shell, from .env and from Invoke's configuration, by its aliases too."""
    value = {
        "DB_PORT": "1234",
        "DATABASE_URL": "mysql://given/given",
        "DB_CONNECTION": "sqlite+aiosqlite",
        "FASTMAN_SCRATCH_URL": "postgresql+psycopg://scratch@localhost/postgres",
        "FASTMAN_LOCK": "off",
        "FASTMAN_LOCK_TIMEOUT": "500ms",
        "FASTMAN_CONNECT_TIMEOUT": "7s",
        "FASTMAN_DDL_LOCK_TIMEOUT": "5s",
        "FASTMAN_STATEMENT_TIMEOUT": "2m",
        "FASTMAN_PROHIBIT_DESTRUCTIVE": "1",
        "FASTMAN_BACKUP": "on",
        "FASTMAN_HISTORY": "off",
        "FASTMAN_EXPORT_ENV": "1",
    }.get(variable, "given")
    others = {"DB_CONNECTION": "mysql"} if variable not in {"DATABASE_URL", "DB_CONNECTION"} else {}

    def told(settings: Settings) -> bool:
        assert settings.url is not None
        return {
            "DATABASE_URL": settings.url.host == "given",
            "DB_CONNECTION": settings.url.drivername == "sqlite+aiosqlite",
            "DB_HOST": settings.url.host == "given",
            "DB_PORT": settings.url.port == 1234,
            "DB_NAME": settings.url.database == "given",
            "DB_USER": settings.url.username == "given",
            "DB_PASSWORD": settings.url.password == "given",
            "ENVIRONMENT": settings.environment == "given",
            "FASTMAN_MODELS": settings.models == ("given",),
            "FASTMAN_IGNORE_TABLES": settings.ignore_tables == ("given",),
            "FASTMAN_EXPORT_ENV": settings.export_env is True,
            "FASTMAN_SEEDERS": settings.seeders == tmp_path / "given",
            "FASTMAN_SCRATCH_URL": settings.scratch_url is not None and settings.scratch_url.username == "scratch",
            "FASTMAN_LOCK": settings.lock is False,
            "FASTMAN_LOCK_TIMEOUT": settings.lock_timeout == 0.5,
            "FASTMAN_CONNECT_TIMEOUT": settings.connect_timeout == 7.0,
            "FASTMAN_DDL_LOCK_TIMEOUT": settings.ddl_lock_timeout == 5,
            "FASTMAN_STATEMENT_TIMEOUT": settings.statement_timeout == 120,
            "FASTMAN_PROTECTED": settings.protected == {"given"},
            "FASTMAN_BACKUP": settings.backup is True,
            "FASTMAN_HISTORY": not settings.history,
            "FASTMAN_PROHIBIT_DESTRUCTIVE": settings.prohibit_destructive,
            "FASTMAN_ALEMBIC_NAME": settings.alembic_name == "given",
            "FASTMAN_ALEMBIC_X": settings.alembic_x == ("given",),
            "ALEMBIC_CONFIG": settings.alembic_config == tmp_path / "given",
        }[variable]

    if others:
        assert not told(load(tmp_path, **others))
    key = variable.removeprefix("FASTMAN_").lower()
    assert told(load(tmp_path, {key: value}, **others))
    for name in (variable, *VARIABLES[variable]):
        assert told(load(tmp_path, **others, **{name: value}))
        (tmp_path / ".env").write_text(f"{name}={value}\n")
        assert told(load(tmp_path, {key: "1"}, **others))
        (tmp_path / ".env").unlink()


def test_laravel_s_names_fill_one_url(tmp_path: Path) -> None:
    """A .env out of a Laravel project is understood as it is."""
    (tmp_path / ".env").write_text(
        "APP_ENV=local\nDB_CONNECTION=pgsql\nDB_HOST=db\nDB_PORT=5433\nDB_DATABASE=shop\nDB_USERNAME=ann\nDB_PASSWORD=x\n"
    )
    settings = load(tmp_path)
    assert settings.environment == "local"
    assert settings.url is not None
    assert settings.url.render_as_string(hide_password=False) == "postgresql+psycopg://ann:x@db:5433/shop"


def test_an_alias_in_a_stronger_source_wins(tmp_path: Path) -> None:
    """DB_DATABASE in the shell beats DB_NAME in .env: the source decides, not the spelling."""
    (tmp_path / ".env").write_text("DB_CONNECTION=mysql\nDB_NAME=file\n")
    assert database(load(tmp_path, DB_DATABASE="shell"))[0] == "shell"


def test_an_empty_value_is_none(tmp_path: Path) -> None:
    """An empty variable in the shell (CI systems set them) does not beat .env, nor one in .env what comes after."""
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://h/file\nENVIRONMENT=\nFASTMAN_SEEDERS=\n")
    settings = load(tmp_path, {"environment": "invoke"}, DATABASE_URL="", FASTMAN_MODELS="")
    assert database(settings) == ("file", ".env")
    assert settings.environment == "invoke"
    assert settings.seeders == tmp_path / "database/seeders"
    assert settings.models == ()


@pytest.mark.parametrize(
    "line",
    [
        "DATABASE_URL=postgresql://u:{quoted}@h/d",
        'DATABASE_URL="postgresql://u:{quoted}@h/d"',
        "DB_CONNECTION=postgresql\nDB_HOST=h\nDB_NAME=d\nDB_USER=u\nDB_PASSWORD='{single}'",
        'DB_CONNECTION=postgresql\nDB_HOST=h\nDB_NAME=d\nDB_USER=u\nexport DB_PASSWORD="{double}"  # a comment',
    ],
)
def test_a_password_of_special_characters(tmp_path: Path, line: str) -> None:
    """In DATABASE_URL it is URL-quoted; in DB_PASSWORD it stands raw, between quotes of either kind."""
    spelled = line.format(
        quoted=quote(PASSWORD, safe=""),
        single=PASSWORD.replace("\\", "\\\\").replace("'", "\\'"),
        double=PASSWORD.replace("\\", "\\\\").replace('"', '\\"'),
    )
    (tmp_path / ".env").write_text(f"{spelled}\n")
    settings = load(tmp_path)
    assert settings.url is not None
    assert settings.url.password == PASSWORD
    assert (settings.url.username, settings.url.host, settings.url.database) == ("u", "h", "d")


def test_a_password_in_the_shell_stands_as_it_is(tmp_path: Path) -> None:
    """DB_PASSWORD from the shell's environment is taken to the letter, its ${} and its blanks too."""
    url = load(tmp_path, DB_CONNECTION="mysql", DB_PASSWORD="a${HOME} $b ").url
    assert url is not None
    assert url.password == "a${HOME} $b "


def test_variables_are_expanded_but_not_in_single_quotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """${NAME} is an earlier variable of the file or of the shell; between single quotes it stands for itself."""
    monkeypatch.setenv("FASTMAN_TEST_HOST", "db")
    (tmp_path / ".env").write_text(
        "NAME=shop\n"
        "DATABASE_URL=postgresql://${FASTMAN_TEST_HOST}/${NAME}_${ABSENT:-dev}\n"
        "  export DB_PASSWORD='a${NAME}b'\n"
        'DB_USER="${NAME}"\n'
    )
    values = read_env_file(tmp_path / ".env")
    assert values["DATABASE_URL"] == "postgresql://db/shop_dev"
    assert values["DB_PASSWORD"] == "a${NAME}b"
    assert values["DB_USER"] == "shop"


def test_files_of_windows_editors(tmp_path: Path) -> None:
    """A byte order mark and \\r\\n are no part of the first name and of the values."""
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfENVIRONMENT=staging\r\nDB_CONNECTION=mysql\r\nDB_NAME='shop'\r\n")
    assert read_env_file(tmp_path / ".env") == {
        "ENVIRONMENT": "staging",
        "DB_CONNECTION": "mysql",
        "DB_NAME": "shop",
    }


def test_what_is_no_file(tmp_path: Path) -> None:
    """A folder and the null device are no settings; a pipe is read if somebody writes to it; nothing is waited for
    without an end."""
    file = tmp_path / ".env"
    file.mkdir()
    assert read_env_file(file) == {}
    file.rmdir()
    file.symlink_to(os.devnull)
    assert read_env_file(file) == {}
    file.unlink()
    file.symlink_to("/dev/zero")
    with pytest.raises(SettingsError, match=r"\.env is not a file"):
        read_env_file(file)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(SettingsError, match=r"\.env is a named pipe, and nothing writes a whole file to it"):
        read_env_file(file)

    # As password managers do it: the file is written when it is opened.
    writer = threading.Thread(target=file.write_text, args=("DB_NAME=shop\n",))
    writer.start()
    assert read_env_file(file) == {"DB_NAME": "shop"}
    writer.join()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"A=1\n\nDB_NAME=caf\xe9\n", ".env, line 3: not UTF-8"),
        (b"A=1\nENVIRONMENT='open\n", ".env, line 2: expected NAME=value"),
        (b"A=1\n\n  \nexport DB_NAME 1\n", ".env, line 4: expected NAME=value"),
        (b"A=1\nDB_PASSWORD 'sesame\n", ".env, line 2: expected NAME=value"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(tmp_path: Path, content: bytes, line: str) -> None:
    """Neither guessed at nor skipped: the file and the line are named, and never what stands there."""
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(SettingsError) as refused:
        load(tmp_path)
    assert str(refused.value).startswith(line)
    assert "sesame" not in str(refused.value)


def test_lines_that_are_not_ours(tmp_path: Path) -> None:
    """What other programs read from the file may be written in their way; it is skipped, and nothing else is."""
    theirs = b"A='open\nexport B\nDB_HOST\n[section]\nC: 1\nSee DATABASE_URL below\n# caf\xe9\nE=\xe9\n"
    (tmp_path / ".env").write_bytes(theirs + b"DATABASE_URL=postgresql://h/d\n")
    assert database(load(tmp_path)) == ("d", ".env")


def test_a_folder_that_is_called_like_the_file(tmp_path: Path) -> None:
    """A virtual environment in .env is no settings file."""
    (tmp_path / ".env").mkdir()
    assert database(load(tmp_path)) == (None, "")


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"DB_HOST": "h", "DB_PASSWORD": "sesame"}, "DB_HOST, DB_PASSWORD set without DB_CONNECTION"),
        ({"DB_CONNECTION": "mysql", "DB_PORT": "80x"}, "DB_PORT='80x' is not a port"),
        ({"DB_CONNECTION": "mysql", "DB_PORT": "65536"}, "DB_PORT='65536' is not a port"),
        ({"DB_CONNECTION": "my sql"}, "DB_CONNECTION='my sql' is not a supported database"),
        ({"DB_CONNECTION": "postgresql://u:sesame@h/d"}, "DB_CONNECTION contains a URL. Set DATABASE_URL instead"),
        ({"DATABASE_URL": "sesame"}, "DATABASE_URL is not a database URL"),
    ],
)
def test_a_database_that_cannot_be_meant(project: Sandbox, environ: dict[str, str], complaint: str) -> None:
    """It is named, with what it could be, where the database is needed of us; a password is never repeated."""
    project.add_environment()
    settings = load(project.root, **environ)
    assert settings.url is None
    assert complaint in str(settings.url_problem)
    refused = project.inv("database.migrate", env=environ, code=1)
    assert complaint in refused.stderr
    assert "sesame" not in refused.stdout + refused.stderr


def test_an_environment_that_is_no_part_of_a_file_name(tmp_path: Path) -> None:
    """Another program may call its environment so; it cannot lead out of the project."""
    (tmp_path / "prod").write_text("DATABASE_URL=postgresql://h/outside\n")
    (tmp_path / "project/.env.").mkdir(parents=True)
    assert load(tmp_path / "project", ENVIRONMENT="./../prod").url is None
    assert load(tmp_path, ENVIRONMENT="Dev / local").environment == "Dev / local"


def test_a_sqlite_database_by_its_parts(tmp_path: Path) -> None:
    """DB_CONNECTION=sqlite needs nothing more; DB_NAME is the file, relative to the root."""
    assert database(load(tmp_path, DB_CONNECTION="sqlite"))[0] == str(tmp_path / "app.db")
    assert database(load(tmp_path, DB_CONNECTION="sqlite", DB_NAME="x/y.db"))[0] == str(tmp_path / "x/y.db")
    assert database(load(tmp_path, DB_CONNECTION="sqlite", DB_NAME="/y.db"))[0] == "/y.db"


@pytest.mark.parametrize(
    ("name", "production"),
    [("production", True), ("Prod", True), ("live", True), ("staging", False), ("product", False)],
)
def test_what_counts_as_production(tmp_path: Path, name: str, production: bool) -> None:
    """Where a mistake reaches real users is told by the environment's name, in any case."""
    assert load(tmp_path, ENVIRONMENT=name).production is production
    assert not load(tmp_path).production


def test_several_modules_of_models(tmp_path: Path) -> None:
    """FASTMAN_MODELS takes commas and blanks between modules; Invoke's configuration a list."""
    assert load(tmp_path, FASTMAN_MODELS="a.models, b.models c,").models == ("a.models", "b.models", "c")
    assert load(tmp_path, {"models": ["a.models", "b"]}).models == ("a.models", "b")


def add_migration(project: Sandbox) -> None:
    """Set ``project`` up with a migration that creates the table users."""
    project.add_environment()
    project.add_migration("2026_01_01_000000_users", "1a1a", None, 'op.execute("CREATE TABLE users (id INTEGER)")')


def test_a_project_is_the_same_from_its_subfolders(project: Sandbox) -> None:
    """.env and a relative SQLite path belong to the folder with tasks.py, from wherever in it Invoke is called."""
    add_migration(project)
    project.write(".env", "DATABASE_URL=sqlite:///data/shop.db")
    (project.root / "data").mkdir()
    (project.root / "app/deep").mkdir(parents=True)

    assert project.inv("database.migrate", cwd="app/deep").stdout.startswith(
        "sqlite:///data/shop.db (development, from .env)\n"
    )
    assert "users" in tables(f"sqlite:///{project.root}/data/shop.db")
    assert not (project.root / "app/deep/data").exists()
    assert "1 applied, 0 pending." in project.inv("migrate.status").stdout


def test_a_tasks_package(project: Sandbox) -> None:
    """With tasks/__init__.py the root is the folder around it, and models and src/ can be imported from there."""
    text = (project.root / "tasks.py").read_text("utf-8")
    (project.root / "tasks.py").unlink()
    project.write("tasks/__init__.py", text)
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    project.write(
        "src/shop/models.py",
        """
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


        class Base(DeclarativeBase):
            pass


        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
        """,
    )
    project.write("src/shop/__init__.py", "")
    (project.root / "docs").mkdir()

    made = project.inv("make.migration", "create users", "database.migrate", cwd="docs")
    assert made.stdout.count("  create table ") == 1
    assert "users" in tables(f"sqlite:///{project.root}/shop.db")
    assert "No new upgrade operations detected" in project.alembic("check").stdout


def test_a_password_end_to_end(project: Sandbox) -> None:
    """The settings' order and both forms of a password hold in a real process; no output ever has the password."""
    down = "postgresql://u:{}@127.0.0.1:1/shop"
    project.add_environment()
    project.write(".env", f"DATABASE_URL={down.format(quote(PASSWORD, safe=''))}")
    failed = project.inv("migrate.status", code=1)
    assert "postgresql at 127.0.0.1:1, database shop" in failed.stderr

    project.write(
        ".env", f"DB_CONNECTION=postgresql\nDB_HOST=127.0.0.1\nDB_PORT=1\nDB_NAME=raw\nDB_PASSWORD='{PASSWORD}'"
    )
    project.replace(".env", "\"' '", "\"\\' '")
    raw = project.inv("migrate.status", "--debug", code=1)
    assert "postgresql at 127.0.0.1:1, database raw" in raw.stderr
    for secret in (PASSWORD, quote(PASSWORD, safe=""), "p@ss", "p%40ss"):
        assert secret not in failed.stdout + failed.stderr + raw.stdout + raw.stderr


def test_production_without_a_url(project: Sandbox) -> None:
    """Without a URL it is app.db, said aloud; in production that is an error, and no file appears."""
    project.add_environment()
    assert project.inv("migrate.status").stdout.startswith(
        "sqlite:///app.db (development, by default: no DATABASE_URL is set)\n"
    )
    before = project.files()
    refused = project.inv("database.migrate", "--force", env={"APP_ENV": "production"}, code=1)
    assert refused.stderr.startswith("ENVIRONMENT=production and no DATABASE_URL.")
    assert refused.stdout == ""
    assert project.files() == before


def test_invoke_s_configuration(project: Sandbox) -> None:
    """``fastman.*`` of invoke.yaml is read, under .env; a dict set in tasks.py is merged, not replaced."""
    project.add_environment()
    project.write("invoke.yaml", "fastman:\n  database_url: sqlite:///yaml.db\n  environment: staging\n")
    project.replace("tasks.py", "make, database, migrate)", 'make, database, migrate)\nns.configure({"fastman": {}})')
    assert "sqlite:///yaml.db (staging, from Invoke's configuration)" in project.inv("migrate.status").stdout
    project.write(".env", "DATABASE_URL=sqlite:///env.db")
    assert "sqlite:///env.db (staging, from .env)" in project.inv("migrate.status").stdout


def test_a_malformed_env_file_end_to_end(project: Sandbox) -> None:
    """One line on stderr with file and line, exit 1, for every command alike."""
    project.write(".env", "A=1\nDB_PASSWORD='sesame\n")
    failed = project.inv("database.seed", code=1)
    assert failed.stderr.startswith(".env, line 2: expected NAME=value.")
    assert failed.stdout == ""
    assert "sesame" not in failed.stderr


def test_an_unreadable_env_file_end_to_end(project: Sandbox) -> None:
    """A .env without read permission is named, with the reason; nothing falls back to a default database."""
    project.write(".env", "DATABASE_URL=sqlite:///shop.db").chmod(0)
    before = project.files()
    failed = without_root(project, "database.migrate")
    assert failed == (1, "", ".env cannot be read: Permission denied.\n")
    assert project.files() == before


def without_root(project: Sandbox, *args: str) -> tuple[int, str, str]:
    """Run ``inv`` without root's power to pass over permissions: exit code, stdout, stderr."""
    command = [sys.executable, "-m", "invoke", *args]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", *command]
    done = subprocess.run(command, cwd=project.root, env=project.environ(), capture_output=True, encoding="utf-8")
    return done.returncode, done.stdout, done.stderr


def test_json_settings_reach_the_output(project: Sandbox) -> None:
    """What a program reads has the same database and environment as what a person reads."""
    project.add_environment()
    project.write(".env", "ENVIRONMENT=staging\nDATABASE_URL=postgresql://h/base\n")
    project.write(".env.staging", "DATABASE_URL=sqlite:///staging.db\n")
    value = json.loads(project.inv("migrate.status", "--json").stdout)
    assert (value["database"], value["environment"]) == ("sqlite:///staging.db", "staging")
