"""What was typed on the command line, checked."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastman_tasks.seeding import Options

#: A flag that may come without a value: None where it was not used, True where the value is missing.
Value = str | bool | None


def given(name: str, value: Value) -> str | None:
    """The text of ``--name``; None where the flag was not used. Raises UsageError where its value is missing."""
    from fastman_tasks.errors import UsageError

    if value is None:
        return None
    text = "" if isinstance(value, bool) else value.strip()
    if not text or text.startswith("-"):
        raise UsageError(f"--{name} needs a value, not {value!r}." if text else f"--{name} needs a value: --{name}=…")
    return text


def refuse_beside(flag: str, **others: str | bool | None) -> None:
    """Raises UsageError where one of ``others`` was used beside ``--flag``."""
    from fastman_tasks.errors import UsageError

    if used := [f"--{name}" for name, value in others.items() if value]:
        raise UsageError(f"--{flag} and {' and '.join(used)} are mutually exclusive.")


def command(task: str, **flags: str | int | bool | None) -> str:
    """``inv TASK`` with its ``flags``, to be typed once more; those that are None or False are left out."""
    typed = []
    for name, value in flags.items():
        flag = f"--{name.rstrip('_').replace('_', '-')}"
        if value is not None and value is not False:
            typed.append(flag if value is True else f"{flag}={shlex.quote(str(value))}")
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
    from fastman_tasks.seeding import Options

    if pretend and commit_each:
        raise UsageError("--pretend and --commit-each exclude each other.")
    text = given("random-seed", random_seed)
    if text is not None and not (text.isascii() and text.isdigit()):
        raise UsageError(f"--random-seed={text} is not a whole number: 0, 1, 42, …")
    return Options(pretend, commit_each, None if text is None else int(text))
