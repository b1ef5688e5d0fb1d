"""The one place between Invoke and the services: opens the project, turns errors into exit codes."""

from __future__ import annotations

import functools
import inspect
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, overload

import invoke
from invoke import Argument, Context, Exit

from fastman_tasks.tasks.flags import flags_of, parse
from fastman_tasks.tasks.spelling import spell
from fastman_tasks.tasks.startup import seldom_collecting

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


@overload
def project_task(function: Callable[..., None]) -> invoke.Task[Any]: ...


@overload
def project_task(
    *, help: Mapping[str, str] | None = None, instead: Mapping[str, str] | None = None
) -> Callable[[Callable[..., None]], invoke.Task[Any]]: ...


def project_task(
    function: Callable[..., None] | None = None,
    *,
    help: Mapping[str, str] | None = None,
    instead: Mapping[str, str] | None = None,
) -> Any:
    """Make an Invoke task of ``function(project, **flags)``; ``@project_task`` alone will do.

    The project is open for the call, and each flag has the type that its parameter is annotated with (see
    ``flags.flags_of``). A FastmanError ends the process with its text on stderr and its code, any other error as one
    line and code 1; with Invoke's --debug the traceback comes first, and with a flag ``json`` the error is printed as
    JSON too. Invoke's --dry sets the flag ``pretend``. ``instead`` are flags, each with the positional argument that
    may be left out with it, and is then empty.
    """

    def decorate(function: Callable[..., None]) -> Any:
        signature = inspect.signature(function)
        known = flags_of(function)
        positional = [name for name, flag in known.items() if flag.parameter.default is inspect.Parameter.empty]

        @functools.wraps(function)
        def body(c: Context, *args: Any, **typed: Any) -> None:
            typed = {**dict(zip(known, args, strict=False)), **typed}
            if c.config.run.dry and "pretend" in known:
                typed["pretend"] = True
            project = None
            try:
                with _terminable(), seldom_collecting(), _open(c) as project:
                    function(project, **parse(known, typed))
            except Exit:
                raise
            except BrokenPipeError:
                # Whoever read our output (head, a pager) has left; Python would complain once more at exit.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise Exit(code=1) from None
            except (Exception, KeyboardInterrupt) as error:
                if typed.get("json"):
                    _print_failure(error, project, _name(function))
                raise _exit(error, project) from error

        first, *others = signature.parameters.values()
        seen = (first.replace(annotation=first.empty), *(known[each.name].as_typed for each in others))
        body.__signature__ = signature.replace(parameters=seen)  # type: ignore[attr-defined]
        with_value = [
            name for name, flag in known.items() if flag.parse and flag.container is None and name not in positional
        ]
        return invoke.task(
            body,
            klass=_Command,
            help=dict(help or {}),
            optional=with_value,
            iterable=[name for name, flag in known.items() if flag.container is not None],
            instead=instead,
            auto_shortflags=False,
        )

    return decorate if function is None else decorate(function)


def _name(function: Callable[..., None]) -> str:
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"


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


def _open(c: Context) -> Project:
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
    message, code, _ = _tell(error, project)
    if _DEBUG:
        message = "".join(traceback.format_exception(error)) + message
    return Exit(message if project is None else project.redact(message), code)


def _print_failure(error: BaseException, project: Project | None, command: str) -> None:
    from fastman_tasks.tasks import console, views

    message, code, next = _tell(error, project)
    redact = project.redact if project else str
    report = getattr(error, "report", None)
    failure = {"code": code, "message": redact(message), "next": next}
    console.as_json(views.report_value(project, report, command, failure))


def _tell(error: BaseException, project: Project | None) -> tuple[str, int, str | None]:
    """What to say of ``error``, the exit code, and the command that goes on from here."""
    from fastman_tasks.errors import ConsentMissing, FastmanError

    if isinstance(error, FastmanError):
        message, next = str(error), None if error.next is None else spell(str(error.next))
        if project is not None and (hint := project.hint(error)):
            message = f"{message}\n{hint}"
        if next is not None:
            message = (
                f"{message} To go ahead: {next}" if isinstance(error, ConsentMissing) else f"{message}\nNext: {next}"
            )
        return spell(message), error.code, next
    if isinstance(error, KeyboardInterrupt):
        where = spell("inv migrate.status")
        return f"Interrupted. What was running has been rolled back where the database can; see {where}", 1, None
    return f"Unexpected {type(error).__name__}: {error}\nThe traceback: inv --debug …", 1, None
