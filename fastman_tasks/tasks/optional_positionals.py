"""Positional arguments that may be left out, which Invoke does not have: a word is passed on as a flag."""

from __future__ import annotations

from invoke import Collection, Program


def name_positionals(program: Program) -> None:
    """Write ``inv migrate.rebase add_email`` as ``inv migrate.rebase --revision=add_email`` before it is parsed."""
    program.core.unparsed[:] = spell_out(program.core.unparsed, program.collection)


def spell_out(words: list[str], collection: Collection) -> list[str]:
    """Returns ``words``, what follows Invoke's own flags, with the positional arguments that may be left out as
    flags."""
    known = {alias: name for name, aliases in collection.task_names.items() for alias in (name, *aliases)}
    found: list[str] = []
    takes_value: dict[str, bool] = {}
    wanted = None
    for word in words:
        after_flag = bool(found) and takes_value.get(found[-1], False)
        if word in known and not after_flag:
            task = collection[known[word]]
            wanted = getattr(task, "optional_positional", None)
            # Others have words of their own.
            takes_value = {f"--{each.name}": each.takes_value for each in task.get_arguments()} if wanted else {}
        elif wanted is not None and not word.startswith("-") and not after_flag:
            word, wanted = f"--{wanted}={word}", None
        found.append(word)
    return found
