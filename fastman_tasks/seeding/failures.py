"""Error messages for a failed seeder: which, where, the database's message, and what is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from fastman_tasks.databases.commits import Outcome
from fastman_tasks.errors import LockLost
from fastman_tasks.seeding.discovery import Seeder
from fastman_tasks.sources import describe_error, place
from fastman_tasks.text import shorten
from fastman_tasks.text.secrets import mask_row

_LONGEST, _MOST = 300, 8


def describe_failure(seeder: Seeder | None, error: BaseException, root: Path) -> list[str]:
    """Returns ``UserSeeder failed: file:line: message``, then the statement and its row if they are known.

    ``seeder`` is None if all seeders have finished and the commit failed.
    """
    if isinstance(error, LockLost):
        return [str(error)]
    # Neither an Exception nor a sys.exit(): Ctrl-C, or what asyncio makes of it.
    if not isinstance(error, Exception | SystemExit):
        return [f"{seeder.name if seeder else 'The commit'} was interrupted."]
    if seeder is None:
        lines = [f"The commit failed: {describe_error(error)}"]
    else:
        # An error in the last flush has no line in the seeder.
        where = place(error, root) or place(error, root, seeder.path) or seeder.file
        lines = [f"{seeder.name} failed: {where}: {describe_error(error)}", *_more(error)]
    if isinstance(error, DBAPIError) and error.statement:
        lines.append(f"  Statement: {shorten(error.statement, _LONGEST)}")
        # For a batch the driver does not say which row failed.
        if error.params and isinstance(error.params, dict | tuple) and not error.ismulti:
            several = re.search(r"\)\s*,\s*\(", error.statement)
            row = mask_row(error.statement, error.params)
            lines.append(f"  {'Rows' if several else 'Row'}: {shorten(repr(row), _LONGEST)}")
    return lines


def describe_outcome(
    done: Sequence[str], *, kept: bool, in_part: bool, over: bool, outcome: Outcome = "rolled back"
) -> list[str]:
    """Returns what ran before a failure and what is kept: with ``kept`` the seeders that are ``done``, with ``in_part``
    also what the failed one wrote before it called others. ``over`` is whether a statement has ended the
    transaction, ``outcome`` what became of the last one if its commit failed."""
    lines = []
    if done:
        lines.append(f"These ran before it: {', '.join(done)}.")
    if outcome != "rolled back":
        if kept and done:
            lines.append(f"Committed (--commit-each): {', '.join(done)}.")
        lines.append(
            "It was committed all the same."
            if outcome == "committed"
            else "The outcome is unknown: the database may have committed it. Look at the rows before you run it again."
        )
    elif over:
        lines.append(
            "A COMMIT (on MySQL and MariaDB also a TRUNCATE or other DDL) ended the run's transaction: what was "
            "written before that may have been committed."
        )
    elif kept and done:
        lines.append(f"Committed (--commit-each): {', '.join(done)}. The failed seeder was rolled back.")
        if in_part:
            lines[-1] = (
                f"Committed (--commit-each): {', '.join(done)}, and what the caller wrote before it called them."
            )
    else:
        lines.append("All changes were rolled back.")
    return lines


def _more(error: BaseException) -> list[str]:
    """Returns what ``error`` says below its first line, or the errors in a group; shortened."""
    if isinstance(error, DBAPIError):
        return []
    parts: Sequence[BaseException] = getattr(error, "exceptions", ())
    lines = [describe_error(part) for part in parts] or str(error).strip().splitlines()[1:]
    return [f"  {shorten(line, _LONGEST)}" for line in lines[:_MOST] if line.strip()]
