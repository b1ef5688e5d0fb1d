"""Asks PostgreSQL how it has the models' tables, and how it would make them: its catalogs say both in its own words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Table, TextClause, bindparam, text
from sqlalchemy.exc import CompileError, DBAPIError

from fastman_tasks.making import sequences
from fastman_tasks.making.comparing import model_copies
from fastman_tasks.making.comparing.index_text import parse
from fastman_tasks.making.comparing.model_copies import Copy
from fastman_tasks.making.comparing.table_states import SERIAL, Answer, ColumnState, Pair, Place, TableState

_TEMPORARY_LAST = """
SELECT set_config('search_path', concat_ws(', ', nullif(current_setting('search_path'), ''), 'pg_temp'), true)
"""
_NAMESPACES = "SELECT oid, nspname FROM pg_namespace WHERE nspname IN :names"
_COLUMNS = """
SELECT n.oid, c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
    pg_get_expr(d.adbin, d.adrelid, true), a.attgenerated::text, a.attidentity::text,
    co.collname, dep.deptype::text,
    'START WITH ' || q.seqstart || ' INCREMENT BY ' || q.seqincrement || ' MINVALUE ' || q.seqmin
    || ' MAXVALUE ' || q.seqmax || ' CACHE ' || q.seqcache || CASE WHEN q.seqcycle THEN ' CYCLE' ELSE '' END
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_collation co ON co.oid = a.attcollation AND a.attcollation <> t.typcollation
LEFT JOIN (pg_depend dep JOIN pg_sequence q ON q.seqrelid = dep.objid)
    ON dep.refobjid = c.oid AND dep.refobjsubid = a.attnum AND dep.deptype IN ('a', 'i')
    AND dep.classid = 'pg_class'::regclass AND dep.refclassid = 'pg_class'::regclass
WHERE c.relkind IN ('r', 'p') AND n.oid IN :namespaces
"""
_CONSTRAINTS = """
SELECT c.relnamespace, c.relname, k.conname, k.contype::text, pg_get_constraintdef(k.oid, true)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE k.contype IN ('c', 'p', 'x') AND c.relnamespace IN :namespaces
"""
_INDEXES = """
SELECT c.relnamespace, c.relname, i.relname, pg_get_indexdef(x.indexrelid, 0, true)
FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
WHERE c.relnamespace IN :namespaces
    AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid AND k.contype IN ('p', 'u', 'x'))
"""


def ask(connection: Connection, models: Mapping[Place, Table]) -> Answer:
    """A Pair of each of ``models``, which are in the database. The tables that are made for it are temporary ones, in a
    transaction that is rolled back: nobody else sees them, and no lock of a table is taken."""
    copies = [
        model_copies.copy(at, place, model, connection.dialect) for at, (place, model) in enumerate(models.items())
    ]
    answer = Answer()
    try:
        with _trial(connection):
            _make(connection, copies)
            answer.pairs = _read(connection, copies)
    except (DBAPIError, CompileError):
        # One at a time says which of them the server does not make, and why.
        for each in copies:
            try:
                with _trial(connection):
                    _make(connection, [each])
                    answer.pairs.update(_read(connection, [each]))
            except (DBAPIError, CompileError) as error:
                reason = str(error.orig if isinstance(error, DBAPIError) else error)
                answer.failures[each.place] = reason.strip().partition("\n")[0]
    return answer


@contextmanager
def _trial(connection: Connection) -> Iterator[None]:
    savepoint = connection.begin_nested()
    try:
        yield
    finally:
        savepoint.rollback()


def _make(connection: Connection, copies: Sequence[Copy]) -> None:
    quote = connection.dialect.identifier_preparer.quote
    enums = model_copies.enums(copies, connection.dialect)
    for enum in enums:
        # Not the one that is there: a default may be a member that it does not have yet.
        members = ", ".join("'{}'".format(member.replace("'", "''")) for member in enum.enums)
        name = f"pg_temp.{quote(str(enum.name))}"
        connection.execute(text(f"CREATE TYPE {name} AS ENUM ({members})".replace(":", "\\:")))
    sequences.create_temporary([each.model for each in copies], connection)
    schemas = {enum.schema: "pg_temp" for enum in enums if enum.schema}
    for each in copies:
        each.create(connection, {"schema_translate_map": schemas} if schemas else {})


def _read(connection: Connection, copies: Sequence[Copy]) -> dict[Place, Pair]:
    # What is temporary is found last, so that it hides no name of what the database has.
    connection.execute(text(_TEMPORARY_LAST))
    default = connection.dialect.default_schema_name
    names = {each.place[0] or default for each in copies}
    found = connection.execute(_query(_NAMESPACES, "names"), {"names": list(names)})
    schemas = {name: oid for oid, name in found}
    temporary = connection.scalar(text("SELECT pg_my_temp_schema()"))
    states = _States(connection, [*schemas.values(), temporary])
    return {
        each.place: each.pair(
            states.of(schemas[each.place[0] or default], each.place[1]), states.of(temporary, each.table.name)
        )
        for each in copies
    }


class _States:
    """The tables of some schemas."""

    def __init__(self, connection: Connection, namespaces: Sequence[int]) -> None:
        self._found: dict[tuple[int, str], TableState] = {}

        def rows(query: str) -> Iterable[Any]:
            return connection.execute(_query(query, "namespaces"), {"namespaces": list(namespaces)})

        for namespace, table, name, kind, *rest in rows(_COLUMNS):
            self.of(namespace, table).columns[name] = replace(_column(*rest), type=kind)
        for namespace, table, name, kind, sql in rows(_CONSTRAINTS):
            state = self.of(namespace, table)
            if kind == "c":
                state.checks[name] = sql.removeprefix("CHECK ").removesuffix(" NOT VALID").removesuffix(" NO INHERIT")
            else:
                state.others.add(sql)
        for namespace, table, name, sql in rows(_INDEXES):
            self.of(namespace, table).indexes[name] = parse(sql)

    def of(self, namespace: int, table: str) -> TableState:
        return self._found.setdefault((namespace, table), TableState())


def _query(query: str, parameter: str) -> TextClause:
    return text(query).bindparams(bindparam(parameter, expanding=True))


def _column(
    sql: str | None, generated: str, identity: str, collation: str | None, owner: str | None, sequence: str | None
) -> ColumnState:
    if generated:
        return ColumnState(computed=f"{sql} {'STORED' if generated == 's' else 'VIRTUAL'}", collation=collation)
    if identity:
        always = "ALWAYS" if identity == "a" else "BY DEFAULT"
        return ColumnState(identity=f"GENERATED {always} AS IDENTITY ({sequence})", collation=collation)
    is_serial = owner == "a" and (sql or "").startswith("nextval(")
    return ColumnState(default=SERIAL if is_serial else sql, collation=collation)
