"""The boundary between Invoke and the services: opens the project and turns errors into exit codes."""

from __future__ import annotations

import functools
import inspect
import logging
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import invoke
from invoke import Argument, Context, Exit

from fastman_tasks.tasks import console, streams
from fastman_tasks.tasks.failures import describe
from fastman_tasks.tasks.flags import flags_of, parse
from fastman_tasks.tasks.interruption import interruptible
from fastman_tasks.tasks.spelling import running_program, spell
from fastman_tasks.tasks.startup import seldom_collecting

if TYPE_CHECKING:
    from fastman_tasks.plans import Report
    from fastman_tasks.project import Project


# Whether Invoke was run with --debug: it sets the level of its logger, which an env.py may change later.
_DEBUG = logging.getLogger("invoke").isEnabledFor(logging.DEBUG)


class _Command(invoke.Task[Any]):
    """A task that runs as often as it was typed: Invoke skips a call that equals an earlier one of the same line."""

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = invoke.Task.__hash__

    def __init__(
        self,
        *args: Any,
        instead: Mapping[str, str] | None = None,
        short: Mapping[str, str] | None = None,
        optional_positional: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._instead = dict(instead or {})
        self._short = dict(short or {})
        #: The flag whose value may also be a word after the command.
        self.optional_positional = optional_positional

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        arguments = super().get_arguments(ignore_unknown_help)
        by_name = {argument.name: argument for argument in arguments}
        for flag, positional in self._instead.items():
            at = arguments.index(by_name[flag])
            arguments[at] = _Instead(by_name[flag], by_name[positional])
        for argument in arguments:
            if argument.name in self._short:
                argument.names = (*argument.names, self._short[argument.name])
            if argument.kind is list:
                # Otherwise Invoke takes one without a value for one that was not typed.
                argument.raw_value = None
        return arguments


class _Instead(Argument):
    """A flag that replaces a positional argument: Invoke reports one whose value is None as missing."""

    def __init__(self, flag: Argument, positional: Argument) -> None:
        super().__init__(names=flag.names, kind=bool, default=False, help=flag.help, attr_name=flag.attr_name)
        self._positional = positional
        self.is_instead = True

    def set_value(self, value: Any, cast: bool = True) -> None:
        super().set_value(value, cast)
        self._positional.default = ""


@overload
def project_task(function: Callable[..., Any]) -> invoke.Task[Any]: ...


@overload
def project_task(
    *,
    help: Mapping[str, str] | None = None,
    instead: Mapping[str, str] | None = None,
    short: Mapping[str, str] | None = None,
    optional_positional: str | None = None,
    default: bool = False,
) -> Callable[[Callable[..., Any]], invoke.Task[Any]]: ...


def project_task(
    function: Callable[..., Any] | None = None,
    *,
    help: Mapping[str, str] | None = None,
    instead: Mapping[str, str] | None = None,
    short: Mapping[str, str] | None = None,
    optional_positional: str | None = None,
    default: bool = False,
) -> Any:
    """Turn ``function(project, **flags)`` into an Invoke task. Works with and without arguments.

    The project is open for the call, and each flag has the type that its parameter is annotated with (see
    ``flags.flags_of``). A FastmanError ends the process with its text on stderr and its code, any other error as one
    line and code 1; with Invoke's --debug the traceback comes first, and with a flag ``json`` the error is printed as
    JSON too. Invoke's --dry sets the flag ``pretend``. ``instead`` are flags, each with the positional argument that
    may be left out with it, and is then empty; ``short`` are flags with their single letters. The value of the flag
    ``optional_positional`` may also be a word by itself. A ``default`` task is also called by its collection's name.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        if inspect.iscoroutinefunction(function):
            raise TypeError(f"{function.__name__} is async, and nothing would run it: call asyncio.run() in a task.")
        signature = inspect.signature(function)
        known = flags_of(function)
        positional = [name for name, flag in known.items() if flag.parameter.default is inspect.Parameter.empty]

        switches = [name for name, flag in known.items() if flag.parse is None]

        @functools.wraps(function)
        def body(c: Context, *args: Any, **flags: Any) -> Any:
            # As any function does, it refuses what it has no parameter for.
            typed = signature.bind(c, *args, **flags).arguments
            if c.config.run.dry and "pretend" in switches:
                typed["pretend"] = True
            if running_program() is not None:
                streams.make_lasting()
            project = None
            as_json = "json" in switches and bool(typed.get("json"))

            def abandon() -> None:
                message = spell(
                    "Interrupted, and the run has not ended since: the database may be silent. What it has committed "
                    "of the running step is unknown; the rest is rolled back. See inv migrate.status"
                )
                failure = {"code": 1, "message": message, "next": None}
                console.end_process(message, _failure_value(project, _name(function), failure) if as_json else None)

            try:
                with (
                    interruptible(abandon),
                    _open(c) as project,
                    console.redacting(project.redact),
                ):
                    result = function(project, **parse(known, typed))
            except Exit:
                raise
            except (Exception, KeyboardInterrupt) as error:
                from fastman_tasks.text.secrets import redact

                with console.redacting(project.redact if project else redact):
                    if as_json:
                        _print_failure(error, project, _name(function))
                    raise _exit(error, project) from error
            if (lost := streams.failure()) is not None:
                raise Exit(f"The output could not be written: {lost.strerror}. The command itself has finished.", 1)
            return result

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
            short=short,
            optional_positional=optional_positional,
            auto_shortflags=False,
            default=default,
        )

    return decorate if function is None else decorate(function)


def _name(function: Callable[..., Any]) -> str:
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"


def _open(c: Context) -> Project:
    # The services, and with them Alembic and SQLAlchemy, are only imported when a task runs.
    with seldom_collecting():
        from fastman_tasks.project import Project

        configured = c.config.get("fastman", {})
        configured = configured if isinstance(configured, Mapping) else None
        return Project.open(_root(c), configured=configured, debug=_DEBUG)


def _root(c: Context) -> Path | None:
    # Invoke keeps the folder of the loaded tasks.py under this name alone.
    prefix = getattr(c.config, "_project_prefix", None)
    return Path(prefix) if prefix else None


def _exit(error: BaseException, project: Project | None) -> Exit:
    message, code, _ = describe(error, project)
    if _DEBUG:
        from fastman_tasks.text.secrets import redact_traceback

        message = redact_traceback("".join(traceback.format_exception(error)), error) + message
    return Exit(console.error_text(message), code)


def _print_failure(error: BaseException, project: Project | None, command: str) -> None:
    message, code, next = describe(error, project)
    failure = {"code": code, "message": message, "next": next}
    console.print_json(_failure_value(project, command, failure, getattr(error, "report", None)))


def _failure_value(
    project: Project | None, command: str, failure: Mapping[str, Any], report: Report | None = None
) -> dict[str, Any]:
    from fastman_tasks.tasks import json_report

    return json_report.report_value(project, report, command, failure)
