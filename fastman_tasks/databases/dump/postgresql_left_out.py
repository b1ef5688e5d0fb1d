"""What a dump of PostgreSQL cannot carry."""

from __future__ import annotations

from fastman_tasks.databases.dump.postgresql_parts import NAME, TABLE
from fastman_tasks.databases.snapshot.postgresql import own

_OTHERS = (
    *("cast", "operator", "opclass", "opfamily", "conversion", "ts_config", "ts_dict", "ts_parser", "ts_template"),
    *("event_trigger", "foreign_server", "foreign_data_wrapper", "language", "publication", "transform"),
)
#: What there is no statement for: grants, too.
LEFT_OUT = " UNION ALL ".join(
    [
        *(
            f"""SELECT pg_describe_object('pg_{each}'::regclass, o.oid, 0) FROM pg_{each} o WHERE o.oid >= 16384
            AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_{each}'::regclass AND e.objid = o.oid
            AND e.deptype IN ('e', 'i'))"""
            for each in _OTHERS
        ),
        f"SELECT 'the grants on ' || {NAME} FROM {TABLE} WHERE c.relacl IS NOT NULL AND {own('pg_class', 'c.oid')}",
        f"""SELECT DISTINCT 'the grants on columns of ' || {NAME} FROM {TABLE}
        JOIN pg_attribute a ON a.attrelid = c.oid WHERE a.attacl IS NOT NULL AND {own("pg_class", "c.oid")}""",
        f"""SELECT 'the grants on type ' || t.oid::regtype FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE t.typacl IS NOT NULL AND {own("pg_type", "t.oid")}""",
        f"""SELECT 'the grants on schema ' || quote_ident(n.nspname) FROM pg_namespace n
        WHERE n.nspacl IS NOT NULL AND n.nspname <> 'public' AND {own("pg_namespace", "n.oid")}""",
        f"""SELECT 'the grants on ' || p.oid::regprocedure FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE p.proacl IS NOT NULL AND {own("pg_proc", "p.oid")}""",
        "SELECT 'default privileges' FROM pg_default_acl",
    ]
)
