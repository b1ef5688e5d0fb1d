"""Call one seeder with a session in a savepoint of the run's transaction, and keep what it has added."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from fastman_tasks.errors import SeederFailed
from fastman_tasks.rows.row_counts import RowCounts
from fastman_tasks.seeding.discovery import Seeder


def run(seeder: Seeder, connection: Connection, call: Callable[[Iterable[Any]], None], row_counts: RowCounts) -> None:
    """Call the ``run`` of ``seeder`` with a Session, or an AsyncSession, on ``connection`` and commit that session.

    If ``run`` is a plain method, its ``self`` has ``call(*seeders)``, which commits the session and then calls
    ``call``, and ``progress(iterable)``. Raises SeederFailed for an async seeder on a connection that is not async,
    and whatever the seeder raises.
    """
    if seeder.is_async and not connection.dialect.is_async:
        raise SeederFailed(describe_sync_url(seeder))
    # As SQLAlchemy recommends for AsyncSession: expired attributes would be loaded where nothing can be awaited.
    db = _session_class()(
        bind=connection, join_transaction_mode="create_savepoint", expire_on_commit=not seeder.is_async
    )

    def call_others(*wanted: Any) -> None:
        # The others see what was added so far, and it stays if this session is rolled back later.
        db.commit()
        call(wanted)

    try:
        if seeder.is_async:
            from fastman_tasks.seeding import async_call

            async_call.run(lambda call: _method(seeder, call, row_counts), db, call_others)
        else:
            result = _method(seeder, call_others, row_counts)(db)
            if inspect.isawaitable(result):
                raise SeederFailed("run(db) returned an awaitable; write async def run(db).")
        if connection.closed:
            raise SeederFailed("It closed the run's connection; leave db.connection() open.")
        # What a seeder has not committed is kept as well.
        db.commit()
        db.close()
    except BaseException:
        # The connection may be unusable now; the first error is the one to report.
        with suppress(SQLAlchemyError):
            if not connection.closed:
                db.close()
        raise


def _session_class() -> type[Session]:
    if sys.modules.get("sqlmodel") is not None:
        # It has exec(), which the users of SQLModel write.
        from sqlmodel import Session as WithExec

        return WithExec
    return Session


def describe_sync_url(seeder: Seeder) -> str:
    """Returns the message for an async ``seeder`` with a URL that is not async."""
    return (
        f"{seeder.name} ({seeder.where}) has an async run(db), which needs an async URL such as "
        "postgresql+asyncpg:// or sqlite+aiosqlite://. Or write a plain def run(db)."
    )


def _method(seeder: Seeder, call: Callable[..., Any], row_counts: RowCounts) -> Callable[[Any], Any]:
    class_: Any = seeder.class_
    if seeder.kind != "plain":
        method: Callable[[Any], Any] = class_.run
        return method
    instance = class_()
    for name, function in (("call", call), ("progress", row_counts.progress)):
        # A seeder with its own attribute of that name, or with slots, does not get ours.
        if not hasattr(instance, name):
            with suppress(AttributeError):
                setattr(instance, name, function)
    bound: Callable[[Any], Any] = instance.run
    return bound
