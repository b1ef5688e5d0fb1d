"""What every test may ask for: a project to run commands in, and real database servers."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import servers
from command import Init, Sandbox, foreign

# Hypothesis has other settings where CI is set. A slow machine is no failure.
settings.register_profile(
    "fastman",
    settings.get_profile("default"),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("fastman")


def pytest_xdist_auto_num_workers() -> int:
    """More than there are processors: tests also wait, for locks and for servers."""
    return (os.cpu_count() or 1) + 2


def pytest_configure() -> None:
    """What the machine happens to have set steers no test, nor a server that one starts."""
    # Collecting makes a million objects and no garbage.
    gc.disable()
    for name in foreign():
        del os.environ[name]
    # Each connection of PyMySQL's would read all certificates of the machine, which takes longer than most commands.
    os.environ["SSL_CERT_FILE"] = os.devnull
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell's & does that, and every process that is started would ignore Ctrl-C, too. This one goes on ignoring
        # it, with a function that does nothing, which nobody inherits.
        signal.signal(signal.SIGINT, lambda *_: None)


def pytest_collection_finish() -> None:
    """Garbage is looked for seldom, and not in what was collected: it takes a fifth of the time otherwise."""
    gc.freeze()
    gc.set_threshold(50_000)
    gc.enable()


@pytest.fixture
def project(tmp_path: Path) -> Sandbox:
    """A new project folder with a tasks.py that takes the collection in beside a task of its own."""
    return Sandbox(tmp_path / "my shop")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[servers.Server]:
    """A PostgreSQL server, started for the first test that needs one."""
    with servers.postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[servers.Server]:
    """A MariaDB server, started for the first test that needs one."""
    if missing := servers.mariadb_missing():
        pytest.skip(missing)
    with servers.mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def pgbouncer(postgresql: servers.Server) -> Iterator[servers.Server]:
    """A PgBouncer in transaction mode before the PostgreSQL server, started for the first test that needs one."""
    if missing := servers.pgbouncer_missing():
        pytest.skip(missing)
    with servers.pgbouncer(postgresql) as server:
        yield server


@pytest.fixture(scope="session")
def alembic_init(tmp_path_factory: pytest.TempPathFactory) -> Init:
    """Runs ``alembic init`` once a template, and copies what it made."""
    made: dict[str, Sandbox] = {}

    def init(project: Sandbox, url: str | None = None, *, template: str = "generic") -> None:
        if template not in made:
            made[template] = Sandbox(tmp_path_factory.mktemp("init") / template)
            made[template].alembic("init", "-t", template, "migrations")
        shutil.copytree(made[template].root, project.root, dirs_exist_ok=True)
        if url:
            project.replace("alembic.ini", "driver://user:pass@localhost/dbname", url)

    return init
