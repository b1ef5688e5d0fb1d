"""The result of a check."""

from __future__ import annotations

from fastman_tasks.errors import MigrationFailed
from fastman_tasks.plans import Finding, Step, StepResult, StepState


def outcome(name: str, state: StepState, note: str = "", findings: tuple[Finding, ...] = ()) -> StepResult:
    """Returns the result of the check ``name``; ``note`` says what was checked, or why it was not."""
    return StepResult(Step("check", name), state, note=note, findings=findings)


def judge(name: str, findings: tuple[Finding, ...], note: str = "") -> StepResult:
    """Returns the result of the check ``name``, by what it found."""
    return outcome(name, "found" if findings else "passed", note, findings)


def brief(error: Exception) -> str:
    """Returns what ``error`` says without what is to be done about it: nobody migrates a scratch database by hand."""
    if not isinstance(error, MigrationFailed):
        return str(error)
    first, *more = str(error).splitlines()
    return "\n".join([first, *(line for line in more if line.startswith("  Statement: "))])
