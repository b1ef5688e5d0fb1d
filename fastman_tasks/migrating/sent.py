"""The statements that a running migration has sent, and which of them a rollback cannot undo."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import ExceptionContext

from fastman_tasks.databases import commits
from fastman_tasks.databases.hooks import listen
from fastman_tasks.text import shorten

_READS = re.compile(
    commits.LEAD + r"(select|show|pragma|describe|explain|set|begin|savepoint|release|rollback)\b", re.I | re.S
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
    ``under_way`` was sent and never answered. ``transactional`` is whether DDL can be rolled back; ``in_doubt`` whether
    a COMMIT was sent and never answered: what is ``open`` is committed or rolled back.
    """

    transactional: bool = True
    kept: list[Sent] = field(default_factory=list)
    open: list[Sent] = field(default_factory=list)
    undone: list[Sent] = field(default_factory=list)
    failed: str | None = None
    under_way: str | None = None
    in_doubt: bool = False
    _committing: bool = False

    def settle(self) -> None:
        """Treat a commit that has begun, and has not failed, as done."""
        if self._committing:
            self._keep()
        self._committing = False

    def _keep(self) -> None:
        self.kept += self.open
        self.open = []

    def _commits_itself(self, statement: str, connection: Connection | None) -> bool:
        autocommit = connection is not None and (
            connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        )
        return autocommit or (not self.transactional and bool(commits.DDL.match(statement)))

    def on_send(self, connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        """A statement is about to be sent."""
        self.settle()
        self.failed = None
        self.under_way = (
            statement if self._commits_itself(statement, connection) or commits.COMMIT.match(statement) else None
        )

    def on_success(
        self, connection: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool
    ) -> None:
        """The statement was executed."""
        self.under_way = None
        if commits.COMMIT.match(statement):
            self._keep()
        elif not _READS.match(statement):
            self.open.append(Sent(statement, len(parameters) if many else 1))
            if self._commits_itself(statement, connection):
                self._keep()

    def on_error(self, context: ExceptionContext) -> None:
        """The statement failed, or its result is unknown."""
        if context.statement is None:
            # A commit, or a rollback.
            self.in_doubt = self._committing and context.is_disconnect
            self._committing = False
            return
        self.failed = context.statement
        error = context.original_exception
        if not isinstance(error, Exception) or context.is_disconnect:
            # Its result is unknown: the server may still execute it.
            return
        self.under_way = None
        syntax_error = bool(error.args) and error.args[0] == _SYNTAX_ERROR
        if not self.transactional and commits.DDL.match(context.statement) and not syntax_error:
            # MySQL commits what was open before it tries a DDL statement, also one that fails.
            self._keep()

    def on_commit(self, _connection: Connection) -> None:
        """A transaction is about to be committed."""
        self._committing = True

    def on_rollback(self, _connection: Connection) -> None:
        """A transaction is rolled back."""
        if self._committing:
            # A signal, and nobody knows whether it came before the commit or after it.
            self.in_doubt, self._committing = True, False
        if self.in_doubt or self.under_way is not None:
            return
        self.undone += self.open
        self.open = []

    def describe(self) -> list[str]:
        """Returns, as lines, what is committed of a migration that has failed."""
        if not self.kept and self.under_way is None:
            if self.transactional:
                return ["The failed migration was rolled back."]
            return [
                "This run committed no part of the failed migration. This database commits each DDL statement "
                "separately: whatever an earlier, interrupted run had committed is still there."
            ]
        lines = [
            "The failed migration was partly committed."
            if self.transactional
            else "This database commits each DDL statement separately."
        ]
        if self.kept:
            lines += ["Committed:", *_listed(each.text for each in self.kept)]
        unanswered = [*(each.text for each in self.open), self.under_way] if self.under_way is not None else []
        if unanswered:
            lines += ["The outcome of these is unknown:", *_listed(unanswered)]
        left = [each.text for each in (*self.undone, *(() if unanswered else self.open))]
        left += [self.failed] if self.failed and self.failed != self.under_way else []
        return [*lines, *(["Not executed:", *_listed(left)] if left else [])]


def _listed(statements: Iterable[str]) -> Iterator[str]:
    for statement in statements:
        yield f"  {shorten(statement.rstrip().rstrip(';'), 200)}"


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
