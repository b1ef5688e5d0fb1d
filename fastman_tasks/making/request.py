"""What a user asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastman_tasks import names
from fastman_tasks.errors import UsageError


@dataclass(frozen=True)
class Request:
    """Asks for a migration; ``skeleton`` where models and database are not to be compared, ``baseline`` where it
    creates what the database has already, ``check`` where the question is only whether one is missing."""

    message: str
    meaning: names.Meaning | None
    skeleton: bool
    baseline: bool = False
    check: bool = False
    #: The table that was named by a flag, which has to be there.
    table: str | None = None
    #: Whether the database is a scratch database, in which everything is applied.
    scratch: bool = False

    @classmethod
    def of(
        cls,
        message: str,
        *,
        empty: bool = False,
        create: str | None = None,
        table: str | None = None,
        data: bool = False,
        baseline: bool = False,
        check: bool = False,
        scratch: bool = False,
        decided: Sequence[str] = (),
    ) -> Request:
        """What ``message`` and the flags ask for; ``decided`` are the flags that decide about a difference;
        with ``scratch`` the database is a scratch database.

        Raises UsageError for a message or a table's name that cannot be one, and for flags that are mutually exclusive.
        """
        flags = {"--check": check, "--baseline": baseline, "--data": data, "--empty": empty, "--create": create,
                 "--table": table}  # fmt: skip
        used = [flag for flag, value in flags.items() if value]
        if len(used) > 1 and (baseline or check or data) and used != ["--data", "--table"]:
            raise UsageError(f"{' and '.join(used)} are mutually exclusive.")
        if used and decided:
            raise UsageError(f"{used[0]} and {decided[0]} are mutually exclusive.")
        if scratch and (baseline or empty):
            # There is nothing of a database in the one, and nothing but it in the other.
            raise UsageError(f"{used[0]} and --scratch are mutually exclusive.")
        message = names.require_message(message or "check" if check else message)
        create = names.require_table(create, "create") if create else None
        table = names.require_table(table, "table") if table else None
        meaning = names.Meaning("data", table) if data else names.meaning(message, create=create, table=table)
        skeleton = empty or data or bool(create or table)
        return cls(message, meaning, skeleton, baseline, check, table if not create else None, scratch)
