"""Run a seeder's ``async def run(db)`` in code that is not async. Imported only if there is one."""

from __future__ import annotations

import asyncio
import re
import sys
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only, greenlet_spawn

from fastman_tasks.databases.async_connection import cancel
from fastman_tasks.errors import SeederFailed
from fastman_tasks.sources import describe_error


def run(method: Callable[[Callable[..., Any]], Callable[[Any], Any]], db: Session, call: Callable[..., None]) -> None:
    """Call what ``method`` returns for an awaitable ``call`` with an AsyncSession around ``db``.

    Works inside SQLAlchemy's ``run_sync``. Raises whatever the seeder raises, and SeederFailed if the seeder did not
    await a call or a task that it started.
    """

    async def awaitable(*wanted: Any) -> None:
        await greenlet_spawn(call, *wanted)

    awaitable.__qualname__ = "self.call"
    # The parameter is SQLAlchemy's way to choose the session underneath: here one that already exists.
    session = _session_class()(sync_session_class=cast(type[Session], lambda **options: db))
    with _nothing_forgotten():
        await_only(_tasks_ended(method(awaitable)(session)))


def _session_class() -> type[AsyncSession]:
    if sys.modules.get("sqlmodel") is not None:
        # It has exec(), which users of SQLModel call.
        from sqlmodel.ext.asyncio import session

        return session.AsyncSession
    return AsyncSession


async def _tasks_ended(seeder: Awaitable[None]) -> None:
    """Await ``seeder``. Raises SeederFailed if a task that it started is still running, or failed unnoticed: what the
    task writes would be lost, or end up in the next seeder's session."""
    loop, before = asyncio.get_running_loop(), asyncio.all_tasks()
    unnoticed: list[str] = []

    def note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        task, error = context.get("task") or context.get("future"), context.get("exception")
        if isinstance(task, asyncio.Task) and error is not None:
            unnoticed.append(f"The task {_named(task)} failed with {describe_error(error)} and was never awaited.")
        else:
            loop.default_exception_handler(context)

    handler = loop.get_exception_handler()
    loop.set_exception_handler(note)
    try:
        await seeder
        left = asyncio.all_tasks() - before
        # Before they are cancelled: a cancelled task has no line any more.
        names = sorted(map(_named, left))
        await cancel(left)
    finally:
        loop.set_exception_handler(handler)
    if names:
        raise SeederFailed(
            f"It started {' and '.join(names)} and did not await {'it' if len(names) == 1 else 'them'}, so "
            "the rest of the work was not done. Write: await …, or async with asyncio.TaskGroup()."
        )
    if unnoticed:
        raise SeederFailed(unnoticed[0])


def _named(task: asyncio.Task[Any]) -> str:
    """Returns ``fill() (user_seeder.py, line 12)``: the coroutine of ``task`` and its current line, and the name of the
    task if it has one."""
    coroutine: Any = task.get_coro()
    code = getattr(coroutine, "cr_code", None)
    if code is None:
        return task.get_name()
    line = coroutine.cr_frame.f_lineno if coroutine.cr_frame else code.co_firstlineno
    name = "" if re.fullmatch(r"Task-\d+", task.get_name()) else f"{task.get_name()}, "
    return f"{name}{coroutine.__name__}() ({Path(code.co_filename).name}, line {line})"


@contextmanager
def _nothing_forgotten() -> Iterator[None]:
    forgotten: list[str] = []
    with warnings.catch_warnings():
        # Python only warns about a call that was never awaited, and the seeder would look successful.
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
