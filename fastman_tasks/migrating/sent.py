"""The statements that a running migration has sent, and which of them a rollback cannot undo."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError

from fastman_tasks.databases.hooks import listen

_LEAD = r"(?:\s|--[^\n]*\n|/\*.*?\*/)*"
_READS = re.compile(
    _LEAD + r"(select|show|pragma|describe|explain|set|begin|savepoint|release|rollback)\b", re.I | re.S
)
#: A COMMIT that the migration itself sends.
COMMITS = re.compile(_LEAD + r"(commit|end)\b", re.I | re.S)
# Of MySQL's statements "that cause an implicit commit"; temporary tables do not.
_DDL = re.compile(
    _LEAD + r"(?!\w+\s+temporary\b)(create|alter|drop|rename|truncate|comment|grant|revoke|lock|analyze|optimize)\b",
    re.I | re.S,
)
_SYNTAX_ERROR = 1064


@dataclass(frozen=True)
class Sent:
    """A statement that was executed, ``times`` times (an insert of several rows)."""

    text: str
    times: int


@dataclass
class SentStatements:
    """The writing statements of one migration.

    ``kept`` are committed, ``open`` are not (yet), ``undone`` were rolled back. ``failed`` ended the migration;
    ``under_way`` was sent and never answered. ``transactional`` is whether DDL can be rolled back.
    """

    transactional: bool = True
    kept: list[Sent] = field(default_factory=list)
    open: list[Sent] = field(default_factory=list)
    undone: list[Sent] = field(default_factory=list)
    failed: str | None = None
    under_way: str | None = None
    _committing: bool = False

    def settle(self, error: BaseException | None = None) -> None:
        """Treat a commit that has begun as done, unless ``error`` says that it failed."""
        # SQLAlchemy wraps what a driver's commit() raises without a statement.
        if self._committing and not (isinstance(error, DBAPIError) and error.statement is None):
            self._keep()
        self._committing = False

    def _keep(self) -> None:
        self.kept += self.open
        self.open = []

    def _commits_itself(self, statement: str, connection: Connection | None) -> bool:
        autocommit = connection is not None and (
            connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        )
        return autocommit or (not self.transactional and bool(_DDL.match(statement)))

    def on_send(self, connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        """A statement is about to be sent."""
        self.settle()
        self.failed = None
        self.under_way = statement if self._commits_itself(statement, connection) else None

    def on_success(
        self, connection: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool
    ) -> None:
        """The statement was executed."""
        self.under_way = None
        if COMMITS.match(statement):
            self._keep()
        elif not _READS.match(statement):
            self.open.append(Sent(statement, len(parameters) if many else 1))
            if self._commits_itself(statement, connection):
                self._keep()

    def on_error(self, context: ExceptionContext) -> None:
        """The statement failed, or its result is unknown."""
        if context.statement is None:
            return
        self.failed = context.statement
        error = context.original_exception
        if not isinstance(error, Exception) or context.is_disconnect:
            # Its result is unknown: the server may still execute it.
            if self.under_way is not None:
                self._keep()
            return
        self.under_way = None
        syntax_error = bool(error.args) and error.args[0] == _SYNTAX_ERROR
        if not self.transactional and _DDL.match(context.statement) and not syntax_error:
            # MySQL commits what was open before it tries a DDL statement, also one that fails.
            self._keep()

    def on_commit(self, _connection: Connection) -> None:
        """A transaction is about to be committed."""
        self._committing = True

    def on_rollback(self, _connection: Connection) -> None:
        """A transaction is rolled back."""
        self._committing = False
        self.undone += self.open
        self.open = []


@contextmanager
def watch(current: Callable[[], SentStatements | None]) -> Iterator[None]:
    """Record the statements of every connection in this block in ``current()``, unless that is None."""

    def noting(method: Callable[..., None]) -> Callable[..., None]:
        def note(*arguments: Any) -> None:
            if (statements := current()) is not None:
                method(statements, *arguments)

        return note

    with listen(
        ("before_cursor_execute", noting(SentStatements.on_send)),
        ("after_cursor_execute", noting(SentStatements.on_success)),
        ("handle_error", noting(SentStatements.on_error)),
        ("commit", noting(SentStatements.on_commit)),
        ("rollback", noting(SentStatements.on_rollback)),
    ):
        yield
