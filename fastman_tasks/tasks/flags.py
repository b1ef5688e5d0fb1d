"""What was typed on the command line, checked."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastman_tasks.seeding.run import Options

#: A flag that may come without a value: None where it was not used, True where the value is missing.
Value = str | bool | None
#: A flag that may be used more than once; from a task of the project's own it may be one text.
Several = str | Sequence[str] | None


def given(name: str, value: Value) -> str | None:
    """The text of ``--name``; None where the flag was not used. Raises UsageError where its value is missing."""
    from fastman_tasks.errors import UsageError

    if value is None:
        return None
    text = "" if isinstance(value, bool) else value.strip()
    if not text or text.startswith("-"):
        raise UsageError(f"--{name} needs a value, not {value!r}." if text else f"--{name} needs a value: --{name}=…")
    return text


def several(values: Several) -> tuple[str, ...]:
    """Each value of a flag that may be used more than once."""
    return (values,) if isinstance(values, str) else tuple(values or ())


def renames(values: Several) -> tuple[str, ...]:
    """The pairs ``old:new`` of --rename, which may be used again, or have several by commas. Raises UsageError."""
    from fastman_tasks.errors import UsageError

    typed = [str(given("rename", each)) for each in several(values)]
    pairs = [pair.strip() for text in typed for pair in text.split(",")]
    for pair in pairs:
        old, separator, new = pair.partition(":")
        if not (old and separator and new) or ":" in new:
            raise UsageError(f"--rename={pair} is not a pair old:new, such as users.name:full_name or users:people.")
    return tuple(pairs)


def command(task: str, *words: str, **flags: str | int | bool | Sequence[str] | None) -> str:
    """``inv TASK`` with its ``words`` and ``flags``, to be typed once more; flags that are None or False are left out,
    one with several values is repeated.
    """
    typed = [shlex.quote(word) for word in words]
    for name, value in flags.items():
        flag = f"--{name.rstrip('_').replace('_', '-')}"
        for each in value if isinstance(value, (list, tuple)) else (value,):
            if each is not None and each is not False:
                typed.append(flag if each is True else f"{flag}={shlex.quote(str(each))}")
    return " ".join(["inv", task, *typed])


def steps_or_target(steps: Value | int, to: Value) -> tuple[int | None, str | None]:
    """``--steps`` as a number (1 by default) or ``--to``; the other is None. Raises UsageError."""
    from fastman_tasks.errors import UsageError

    target = given("to", to)
    if steps is None:
        return (None, target) if target else (1, None)
    if target:
        raise UsageError("--steps and --to exclude each other.")
    # From a task of the project's own it may come as a number.
    text = "" if isinstance(steps, bool) else str(steps).strip()
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise UsageError(f"--steps={text} is not a number of migrations: 1, 2, 3, …")
    return int(text), None


def seed_options(pretend: bool, commit_each: bool, random_seed: Value) -> Options:
    """The options of a run of seeders. Raises UsageError."""
    from fastman_tasks.errors import UsageError
    from fastman_tasks.seeding.run import Options

    if pretend and commit_each:
        raise UsageError("--pretend and --commit-each exclude each other.")
    text = given("random-seed", random_seed)
    if text is not None and not (text.isascii() and text.isdigit()):
        raise UsageError(f"--random-seed={text} is not a whole number: 0, 1, 42, …")
    return Options(pretend, commit_each, None if text is None else int(text))
