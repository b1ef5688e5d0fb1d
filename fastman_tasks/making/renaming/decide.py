"""Has a decided rename take the place of what was dropped and added."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from alembic.autogenerate import produce_migrations
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext

from fastman_tasks.errors import UsageError
from fastman_tasks.making.changes import sort_drops
from fastman_tasks.making.decisions import Decisions, Questions
from fastman_tasks.making.renaming import keys as renamed_keys
from fastman_tasks.making.renaming.candidates import PossibleRename, find
from fastman_tasks.making.renaming.view import Renames, show_renamed
from fastman_tasks.names import Meaning


@contextmanager
def carry_out(
    context: MigrationContext,
    script: ops.MigrationScript,
    questions: Questions,
    meaning: Meaning | None,
    others: Container[str],
) -> Iterator[Renames]:
    """Put the renames that are decided into ``script``, and what differs after them in place of what differs now.

    Within the block SQLAlchemy shows the database as it is after the renames. ``questions`` get each likely
    rename that nobody has decided, with which it goes on. Raises UsageError for one in their decisions that is none;
    ``others`` are not about tables and columns.
    """
    decisions = questions.decisions
    connection = context.bind
    upgrade = script.upgrade_ops
    assert connection is not None and upgrade is not None
    default = connection.dialect.default_schema_name
    done: list[PossibleRename] = []
    renames = Renames(default)
    offered: list[PossibleRename] = []
    with ExitStack() as stack:
        while True:
            sort_drops(upgrade)
            found = list(find(context, upgrade, renames))
            offered += [each for each in found if each not in offered]
            chosen = _choose(found, decisions, meaning) or _ask(found, questions)
            if meaning is not None and any(_says(meaning, each, _is_plural) for each in chosen):
                meaning = None
            if not chosen:
                flags = [flag for flag in decisions.renames if flag not in others]
                _refuse_unused(flags, done, offered)
                break
            done += chosen
            renames = Renames(default, [each.rename for each in done])
            stack.close()
            stack.enter_context(show_renamed(connection, renames))
            again = produce_migrations(context, context.opts["target_metadata"])
            assert again.upgrade_ops is not None
            upgrade.ops = again.upgrade_ops.ops
        if done:
            keys = renamed_keys.take_out(upgrade, connection.dialect)
            upgrade.ops = [*(each.operation for each in done), *keys, *upgrade.ops]
        yield renames


def _choose(found: Sequence[PossibleRename], decisions: Decisions, meaning: Meaning | None) -> list[PossibleRename]:
    """Those of ``found`` that are decided to be renames. Raises UsageError for a --rename that can mean several."""
    named = {each.flag: each for flag in decisions.renames if (each := _match(flag, found)) is not None}
    chosen: list[PossibleRename] = []
    for each in named.values():
        if any(each.excludes(other) for other in chosen):
            raise UsageError(f"--rename={each.flag} contradicts another --rename. Nothing was written.")
        chosen.append(each)
    # In a message, people say users of a table user, and the other way round.
    for is_same in (str.__eq__, _is_plural):
        said = [each for each in found if meaning is not None and _says(meaning, each, is_same)]
        chosen += [each for each in said if not any(each.excludes(other) for other in chosen)]
        if said:
            break
    return chosen


def _ask(found: Sequence[PossibleRename], questions: Questions) -> list[PossibleRename]:
    """Those of ``found`` to go on with, of which nobody has said that they are none."""
    if questions.decisions.no_renames:
        return []
    open_ = [each for each in found if each.likely and each.flag not in questions.decisions.declined]
    likeliest = questions.ask_renames(open_, drops=True)
    return [each for each in open_ if each in likeliest]


def _match(flag: str, found: Sequence[PossibleRename]) -> PossibleRename | None:
    old, _, new = flag.partition(":")
    fitting = [each for each in found if _ends(each.olds, old) and _ends(each.news, new)]
    exact = [each for each in fitting if each.flag == flag]
    if len(exact or fitting) > 1:
        listed = "".join(f"\n  --rename={shlex.quote(each.flag)}" for each in fitting)
        raise UsageError(f"--rename={flag} can mean several. Nothing was written. Choose:{listed}")
    return next(iter(exact or fitting), None)


def _ends(names: Sequence[str], text: str) -> bool:
    return any(name == text or name.endswith(f".{text}") for name in names)


def _is_plural(one: str, other: str) -> bool:
    """Whether both words are the same, or one is the other's plural."""
    short, long = sorted((one, other), key=len)
    return long in (short, f"{short}s", f"{short}es", f"{short.removesuffix('y')}ies")


def _says(meaning: Meaning, candidate: PossibleRename, is_same: Callable[[str, str], bool]) -> bool:
    rename = candidate.rename
    wanted: tuple[str, ...]
    said: tuple[str | None, ...]
    if meaning.kind == "rename_table" and rename.table is None:
        tables, wanted, said = [rename.old], (rename.new,), (meaning.new,)
    elif meaning.kind == "rename_column" and rename.table is not None:
        tables = [name.split(".")[-2] for name in candidate.olds]
        wanted, said = (rename.old, rename.new), (*meaning.columns, meaning.new)
    else:
        return False
    # A message is read in lower case.
    is_about = any(is_same(each.lower(), meaning.table or "") for each in tables)
    return is_about and tuple(each.lower() for each in wanted) == said


def _refuse_unused(flags: Sequence[str], done: Sequence[PossibleRename], offered: Sequence[PossibleRename]) -> None:
    unused = [flag for flag in flags if _match(flag, done) is None]
    if unused:
        could = "".join(f"\n  --rename={shlex.quote(flag)}" for flag in dict.fromkeys(each.flag for each in offered))
        ways = f"What could be renamed:{could}" if could else "Nothing is both dropped and added, so nothing could be."
        raise UsageError(f"--rename={unused[0]} names no difference between models and database. {ways}")
