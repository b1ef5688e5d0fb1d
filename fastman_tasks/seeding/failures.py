"""What to say when a seeder fails: which, where, what the database said, and what stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from fastman_tasks.seeding.discovery import Seeder
from fastman_tasks.sources import describe_error, place
from fastman_tasks.text import shorten

_LONGEST, _MOST = 300, 8


def describe_failure(seeder: Seeder | None, error: BaseException, root: Path) -> list[str]:
    """``UserSeeder failed: file:line: message``, then the statement and its row where they are known.

    ``seeder`` is None where all seeders are through and the commit itself failed.
    """
    # Neither an Exception nor a sys.exit(): Ctrl-C, or what asyncio makes of it.
    if not isinstance(error, Exception | SystemExit):
        return [f"{seeder.name if seeder else 'The commit'} was interrupted."]
    if seeder is None:
        lines = [f"The commit failed: {describe_error(error)}"]
    else:
        # What the last flush finds arises in no line of the seeder.
        where = place(error, root) or place(error, root, seeder.path) or seeder.file
        lines = [f"{seeder.name} failed: {where}: {describe_error(error)}", *_more(error)]
    if isinstance(error, DBAPIError) and error.statement:
        lines.append(f"  Statement: {shorten(error.statement, _LONGEST)}")
        # Of a batch the driver does not say which row it was.
        if error.params and isinstance(error.params, dict | tuple) and not error.ismulti:
            several = re.search(r"\)\s*,\s*\(", error.statement)
            lines.append(f"  {'Rows' if several else 'Row'}: {shorten(repr(error.params), _LONGEST)}")
    return lines


def describe_outcome(done: Sequence[str], *, kept: bool, in_part: bool, over: bool) -> list[str]:
    """What ran before a failure, and what of it is kept: with ``kept`` what is ``done``, with ``in_part`` also what
    the failed one wrote before it called others; ``over`` where a statement has ended the transaction."""
    lines = []
    if done:
        lines.append(f"Before it ran: {', '.join(done)}.")
    if over:
        lines.append(
            "A COMMIT (on MySQL and MariaDB also a TRUNCATE or other DDL) ended the run's transaction: what was "
            "written before may have been kept."
        )
    elif kept and done:
        lines.append(f"Kept (--commit-each): {', '.join(done)}. The failed one was rolled back.")
        if in_part:
            lines[-1] = f"Kept (--commit-each): {', '.join(done)}, and what the caller wrote before it called them."
    else:
        lines.append("All changes were rolled back.")
    return lines


def _more(error: BaseException) -> list[str]:
    """What ``error`` says below its first line, or the errors that it is made of; not all of a long one."""
    if isinstance(error, DBAPIError):
        return []
    parts: Sequence[BaseException] = getattr(error, "exceptions", ())
    lines = [describe_error(part) for part in parts] or str(error).strip().splitlines()[1:]
    return [f"  {shorten(line, _LONGEST)}" for line in lines[:_MOST] if line.strip()]
