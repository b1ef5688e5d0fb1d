"""The socket under a driver's connection: kept alive by TCP, watched, and left to the parent by a forked child."""

from __future__ import annotations

import os
import selectors
import socket
from typing import Any

# After this many seconds of silence TCP asks the other end whether it is still there, and again at this interval; so
# many unanswered questions, or as many milliseconds without an answer to what was sent, end the connection.
_OPTIONS = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 60_000))


def descriptor(driver_connection: Any) -> int | None:
    """Returns the file descriptor of the connection's socket; None for a database or a driver without one."""
    # psycopg, psycopg2 and mysqlclient tell; asyncpg and PyMySQL do not.
    if hasattr(driver_connection, "fileno"):
        return int(driver_connection.fileno())
    transport = getattr(driver_connection, "_transport", None)
    found = getattr(driver_connection, "_sock", None) if transport is None else transport.get_extra_info("socket")
    return None if found is None else int(found.fileno())


def keep_alive(descriptor: int) -> None:
    """Have TCP notice within a minute that the other end of this connection has disappeared."""
    found = socket.socket(fileno=descriptor)
    try:
        if found.family in (socket.AF_INET, socket.AF_INET6):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _OPTIONS:
                # Not every system has each.
                if hasattr(socket, name):
                    found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    finally:
        # It belongs to the driver.
        found.detach()


def has_news(driver_connection: Any) -> bool:
    """Whether the other end has ended the connection, or has sent something that was not read yet; True if there is no
    telling."""
    try:
        found = descriptor(driver_connection)
        with selectors.DefaultSelector() as selector:
            # That of a closed socket is -1.
            selector.register(-1 if found is None else found, selectors.EVENT_READ)
            return bool(selector.select(0))
    except Exception:
        # It is closed, which each driver says with an error of its own.
        return True


def leave_to_parent(descriptor: int) -> None:
    """Close what this forked process has inherited, without a word to the other end: the parent goes on using it. The
    number stays taken, as the driver's object still has it."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)
