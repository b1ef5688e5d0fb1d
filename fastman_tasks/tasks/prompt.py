"""Questions on the terminal: for consent, and for what was renamed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastman_tasks.tasks import console, views

if TYPE_CHECKING:
    from fastman_tasks.consent import Consent, Risk
    from fastman_tasks.errors import Candidate
    from fastman_tasks.making.decisions import Decisions
    from fastman_tasks.making.migration import Draft
    from fastman_tasks.plans import Report
    from fastman_tasks.project import Project


def consent(*, force: bool, confirm: str | None, json: bool, header: Callable[[], None]) -> Consent:
    """Returns a Consent that is given by the flags or, after the steps and losses are shown, by the user (default no).

    It raises ConsentMissing if the user cancels and, with the command that would work, if there is no terminal to ask
    on or stdout is for JSON; UsageError if ``confirm`` is the name of another database.
    """

    def agree(risk: Risk) -> None:
        from fastman_tasks.consent import require_name

        if not json:
            header()
            views.risk(risk)
        if confirm is not None:
            require_name(confirm, risk.database, flag="--confirm=")
        elif not (risk.level == "none" or (risk.level == "yes" and force)):
            _ask(risk, force, json)

    return agree


def _ask(risk: Risk, force: bool, json: bool) -> None:
    from fastman_tasks.consent import consent_command
    from fastman_tasks.errors import ConsentMissing

    if json or not console.can_ask():
        reason = risk.reason or ("data would be lost" if risk.losses else "the database is protected")
        enough = f" --force is not enough here: {reason}." if force else ""
        why = "--json never asks for confirmation" if json else "There is no terminal to ask on"
        command = consent_command(risk)
        if command is not None and json:
            command = replace(command, flags=(*command.flags, ("json", True)))
        raise ConsentMissing(f"{risk.question} {why}, so nothing was changed.{enough}", next=command)
    if risk.level == "name":
        name = risk.database.name
        agreed = console.ask(f"{risk.question} Type the database's name, {name}, to go ahead:") == name
    else:
        agreed = bool(console.choose(risk.question))
    if not agreed:
        raise ConsentMissing("Cancelled; nothing was changed.")


def decide(draft: Callable[[Decisions], Draft], decisions: Decisions, *, json: bool) -> Draft:
    """Returns the draft for ``decisions``, and for the user's answers to what they leave open.

    Raises RenamesUndecided if there is no terminal to ask on, or stdout is for ``json`` alone,
    ConsentMissing if the user cancels.
    """
    from fastman_tasks.errors import RenamesUndecided

    while True:
        try:
            return draft(decisions)
        except RenamesUndecided as undecided:
            if json or not console.can_ask():
                raise
            decisions = _ask_renames(undecided.candidates, decisions)


def _ask_renames(candidates: Sequence[Candidate], decisions: Decisions) -> Decisions:
    from fastman_tasks.errors import ConsentMissing

    renamed: list[Candidate] = []
    for candidate in candidates:
        if any(candidate.excludes(other) for other in renamed):
            continue
        answer = console.choose(candidate.question)
        if answer is None:
            raise ConsentMissing("Cancelled; nothing was written.")
        if answer:
            renamed.append(candidate)
    declined = {candidate.flag for candidate in candidates if candidate not in renamed}
    return replace(
        decisions,
        renames=(*decisions.renames, *(candidate.flag for candidate in renamed)),
        declined=decisions.declined | declined,
    )


def choosing(rebase: Callable[..., Report], *, json: bool) -> Callable[..., Report]:
    """Returns ``rebase``, which asks what to move where neither git nor a flag tells.

    It raises RebaseUndecided if there is no terminal to ask on, or stdout is for ``json`` alone, and ConsentMissing if
    the user cancels.
    """

    @functools.wraps(rebase)
    def choose(project: Project, **options: Any) -> Report:
        from fastman_tasks.errors import ConsentMissing, RebaseUndecided

        try:
            return rebase(project, **options)
        except RebaseUndecided as undecided:
            if json or not console.can_ask():
                raise
            # It is the reporter's.
            options["observer"].header()
            chosen = console.pick("Which command?", [str(each) for each in undecided.candidates])
            if chosen is None:
                raise ConsentMissing("Cancelled; nothing was changed.") from None
            command = undecided.candidates[chosen]
        return rebase(project, **{**options, "revision": command.words[0], **dict(command.flags)})

    return choose


def repairing(repair: Callable[..., Report], *, json: bool) -> Callable[..., Report]:
    """Returns ``repair``, which asks for the way out. It raises as what ``choosing`` returns does."""

    @functools.wraps(repair)
    def choose(project: Project, **options: Any) -> Report:
        from fastman_tasks.errors import ConsentMissing, RepairUndecided

        try:
            return repair(project, **options)
        except RepairUndecided as undecided:
            if json or not console.can_ask():
                raise
            options["observer"].header()
            console.lines(undecided.what)
            chosen = console.pick("What is to be done?", [what for what, _ in undecided.ways.values()])
            if chosen is None:
                raise ConsentMissing("Cancelled; nothing was changed.") from None
            way = [*undecided.ways][chosen]
        return repair(project, way=way, **options)

    return choose
