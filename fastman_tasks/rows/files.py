"""Read a data file in batches: .csv, .jsonl and .json, each also with .gz after it."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import IO, Any

from fastman_tasks.errors import LoadFailed

_ROWS = 500
_CHUNK = 1 << 18
# No word or number that is cut off is longer where the decoder finds it wrong: -Infinity, \u1234.
_LONGEST = 12
KINDS = (".csv", ".jsonl", ".json")


@dataclass(frozen=True)
class Batch:
    """Rows that have the same ``names``, column by column. ``texts``: every value is a text, as in a CSV file.
    ``line`` gives the line that a row, by its number in the batch, ends in; that of a CSV file's header for -1."""

    names: tuple[str, ...]
    columns: list[Sequence[Any]]
    size: int
    texts: bool
    line: Callable[[int], int]


class DataFile:
    """The file at ``path``. Raises LoadFailed for one that is not there or of another kind."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        lower = Path(path.name.lower())
        self.zipped = lower.suffix == ".gz"
        self.kind = lower.with_suffix("").suffix if self.zipped else lower.suffix
        if self.kind not in KINDS:
            raise LoadFailed(f"{path.name}: load() reads {', '.join(KINDS)}, each also with .gz after it.")
        if not path.is_file():
            raise LoadFailed(f"{path.name} is not in {path.parent}.")
        self.size = path.stat().st_size
        self.position: Callable[[], int] = lambda: 0

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The file's content, unzipped; ``position`` tells how much of ``size`` was read. Raises LoadFailed."""
        try:
            with self.path.open("rb") as raw:
                self.position = raw.tell
                if self.zipped:
                    with gzip.open(raw) as content:
                        yield content  # type: ignore[misc]
                else:
                    yield raw
        except (OSError, EOFError) as error:
            raise LoadFailed(f"{self.name} cannot be read: {error}.") from error
        finally:
            self.position = lambda: 0

    def batches(self) -> Generator[Batch, None, None]:
        """All rows; a CSV file that has only a header gives a batch of none. Raises LoadFailed for what is no CSV or
        JSON, with its line. To be closed."""
        return self._csv_batches() if self.kind == ".csv" else self._json_batches()

    def line_of(self, row: int) -> int:
        """The line that ``row``, by its number in the whole file, ends in."""
        with closing(self.batches()) as batches:
            for batch in batches:
                if row < batch.size:
                    return batch.line(row)
                row -= batch.size
        return 0

    def copy_line(self, copied: int) -> int:
        """The same of the row that ends in line ``copied`` of what COPY reads: every row, "\r\n" after each."""
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
        """The error for what is wrong in ``line``."""
        return LoadFailed(f"{self.name}:{line}{f', column {column}' if column else ''}: {problem}")

    @contextmanager
    def _csv(self) -> Iterator[Any]:
        with self.open() as content:
            text = io.TextIOWrapper(content, "utf-8-sig", newline="")
            reader = csv.reader(text, strict=True)
            try:
                yield reader
            except csv.Error as error:
                raise self.failure(reader.line_num, None, f"{error}") from error
            except UnicodeDecodeError as error:
                raise self.failure(reader.line_num + 1, None, "it, or what follows, is not UTF-8") from error

    def _csv_batches(self) -> Generator[Batch, None, None]:
        with self._csv() as reader:
            # A blank line is no row.
            found = filter(None, reader)
            header = next(found, None)
            if header is None:
                return
            names = tuple(name.strip() for name in header)
            start = 0
            while (rows := list(islice(found, _ROWS))) or not start:
                line = self._csv_line(start)
                for number, row in enumerate(rows) if set(map(len, rows)) - {len(names)} else ():
                    if len(row) != len(names):
                        fields = f"{len(row)} field{'' if len(row) == 1 else 's'}"
                        raise self.failure(line(number), None, f"{fields} instead of {len(names)}")
                yield Batch(names, list(zip(*rows, strict=True)), len(rows), True, line)
                if not rows:
                    return
                start += len(rows)

    def _csv_line(self, start: int) -> Callable[[int], int]:
        def line(number: int) -> int:
            # Only wanted after an error: the lines of rows are not kept, a field may have several.
            with self._csv() as reader:
                for _row in islice(filter(None, reader), start + number + 2):
                    pass
                return int(reader.line_num)

        return line

    def _json_batches(self) -> Generator[Batch, None, None]:
        with self.open() as content:
            text = io.TextIOWrapper(content, "utf-8-sig")
            try:
                objects = self._lines(text) if self.kind == ".jsonl" else self._array(text)
                for names, alike in groupby(objects, key=lambda each: tuple(each[1])):
                    while rows := list(islice(alike, _ROWS)):
                        yield _json_batch(names, rows)
            except UnicodeDecodeError as error:
                raise LoadFailed(f"{self.name} is not UTF-8: {error.reason} at byte {error.start}.") from error

    def _lines(self, text: IO[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, line in enumerate(text, 1):
            if line.strip():
                try:
                    yield number, self._object(number, json.loads(line))
                except json.JSONDecodeError as error:
                    raise self.failure(number, None, f"not JSON: {error.msg}") from error

    def _array(self, text: IO[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        window = _Window(text)
        if window.peek() == "":
            return
        if window.take() != "[":
            raise self.failure(window.line, None, "not a JSON array of objects")
        decoder = json.JSONDecoder()
        more = window.peek() != "]"
        while more:
            try:
                yield window.line, self._object(window.line, window.value(decoder))
            except json.JSONDecodeError as error:
                line = window.line + error.doc[: error.pos].count("\n")
                raise self.failure(line, None, f"not JSON: {error.msg}") from error
            more = window.peek() == ","
            if more:
                window.take()
                window.peek()
            elif window.peek() != "]":
                raise self.failure(window.line, None, "not JSON: a comma or ] is missing")
        window.take()
        if window.peek():
            raise self.failure(window.line, None, "not JSON: something follows the ]")

    def _object(self, line: int, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.failure(line, None, f"{json.dumps(value)[:60]} is not an object")
        return value


class _Window:
    """A piece of a long text, which is read on as needed; ``line`` is the line of its first character."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text
        self._piece = ""
        self._at = 0
        self.line = 1

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            while self._at < len(self._piece) and self._piece[self._at].isspace():
                self.line += self._piece[self._at] == "\n"
                self._at += 1
            if self._at < len(self._piece) or not self._more():
                return self._piece[self._at : self._at + 1]

    def take(self) -> str:
        """The same, and go on behind it."""
        found = self.peek()
        self._at += 1
        return found

    def value(self, decoder: json.JSONDecoder) -> Any:
        """The JSON value that comes next. Raises JSONDecodeError, its text beginning at ``line``."""
        self.peek()
        while True:
            try:
                value, end = decoder.raw_decode(self._piece, self._at)
            except json.JSONDecodeError as error:
                # Where it is not the end of the piece that is wrong, reading on would not help.
                cut = error.msg.startswith("Unterminated string") or error.pos > len(self._piece) - _LONGEST
                if cut and self._more():
                    continue
                raise json.JSONDecodeError(error.msg, self._piece[self._at :], error.pos - self._at) from error
            # Only a number could go on in what was not read yet.
            if end < len(self._piece) or not self._more():
                self.line += self._piece.count("\n", self._at, end)
                self._at = end
                return value

    def _more(self) -> bool:
        # A long value is tried anew with each chunk: as long as what is there already, the tries stay few.
        chunk = self._text.read(max(_CHUNK, len(self._piece) - self._at))
        self._piece = self._piece[self._at :] + chunk
        self._at = 0
        return bool(chunk)


def _json_batch(names: tuple[str, ...], rows: list[tuple[int, dict[str, Any]]]) -> Batch:
    numbers = [number for number, _ in rows]
    columns: list[Sequence[Any]] = [[row[name] for _, row in rows] for name in names]
    return Batch(names, columns, len(rows), False, numbers.__getitem__)
