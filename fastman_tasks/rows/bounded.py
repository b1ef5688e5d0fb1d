"""Read a file without holding more of it than its lines may have, however well it was compressed."""

from __future__ import annotations

import io
from collections.abc import Callable


class Bounded(io.RawIOBase):
    """``content``, whose lines may have ``longest`` bytes; if it is ``whole``, all of it together.

    ``refuse`` returns the error to raise in the line of this number. ``read_so_far`` is how many bytes were read.
    """

    def __init__(
        self, content: io.BufferedIOBase, longest: int, refuse: Callable[[int], Exception], *, whole: bool = False
    ) -> None:
        self._content = content
        self._longest = longest
        self._refuse = refuse
        self._whole = whole
        self._line = 1
        self._length = 0
        self.read_so_far = 0

    def readable(self) -> bool:
        """It can only be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill ``buffer`` with what comes next, and return how many bytes that is."""
        found = self._content.read(len(buffer))
        end = -1 if self._whole else max(found.rfind(b"\n"), found.rfind(b"\r"))
        self._length = len(found) - end - 1 if end >= 0 else self._length + len(found)
        self._line += found.count(b"\n")
        self.read_so_far += len(found)
        if self._length > self._longest:
            raise self._refuse(self._line)
        buffer[: len(found)] = found
        return len(found)
