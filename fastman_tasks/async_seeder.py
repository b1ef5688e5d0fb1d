"""Run a seeder's ``async def run(db)`` within code that is not async. Imported only where there is one."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only, greenlet_spawn

from fastman_tasks.errors import SeederFailed


def run(method: Callable[[Callable[..., Any]], Callable[[Any], Any]], db: Session, call: Callable[..., None]) -> None:
    """Call what ``method`` gives for an awaitable ``call`` with an AsyncSession around ``db``.

    Works where SQLAlchemy runs code that is not async under an async URL. Raises whatever the seeder raises, and
    SeederFailed where it forgot to await something, which was then not done.
    """

    async def awaitable(*wanted: Any) -> None:
        await greenlet_spawn(call, *wanted)

    awaitable.__qualname__ = "self.call"
    # The parameter is SQLAlchemy's way to choose the session underneath: here one that is made already.
    session = _session_class()(sync_session_class=cast(type[Session], lambda **options: db))
    with _nothing_forgotten():
        await_only(method(awaitable)(session))


def _session_class() -> type[AsyncSession]:
    if sys.modules.get("sqlmodel") is not None:
        # It has exec(), which the users of SQLModel write.
        from sqlmodel.ext.asyncio import session

        return session.AsyncSession
    return AsyncSession


@contextmanager
def _nothing_forgotten() -> Iterator[None]:
    forgotten: list[str] = []
    with warnings.catch_warnings():
        # Python only warns of a call that nobody awaited, and the seeder would pass for done.
        warnings.filterwarnings("always", "coroutine .* was never awaited", RuntimeWarning)
        show = warnings.showwarning

        def note(message: Warning | str, category: type[Warning], filename: str, lineno: int, *more: Any) -> None:
            if "was never awaited" in str(message):
                where = f"{Path(filename).name}, line {lineno}"
                forgotten.append(f"{message}, so it did nothing ({where}). Write: await …")
            else:
                show(message, category, filename, lineno, *more)

        warnings.showwarning = note  # type: ignore[assignment]
        yield
    if forgotten:
        raise SeederFailed(forgotten[0])
