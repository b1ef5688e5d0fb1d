"""Run a seeder's ``async def run(db)`` within code that is not async. Imported only where there is one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only, greenlet_spawn

from fastman_tasks.errors import SeederFailed


def run(method: Callable[[Callable[..., Any]], Callable[[Any], Any]], db: Session, call: Callable[..., None]) -> None:
    """Call what ``method`` gives for an awaitable ``call`` with an AsyncSession around ``db``.

    Works where SQLAlchemy runs code that is not async under an async URL. Raises whatever the seeder raises, and
    SeederFailed where it forgot to await a call.
    """
    calls: list[Coroutine[Any, Any, None]] = []

    def awaitable(*wanted: Any) -> Coroutine[Any, Any, None]:
        calls.append(greenlet_spawn(call, *wanted))
        return calls[-1]

    # The parameter is SQLAlchemy's way to choose the session underneath: here one that is made already.
    session = AsyncSession(sync_session_class=cast(type[Session], lambda **options: db))
    await_only(method(awaitable)(session))
    if forgotten := [each for each in calls if inspect.getcoroutinestate(each) == inspect.CORO_CREATED]:
        for each in forgotten:
            each.close()
        raise SeederFailed("self.call(…) was not awaited; in an async run(db) write: await self.call(…)")
