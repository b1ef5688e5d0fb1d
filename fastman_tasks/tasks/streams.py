"""Standard output and error of a command: what cannot be printed stops nothing."""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

# The reader (head, a pager) has left, or the terminal is gone.
_NOBODY_READS = (errno.EPIPE, errno.EIO)
# File descriptors of stdout while keep_apart() has moved it: of the process, whichever thread asks.
_moved: list[int] = []


class _Lasting(io.FileIO):
    """A file that drops what it cannot take; ``failure`` is the reason, unless nobody reads it any more."""

    failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        try:
            # None: a pipe that does not block, and is full.
            while (written := super().write(data)) is None:
                select.select([], [self], [])
            return written
        except OSError as error:
            if error.errno not in _NOBODY_READS:
                self.failure = error
            return len(data)


def make_lasting() -> None:
    """Have stdout and stderr of this process drop what they cannot take, and escape what their encoding lacks.

    It stays so until the process ends: Python, too, would fail at exit on what it cannot write.
    """
    # A file or a socket that is opened later would otherwise get the number of a closed stream, and take what child
    # processes print.
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        # Without buffers (python -u) the file itself is there.
        elif type(stream) is io.TextIOWrapper and type(_file(stream)) is io.FileIO:
            setattr(sys, name, _lasting(stream, stream.fileno()))


def _lasting(stream: io.TextIOWrapper, number: int, *, closes: bool = False) -> io.TextIOWrapper:
    """Returns what writes to the file ``number`` as ``stream`` does, which has nothing left to write."""
    file = _Lasting(number, "w", closefd=closes)
    try:
        stream.flush()
    except OSError as error:
        file.failure = error
    return io.TextIOWrapper(
        io.BufferedWriter(file),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


@contextmanager
def keep_apart() -> Iterator[TextIO]:
    """Yields what writes to stdout, while whatever else is written to file 1 in this block (by a child process, by a
    library) goes to stderr."""
    stream = sys.stdout
    if not isinstance(stream, io.TextIOWrapper) or stream.fileno() != 1:
        # It was replaced, and is not what child processes write to.
        yield stream
        return
    stream.flush()
    kept = _lasting(stream, os.dup(1), closes=True)
    os.dup2(2, 1)
    _moved.append(kept.fileno())
    try:
        yield kept
    finally:
        _moved.pop()
        stream.flush()
        kept.flush()
        os.dup2(kept.fileno(), 1)
        kept.close()


def stdout_descriptor() -> int:
    """Returns the file descriptor that leads to stdout."""
    return _moved[-1] if _moved else 1


def failure() -> OSError | None:
    """Returns why stdout did not take all that was written to it; None if it did, or nobody reads it any more."""
    file = _file(sys.stdout)
    if not isinstance(file, _Lasting):
        return None
    sys.stdout.flush()
    return file.failure


def _file(stream: TextIO | None) -> object:
    buffer = getattr(stream, "buffer", None)
    return getattr(buffer, "raw", buffer)
