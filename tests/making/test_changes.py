"""The order in which a migration drops."""

from __future__ import annotations

import random

from alembic.operations import ops
from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, Table

from fastman_tasks.making.changes import describe, sort_drops


def test_the_order_of_what_is_dropped_stays() -> None:
    """Alembic has it out of a set: by name, but a table before those that it refers to; what is added stays where it
    was."""
    metadata = MetaData()
    a = Table("a", metadata, Column("id", Integer, primary_key=True), Column("n", Integer))
    b = Table("b", metadata, Column("id", Integer, primary_key=True), Column("a_id", ForeignKey("a.id")))
    c = Table("c", metadata, Column("id", Integer, primary_key=True), Column("b_id", ForeignKey("b.id")))
    d = Table("d", metadata, Column("id", Integer, primary_key=True), Column("d_id", ForeignKey("d.id")))
    index = ops.DropIndexOp.from_index(Index("by_n", a.c.n))
    parts = [
        [ops.DropTableOp.from_table(a), ops.ModifyTableOps("a", [index])],
        *([ops.DropTableOp.from_table(each)] for each in (b, c, d)),
    ]
    for seed in range(10):
        random.Random(seed).shuffle(parts)
        columns = [ops.DropColumnOp("users", name) for name in ("x", "z", "y")]
        random.Random(seed).shuffle(columns)
        change = ops.ModifyTableOps("users", [ops.AddColumnOp("users", Column("n", Integer)), *columns])
        upgrade = ops.UpgradeOps([change, *(each for part in parts for each in part)])
        sort_drops(upgrade)
        assert [each.text for each in describe(upgrade)] == [
            "add column users.n",
            *(f"drop column users.{name}" for name in "xyz"),
            *("drop table c", "drop table b", "drop table a", "drop index by_n on a", "drop table d"),
        ]
