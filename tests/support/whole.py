"""What a database is made of, as far as the models decide it: two databases are equal when this is."""

from __future__ import annotations

import re
import warnings
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SAWarning

from fastman_alembic import HISTORY_TABLE
from servers import connected

#: Tables that no model decides.
OWN = {"alembic_version", HISTORY_TABLE}
# How a server writes down what the models say in another way; what is compared is without it.
_CAST = re.compile(r"::[a-z_ ]+(?:\(\d+(?:,\d+)?\))?(?:\[\])?")
_NOISE = re.compile(r"[\s()\"`]+|_utf8mb4")
_POSTGRESQL = {
    "types": "SELECT n.nspname, t.typname, array_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_type t "
    "JOIN pg_enum e ON e.enumtypid = t.oid JOIN pg_namespace n ON n.oid = t.typnamespace GROUP BY 1, 2",
    "sequences": "SELECT schemaname, sequencename, start_value, increment_by FROM pg_sequences "
    "WHERE sequencename <> 'fastman_history_id_seq'",
    "schemas": "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'",
}
_SQLITE = "SELECT type, name, sql FROM sqlite_master WHERE type <> 'table' AND sql IS NOT NULL"


def read(url: str) -> dict[str, Any]:
    """Tables with their columns, keys, constraints and indexes, of each schema; types and sequences; triggers."""
    with connected(url) as connection, warnings.catch_warnings():
        # SQLite's indexes of expressions are read from their statements.
        warnings.filterwarnings("ignore", "Skipped unsupported reflection of expression-based index", SAWarning)
        inspector = sa.inspect(connection)
        dialect = connection.dialect.name
        found: dict[str, Any] = {}
        for schema in _schemas(inspector, dialect):
            for table in inspector.get_table_names(schema):
                if table not in OWN:
                    found[f"{schema}.{table}"] = _table(inspector, table, schema)
        if dialect == "postgresql":
            for name, query in _POSTGRESQL.items():
                found[name] = sorted((tuple(row) for row in connection.exec_driver_sql(query)), key=repr)
        if dialect == "sqlite":
            found["others"] = sorted(tuple(map(_plain, row)) for row in connection.exec_driver_sql(_SQLITE))
        return found


def values(url: str) -> dict[tuple[str, str, str], list[str]]:
    """What is in each column, by its table and type, sorted; NULLs, which a change may have filled, are left out."""
    found = {}
    with connected(url) as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)
        metadata = sa.MetaData()
        for schema in _schemas(sa.inspect(connection), connection.dialect.name):
            metadata.reflect(connection, schema=schema)
        for table in metadata.tables.values():
            if table.name in OWN:
                continue
            for column in table.columns:
                kind = column.type.compile(connection.dialect)
                values = connection.scalars(sa.select(sa.cast(column, sa.String(200))).where(column.is_not(None)))
                found[table.fullname, column.name, kind] = sorted(map(str, values))
    return found


def _schemas(inspector: sa.Inspector, dialect: str) -> list[str | None]:
    if dialect != "postgresql":
        return [None]
    return [name for name in inspector.get_schema_names() if name != "information_schema"]


def _table(inspector: sa.Inspector, table: str, schema: str | None) -> dict[str, Any]:
    keys = inspector.get_foreign_keys(table, schema)
    uniques = inspector.get_unique_constraints(table, schema)
    # MariaDB makes an index for each foreign key, by its name or, where the models give it none, by its column's; and
    # a unique constraint is an index too.
    own = {key.get("duplicates_index") for key in uniques}
    own |= {name for key in keys for name in (key["name"], key["constrained_columns"][0])}
    indexes = [each for each in inspector.get_indexes(table, schema) if each["name"] not in own]
    return {
        "columns": {
            each["name"]: (
                str(each["type"].compile(inspector.dialect)),
                each["nullable"],
                _plain(each.get("default")),
                _computed(inspector, table, each),
                each.get("identity"),
                each.get("comment"),
            )
            for each in inspector.get_columns(table, schema)
        },
        "primary key": inspector.get_pk_constraint(table, schema)["constrained_columns"],
        "foreign keys": sorted(
            (each["constrained_columns"], each["referred_table"], sorted(each["options"].items())) for each in keys
        ),
        "unique": sorted(each["column_names"] for each in uniques),
        "checks": sorted(str(_plain(each["sqltext"])) for each in inspector.get_check_constraints(table, schema)),
        "indexes": sorted(
            (
                str(each["name"]),
                each["unique"],
                str(each.get("expressions") or each["column_names"]),
                {
                    key: _plain(str(value))
                    for key, value in (each.get("dialect_options") or {}).items()
                    if value is not None
                },
            )
            for each in indexes
        ),
        "comment": inspector.get_table_comment(table, schema) if inspector.dialect.supports_comments else None,
    }


def _computed(inspector: sa.Inspector, table: str, column: Any) -> dict[str, Any]:
    computed = dict(column.get("computed") or {})
    if computed and inspector.dialect.name == "sqlite":
        # Reflection takes what follows in the same line as part of it.
        with inspector.engine.connect() as connection:
            sql = connection.scalar(sa.text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": table})
        found = re.search(rf"\b{column['name']}\b\W+\w+ GENERATED ALWAYS AS \(([^()]*)\)", str(sql))
        assert found, sql
        computed["sqltext"] = found[1]
    return {key: _plain(value) for key, value in computed.items()}


def _plain(text: Any) -> Any:
    return _NOISE.sub("", _CAST.sub("", text)).lower() if isinstance(text, str) else text
