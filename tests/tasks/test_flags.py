"""Flags as they come from the command line, where a value may be missing, empty or another flag."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

import pytest

from fastman_tasks.errors import UsageError
from fastman_tasks.tasks.flags import flags_of, parse


def command(
    project: object,
    message: str = "",
    steps: int | None = None,
    class_: str | None = None,
    rename: tuple[str, ...] = (),
    backfill: list[str] | None = None,
    wait: timedelta = timedelta(seconds=5),
    shape: Literal["table", "json"] = "table",
    force: bool = False,
    rate: float = 0.5,
    times=2,
    only: tuple[str, ...] = ("users",),
) -> None:
    """One flag of each kind."""


FLAGS = flags_of(command)


def value(name: str, typed: Any) -> Any:
    """What ``typed`` means for the flag ``name``."""
    return parse(FLAGS, {name: typed})[name]


@pytest.mark.parametrize("typed", [True, "", " ", "-x", "--force"])
@pytest.mark.parametrize(("name", "flag"), [("class_", "class"), ("steps", "steps"), ("shape", "shape")])
def test_a_flag_without_a_value(typed: str | bool, name: str, flag: str) -> None:
    """A flag that was written without a value is wrong usage, and never the same as one that was not written."""
    with pytest.raises(UsageError, match=rf"^--{flag} needs a value"):
        value(name, typed)


def test_a_flag_with_a_value() -> None:
    """The value comes without the blanks around it; None is a flag that was not used."""
    assert value("class_", " UserSeeder ") == "UserSeeder"
    assert parse(FLAGS, {}) == {
        "message": "", "steps": None, "class_": None, "rename": (), "backfill": None, "wait": timedelta(seconds=5),
        "shape": "table", "force": False, "rate": 0.5, "times": 2, "only": ("users",),
    }  # fmt: skip


@pytest.mark.parametrize("typed", ["+1", "abc", "1.5", "1e3", "٣", "½", "1 2", "0x2", "--1"])
def test_what_is_no_number(typed: str) -> None:
    """Only a whole number in plain digits is one; the flag and its value are named."""
    with pytest.raises(UsageError, match=r"^--steps") as refused:
        value("steps", typed)
    assert typed in str(refused.value)


def test_numbers() -> None:
    """As text, or as a number from a task of the project's own."""
    assert value("steps", " 12 ") == 12
    assert value("steps", 3) == 3
    assert value("steps", "-1") == -1
    assert value("rate", "-0.25") == -0.25
    assert value("times", "3") == 3, "by its default"
    with pytest.raises(UsageError, match=r"^--rate=half is not a number."):
        value("rate", "half")


def test_names_and_repeated_texts() -> None:
    """Names come by commas or by repeating the flag; other texts may have commas of their own."""
    assert value("rename", ["a:b, c:d", "e:f"]) == ("a:b", "c:d", "e:f")
    assert value("rename", "a:b") == ("a:b",)
    assert value("backfill", ["a, b", "c"]) == ["a, b", "c"]
    # Invoke's list of a flag that was not used.
    assert value("backfill", []) is None
    assert value("only", []) == ("users",)
    for typed in ([""], ["a", "--force"]):
        with pytest.raises(UsageError, match=r"^--rename needs a value"):
            value("rename", typed)


def test_durations_and_choices() -> None:
    """The flag and its value are named where they make no sense."""
    assert value("wait", "2m") == timedelta(minutes=2)
    assert value("wait", timedelta(seconds=1)) == timedelta(seconds=1)
    with pytest.raises(UsageError, match=r"^--wait=soon is not a valid duration. Write 500ms, 5s or 2m."):
        value("wait", "soon")
    assert value("shape", "json") == "json"
    with pytest.raises(UsageError, match=r"^--shape=xml is not one of table, json."):
        value("shape", "xml")
