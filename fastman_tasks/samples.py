"""Plausible rows for a model, as Python source: what a generated seeder inserts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from sqlalchemy import Column, UniqueConstraint, types
from sqlalchemy.orm import ColumnProperty, Mapper

from fastman_tasks import checks
from fastman_tasks.columns import required as is_required

_STANDARD = {"datetime", "decimal", "uuid", "enum"}
_LIBRARIES = {"sqlalchemy", "fastman_tasks"}


@dataclass
class Sample:
    """``rows`` map an attribute to a Python expression; ``lookups`` are statements that go before them.

    ``key`` are attributes that are unique together, by which rows that are there already are known; empty where there
    are none. ``upserts`` says whether upsert() can do it. ``parents`` are the models that ``lookups`` look into.
    ``imports`` are (module, name) pairs.
    """

    model: type
    rows: list[dict[str, str]] = field(default_factory=list)
    lookups: list[str] = field(default_factory=list)
    key: tuple[str, ...] = ()
    upserts: bool = False
    parents: list[type] = field(default_factory=list)
    imports: set[tuple[str, str]] = field(default_factory=set)

    @property
    def key_attributes(self) -> str:
        """``User.email``."""
        return ", ".join(f"{self.model.__qualname__}.{name}" for name in self.key)

    @property
    def key_of_row(self) -> str:
        """``row["email"]``."""
        return ", ".join(f'row["{name}"]' for name in self.key)


def sample(mapper: Mapper[Any]) -> Sample:
    """Two rows (one where rows would have to differ in a foreign key) with every column that has to be given."""
    model: type = mapper.class_
    made = Sample(model, imports={_import(model), ("sqlalchemy.orm", "Session")})
    columns = {
        attribute.key: column
        for attribute in mapper.column_attrs
        if (column := _own_column(mapper, attribute)) is not None and column is not mapper.polymorphic_on
    }
    required = [name for name, column in columns.items() if is_required(column)]
    optional = [name for name, column in columns.items() if _may_be_given(column)]
    chosen = required or optional[:3]
    keys = _unique_together({name: columns[name] for name in chosen})
    if not keys:
        # A key that nobody has to give is still the one to know a row by.
        keys = _unique_together({name: columns[name] for name in optional})[:1]
        chosen = [*chosen, *(name for key in keys for name in key if name not in chosen)]
    fixed = [name for name in chosen if columns[name].foreign_keys]
    made.key = keys[0] if keys else ()
    # upsert() writes one table; the rows of a class that has several are left alone where they are there.
    made.upserts = bool(keys) and len(mapper.tables) == 1
    made.imports.add(("fastman_tasks.seeding", "upsert") if made.upserts else ("sqlalchemy", "insert"))
    count = 1 if any(set(key) <= set(fixed) for key in keys) else 2
    for name in fixed:
        made.lookups.append(_lookup(name, columns[name], mapper, made))
    for number in range(1, count + 1):
        made.rows.append(
            {name: name if name in fixed else _checked(columns[name], name, number, made.imports) for name in chosen}
        )
    if made.lookups or (made.key and not made.upserts):
        made.imports.add(("sqlalchemy", "select"))
    return made


def import_lines(imports: set[tuple[str, str]]) -> list[str]:
    """``from … import …`` lines in groups: the standard library, then libraries, then the project, blank between."""
    by_module: dict[str, list[str]] = {}
    for module, name in sorted(imports, key=lambda each: _import_order(each[1])):
        by_module.setdefault(module, []).append(name)
    groups: list[list[str]] = [[], [], []]
    for module in sorted(by_module):
        line = f"from {module} import {', '.join(by_module[module])}"
        top = module.partition(".")[0]
        groups[0 if top in _STANDARD else 1 if top in _LIBRARIES else 2].append(line)
    lines: list[str] = []
    for group in filter(None, groups):
        lines += [*([""] if lines else []), *group]
    return lines


def _import_order(name: str) -> tuple[int, str, str]:
    """As formatters sort names: CONSTANTS, then Classes, then the others, without regard to case."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, name.lower(), name


def _import(class_: type) -> tuple[str, str]:
    return class_.__module__, class_.__qualname__.partition(".")[0]


def _own_column(mapper: Mapper[Any], attribute: ColumnProperty[Any]) -> Column[Any] | None:
    """The column that ``attribute`` gives a value to: not one that only joins a subclass's table to its parent's."""
    for column in attribute.columns:
        joins = mapper.inherits is not None and isinstance(column, Column) and column.primary_key
        if isinstance(column, Column) and not (joins and column.foreign_keys):
            return column
    return None


def _may_be_given(column: Column[Any]) -> bool:
    return not (column.primary_key or column.foreign_keys or column.computed is not None)


def _unique_together(chosen: dict[str, Column[Any]]) -> list[tuple[str, ...]]:
    """The groups of ``chosen`` columns that may hold each combination of values once, single columns first."""
    names = {column: name for name, column in chosen.items()}
    groups: list[list[Any]] = [[column] for column in names if column.unique]
    for table in {id(column.table): column.table for column in names}.values():
        groups.append(list(table.primary_key.columns))
        groups += [list(each.columns) for each in table.constraints if isinstance(each, UniqueConstraint)]
        groups += [list(index.columns) for index in table.indexes if index.unique]
    found = {tuple(names[column] for column in group) for group in groups if group and set(group) <= set(names)}
    return sorted(found, key=lambda group: (len(group), group))


def _lookup(name: str, column: Column[Any], mapper: Mapper[Any], made: Sample) -> str:
    target = next(iter(column.foreign_keys)).column
    for other in mapper.registry.mappers:
        if other.local_table is target.table:
            made.imports.add(_import(other.class_))
            made.parents.append(other.class_)
            attribute = other.get_property_by_column(target).key
            return f"{name} = db.scalars(select({other.class_.__qualname__}.{attribute}).limit(1)).one()"
    made.imports |= {("sqlalchemy", "column"), ("sqlalchemy", "table")}
    source = f"select(column({_quoted(target.name)})).select_from(table({_quoted(target.table.name)}))"
    return f"{name} = db.scalars({source}.limit(1)).one()"


def _checked(column: Column[Any], name: str, number: int, imports: set[tuple[str, str]]) -> str:
    """A value that the table's CHECK constraints take, as far as they can be read."""
    limits = checks.limits(column)
    kind = column.type
    if isinstance(kind, types.Integer) and limits.numeric:
        return str(int(limits.number(number, Fraction(1))))
    if isinstance(kind, types.Numeric | types.Float) and limits.numeric:
        digits = kind.scale if isinstance(kind, types.Numeric) and kind.scale is not None else 2
        text = f"{float(limits.number(number, Fraction(1, 10**digits))):.{digits}f}"
        if not kind.asdecimal:
            return text
        imports.add(("decimal", "Decimal"))
        return f'Decimal("{text}")'
    if isinstance(kind, types.String) and not isinstance(kind, types.Enum):
        if limits.choices:
            return _quoted(limits.choices[(number - 1) % len(limits.choices)])
        if limits.longest is not None:
            kind = types.String(min(limits.longest, kind.length or limits.longest))
        return _string(kind, name, number, imports, limits.shortest)
    return _value(column, name, number, imports)


def _value(column: Column[Any], name: str, number: int, imports: set[tuple[str, str]]) -> str:
    kind: types.TypeEngine[Any] = column.type
    # SQLAlchemy has its own Interval as a decorator of DateTime.
    while isinstance(kind, types.TypeDecorator) and not isinstance(kind, types.Interval):
        kind = kind.impl_instance
    if isinstance(kind, types.Enum):
        if kind.enum_class is not None:
            imports.add(_import(kind.enum_class))
            members = list(kind.enum_class)
            return f"{kind.enum_class.__qualname__}.{members[(number - 1) % len(members)].name}"
        return _quoted(kind.enums[(number - 1) % len(kind.enums)])
    for class_, make in _MAKERS:
        if isinstance(kind, class_):
            return make(kind, name, number, imports)
    return _quoted(name)


def _quoted(text: str) -> str:
    """``text`` as a Python literal, in the quotes that formatters choose: the double ones unless that escapes more."""
    literal = json.dumps(text, ensure_ascii=False)
    if text.count('"') <= text.count("'"):
        return literal
    return "'" + literal[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"


_Maker = Callable[[Any, str, int, set[tuple[str, str]]], str]


def _string(kind: Any, name: str, number: int, imports: set[tuple[str, str]], shortest: int = 0) -> str:
    lower = name.lower()
    if "email" in lower:
        text = f"user{number}@example.com"
    elif "url" in lower or "link" in lower:
        text = f"https://example.com/{number}"
    else:
        text = f"{name.replace('_', ' ').capitalize()} {number}"
    if kind.length is not None and len(text) > kind.length:
        text = str(number).rjust(min(kind.length, max(2, shortest)), "0")[-kind.length :]
    if len(text) < shortest:
        # In front, so that an address stays one and the number tells the rows apart.
        text = "x" * (shortest - len(text)) + text
    return _quoted(text)


def _numeric(kind: Any, name: str, number: int, imports: set[tuple[str, str]]) -> str:
    if not kind.asdecimal:
        return f"{number}.5"
    imports.add(("decimal", "Decimal"))
    whole = (kind.precision or 10) - (kind.scale or 0)
    if whole < 1:
        return f'Decimal("0.{number}")'
    return f'Decimal("{number}")' if kind.scale == 0 else f'Decimal("{number}.50")'


def _datetime(kind: Any, name: str, number: int, imports: set[tuple[str, str]]) -> str:
    imports.add(("datetime", "datetime"))
    if kind.timezone:
        imports.add(("datetime", "timezone"))
        return f"datetime(2026, 1, {number}, 12, 0, tzinfo=timezone.utc)"
    return f"datetime(2026, 1, {number}, 12, 0)"


def _standard(module: str, name: str, expression: str) -> _Maker:
    def make(kind: Any, column: str, number: int, imports: set[tuple[str, str]]) -> str:
        imports.add((module, name))
        return expression.format(number=number)

    return make


def _uuid(kind: Any, name: str, number: int, imports: set[tuple[str, str]]) -> str:
    text = f'"00000000-0000-4000-8000-{number:012d}"'
    if not kind.as_uuid:
        return text
    imports.add(("uuid", "UUID"))
    return f"UUID({text})"


def _constant(expression: str) -> _Maker:
    return lambda kind, name, number, imports: expression.format(number=number)


# The first that fits counts. Float is a kind of Numeric up to SQLAlchemy 2.0 only.
_MAKERS: tuple[tuple[type[Any], _Maker], ...] = (
    (types.Boolean, _constant("True")),
    (types.Integer, _constant("{number}")),
    (types.Numeric, _numeric),
    (types.Float, _numeric),
    (types.DateTime, _datetime),
    (types.Date, _standard("datetime", "date", "date(2026, 1, {number})")),
    (types.Time, _standard("datetime", "time", "time(12, {number})")),
    (types.Interval, _standard("datetime", "timedelta", "timedelta(days={number})")),
    (types.Uuid, _uuid),
    (types.JSON, _constant("{{}}")),
    (types.ARRAY, _constant("[]")),
    (types.LargeBinary, _constant('b"{number}"')),
    (types.String, _string),
)
