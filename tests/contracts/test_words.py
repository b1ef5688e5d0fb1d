"""The project's English: one word for one thing, and the usual one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

# Texts are the same on every version.
pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parent.parent.parent
#: What people read: the sources of the package, the files that it writes, the documents.
TEXTS = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in (
        *(ROOT / "fastman_tasks").rglob("*.py"),
        *(ROOT / "templates").iterdir(),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / ".env.example",
    )
}
#: Phrases that are not used, as patterns, and what is written instead.
PHRASES = {
    r"\b(is|are|was|were) through\b": "has finished",
    r"\bwas had\b": "acquired",
    r'"""Gives\b': "Returns, Yields",
    r"\bt(ake|akes|aken|aking) (it|them|its rows|their rows)? ?back\b": "roll back, revert",
    r"\bgo no further\b": "stop at",
    r"\bdo not ask, in production\b": "skip confirmation, even in production",
    r"\bof (this|the) run nothing was kept\b|\bnothing of (this|the) (run|failed \w+)\b": "was rolled back",
    r"\bnothing says which\b|\bwhich (of \w+ \w+ )?is meant\b": "choose one",
    r"(?<!there )\b(is|are) no (SQLite|URL|duration|number|list|mapping|database|value|column|literal|name|part)\b": (
        "is not a valid …"
    ),
    r"\bexclude each other\b": "are mutually exclusive",
    r"\bnot understood\b": "could not be analysed",
    r"\bdeclined; nothing\b": "Cancelled; nothing was changed",
    r"\bnothing was done\b": "nothing was changed",
    r"\btaking it in\b": "Installation",
    r"entrance": "entry point",
    r"\bwhat is guaranteed\b": "Guarantees",
    r"\bcarried out, and still there\b": "Committed",
    r"\bsomebody else\b": "another process",
    r"\bhas what the models have not\b": "In the database but not in the models:",
    r"\bthe models define \d": "left out",
    r"\b(recorder|ledger|drafting)\b": "RowCounts, SentStatements, MigrationWriter",
}
#: Names that functions do not have: a function is a verb or a noun.
PARTICIPLES = {
    "anchored", "checked", "copied", "counted", "described", "explained", "exporting", "forked", "found", "given",
    "held", "holding", "masked", "named", "ordered", "redacted", "renewed", "selected", "shortened", "shown", "such",
    "told", "whereabouts", "written",
}  # fmt: skip


@pytest.mark.parametrize("phrase", PHRASES)
def test_phrases_that_are_not_english(phrase: str) -> None:
    """None of them stands in a message, a comment, a template or a document, not even across a line break."""
    # A line break may lie within a comment, or between two literals.
    joined = {name: re.sub(r'"?\n\s*(#:? |f?")?', " ", text) for name, text in TEXTS.items()}
    found = {name: match[0] for name, text in joined.items() if (match := re.search(phrase, text, re.IGNORECASE))}
    assert not found, f"Write: {PHRASES[phrase]}"


def test_functions_are_verbs_or_nouns() -> None:
    """No function is named by a participle, except for ``consent.named``, which reads as a sentence in a call."""
    found = [
        f"{name}: {node.name}"
        for name, text in TEXTS.items()
        if name.endswith(".py")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.name in PARTICIPLES
    ]
    assert found == ["fastman_tasks/consent.py: named"]
