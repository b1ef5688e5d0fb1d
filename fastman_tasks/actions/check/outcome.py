"""The result of a check."""

from __future__ import annotations

from fastman_tasks.plans import Finding, Step, StepResult, StepState


def outcome(name: str, state: StepState, note: str = "", findings: tuple[Finding, ...] = ()) -> StepResult:
    """Returns the result of the check ``name``; ``note`` says what was checked, or why it was not."""
    return StepResult(Step("check", name), state, note=note, findings=findings)


def judge(name: str, findings: tuple[Finding, ...], note: str = "") -> StepResult:
    """Returns the result of the check ``name``, by what it found."""
    return outcome(name, "found" if findings else "passed", note, findings)
