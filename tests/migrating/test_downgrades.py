"""Reading a version file without running it: what it drops, what cannot be told, and what cannot be rolled back."""

from __future__ import annotations

import py_compile
import textwrap
from pathlib import Path

import pytest

from fastman_tasks.migrating.downgrades import EMPTY, irreversible_reason, read
from fastman_tasks.migrating.reading.directives import Operation

REFUSES = "its downgrade() raises NotImplementedError"


def write(folder: Path, down: str, head: str = "", up: str = "op.execute('x')", imports: str = "op") -> Path:
    """A version file; ``head`` stands before its functions."""
    lead = {"op": "import sqlalchemy as sa\nfrom alembic import op\n"}.get(imports, imports)
    upgrade, downgrade = (textwrap.indent(textwrap.dedent(body).strip(), "    ") for body in (up, down))
    file = folder / "one.py"
    head = textwrap.dedent(head)
    file.write_text(f"{lead}\n{head}\n\ndef upgrade():\n{upgrade}\n\n\ndef downgrade():\n{downgrade}\n", "utf-8")
    return file


def found(file: Path, dialect: str = "postgresql") -> list[str]:
    """What downgrade() does, a line an operation: ``drop table s.t``, ``sql DELETE FROM t``, ``? op.foo()``."""
    reading = read(file, "downgrade", dialect)
    assert reading is not None
    return [
        " ".join(part for part in (each.kind, each.table, each.column, each.new, each.text) if part)
        for each in reading.operations
    ]


LITERAL = {
    "op.drop_table('a')": ["drop table a"],
    "op.drop_table(table_name='a', schema='s')": ["drop table s.a"],
    "op.drop_table('a', schema=None)": ["drop table a"],
    "op.drop_table(op.f('a'))": ["drop table a"],
    "op.drop_table(sa.quoted_name('A', quote=True))": ["drop table A"],
    "op.drop_table('a' + 'b')": ["drop table ab"],
    "op.drop_table(*('a',), **{'schema': 's'})": ["drop table s.a"],
    "op.drop_column('a', 'b')": ["drop column a b"],
    "op.drop_column('a', column_name='b', schema='s')": ["drop column s.a b"],
    "op.drop_column(column_name='b', table_name='a')": ["drop column a b"],
    "op.rename_table('a', 'b', schema='s')": ["rename table s.a s.b"],
    "op.alter_column('a', 'b', new_column_name='c')": ["rename column a b c"],
    "op.alter_column('a', 'b', nullable=False, existing_type=sa.String())": [],
    "op.create_table('a', sa.Column('b', sa.Integer), schema='s')": ["create table s.a"],
    "op.add_column('a', sa.Column('b', sa.Integer), schema='s')": ["add column s.a b"],
    "op.create_table('a', if_not_exists=True)": [],
    "with op.batch_alter_table('a') as batch:\n    batch.drop_column('b')": ["drop column a b"],
    "with op.batch_alter_table('a', schema='s', recreate='always') as batch:\n"
    "    batch.drop_column(column_name='b')\n"
    "    batch.alter_column('c', new_column_name='d')\n"
    "    batch.add_column(sa.Column('e', sa.Integer))\n"
    "    batch.drop_constraint('u', type_='unique')\n"
    "    batch.drop_index(batch.f('i'))": ["drop column s.a b", "rename column s.a c d", "add column s.a e"],
    "with op.batch_alter_table('a', None) as one, op.batch_alter_table('b') as two:\n"
    "    one.drop_column('c')\n    two.drop_column('d')": ["drop column a c", "drop column b d"],
    "batch = op.batch_alter_table('a')\nwith batch as inner:\n    inner.drop_column('b')": ["drop column a b"],
    "with op.get_context().autocommit_block():\n    op.drop_table('a')": ["drop table a"],
    "op.execute('DELETE FROM a')": ["sql DELETE FROM a"],
    "op.execute('DELETE '\n    'FROM a')": ["sql DELETE FROM a"],
    "op.execute(sqltext='DELETE FROM a', execution_options={})": ["sql DELETE FROM a"],
    "op.execute(sa.text('DELETE FROM a WHERE b = :b').bindparams(b=1))": ["sql DELETE FROM a WHERE b = :b"],
    "op.execute(sa.DDL('DROP VIEW v'))": ["sql DROP VIEW v"],
    "op.get_bind().execute(sa.text('DELETE FROM a'))": ["sql DELETE FROM a"],
    "bind = op.get_bind()\nbind.exec_driver_sql('DELETE FROM a')": ["sql DELETE FROM a"],
    "op.get_context().bind.execute(sa.text('DELETE FROM a'))": ["sql DELETE FROM a"],
    "from sqlalchemy import orm\nwith orm.Session(bind=op.get_bind()) as session:\n"
    "    session.execute(sa.text('DELETE FROM a'))\n    session.commit()": ["sql DELETE FROM a"],
}


@pytest.mark.parametrize("down", LITERAL)
def test_literal_operations(tmp_path: Path, down: str) -> None:
    """By position and by keyword, in batches and blocks, with schemas, and statements as they stand."""
    assert found(write(tmp_path, down)) == LITERAL[down]


NOTHING = [
    "op.bulk_insert(sa.table('a', sa.column('b')), [{'b': 1}])",
    "op.create_index(op.f('i'), 'a', ['b'], unique=True)",
    "op.create_foreign_key(None, 'a', 'b', ['c'], ['d'])",
    "op.create_unique_constraint('u', 'a', ['b'])",
    "op.create_check_constraint('c', 'a', sa.column('b') > 1)",
    "op.create_primary_key('p', 'a', ['b'])",
    "op.drop_constraint(op.f('u'), 'a', type_='unique')",
    "op.drop_index('i', table_name='a')",
    "op.create_table_comment('a', 'b')",
    "op.execute(sa.table('a').insert().values(b=1))",
    "op.get_bind().execute(sa.insert(sa.table('a')), [{'b': 1}])",
    "inspector = sa.inspect(op.get_bind())\nif 'a' in inspector.get_table_names():\n    op.drop_index('i')",
    "sa.Enum(name='mood').drop(op.get_bind(), checkfirst=True)",
    "postgresql.ENUM('a', name='mood').create(op.get_bind())",
    "logger.info('going back %s', len(TABLES))",
    "op.alter_column('a', 'b', type_=GUID(), existing_type=types.Money(2))",
    "op.add_column(NAME, sa.Column('c', GUID()))",
    "bind = op.get_bind()\nif isinstance(bind, sa.Connection):\n    print(bind)",
    "if context.is_offline_mode():\n    print('offline')",
    "pass",
]


@pytest.mark.parametrize("down", NOTHING)
def test_what_loses_nothing(tmp_path: Path, down: str) -> None:
    """Additions, constraints, indexes, types, types of columns from elsewhere, logging, questions to an inspector."""
    head = """
        import logging
        from alembic import context
        from app import GUID, NAME, types
        from sqlalchemy.dialects import postgresql

        logger = logging.getLogger("alembic")
        TABLES = ["a"]
    """
    assert found(write(tmp_path, down, head)) == []


UNKNOWN = {
    "op.execute(f'DROP TABLE {name}')": "op.execute(f'DROP TABLE {name}')",
    "op.execute(f'CREATE TABLE a (b INT)')": "op.execute(f'CREATE TABLE a (b INT)')",
    "op.execute('DROP TABLE %s' % name)": "op.execute('DROP TABLE %s' % name)",
    "op.execute(sa.table('a').delete())": "op.execute(sa.table('a').delete())",
    "op.execute(sa.table('a').insert().on_conflict_do_update())": None,
    "op.drop_table(name)": "op.drop_table(name)",
    "op.drop_table()": "op.drop_table()",
    "op.drop_table('a', schema=name)": None,
    "op.drop_table(*name)": "op.drop_table(*name)",
    "op.drop_column('a', name)": "op.drop_column('a', name)",
    "op.rename_table('a', name)": "op.rename_table('a', name)",
    "op.alter_column('a', 'b', new_column_name=name)": None,
    "with op.batch_alter_table(name) as batch:\n    batch.drop_column('b')": "batch.drop_column('b')",
    "op.invoke(object)": "op.invoke(object)",
    "op.drop_view('v')": "op.drop_view('v')",
    "op.run_async(name)": "op.run_async(name)",
    "refresh(op.get_bind())": "refresh(op.get_bind())",
    "refresh()": "refresh()",
    "lib.refresh(  'a',\n    'b')": "lib.refresh( 'a', 'b')",
    "op.get_bind().execute(sa.table('a').delete())": "op.get_bind().execute(sa.table('a').delete())",
    "Session(bind=op.get_bind()).query(name).delete()": "Session(bind=op.get_bind()).query(name).delete()",
    "sa.table('a').drop(op.get_bind())": "sa.table('a').drop(op.get_bind())",
    "sa.MetaData().drop_all(bind=op.get_bind())": "sa.MetaData().drop_all(bind=op.get_bind())",
    "getattr(op, 'drop_' + 'table')('a')": "getattr(op, 'drop_' + 'table')('a')",
    "list(map(op.drop_table, ['a']))": "map(op.drop_table, ['a'])",
    "names = ['a']\nnames.append('b')\nfor each in names:\n    op.drop_table(each)": "op.drop_table(each)",
    "names = ['a']\nnames += ['b']\nfor each in names:\n    op.drop_table(each)": "op.drop_table(each)",
    "names = {}\nnames['a'] = 'b'\nfor each in names:\n    op.drop_table(each)": "op.drop_table(each)",
    "for each in name:\n    op.drop_table(each)": "op.drop_table(each)",
    "if name:\n    op.rename_table('a', 'b')": "op.rename_table('a', 'b')",
    "op.drop_table({'a': 'b'}.get(op.f))": None,
    "for a in sa.inspect(op.get_bind()).get_table_names():\n    for b in a:\n        lib.f(b).g()": "lib.f(b).g()",
    "if name:\n    raise lib.Failed(name)\nrefresh()": "refresh()",
    "globals()['refresh']()": "globals()['refresh']()",
    "exec('x')": "exec('x')",
    "connect('postgresql://ann:sesame@db/shop')": "connect('postgresql://ann:***@db/shop')",
}


@pytest.mark.parametrize("down", UNKNOWN)
def test_what_cannot_be_analysed(tmp_path: Path, down: str) -> None:
    """It is one operation a call, with its line and its source, in which no password is shown."""
    file = write(tmp_path, down, "from app import connect, lib, name, refresh\nfrom sqlalchemy.orm import Session\n")
    reading = read(file, "downgrade", "postgresql")
    assert reading is not None
    [unknown] = reading.operations
    assert unknown.kind == "?"
    assert unknown.text == (UNKNOWN[down] or down)
    lines = file.read_text("utf-8").splitlines()
    assert unknown.text.split("(")[0] in lines[unknown.line - 1]


FOLLOWED = {
    "for name in ['a', 'b']:\n    op.drop_table(name)": ["drop table a", "drop table b"],
    "for table, column in {'a': 'b'}.items():\n    op.drop_column(table, column)": ["drop column a b"],
    "for table, column in (('a', 'b'), ['c', 'd']):\n    op.drop_column(table, column)": [
        "drop column a b",
        "drop column c d",
    ],
    "for name in reversed(TABLES):\n    op.drop_table(name)": ["drop table users", "drop table tags"],
    "for name in TABLES[::-1]:\n    op.drop_table(name)": ["drop table users", "drop table tags"],
    "for number, name in enumerate(TABLES):\n    op.drop_table(name)": ["drop table tags", "drop table users"],
    "[op.drop_table(name) for name in TABLES if name != 'tags']": ["drop table users"],
    "op.drop_table(COLUMNS.get('a')[0])": ["drop table users"],
    "op.drop_table(COLUMNS.get('b', 'none'))": ["drop table none"],
    "op.drop_table(NAME)": ["drop table users"],
    "op.drop_column(COLUMNS['a'][0], COLUMNS['a'][1])": ["drop column users email"],
    "drop('a')": ["drop table a", "drop column b c"],
    "drop('a', column='d')": ["drop table a", "drop column b d"],
    "drop(*['a'], **{'column': 'd'})": ["drop table a", "drop column b d"],
    "op.drop_table(named('a'))": ["drop table old_a"],
    "(lambda name: op.drop_table(name))('a')": ["drop table a"],
    "def inner():\n    op.drop_table(NAME)\ninner()": ["drop table users"],
    "if asked():\n    op.drop_table('a')\nelif not NAME:\n    op.drop_table('b')\nelse:\n    op.drop_table('c')": [
        "? asked()",
        "drop table a",
        "drop table c",
    ],
    "if op.get_bind().dialect.name == 'sqlite':\n    op.drop_table('a')\nelse:\n    op.drop_table('b')": [
        "drop table b"
    ],
    "if op.get_context().dialect.name in ('sqlite', 'postgresql'):\n    op.drop_table('a')": ["drop table a"],
    "try:\n    op.drop_table('a')\nexcept Exception:\n    op.drop_table('b')\nelse:\n    op.drop_table('c')\n"
    "finally:\n    op.drop_table('d')": ["drop table a", "drop table c", "drop table b", "drop table d"],
    "while sa.inspect(op.get_bind()).has_table('a'):\n    op.drop_table('a')": ["drop table a"],
    "match sa.inspect(op.get_bind()).default_schema_name:\n    case 'x':\n        op.drop_table('a')\n"
    "    case other:\n        op.drop_table(other)": ["drop table a", "? op.drop_table(other)"],
    "name = 'a'\nwhile sa.inspect(op.get_bind()).has_table('a'):\n    op.drop_table(name)\n    name = 'b'": [
        "drop table a",
        "? op.drop_table(name)",
    ],
    "op.drop_table('a')\nreturn\nop.drop_table('b')": ["drop table a"],
    # What may not be made is lost when it is dropped.
    "if not sa.inspect(op.get_bind()).has_table('a'):\n    op.create_table('a')\nop.drop_table('a')": ["drop table a"],
    "if sa.inspect(op.get_bind()).has_table('a'):\n    return\nop.create_table('a')\nop.drop_table('a')": [
        "drop table a"
    ],
    "again()": ["drop table a"] * 19 + ["? again()"],
}


@pytest.mark.parametrize("down", FOLLOWED)
def test_what_is_followed(tmp_path: Path, down: str) -> None:
    """Loops over literals, constants and helpers of the file; of what the source does not decide, every branch."""
    head = """
        from app import asked

        NAME = "users"
        TABLES = ["tags", NAME]
        COLUMNS = {"a": ("users", "email")}


        def drop(table, *, column="c"):
            op.drop_table(table)
            with op.batch_alter_table("b") as batch:
                batch.drop_column(column)


        def named(table):
            return "old_" + table


        def again():
            op.drop_table("a")
            again()
    """
    assert found(write(tmp_path, down, head)) == FOLLOWED[down]


@pytest.mark.parametrize(
    ("imports", "down"),
    [
        ("from alembic.op import drop_table", "drop_table('a')"),
        ("from alembic.op import drop_table as drop", "drop('a')"),
        ("import alembic.op as op", "op.drop_table('a')"),
        ("import alembic", "alembic.op.drop_table('a')"),
        ("import alembic.op", "alembic.op.drop_table('a')"),
        ("from alembic import op as o", "o.drop_table('a')"),
        ("from alembic import op\ndrop = op.drop_table", "drop('a')"),
        ("", "from alembic import op\nop.drop_table('a')"),
        ("try:\n    from alembic import op\nexcept ImportError:\n    op = None\n", "op.drop_table('a')"),
    ],
)
def test_names_of_op(tmp_path: Path, imports: str, down: str) -> None:
    """However the directives are imported; only where op may be something else, it is not told."""
    expected = ["? op.drop_table('a')"] if "None" in imports else ["drop table a"]
    assert found(write(tmp_path, down, imports=imports)) == expected


@pytest.mark.parametrize(
    ("up", "down", "why"),
    [
        ("op.execute('x')", "op.drop_table('a')", None),
        ("pass", "pass", None),
        ("op.execute('x')", "pass", EMPTY),
        ("op.execute('x')", '"""Nothing."""', EMPTY),
        ("op.execute('x')", "...", EMPTY),
        ("op.execute('x')", "return None", EMPTY),
        ("op.execute('x')", '"""Nothing to undo."""', None),
        ("op.execute('x')", '"""nothing to undo: the names were upper case before, too.\n\nReally.\n"""\nreturn', None),
        ("op.execute('x')", '"""There is nothing to undo."""', EMPTY),
        ("op.execute('x')", "if False:\n    pass", None),
        ("op.execute('x')", "raise NotImplementedError", REFUSES),
        ("op.execute('x')", "raise NotImplementedError('gone') from None", REFUSES),
        ("op.execute('x')", '"""Nothing to undo."""\nraise NotImplementedError', REFUSES),
        ("op.execute('x')", "op.drop_table('a')\nraise NotImplementedError", REFUSES),
        ("op.execute('x')", "refuse()", REFUSES),
        ("op.execute('x')", "op.drop_table('a')\nrefuse()", REFUSES),
        ("op.execute('x')", "raise Irreversible('gone')", REFUSES),
        ("op.execute('x')", "with op.get_context().autocommit_block():\n    refuse()", REFUSES),
        ("op.execute('x')", "for _ in ('a',):\n    refuse()", REFUSES),
        ("op.execute('x')", "for _ in ():\n    refuse()", None),
        ("op.execute('x')", "if sa.inspect(op.get_bind()).has_table('a'):\n    refuse()", None),
        ("op.execute('x')", "try:\n    refuse()\nexcept NotImplementedError:\n    pass", None),
        ("op.execute('x')", "if op.get_context().dialect.name == 'mysql':\n    raise NotImplementedError", None),
        ("op.execute('x')", "if op.get_bind().dialect.name == 'postgresql':\n    raise NotImplementedError", REFUSES),
        ("op.execute('x')", "op.run_async(lambda connection: None)", None),
        ("op.execute('x')", "op.get_bind().scalar('x')\nraise RuntimeError", None),
    ],
)
def test_what_cannot_be_rolled_back(tmp_path: Path, up: str, down: str, why: str | None) -> None:
    """Empty without the mark, or certain to raise NotImplementedError on this database, itself or through a helper."""
    head = """
        class Irreversible(NotImplementedError):
            pass


        def refuse():
            raise NotImplementedError("gone")
    """
    assert irreversible_reason(write(tmp_path, down, head, up), "postgresql") == why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def upgrade():\n    f()\n", "it has no downgrade()"),
        ("downgrade = None\ndef upgrade():\n    f()\n", "it has no downgrade()"),
        ("from elsewhere import downgrade\n", None),
        ("from elsewhere import *\n", None),
    ],
)
def test_a_downgrade_that_is_not_in_the_file(tmp_path: Path, text: str, why: str | None) -> None:
    """Missing is missing; one from elsewhere cannot be analysed."""
    file = tmp_path / "one.py"
    file.write_text(text, "utf-8")
    reading = read(file, "downgrade", "sqlite")
    assert irreversible_reason(file, "sqlite") == why
    assert (reading is None) is (why is None)


def test_a_downgrade_with_a_decorator(tmp_path: Path) -> None:
    """What the decorator makes of it is not known; what stands in its body counts."""
    file = write(tmp_path, "op.drop_table('a')", "from app import twice")
    file.write_text(file.read_text("utf-8").replace("def downgrade", "@twice\ndef downgrade"), "utf-8")
    assert found(file) == ["? twice", "drop table a"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings(tmp_path: Path, encoding: str, newline: str) -> None:
    """Line ends, a byte order mark and an encoding cookie are Python's own affair."""
    text = f"# -*- coding: {encoding.removesuffix('-sig')} -*-\nfrom alembic import op\n"
    text += "def downgrade():\n    op.drop_table('Größe')\n"
    file = tmp_path / "one.py"
    file.write_bytes(text.replace("\n", newline).encode(encoding))
    assert read(file, "downgrade", "sqlite").operations == (Operation("drop table", "Größe", line=4),)  # type: ignore[union-attr]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Bytecode without source, or none at all: nothing is known, and it is not refused for that."""
    compiled = tmp_path / "one.pyc"
    py_compile.compile(str(write(tmp_path, "pass")), str(compiled))
    for file in (compiled, tmp_path / "gone.py"):
        assert read(file, "downgrade", "sqlite") is None
        assert irreversible_reason(file, "sqlite") is None


def test_a_file_that_is_too_much(tmp_path: Path) -> None:
    """Neither deep nor endless code is followed for ever."""
    nested = "for a in range(1000):\n    for b in range(1000):\n        op.drop_index('i')"
    for down in (nested, f"x = {'(' * 90}{'-' * 3000}1{')' * 90}"):
        assert read(write(tmp_path, down), "downgrade", "sqlite") is None


def test_what_python_would_warn_of(tmp_path: Path) -> None:
    """It was shown when Alembic imported the file."""
    file = write(tmp_path, r"op.execute('DELETE FROM a WHERE b LIKE \'\%\'')")
    assert found(file) == [r"sql DELETE FROM a WHERE b LIKE '\%'"]


def test_upgrade(tmp_path: Path) -> None:
    """It is read in the same way."""
    reading = read(write(tmp_path, "pass", up="op.drop_table('a')"), "upgrade", "sqlite")
    assert reading is not None
    assert [each.table for each in reading.operations] == ["a"]


def test_nothing_is_run(tmp_path: Path) -> None:
    """Neither the module, nor a helper, nor a default of its parameters."""
    trace = tmp_path / "trace"
    mark = f"open({str(trace)!r}, 'a').write('x')"
    file = write(tmp_path, f"{mark}\nhelper()", f"{mark}\ndef helper(x={mark}):\n    {mark}\n", up=mark)
    assert read(file, "downgrade", "sqlite") is not None
    assert irreversible_reason(file, "sqlite") is None
    assert not trace.exists()
