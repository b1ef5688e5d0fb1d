"""The one place between Invoke and the services: opens the project, turns errors into exit codes."""

from __future__ import annotations

import functools
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import invoke
from invoke import Argument, Context, Exit

if TYPE_CHECKING:
    from fastman_tasks.project import Project


# Whether Invoke was given --debug, which it tells by the level of its logger; an env.py may change that of all of them.
_DEBUG = logging.getLogger("invoke").isEnabledFor(logging.DEBUG)


class _Command(invoke.Task[Any]):
    """A task that runs as often as it was typed: Invoke leaves out what equals an earlier call of the same line."""

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = invoke.Task.__hash__

    def __init__(self, *args: Any, instead: Mapping[str, str] | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._instead = dict(instead or {})

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        arguments = super().get_arguments(ignore_unknown_help)
        by_name = {argument.name: argument for argument in arguments}
        for flag, positional in self._instead.items():
            at = arguments.index(by_name[flag])
            arguments[at] = _Instead(by_name[flag], by_name[positional])
        return arguments


class _Instead(Argument):
    """A flag with which a positional argument may be left out: Invoke misses one whose value is None."""

    def __init__(self, flag: Argument, positional: Argument) -> None:
        super().__init__(names=flag.names, kind=bool, default=False, help=flag.help, attr_name=flag.attr_name)
        self._positional = positional

    def set_value(self, value: Any, cast: bool = True) -> None:
        super().set_value(value, cast)
        self._positional.default = ""


def task(
    *,
    help: Mapping[str, str],
    optional: Iterable[str] = (),
    iterable: Iterable[str] = (),
    instead: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., None]], Any]:
    """Make an Invoke task of a function ``(project, **flags)``.

    The project is open for the call. A FastmanError ends the process with its text on stderr and its code, any
    other error as one line and code 1; with Invoke's --debug the traceback comes first. Invoke's --dry sets the
    flag ``pretend``. ``optional`` are the flags that may come without a value, which is then True, ``iterable`` those
    that may be used more than once; ``instead`` are flags, each with the positional argument that may be left out with
    it, and is then empty.
    """

    def decorate(function: Callable[..., None]) -> Any:
        @functools.wraps(function)
        def body(c: Context, *args: Any, **flags: Any) -> None:
            if c.config.run.dry and "pretend" in flags:
                flags["pretend"] = True
            project = None
            try:
                with _terminable(), _opened(c) as project:
                    function(project, *args, **flags)
            except Exit:
                raise
            except BrokenPipeError:
                # Whoever read our output (head, a pager) has left; Python would complain once more at exit.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise Exit(code=1) from None
            except (Exception, KeyboardInterrupt) as error:
                raise _exit(error, project) from error

        return invoke.task(
            body, klass=_Command, help=dict(help), optional=tuple(optional), iterable=tuple(iterable), instead=instead,
            auto_shortflags=False,
        )  # fmt: skip

    return decorate


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does: what is under way is rolled back and reported, the lock is freed."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        # Under an async URL asyncio has a handler of its own, which cancels what it runs.
        as_ctrl_c = signal.getsignal(signal.SIGINT)
        if callable(as_ctrl_c):
            as_ctrl_c(number, frame)
        else:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _opened(c: Context) -> Project:
    # The services, and with them Alembic and SQLAlchemy, are only imported when a task runs.
    from fastman_tasks.project import Project

    configured = c.config.get("fastman", {})
    configured = configured if isinstance(configured, Mapping) else None
    return Project.open(_root(c), configured=configured, debug=_DEBUG)


def _root(c: Context) -> Path | None:
    # Invoke keeps the folder of the loaded tasks.py under this name alone.
    prefix = getattr(c.config, "_project_prefix", None)
    return Path(prefix) if prefix else None


def _exit(error: BaseException, project: Project | None) -> Exit:
    from fastman_tasks.errors import FastmanError

    code = 1
    if isinstance(error, FastmanError):
        message, code = str(error), error.code
        if project is not None and (hint := project.hint(error)):
            message = f"{message}\n{hint}"
    elif isinstance(error, KeyboardInterrupt):
        message = "Interrupted. What was under way has been rolled back where the database can; see inv migrate.status"
    else:
        message = f"Unexpected {type(error).__name__}: {error}\nThe traceback: inv --debug …"
    if _DEBUG:
        message = "".join(traceback.format_exception(error)) + message
    return Exit(message if project is None else project.redacted(message), code)
