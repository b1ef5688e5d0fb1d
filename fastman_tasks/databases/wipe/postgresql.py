"""Empty schemas of a PostgreSQL database."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Connection, bindparam, text

from fastman_tasks.databases.wipe import Thing, Wipe, without_kept
from fastman_tasks.errors import MigrationRefused, UsageError

# What an extension owns goes with it alone. objsubid = 0, as each column of a partition depends on its parent.
_NOT_OWNED = """NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = '{0}'::regclass AND e.objid = {1}
    AND e.objsubid = 0 AND e.deptype {2})"""
_CLASSES = f"""SELECT c.oid, 'pg_class'::regclass::oid AS classid, n.nspname, c.relname AS name,
        CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table'
            WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind,
        format('%I.%I', n.nspname, c.relname) AS sql
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN :schemas AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND {_NOT_OWNED.format("pg_class", "c.oid", "= 'e'")}
        AND NOT (c.relkind = 'S' AND {_NOT_OWNED.format("pg_class", "c.oid", "IN ('a', 'i')")[4:]})"""
_ROUTINES = f"""SELECT p.oid, 'pg_proc'::regclass::oid, n.nspname, p.proname,
        CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
        format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid))
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname IN :schemas AND {_NOT_OWNED.format("pg_proc", "p.oid", "IN ('e', 'i')")}
        AND NOT EXISTS (SELECT FROM pg_event_trigger t WHERE t.evtfoid = p.oid)"""
_TYPES = f"""SELECT t.oid, 'pg_type'::regclass::oid, n.nspname, t.typname,
        CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' ELSE 'type' END,
        format('%I.%I', n.nspname, t.typname)
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE n.nspname IN :schemas AND (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' AND c.relkind = 'c')
        AND {_NOT_OWNED.format("pg_type", "t.oid", "= 'e'")}"""
# Everything that CASCADE follows: what depends on something, and what it is a part of. Each is locked, and each table,
# index and sequence that is made anew.
_TAKEN_ALONG = """
    WITH RECURSIVE gone (classid, objid, objsubid) AS (
        SELECT x.classid::oid, x.objid::oid, 0 FROM unnest(CAST(:classes AS bigint[]), CAST(:ids AS bigint[]))
            AS x (classid, objid)
        UNION
        SELECT x.classid, x.objid, x.objsubid FROM gone g CROSS JOIN LATERAL (
            SELECT d.classid, d.objid, d.objsubid FROM pg_depend d
                WHERE d.refclassid = g.classid AND d.refobjid = g.objid AND d.deptype IN ('n', 'a', 'i')
                    AND (g.objsubid = 0 OR g.objsubid = d.refobjsubid)
            UNION ALL
            SELECT d.refclassid, d.refobjid, d.refobjsubid FROM pg_depend d
                WHERE d.classid = g.classid AND d.objid = g.objid AND d.objsubid = g.objsubid AND d.deptype = 'i') x),
    owned AS (
        SELECT g.*, coalesce(k.conrelid, a.adrelid, w.ev_class, t.tgrelid, y.polrelid, g.objid) AS owner
        FROM gone g
            LEFT JOIN pg_constraint k ON g.classid = 'pg_constraint'::regclass AND k.oid = g.objid AND k.conrelid <> 0
            LEFT JOIN pg_attrdef a ON g.classid = 'pg_attrdef'::regclass AND a.oid = g.objid
            LEFT JOIN pg_rewrite w ON g.classid = 'pg_rewrite'::regclass AND w.oid = g.objid
            LEFT JOIN pg_trigger t ON g.classid = 'pg_trigger'::regclass AND t.oid = g.objid AND NOT t.tgisinternal
            LEFT JOIN pg_policy y ON g.classid = 'pg_policy'::regclass AND y.oid = g.objid)
    SELECT (SELECT count(DISTINCT (classid, objid)) FROM gone)
        + (SELECT count(DISTINCT objid) FROM gone WHERE classid = 'pg_class'::regclass), ARRAY(
    SELECT DISTINCT pg_describe_object(o.classid, o.objid, o.objsubid)
    FROM owned o LEFT JOIN pg_class c ON c.oid = o.owner AND o.classid <> 'pg_proc'::regclass
        LEFT JOIN pg_proc p ON p.oid = o.objid AND o.classid = 'pg_proc'::regclass
        JOIN pg_namespace n ON n.oid = coalesce(c.relnamespace, p.pronamespace)
    WHERE o.classid <> 'pg_rewrite'::regclass AND n.nspname !~ '^pg_' AND coalesce(c.relkind, 'r') <> 'i'
        AND (n.nspname NOT IN :schemas OR o.owner = ANY (CAST(:kept AS bigint[])))
        AND NOT EXISTS (SELECT FROM gone g WHERE g.classid = 'pg_class'::regclass AND g.objid = o.owner
            AND g.objsubid = 0 AND (g.objid <> o.objid OR o.objsubid <> 0))
    ORDER BY 1)"""
_ORDER = (
    *("view", "materialized view", "foreign table", "table", "sequence"),
    *("function", "procedure", "aggregate", "domain", "enum", "type"),
)
_BATCH = 200
_Rows = list[tuple[Any, ...]]
# For how many locks a server makes room, for all transactions together. It plans for two holders of each, so that one
# transaction finds room for half as many again (measured: 1.65 times); some of it is left to others.
_CAPACITY = """SELECT (1.4 * current_setting('max_locks_per_transaction')::int
    * (SELECT sum(current_setting(name)::int) FROM (VALUES ('max_connections'), ('max_prepared_transactions'),
        ('max_worker_processes'), ('max_wal_senders'), ('autovacuum_max_workers')) s (name)))::int"""


def find(connection: Connection, schemas: Collection[str], keep: Collection[str]) -> Wipe:
    """See ``wipe.find``."""
    wanted = list(schemas) or list(connection.exec_driver_sql("SELECT unnest(current_schemas(false))").scalars())
    known = set(connection.exec_driver_sql("SELECT nspname FROM pg_namespace").scalars())
    if unknown := [name for name in schemas if name not in known]:
        raise UsageError(f"--schemas={unknown[0]}: there is no such schema.")
    rows: _Rows = []
    for query in (_CLASSES, _ROUTINES, _TYPES):
        statement = text(query).bindparams(bindparam("schemas", expanding=True))
        rows += [tuple(row) for row in connection.execute(statement, {"schemas": wanted})]
    things = {Thing(row[4], _name(row, wanted), row[5]): row for row in rows}
    ordered = tuple(sorted(things, key=lambda thing: (_ORDER.index(thing.kind), thing.name)))
    left = without_kept(ordered, keep)
    chosen = [things[thing] for thing in left]
    locks = _refuse_others(connection, chosen, [things[thing] for thing in ordered if thing not in left], wanted)
    capacity = connection.exec_driver_sql(_CAPACITY).scalar_one()
    if locks <= capacity:
        return Wipe(left, tuple(_statements(left, _BATCH)))
    obstacle = f"it takes about {locks:,} locks, and the server has {capacity:,} (max_locks_per_transaction)"
    # To drop takes fewer than to make anew, but not every table as many.
    return Wipe(left, tuple(_statements(left, max(1, min(_BATCH, len(left) * capacity // (2 * locks))))), obstacle)


def _name(row: tuple[Any, ...], schemas: list[str]) -> str:
    return f"{row[2]}.{row[3]}" if row[2] != schemas[0] else str(row[3])


def _refuse_others(connection: Connection, chosen: _Rows, kept: _Rows, schemas: list[str]) -> int:
    """Returns how many locks it takes to drop what is ``chosen`` and make as much anew."""
    statement = text(_TAKEN_ALONG).bindparams(bindparam("schemas", expanding=True))
    parameters = {"schemas": schemas, "kept": [row[0] for row in kept]}
    parameters |= {"classes": [row[1] for row in chosen], "ids": [row[0] for row in chosen]}
    locks, others = connection.execute(statement, parameters).one()
    if others:
        listed = "".join(f"\n  {each}" for each in others)
        raise MigrationRefused(
            f"Dropping everything in {', '.join(schemas)} would drop this too, which is to stay:{listed}\n"
            "Nothing was changed. Name its schema as well (--schemas=…), or drop it yourself first."
        )
    return int(locks)


def _statements(things: tuple[Thing, ...], size: int) -> Iterator[str]:
    for kind, several in itertools.groupby(things, lambda thing: thing.kind):
        names = [thing.sql for thing in several]
        what = {"function": "ROUTINE", "procedure": "ROUTINE", "aggregate": "ROUTINE", "enum": "TYPE"}
        for start in range(0, len(names), size):
            batch = ", ".join(names[start : start + size])
            # What is gone already has gone with something before it.
            yield f"DROP {what.get(kind, kind.upper())} IF EXISTS {batch} CASCADE"
