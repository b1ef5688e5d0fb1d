"""Check the flags that were typed, each by the annotation of its parameter."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Literal, get_args, get_origin

from fastman_tasks.errors import UsageError


@dataclass(frozen=True)
class Flag:
    """A parameter of a task. ``parse`` converts its text; None if Invoke's own value is used."""

    parameter: inspect.Parameter
    parse: Callable[[str], Any] | None
    #: The type of the collection of values, for a flag that can be repeated.
    container: type | None = None
    #: Whether it may be typed without a value; it is True then.
    may_be_bare: bool = False

    @property
    def name(self) -> str:
        """The flag as it is typed, without the leading dashes."""
        return self.parameter.name.rstrip("_").replace("_", "-")

    @property
    def as_typed(self) -> inspect.Parameter:
        """The parameter for Invoke: a flag with a value is text, or None, until it is checked here."""
        if self.parse is None or self.parameter.default is inspect.Parameter.empty:
            return self.parameter
        return self.parameter.replace(default=None)

    def value(self, typed: Any) -> Any:
        """Returns the value of ``typed``, which already has its type in a call from Python. Raises UsageError, which
        names the flag."""
        if typed is None:
            return self.parameter.default
        if typed is True and self.may_be_bare:
            return True
        if self.container is not None and not typed:
            # A flag that was not used is an empty list for Invoke.
            return self.parameter.default
        if self.container is not None:
            return self._several([typed] if isinstance(typed, str) else typed)
        if self.parse is None or not isinstance(typed, (str, bool)):
            return typed
        return self.parse(self._text(typed))

    def _several(self, typed: Any) -> Any:
        assert self.parse is not None and self.container is not None
        return self.container(each for text in typed for each in self.parse(self._text(text)))

    def _text(self, typed: str | bool) -> str:
        text = "" if isinstance(typed, bool) else typed.strip()
        if self.parameter.default is inspect.Parameter.empty:
            # A positional argument is taken literally.
            return str(typed)
        if not text:
            raise UsageError(f"--{self.name} needs a value: --{self.name}=…")
        if self.name == "confirm":
            # A database's name may begin with a dash, and any other than that name is refused.
            return text
        if text.startswith("-") and not text[1:].replace(".", "", 1).isdigit():
            raise UsageError(f"--{self.name} needs a value, not {text!r}.")
        return text


def flags_of(function: Callable[..., Any]) -> dict[str, Flag]:
    """Returns the flags of a task ``function`` by parameter; its first parameter is the project.

    ``bool`` is a switch, ``int`` and ``float`` are numbers, ``int | bool`` is one that may be left out, ``timedelta`` a
    duration (500ms, 5s, 2m), a ``Literal`` a choice, ``tuple[str, ...]`` names by commas or by repeating the flag,
    ``list[str]`` a text for each time it is repeated, anything else a text. Where nothing is annotated, the default
    tells ``int`` and ``float``.
    """
    _project, *parameters = inspect.signature(function).parameters.values()
    return {parameter.name: _flag(parameter, _annotation(parameter, function)) for parameter in parameters}


def _annotation(parameter: inspect.Parameter, function: Callable[..., Any]) -> Any:
    if not isinstance(parameter.annotation, str):
        return parameter.annotation
    try:
        # As inspect does, but one annotation that is only imported for type checking does not break the others.
        return eval(parameter.annotation, getattr(inspect.unwrap(function), "__globals__", {}))
    except NameError:
        return parameter.empty


def _flag(parameter: inspect.Parameter, annotation: Any) -> Flag:
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
    # X | None, and Literal["a", "b"] as it is.
    kind = kinds[0] if kinds and get_origin(annotation) not in (Literal, tuple, list) else annotation
    name = parameter.name.rstrip("_").replace("_", "-")
    if kind is bool or isinstance(parameter.default, bool):
        return Flag(parameter, None)
    if kind is parameter.empty:
        kind = type(parameter.default)
    if kind is int:
        return Flag(parameter, partial(_number, name), may_be_bare=bool in kinds)
    if kind is float:
        return Flag(parameter, partial(_decimal, name))
    if kind is timedelta:
        return Flag(parameter, partial(_duration, name))
    if get_origin(kind) is Literal:
        return Flag(parameter, partial(_choice, name, get_args(kind)))
    if get_origin(kind) in (tuple, list):
        container: type = get_origin(kind)
        return Flag(parameter, _names if container is tuple else _whole, container)
    return Flag(parameter, str)


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.removeprefix("-").isdigit()):
        raise UsageError(f"--{name}={text} is not a whole number.")
    return int(text)


def _decimal(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--{name}={text} is not a number.") from None


def _duration(name: str, text: str) -> timedelta:
    from fastman_tasks.settings import seconds

    found = seconds(text)
    if found is None:
        raise UsageError(f"--{name}={text} is not a valid duration. Write 500ms, 5s or 2m.")
    return timedelta(seconds=found)


def _choice(name: str, choices: tuple[str, ...], text: str) -> str:
    if text not in choices:
        raise UsageError(f"--{name}={text} is not one of {', '.join(choices)}.")
    return text


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _whole(text: str) -> list[str]:
    return [text]


def parse(flags: Mapping[str, Flag], typed: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the value of each of ``flags`` from what was ``typed``. Raises UsageError."""
    return {name: flag.value(typed.get(name)) for name, flag in flags.items()}
