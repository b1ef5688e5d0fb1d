"""The rows of each table that a seeder writes while it runs, and its progress."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, event

from fastman_tasks.databases.commits import ends_transaction
from fastman_tasks.plans import Counts

T = TypeVar("T")

#: The key of a run's RowCounts in ``connection.info``.
KEY = "fastman_tasks.row_counts"

_NAME = r'(?:"(?:[^"]|"")+"|`[^`]+`|\[[^\]]+\]|\w+)'
_WRITES = re.compile(
    r"(?:(?P<created>(?:INSERT|REPLACE)\b(?:\s+OR\s+\w+|\s+LOW_PRIORITY|\s+DELAYED|\s+HIGH_PRIORITY|\s+IGNORE)*\s+INTO)"
    r"|(?P<updated>UPDATE\b(?:\s+OR\s+\w+|\s+LOW_PRIORITY|\s+IGNORE|\s+ONLY)*)"
    r"|(?P<deleted>DELETE\b(?:\s+LOW_PRIORITY|\s+QUICK|\s+IGNORE)*\s+FROM(?:\s+ONLY)?))"
    rf"\s+(?P<table>{_NAME}(?:\s*\.\s*{_NAME})*)",
    re.IGNORECASE,
)
_LEADING = re.compile(r"(?:\s+|--[^\n]*\n|/\*.*?\*/)*", re.DOTALL)
_KINDS = ("created", "updated", "deleted", "unchanged")
_SAVEPOINTS = ("SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT")
_LONGEST, _MOST = 2000, 1000
_Tables = dict[str, dict[str, int]]


def parse_write(statement: str) -> tuple[str, str] | None:
    """Returns what ``statement`` does ("created", "updated" or "deleted") and to which table; None for any other."""
    start = _LEADING.match(statement)
    at = start.end() if start else 0
    # The statement that writes stands behind the queries that WITH names.
    find = _WRITES.search if statement[at : at + 4].upper() == "WITH" else _WRITES.match
    match = find(statement, at)
    if match is None:
        return None
    parts = re.findall(_NAME, match["table"])
    kind = next(name for name in ("created", "updated", "deleted") if match[name])
    return kind, ".".join(_bare(part) for part in parts)


def _bare(name: str) -> str:
    return name[1:-1].replace('""', '"') if name[0] in '"`[' else name


class RowCounts:
    """Counts the rows that are written on one connection.

    ``on_statement`` is called from time to time while statements run; ``on_advance`` often, with the progress of a loop
    and its total (None: unknown), and with (None, None) at its end.
    """

    def __init__(
        self,
        on_statement: Callable[[], None] = lambda: None,
        on_advance: Callable[[int | None, int | None], None] = lambda done, total: None,
    ) -> None:
        self._on_statement = on_statement
        self._on_advance = on_advance
        self._tables: list[_Tables] = [{}]
        # The counts at each open savepoint, to be restored when it is rolled back.
        self._savepoints: list[_Tables] = []
        self._parsed: dict[str, tuple[str, str]] = {}
        # A cursor that knows its number of rows only later, and where to count them.
        self._open: tuple[Any, dict[str, int], str] | None = None
        self._statements = 0
        self._silent = False
        #: The execution context of the latest statement, failed ones included, those about savepoints left out.
        self.latest: Any = None
        #: Whether a statement has committed what was written before it.
        self.has_committed = False

    @contextmanager
    def listen(self, connection: Connection) -> Iterator[None]:
        """Count the statements on ``connection`` in this block; ``find_row_counts`` returns this object there."""
        listeners = (
            ("before_cursor_execute", self._begin),
            ("after_cursor_execute", self._count),
            ("savepoint", self._savepoint),
            ("release_savepoint", self._release),
            ("rollback_savepoint", self._rollback),
        )
        for name, listener in listeners:
            event.listen(connection, name, listener)
        connection.info[KEY] = self
        try:
            yield
        finally:
            for name, listener in listeners:
                event.remove(connection, name, listener)
            if not (connection.invalidated or connection.closed):
                connection.info.pop(KEY, None)

    @contextmanager
    def seeder(self) -> Iterator[Callable[[], tuple[tuple[str, Counts], ...]]]:
        """Yields a function that returns the rows written in this block, by table, without those of inner blocks."""
        tables: _Tables = {}
        self._tables.append(tables)

        def counts() -> tuple[tuple[str, Counts], ...]:
            self._settle()
            return tuple((table, Counts(**counted)) for table, counted in tables.items())

        try:
            yield counts
        finally:
            self._tables.pop()

    @contextmanager
    def pause_counting(self) -> Iterator[None]:
        """Do not count the statements of this block: the caller reports its own counts."""
        outer, self._silent = self._silent, True
        try:
            yield
        finally:
            self._silent = outer

    def report(self, table: str, counts: Counts) -> None:
        """Add ``counts`` to the counts of ``table``."""
        counted = self._tables[-1].setdefault(table, dict.fromkeys(_KINDS, 0))
        for kind in _KINDS:
            counted[kind] += getattr(counts, kind)

    def advance(self, done: int | None, total: int | None) -> None:
        """Report the progress of the running loop; (None, None) at its end."""
        self._on_advance(done, total)

    def progress(self, items: Iterable[T]) -> Iterator[T]:
        """Yields ``items`` while their progress is shown."""
        total = len(items) if isinstance(items, Sized) else None
        try:
            for number, item in enumerate(items):
                self._on_advance(number, total)
                yield item
        finally:
            self._on_advance(None, None)

    def _savepoint(self, connection: Connection, name: str | None) -> None:
        self._settle()
        self._savepoints.append({table: dict(counted) for table, counted in self._tables[-1].items()})

    def _release(self, connection: Connection, name: str, context: Any) -> None:
        if self._savepoints:
            self._savepoints.pop()

    def _rollback(self, connection: Connection, name: str, context: Any) -> None:
        self._settle()
        if self._savepoints:
            self._tables[-1].clear()
            self._tables[-1].update(self._savepoints.pop())

    def _count(
        self, connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        # Called for each of what may be hundreds of thousands of statements.
        self._statements += 1
        if self._statements % 16 == 1:
            self._on_statement()
        if self._silent:
            return
        try:
            kind, table = self._parsed[statement]
        except KeyError:
            kind, table = self._parse(statement, connection.dialect.name)
        if not kind:
            return
        counted = self._tables[-1].setdefault(table, dict.fromkeys(_KINDS, 0))
        rows = cursor.rowcount
        if rows <= 0 and cursor.description is not None and connection.dialect.name == "sqlite":
            # With RETURNING; Python's sqlite3 only knows once the rows are fetched.
            if not connection.dialect.is_async:
                self._open = cursor, counted, kind
                return
            rows = connection.exec_driver_sql("SELECT changes()").scalar() or 0
        # asyncpg does not say how many rows an executemany wrote.
        counted[kind] += len(parameters) if rows < 0 and many else max(rows, 0)

    def _begin(
        self, connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if not statement.startswith(_SAVEPOINTS):
            self.latest = context
        self._settle()

    def _settle(self) -> None:
        if self._open is not None:
            cursor, counted, kind = self._open
            self._open = None
            counted[kind] += max(cursor.rowcount, 0)

    def _parse(self, statement: str, dialect: str) -> tuple[str, str]:
        found = parse_write(statement) or ("", "")
        if not found[0] and ends_transaction(statement, dialect):
            self.has_committed = True
        # The statements of a bulk insert are long, and seldom the same.
        if len(statement) <= _LONGEST and len(self._parsed) < _MOST:
            self._parsed[statement] = found
        return found


def find_row_counts(connection: Connection) -> RowCounts | None:
    """Returns the RowCounts of the run that ``connection`` belongs to; None outside of one."""
    row_counts = connection.info.get(KEY)
    return row_counts if isinstance(row_counts, RowCounts) else None
