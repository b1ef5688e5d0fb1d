"""Read a data file in batches: .csv, .jsonl and .json, each optionally with .gz after it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import IO, Any, TypeVar

from fastman_tasks.errors import LoadFailed
from fastman_tasks.rows import strict_json
from fastman_tasks.rows.bounded import Bounded

_ROWS = 500
# Rows are collected in these numbers: some may be long.
_SOME = 20
# In bytes: of a line, and of a .json file, which is read as a whole.
_LONGEST_LINE, _LARGEST = 16 << 20, 64 << 20
_BUFFER = 1 << 17
_SPACE = re.compile(r"\s*")
KINDS = (".csv", ".jsonl", ".json")
T = TypeVar("T")


@dataclass(frozen=True)
class Batch:
    """Rows with the same ``names``, column by column. With ``texts`` every value is a text, as in a CSV file. ``line``
    returns the line in which a row, by its number in the batch, ends; for -1 the line of a CSV file's header."""

    names: tuple[str, ...]
    columns: list[Sequence[Any]]
    size: int
    texts: bool
    line: Callable[[int], int]


class DataFile:
    """The file at ``path``. Raises LoadFailed if it does not exist or has another extension."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        lower = Path(path.name.lower())
        self.zipped = lower.suffix == ".gz"
        self.kind = lower.with_suffix("").suffix if self.zipped else lower.suffix
        if self.kind not in KINDS:
            raise LoadFailed(f"{path.name}: load() reads {', '.join(KINDS)}, each optionally with .gz after it.")
        if path.exists() and not path.is_file():
            raise LoadFailed(f"{path.name} is not a file.")
        if not path.is_file():
            raise LoadFailed(f"{path.name} is not in {path.parent}.")
        self.size = path.stat().st_size
        self.position: Callable[[], int] = lambda: 0
        self._read_so_far: Callable[[], int] = lambda: 0

    @contextmanager
    def open(self) -> Iterator[Bounded]:
        """Yields the decompressed content; ``position`` returns how much of ``size`` was read. Raises LoadFailed, also
        for a line, or a .json file, that is too long."""
        try:
            with self.path.open("rb") as raw, gzip.open(raw) if self.zipped else nullcontext(raw) as content:
                self.position = raw.tell
                if self.kind == ".json":
                    yield Bounded(content, _LARGEST, self._too_large, whole=True)
                else:
                    yield Bounded(content, _LONGEST_LINE, self._too_long)
        except (OSError, EOFError, zlib.error) as error:
            raise LoadFailed(f"{self.name} cannot be read: {error}.") from error
        finally:
            self.position = lambda: 0

    def batches(self) -> Generator[Batch, None, None]:
        """Returns a generator of all rows, to be closed; a CSV file with only a header yields an empty batch. Raises
        LoadFailed, with the line, for invalid CSV or JSON."""
        return self._csv_batches() if self.kind == ".csv" else self._json_batches()

    def line_of(self, row: int) -> int:
        """Returns the line in which ``row``, by its number in the whole file, ends."""
        with closing(self.batches()) as batches:
            for batch in batches:
                if row < batch.size:
                    return batch.line(row)
                row -= batch.size
        return 0

    def copy_line(self, copied: int) -> int:
        """Returns the line of the row that ends in line ``copied`` of what COPY reads: every row, "\r\n" after each."""
        with self._csv() as reader:
            rows = filter(None, reader)
            next(rows)
            for row in rows:
                # Where lines end in "\r\n", COPY counts each "\r" within a field as a line.
                copied -= 1 + sum(field.count("\r") for field in row)
                if copied <= 0:
                    break
            return int(reader.line_num)

    def failure(self, line: int, column: str | None, problem: str) -> LoadFailed:
        """Returns the error for a ``problem`` in ``line``."""
        return LoadFailed(f"{self.name}:{line}{f', column {column}' if column else ''}: {problem}")

    def _too_long(self, line: int) -> LoadFailed:
        return self.failure(line, None, f"the line has more than {_LONGEST_LINE >> 20} MB")

    def _too_large(self, line: int) -> LoadFailed:
        return self.failure(
            line,
            None,
            f"more than {_LARGEST >> 20} MB, which are read at once. Write one object per line to a .jsonl file.",
        )

    @contextmanager
    def _csv(self) -> Iterator[Any]:
        with self.open() as content:
            text = io.TextIOWrapper(io.BufferedReader(content, _BUFFER), "utf-8-sig", newline="")
            reader = csv.reader(text, strict=True)
            self._read_so_far = lambda: content.read_so_far
            try:
                yield reader
            except csv.Error as error:
                raise self.failure(reader.line_num, None, f"{error}") from error
            except UnicodeDecodeError as error:
                raise self.failure(reader.line_num + 1, None, "this line, or a later one, is not UTF-8") from error

    def _csv_batches(self) -> Generator[Batch, None, None]:
        with self._csv() as reader:
            # Blank lines are skipped.
            found = filter(None, reader)
            header = next(found, None)
            if header is None:
                return
            names = tuple(name.strip() for name in header)
            start = 0
            while (rows := self._take(found)) or not start:
                line = self._csv_line(start)
                for number, row in enumerate(rows) if set(map(len, rows)) - {len(names)} else ():
                    if len(row) != len(names):
                        fields = f"{len(row)} field{'' if len(row) == 1 else 's'}"
                        raise self.failure(line(number), None, f"{fields} instead of {len(names)}")
                yield Batch(names, list(zip(*rows, strict=True)), len(rows), True, line)
                if not rows:
                    return
                start += len(rows)

    def _take(self, rows: Iterator[T]) -> list[T]:
        """Returns the next ``rows`` for a batch: fewer where they are long."""
        taken: list[T] = []
        start = self._read_so_far()
        while len(taken) < _ROWS and self._read_so_far() - start < _LONGEST_LINE:
            some = list(islice(rows, _SOME))
            taken += some
            if len(some) < _SOME:
                break
        return taken

    def _csv_line(self, start: int) -> Callable[[int], int]:
        def line(number: int) -> int:
            # Only needed after an error: line numbers are not kept, and a field may have several lines.
            with self._csv() as reader:
                for _row in islice(filter(None, reader), start + number + 2):
                    pass
                return int(reader.line_num)

        return line

    def _json_batches(self) -> Generator[Batch, None, None]:
        with self.open() as content:
            text = io.TextIOWrapper(io.BufferedReader(content, _BUFFER), "utf-8-sig")
            self._read_so_far = lambda: content.read_so_far
            try:
                objects = self._lines(text) if self.kind == ".jsonl" else self._array(text)
                for names, alike in groupby(objects, key=lambda each: tuple(each[1])):
                    while rows := self._take(alike):
                        yield _json_batch(names, rows)
            except UnicodeDecodeError as error:
                raise LoadFailed(f"{self.name} is not UTF-8: {error.reason} at byte {error.start}.") from error

    def _lines(self, text: IO[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, line in enumerate(text, 1):
            if line.strip():
                try:
                    value = strict_json.read(line)
                except strict_json.NotJSON as error:
                    raise self.failure(number, error.column, f"{error}") from error
                yield number, self._object(number, value)

    def _array(self, text: IO[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        # As a whole, item by item: json.load would not say in which line one stands.
        content, at, line = text.read(), 0, 1

        def go_on(to: int) -> str:
            """Move to the first character from ``to`` on that is not a space, and return it; empty at the end."""
            nonlocal at, line
            found = _SPACE.match(content, to)
            assert found is not None
            line += content.count("\n", at, found.end())
            at = found.end()
            return content[at : at + 1]

        if not go_on(0):
            return
        if content[at] != "[":
            raise self.failure(line, None, "not a JSON array of objects")
        more = go_on(at + 1) != "]"
        while more:
            try:
                value, end = strict_json.read_value(content, at)
            except strict_json.NotJSON as error:
                raise self.failure(error.line, error.column, f"{error}") from error
            yield line, self._object(line, value)
            next = go_on(end)
            if next not in (",", "]"):
                raise self.failure(line, None, "not JSON: a comma or ] is missing")
            more = next == ","
            if more:
                go_on(at + 1)
        if go_on(at + 1):
            raise self.failure(line, None, "not JSON: unexpected text after the ]")

    def _object(self, line: int, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.failure(line, None, f"{json.dumps(value)[:60]} is not an object")
        return value


def _json_batch(names: tuple[str, ...], rows: list[tuple[int, dict[str, Any]]]) -> Batch:
    numbers = [number for number, _ in rows]
    columns: list[Sequence[Any]] = [[row[name] for _, row in rows] for name in names]
    return Batch(names, columns, len(rows), False, numbers.__getitem__)
