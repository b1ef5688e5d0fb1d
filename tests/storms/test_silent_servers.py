"""A server that goes silent: nothing waits for it for ever, and one Ctrl-C ends the run."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator

import pytest

from command import Sandbox
from processes import Running, wait_for
from proxy import Proxy, proxy
from servers import Server, execute

# What the server does is the same on every version.
pytestmark = pytest.mark.thorough

INT, TERM = signal.SIGINT, signal.SIGTERM


@pytest.fixture(params=["postgresql+psycopg", "postgresql+asyncpg", "mysql+pymysql"])
def driver(request: pytest.FixtureRequest) -> str:
    """A driver of a server."""
    name: str = request.param
    return name


@pytest.fixture
def server(request: pytest.FixtureRequest, driver: str) -> Server:
    """The server of the driver."""
    found: Server = request.getfixturevalue("mariadb" if driver.startswith("mysql") else "postgresql")
    return found


@pytest.fixture
def silent(server: Server) -> Iterator[Proxy]:
    """A proxy that is silent on all its connections once it fails."""
    with proxy(server.port, all_connections=True) as found:
        yield found


@pytest.mark.parametrize(("signals", "most"), [((TERM,), 5.0), ((INT, INT), 2.0)])
def test_a_signal_ends_a_run(
    project: Sandbox, server: Server, driver: str, silent: Proxy, signals: tuple[signal.Signals, ...], most: float
) -> None:
    """Within five seconds after one, at once after two; and what is not known is not claimed."""
    url = server.fresh(driver)
    project.write(".env", f"DATABASE_URL={silent.url(url)}")
    project.add_environment()
    project.add_migration("1_a", "1a", None, 'op.execute("CREATE TABLE a (x INT)")')
    project.add_migration("2_b", "2b", "1a", 'op.execute("CREATE TABLE b (x INT)")')
    silent.fail("stall", b"CREATE TABLE b")
    run = Running(project, "database.migrate", "--json")
    wait_for(silent.failed.is_set)

    started = time.monotonic()
    for number in signals:
        time.sleep(0.3)
        run.send(number)
    result = run.finish(code=1)

    assert time.monotonic() - started < most + 0.3 * len(signals)
    assert "What it has committed of the running step is unknown" in result.stderr
    error = json.loads(result.stdout)["error"]
    assert error["code"] == 1
    assert error["message"] == result.stderr.splitlines()[-1]
    assert execute(url, "SELECT version_num FROM alembic_version") == [("1a",)]


def test_one_stop_that_arrives_twice(project: Sandbox, postgresql: Server) -> None:
    """As from timeout(1), which signals the process and then its group: the run ends as after one signal."""
    project.write(".env", f"DATABASE_URL={postgresql.fresh('postgresql+psycopg')}")
    project.add_environment()
    wait = 'open("started", "w").close()\nop.execute("SELECT pg_sleep(30)")'
    project.add_migration("1_a", "1a", None, wait)
    run = Running(project, "database.migrate")
    wait_for(project.root / "started")
    run.send(TERM)
    run.send(TERM)
    assert "1_a was interrupted.\nThe failed migration was rolled back." in run.finish(code=1).stderr


def test_no_answer_to_a_connection(project: Sandbox, server: Server, driver: str, silent: Proxy) -> None:
    """It is given up after FASTMAN_CONNECT_TIMEOUT, also where the server accepts it and does not greet."""
    project.add_environment()
    project.write(".env", f"DATABASE_URL={silent.url(server.fresh(driver))}")
    project.inv("migrate.status")
    silent.fail("stall")
    started = time.monotonic()
    result = project.inv("migrate.status", code=1, env={"FASTMAN_CONNECT_TIMEOUT": "2s"})
    assert 1.5 < time.monotonic() - started < 6
    assert "Cannot connect to" in result.stderr
