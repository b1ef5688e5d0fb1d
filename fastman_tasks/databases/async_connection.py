"""Connections with an async URL, for code that is not async. Imported only if a URL is async."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any, TypeVar

# SQLAlchemy's asyncio needs greenlet, which only the extra "async" installs; so a missing one is reported as such.
import greenlet  # noqa: F401
from sqlalchemy import Connection, Engine, pool
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from fastman_tasks.databases.failures import preparing

T = TypeVar("T")


def create(url: URL) -> Engine:
    """Returns an engine for an async URL."""
    # NullPool: a connection cannot outlive the event loop it was opened in.
    return create_async_engine(url, poolclass=pool.NullPool, pool_reset_on_return=None).sync_engine


def run(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Call ``work`` with a connection of the async ``engine`` and return what it returns."""
    return _complete(_run(engine, work))


if sys.version_info >= (3, 11):
    _complete = asyncio.run
else:

    def _complete(main: Coroutine[Any, Any, T]) -> T:
        """As asyncio.run() does from Python 3.11 on: Ctrl-C cancels ``main``, which can still clean up."""

        async def cancellable() -> T:
            loop, task = asyncio.get_running_loop(), asyncio.current_task()
            assert task is not None
            before = signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(task.cancel))
            try:
                return await main
            finally:
                signal.signal(signal.SIGINT, before)

        if threading.current_thread() is not threading.main_thread():
            return asyncio.run(main)
        try:
            return asyncio.run(cancellable())
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None


async def _run(engine: Engine, work: Callable[[Connection], T]) -> T:
    async with AsyncExitStack() as stack:
        with preparing(engine.url):
            connection = await stack.enter_async_context(AsyncEngine(engine).connect())
        before = asyncio.all_tasks()
        try:
            return await connection.run_sync(work)
        finally:
            # Of a seeder that has failed, say: they may be using the connection, which is about to be closed.
            await cancel(asyncio.all_tasks() - before)


async def cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel ``tasks``, and wait until they have ended, in whichever way."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class HeldConnection:
    """One connection in autocommit that stays open; see ``database.HeldConnection``."""

    def __init__(self, engine: Engine, prepare: Callable[[Connection], None]) -> None:
        # A separate event loop, stopped between the calls: env.py may call asyncio.run() in between.
        self._loop = asyncio.new_event_loop()
        try:
            committing = AsyncEngine(engine).execution_options(isolation_level="AUTOCOMMIT")
            with preparing(engine.url):
                self._connection: AsyncConnection = self._await(committing.connect().start())
            self._await(self._connection.run_sync(prepare))
        except BaseException:
            self._loop.close()
            raise

    def run(self, work: Callable[[Connection], T]) -> T:
        """Call ``work`` with the connection and return what it returns."""
        return self._await(self._connection.run_sync(work))

    def close(self) -> None:
        """Close the connection; the server releases its locks."""
        try:
            self._await(self._connection.close())
        finally:
            self._loop.close()

    def _await(self, awaitable: Coroutine[Any, Any, T]) -> T:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._loop.run_until_complete(awaitable)
        # Between two migrations env.py's own loop is running, and a thread can run one loop only.
        with ThreadPoolExecutor(1) as other:
            return other.submit(self._loop.run_until_complete, awaitable).result()
