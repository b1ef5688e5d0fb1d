"""Finds what may have been renamed, and has a decided rename take the place of what was dropped and added."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from alembic.autogenerate import produce_migrations
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Table

from fastman_tasks.errors import RenamesUndecided, UsageError
from fastman_tasks.making.decisions import Decisions
from fastman_tasks.making.enums.columns import renames_member
from fastman_tasks.making.renaming import keys as renamed_keys
from fastman_tasks.making.renaming.operations import RenameColumnOp, RenameTableOp
from fastman_tasks.making.renaming.view import Rename, Renames, seen
from fastman_tasks.names import Meaning


@dataclass(frozen=True)
class Candidate:
    """Something dropped and something added that could be one thing with a new name; ``likely`` where they are alike.

    ``flag`` is what --rename takes for it. ``before`` and ``after`` are column types; empty for a table.
    """

    rename: Rename
    operation: RenameColumnOp | RenameTableOp
    olds: tuple[str, ...]
    news: tuple[str, ...]
    before: str
    after: str
    likely: bool

    @property
    def flag(self) -> str:
        """``users.name:full_name``."""
        return f"{self.olds[0]}:{self.rename.new}"

    @property
    def question(self) -> str:
        """Was users.name renamed to users.full_name (VARCHAR(50))?"""
        kind = self.before if self.before == self.after else f"{self.before}, now {self.after}"
        what = f"{self.olds[0]} renamed to {self.news[0]} ({kind})" if kind else None
        return f"Was {what}?" if what else f"Was the table {self.olds[0]} renamed to {self.news[0]}?"

    def excludes(self, other: Candidate) -> bool:
        """Whether both cannot be: they are about the same dropped or added thing."""
        return self.olds[0] == other.olds[0] or self.news[0] == other.news[0]


@contextmanager
def carried_out(
    context: MigrationContext, script: ops.MigrationScript, decisions: Decisions, meaning: Meaning | None
) -> Iterator[Renames]:
    """Put the renames that are decided into ``script``, and what differs after them in place of what differs now.

    Within the block SQLAlchemy shows the database as it is after the renames. Raises RenamesUndecided for a likely
    rename that nobody has decided, UsageError for one in ``decisions`` that is none.
    """
    connection = context.bind
    upgrade = script.upgrade_ops
    assert connection is not None and upgrade is not None
    default = connection.dialect.default_schema_name
    done: list[Candidate] = []
    renames = Renames(default)
    offered: list[Candidate] = []
    with ExitStack() as stack:
        while True:
            found = list(_candidates(context, upgrade, renames))
            offered += [each for each in found if each not in offered]
            chosen = _chosen(found, decisions, meaning)
            if not chosen:
                of_things = [flag for flag in decisions.renames if not renames_member(context, flag)]
                _refuse_unused(of_things, done, offered)
                _refuse_undecided(found, decisions)
                break
            done += chosen
            renames = Renames(default, [each.rename for each in done])
            stack.close()
            stack.enter_context(seen(connection, renames))
            again = produce_migrations(context, context.opts["target_metadata"])
            assert again.upgrade_ops is not None
            upgrade.ops = again.upgrade_ops.ops
        if done:
            keys = renamed_keys.take_out(upgrade, connection.dialect)
            upgrade.ops = [*(each.operation for each in done), *keys, *upgrade.ops]
        yield renames


def _candidates(context: MigrationContext, upgrade: ops.UpgradeOps, renames: Renames) -> Iterator[Candidate]:
    dropped = [each for each in upgrade.ops if isinstance(each, ops.DropTableOp)]
    created = [each for each in upgrade.ops if isinstance(each, ops.CreateTableOp)]
    for new in created:
        pairs = [(old, _alike(old.to_table(), new.to_table())) for old in dropped if old.schema == new.schema]
        for old, share in sorted(pairs, key=lambda pair: -pair[1]):
            yield Candidate(
                Rename(old.schema, None, old.table_name, new.table_name),
                RenameTableOp(old.table_name, new.table_name, schema=old.schema),
                (_dotted(old.schema, old.table_name),),
                (_dotted(new.schema, new.table_name),),
                "",
                "",
                share >= 0.5,
            )
    for change in upgrade.ops:
        if isinstance(change, ops.ModifyTableOps):
            yield from _columns(context, change, renames)


def _columns(context: MigrationContext, change: ops.ModifyTableOps, renames: Renames) -> Iterator[Candidate]:
    dropped = [each.to_column() for each in change.ops if isinstance(each, ops.DropColumnOp)]
    schema, table = change.schema, change.table_name
    tables = dict.fromkeys((table, renames.old_table(table, schema)))
    for new in [each.column for each in change.ops if isinstance(each, ops.AddColumnOp)]:
        for old in sorted(dropped, key=lambda each: -SequenceMatcher(None, each.name, new.name).ratio()):
            yield Candidate(
                Rename(schema, table, old.name, new.name),
                RenameColumnOp.of(table, old, new.name, schema=schema),
                tuple(_dotted(schema, each, old.name) for each in tables),
                tuple(_dotted(schema, each, new.name) for each in tables),
                _compiled(context, old if context.impl.compare_type(old, new) else new),
                _compiled(context, new),
                _is_of_one_type(context, old, new),
            )


def _chosen(found: Sequence[Candidate], decisions: Decisions, meaning: Meaning | None) -> list[Candidate]:
    """Those of ``found`` that are decided to be renames. Raises UsageError for a --rename that can mean several."""
    named = {each.flag: each for flag in decisions.renames if (each := _meant(flag, found)) is not None}
    chosen: list[Candidate] = []
    for each in named.values():
        if any(each.excludes(other) for other in chosen):
            raise UsageError(f"--rename={each.flag} contradicts another --rename. Nothing was written.")
        chosen.append(each)
    for each in found:
        if meaning is not None and _says(meaning, each) and not any(each.excludes(other) for other in chosen):
            chosen.append(each)
    return chosen


def _refuse_undecided(found: Sequence[Candidate], decisions: Decisions) -> None:
    open_ = [each for each in found if each.likely and each.flag not in decisions.declined]
    if open_ and not decisions.no_renames:
        raise RenamesUndecided(_undecided(open_, decisions), open_)


def _meant(flag: str, found: Sequence[Candidate]) -> Candidate | None:
    old, _, new = flag.partition(":")
    fitting = [each for each in found if _ends(each.olds, old) and _ends(each.news, new)]
    exact = [each for each in fitting if each.flag == flag]
    if len(exact or fitting) > 1:
        listed = "".join(f"\n  --rename={each.flag}" for each in fitting)
        raise UsageError(f"--rename={flag} can mean several. Nothing was written. Choose:{listed}")
    return next(iter(exact or fitting), None)


def _ends(names: Sequence[str], text: str) -> bool:
    return any(name == text or name.endswith(f".{text}") for name in names)


def _says(meaning: Meaning, candidate: Candidate) -> bool:
    rename = candidate.rename
    wanted: tuple[str, ...]
    said: tuple[str | None, ...]
    if meaning.kind == "rename_table" and rename.table is None:
        wanted, said = (rename.old, rename.new), (meaning.table, meaning.new)
    elif meaning.kind == "rename_column" and rename.table is not None:
        tables = [name.split(".")[-2] for name in candidate.olds]
        table = next((each for each in tables if each.lower() == meaning.table), "")
        wanted, said = (table, rename.old, rename.new), (meaning.table, *meaning.columns, meaning.new)
    else:
        return False
    # A message is read in lower case.
    return tuple(each.lower() for each in wanted) == said


def _refuse_unused(of_things: Sequence[str], done: Sequence[Candidate], offered: Sequence[Candidate]) -> None:
    unused = [flag for flag in of_things if _meant(flag, done) is None]
    if unused:
        could = "".join(f"\n  --rename={flag}" for flag in dict.fromkeys(each.flag for each in offered))
        ways = f"What could be renamed:{could}" if could else "Nothing is both dropped and added, so nothing could be."
        raise UsageError(f"--rename={unused[0]} names no difference between models and database. {ways}")


def _undecided(open_: Sequence[Candidate], decisions: Decisions) -> str:
    likeliest: list[Candidate] = []
    for each in open_:
        if not any(each.excludes(other) for other in likeliest):
            likeliest.append(each)
    asked = "".join(f"\n  {each.question}" for each in open_)
    renamed = " ".join(f"--rename={shlex.quote(each.flag)}" for each in likeliest)
    drops, command = "" if decisions.allow_drops else " --allow-drops", decisions.command
    return (
        f"What was renamed keeps what is in it, what is dropped does not:{asked}\n"
        f"There is no terminal to ask on, so nothing was written.\n  Yes: {command} {renamed}\n"
        f"  No:  {command} --no-renames{drops}"
    )


def _alike(old: Table, new: Table) -> float:
    """The share of columns that the two tables have in common, by name; that both have an id alone says nothing."""
    one, other = set(old.columns.keys()), set(new.columns.keys())
    return len(one & other) / max(len(one), len(other)) if len(one & other) > 1 else 0


def _is_of_one_type(context: MigrationContext, old: Column[Any], new: Column[Any]) -> bool:
    if not context.impl.compare_type(old, new):
        return True
    try:
        # VARCHAR(50) and VARCHAR(100).
        return old.type.python_type is new.type.python_type
    except NotImplementedError:
        return False


def _compiled(context: MigrationContext, column: Column[Any]) -> str:
    return column.type.compile(dialect=context.dialect)


def _dotted(*parts: str | None) -> str:
    return ".".join(part for part in parts if part)
