"""Reading a downgrade() without a database: what is seen, and that nothing gets through."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import op
from alembic.operations import ops
from sqlalchemy.dialects import postgresql, sqlite

from fastman_tasks.recorder import irreversible, record

DIALECT = postgresql.dialect()


def kinds(function: object) -> list[str]:
    """The classes of the operations that ``function`` carries out, in order."""
    return [type(operation).__name__ for operation in record(function, DIALECT).operations]  # type: ignore[arg-type]


def test_operations_in_order() -> None:
    """Directives, batches (also with recreate) and raw SQL; what create_table gives back can be used."""

    def downgrade() -> None:
        table = op.create_table("old", sa.Column("a", sa.Integer))
        op.bulk_insert(table, [{"a": 1}])
        op.drop_index("i", table_name="t")
        with op.batch_alter_table("t", schema="s", recreate="always") as batch:
            batch.drop_column("a")
            batch.alter_column("b", new_column_name="c")
            batch.drop_constraint("u", type_="unique")
        op.execute(sa.text("DELETE FROM t"))
        with op.get_context().autocommit_block():
            op.execute("VACUUM")
        op.drop_table("t", schema="s")

    expected = ["CreateTableOp", "BulkInsertOp", "DropIndexOp", "DropColumnOp", "AlterColumnOp", "DropConstraintOp"]
    recording = record(downgrade, DIALECT)
    assert [type(each).__name__ for each in recording.operations] == [
        *expected,
        *("ExecuteSQLOp", "ExecuteSQLOp", "DropTableOp"),
    ]
    assert recording.error is None
    dropped = recording.operations[3]
    assert isinstance(dropped, ops.DropColumnOp)
    assert (dropped.schema, dropped.table_name, dropped.column_name) == ("s", "t", "a")


def test_what_asks_the_database_ends_the_recording() -> None:
    """What came before it is known; the error is kept, and the next recording starts afresh."""

    def downgrade() -> None:
        op.drop_table("a")
        if op.get_bind().execute(sa.text("SELECT 1")).scalar():
            op.drop_table("b")

    recording = record(downgrade, DIALECT)
    assert [type(each).__name__ for each in recording.operations] == ["DropTableOp"]
    assert recording.error is not None
    assert kinds(lambda: op.drop_table("c")) == ["DropTableOp"]


@pytest.mark.parametrize("is_open", [False, True])
def test_an_engine_of_the_migrations_own(tmp_path: Path, is_open: bool) -> None:
    """A downgrade() that brings its own engine, connected already or not, reaches no database."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/a.db")
    if is_open:
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE a (b INT)")
            connection.exec_driver_sql("INSERT INTO a VALUES (1)")

    def downgrade() -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE a")

    assert record(downgrade, sqlite.dialect()).error is not None
    if is_open:
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT b FROM a").all() == [(1,)]
    else:
        assert not list(tmp_path.iterdir())
    engine.dispose()


@pytest.mark.parametrize(
    ("up", "down", "stuck"),
    [
        ("op.execute('x')", "op.drop_table('a')", False),
        ("pass", "pass", False),
        ("op.execute('x')", "pass", True),
        ("op.execute('x')", "if False:\n        pass", False),
        ("op.execute('x')", "if op.get_context().dialect.name == 'mysql':\n        raise NotImplementedError", False),
        (
            "op.execute('x')",
            "if op.get_context().dialect.name == 'postgresql':\n        raise NotImplementedError",
            True,
        ),
        ("op.execute('x')", "op.run_async(lambda connection: None)", False),
        ("op.execute('x')", "op.get_bind().scalar('x')\n    raise RuntimeError", False),
    ],
)
def test_irreversible(tmp_path: Path, up: str, down: str, stuck: bool) -> None:
    """What Alembic itself refuses without a database says nothing about the migration."""
    import types

    file = tmp_path / "one.py"
    file.write_text(
        f"from alembic import op\n\n\ndef upgrade():\n    {up}\n\n\ndef downgrade():\n    {down}\n", "utf-8"
    )
    module = types.ModuleType("one")
    exec(compile(file.read_text("utf-8"), str(file), "exec"), module.__dict__)
    assert (irreversible(module, file, DIALECT) is not None) is stuck
