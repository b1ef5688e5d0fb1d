"""The actions as names of their package: each is a function, and is imported when it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest


def _run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    "first",
    ["import fastman_tasks.actions.setup, fastman_tasks.actions.refresh", "from fastman_tasks.actions import *"],
)
def test_each_name_is_a_function(first: str) -> None:
    """Also where a module of the same name was imported before, directly or by another action."""
    code = f"""
{first}
from types import FunctionType
from fastman_tasks import actions
from fastman_tasks.actions import migrate
print([name for name in dir(actions) if type(getattr(actions, name)) is FunctionType] == sorted(actions.__all__))
print(migrate is actions.migrate, migrate.__module__)
"""
    assert _run(code).split() == ["True", "True", "fastman_tasks.actions.migrate"]


def test_only_what_is_asked_for_is_imported() -> None:
    """Neither the other actions nor what they need; and what there is not is said as of any module."""
    code = """
import sys
from fastman_tasks import actions
before = [name for name in sys.modules if name.startswith("fastman_tasks.actions.")]
actions.migrate
wanted = [name for name in ("fresh", "setup", "check", "rebase") if f"fastman_tasks.actions.{name}" in sys.modules]
print(before, wanted, hasattr(actions, "migrat"))
"""
    assert _run(code) == "[] [] False"
