"""A TCP proxy before a database server that fails as a network does: at a given message, in a given way."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

#: What happens to the message: it is lost with its connection; the server gets it, and its answer is lost with the
#: connection; nothing passes any more in either direction, and the connections stay open.
Failure = Literal["cut", "swallow", "stall"]

_closing = threading.Lock()


@dataclass
class Proxy:
    """Passes bytes on to ``server``, until the message that :meth:`fail` names. ``url`` leads through it.

    A message is what a client sends at once: a statement, for the drivers here (``b"\\x03COMMIT"`` for MariaDB, whose
    clients send ``SET AUTOCOMMIT`` first). ``seen`` are those so far, of all connections in their order. With
    :attr:`all_connections` a failure meets every connection, otherwise only the one that has sent the message.
    """

    server: tuple[str, int]
    seen: list[bytes] = field(default_factory=list)
    failed: threading.Event = field(default_factory=threading.Event)
    all_connections: bool = False
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _pairs: list[tuple[socket.socket, socket.socket]] = field(default_factory=list)
    _mutex: threading.Lock = field(default_factory=threading.Lock)
    _failure: tuple[Failure, bytes, int] | None = None
    _stalled: bool = False
    _refuses: bool = False

    def url(self, url: str) -> str:
        """``url`` of the server, with this proxy's address instead."""
        parts = urlsplit(url)
        account = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        return urlunsplit(parts._replace(netloc=f"{account}127.0.0.1:{self._listener.getsockname()[1]}"))

    def fail(self, failure: Failure, text: bytes = b"", *, nth: int = 1) -> None:
        """Fail in this way at the ``nth`` message from now on that has ``text`` in it; once."""
        with self._mutex:
            self._failure = failure, text, nth
            self.failed.clear()

    def refuse(self) -> None:
        """From the failure on, accept no further connection."""
        self._refuses = True

    def _due(self, message: bytes) -> Failure | None:
        with self._mutex:
            self.seen.append(message)
            if self._failure is None or self._failure[1] not in message:
                return None
            failure, text, left = self._failure
            self._failure = (failure, text, left - 1) if left > 1 else None
            return None if self._failure else failure

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self.server)
                except OSError:
                    client.close()
                    continue
                self._pairs.append((client, server))
                threading.Thread(target=self._up, args=(client, server), daemon=True).start()
                threading.Thread(target=self._down, args=(client, server), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while message := client.recv(1 << 20):
                failure = self._due(message)
                if failure == "swallow":
                    # From here on the answer is read here, and goes no further. Some drivers send in two parts what the
                    # server answers as a whole.
                    self._pairs.remove((client, server))
                    self.failed.set()
                if failure == "stall":
                    self._stalled = True
                    self.failed.set()
                if self._stalled and (failure or self.all_connections):
                    return
                if failure == "cut":
                    self._cut((client, server))
                    return
                server.sendall(message)
        _close(server)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while answer := server.recv(1 << 20):
                if (client, server) not in self._pairs:
                    break
                if self._stalled and self.all_connections:
                    return
                client.sendall(answer)
        if (client, server) not in self._pairs or not self._stalled:
            _close(client)
            _close(server)

    def _cut(self, pair: tuple[socket.socket, socket.socket]) -> None:
        if self._refuses:
            _close(self._listener)
        for both in list(self._pairs) if self.all_connections else [pair]:
            self._pairs.remove(both)
            for end in both:
                _close(end)
        self.failed.set()

    def close(self) -> None:
        """End every connection."""
        _close(self._listener)
        for pair in self._pairs:
            for end in pair:
                _close(end)


def _close(end: socket.socket) -> None:
    # Two threads at once would shut down whatever has got the number of the file that the quicker one has closed.
    with _closing:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def proxy(port: int, *, at: int = 0, all_connections: bool = False) -> Iterator[Proxy]:
    """A proxy before the server on ``port``, until the block ends; it listens ``at`` a port, or at any."""
    listener = socket.create_server(("127.0.0.1", at))
    this = Proxy(("127.0.0.1", port), all_connections=all_connections, _listener=listener)
    threading.Thread(target=this._serve, daemon=True).start()
    try:
        yield this
    finally:
        this.close()
