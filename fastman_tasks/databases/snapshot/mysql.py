"""MySQL's and MariaDB's schema, from information_schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection

from fastman_tasks.databases.snapshot import Entry, Known

_TABLES = """SELECT table_name, table_type, engine, table_collation, table_comment FROM information_schema.tables
    WHERE table_schema = database()"""
_COLUMNS = """SELECT table_name, column_name, column_type, collation_name, is_nullable, column_default, extra,
    generation_expression, column_comment FROM information_schema.columns WHERE table_schema = database()"""
_INDEXES = """SELECT table_name, index_name, non_unique, index_type, group_concat(concat(
        coalesce(column_name, {expression}), coalesce(concat('(', sub_part, ')'), ''), if(collation = 'D', ' DESC', ''))
        ORDER BY seq_in_index SEPARATOR ', ') FROM information_schema.statistics
    WHERE table_schema = database() GROUP BY 1, 2, 3, 4"""
_KEYS = """SELECT k.table_name, k.constraint_name,
        group_concat(k.column_name ORDER BY k.ordinal_position SEPARATOR ', '),
        k.referenced_table_schema = database(), k.referenced_table_schema, k.referenced_table_name,
        group_concat(k.referenced_column_name ORDER BY k.ordinal_position SEPARATOR ', '), r.update_rule, r.delete_rule
    FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r
        ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name
        AND r.table_name = k.table_name
    WHERE k.table_schema = database() GROUP BY 1, 2, 4, 5, 6, 8, 9"""
_CHECKS = {
    True: """SELECT table_name, constraint_name, check_clause FROM information_schema.check_constraints
        WHERE constraint_schema = database()""",
    False: """SELECT t.table_name, c.constraint_name, c.check_clause FROM information_schema.check_constraints c
        JOIN information_schema.table_constraints t USING (constraint_schema, constraint_name)
        WHERE c.constraint_schema = database()""",
}
_VIEWS = "SELECT table_name, check_option FROM information_schema.views WHERE table_schema = database()"
_ROUTINES = """SELECT routine_type, routine_name, concat_ws(' ', dtd_identifier, routine_definition),
    is_deterministic, sql_data_access, (SELECT group_concat(concat_ws(' ', parameter_mode, parameter_name,
        dtd_identifier) ORDER BY ordinal_position) FROM information_schema.parameters p
        WHERE p.specific_schema = r.routine_schema AND p.specific_name = r.specific_name)
    FROM information_schema.routines r WHERE routine_schema = database()"""
_TRIGGERS = """SELECT event_object_table, trigger_name, action_timing, event_manipulation, action_statement
    FROM information_schema.triggers WHERE trigger_schema = database()"""
_EVENTS = """SELECT event_name, event_type, execute_at, interval_value, interval_field, event_definition, status
    FROM information_schema.events WHERE event_schema = database()"""
_KINDS = {"VIEW": "view", "SEQUENCE": "sequence"}


def read(connection: Connection, _known: Known) -> Iterator[Entry]:
    """Everything in the connection's database."""
    name = connection.exec_driver_sql("SELECT database()").scalar_one()
    quote = connection.dialect.identifier_preparer.quote_identifier
    is_mariadb = bool(getattr(connection.dialect, "is_mariadb", False))

    def rows(query: str) -> Iterator[list[Any]]:
        # Texts name the database that they were written in.
        for row in connection.exec_driver_sql(query):
            yield [_text(value).replace(f"`{name}`.", "") for value in row]

    tables = set()
    for table, type, engine, collation, comment in rows(_TABLES):
        if type in _KINDS:
            # A view's comment is always VIEW.
            if type == "SEQUENCE":
                yield Entry("sequence", table, _sequence(connection, table))
        else:
            tables.add(table)
            yield Entry("table", table, _join(engine, collation, _labeled("COMMENT", comment)), table)
    for table, column, type, collation, nullable, default, extra, expression, comment in rows(_COLUMNS):
        parts = (
            type,
            _labeled("COLLATE", collation),
            "" if nullable == "YES" else "NOT NULL",
            _labeled("DEFAULT", "" if default == "NULL" else default),
            extra,
            _labeled("AS", expression),
            _labeled("COMMENT", comment),
        )
        if table in tables:
            yield Entry("column", f"{table}.{column}", _join(*parts), table)
    expression = "''" if is_mariadb else "expression"
    for table, index, repeats, type, columns in rows(_INDEXES.format(expression=expression)):
        unique = "" if repeats == "1" else "UNIQUE"
        yield Entry("index", f"{table}.{index}", _join(unique, type, f"({columns})"), table)
    for table, key, columns, here, schema, referred, to, update, delete in rows(_KEYS):
        target = referred if here == "1" else f"{schema}.{referred}"
        text = f"FOREIGN KEY ({columns}) REFERENCES {target} ({to}) ON UPDATE {update} ON DELETE {delete}"
        yield Entry("constraint", f"{table}.{key}", text, table)
    for table, check, condition in rows(_CHECKS[is_mariadb]):
        yield Entry("constraint", f"{table}.{check}", f"CHECK ({condition})", table)
    for view, option in rows(_VIEWS):
        # information_schema has it with other parentheses, until it is created from its own text.
        sql = next(rows(f"SHOW CREATE VIEW {quote(view)}"))[1].partition(f" {quote(view)} AS ")[2]
        yield Entry("view", view, _join(sql, _labeled("CHECK OPTION", option.removeprefix("NONE"))), view)
    for type, routine, body, deterministic, access, parameters in rows(_ROUTINES):
        yield Entry(type.lower(), routine, _join(f"({parameters})", body, deterministic, access))
    for table, trigger, timing, event, body in rows(_TRIGGERS):
        yield Entry("trigger", f"{table}.{trigger}", _join(timing, event, body), table)
    for event, *schedule in rows(_EVENTS):
        yield Entry("event", event, _join(*schedule))


def _sequence(connection: Connection, name: str) -> str:
    quoted = connection.dialect.identifier_preparer.quote_identifier(name)
    columns = "start_value, increment, minimum_value, maximum_value, cache_size, cycle_option"
    return _join(*map(str, connection.exec_driver_sql(f"SELECT {columns} FROM {quoted}").one()))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else "" if value is None else str(value)


def _labeled(label: str, value: str) -> str:
    return f"{label} {value}" if value else ""


def _join(*parts: str) -> str:
    return " ".join(filter(None, parts))
