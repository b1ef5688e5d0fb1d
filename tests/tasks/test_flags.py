"""Flags as they come from the command line, where a value may be missing, empty or another flag."""

from __future__ import annotations

import pytest

from fastman_tasks.errors import UsageError
from fastman_tasks.tasks import flags
from fastman_tasks.tasks.flags import Value


@pytest.mark.parametrize("value", [True, "", " ", "-x", "--force"])
def test_a_flag_without_a_value(value: Value) -> None:
    """A flag that was written without a value is wrong usage, and never the same as one that was not written."""
    with pytest.raises(UsageError, match=r"^--class needs a value"):
        flags.given("class", value)


def test_a_flag_with_a_value() -> None:
    """The value comes without the blanks around it; None is a flag that was not used."""
    assert flags.given("class", " UserSeeder ") == "UserSeeder"
    assert flags.given("class", None) is None


@pytest.mark.parametrize("value", [True, "", "0", "-1", "+1", "abc", "1.5", "1e3", "٣", "½", "1 2", "0x2"])
def test_steps_that_are_no_number(value: Value) -> None:
    """Only a positive whole number in plain digits is a number of migrations; the value is named."""
    with pytest.raises(UsageError, match="is not a number of migrations: 1, 2, 3, …") as refused:
        flags.steps_or_target(value, None)
    assert str(refused.value).startswith(f"--steps={'' if value is True else value} is not")


def test_steps_or_a_target() -> None:
    """One step by default, none where a target is given, never both."""
    assert flags.steps_or_target(None, None) == (1, None)
    assert flags.steps_or_target(" 12 ", None) == (12, None)
    assert flags.steps_or_target(3, None) == (3, None), "a task of the project's own may pass a number"
    assert flags.steps_or_target(None, "1a1a") == (None, "1a1a")
    with pytest.raises(UsageError, match="--steps and --to exclude each other"):
        flags.steps_or_target("1", "1a1a")
