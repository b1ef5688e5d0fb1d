"""One plausible value for a column, as Python source: of its type and length, within its CHECK constraints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from sqlalchemy import Column, types

from fastman_tasks.checks import Limits, limits
from fastman_tasks.generated_names import GeneratedNames, quoted

_NEW_YEAR = date(2026, 1, 1)


@dataclass(frozen=True)
class _Wish:
    """The value of row ``number`` for an attribute ``name``; what its source imports goes into ``names``."""

    name: str
    number: int
    limits: Limits
    names: GeneratedNames

    def amount(self, step: Fraction = Fraction(1), start: int = 0) -> Fraction:
        return self.limits.number(self.number, step, start)

    def day(self) -> date:
        ordinal = int(self.amount(start=_NEW_YEAR.toordinal() - 1))
        return date.fromordinal(min(max(ordinal, 1), date.max.toordinal()))


def value(column: Column[Any], name: str, number: int, names: GeneratedNames) -> str:
    """The source of the value of ``column`` in row ``number``, counted from 1; another one for another row where the
    type and the constraints have room for it."""
    kind: types.TypeEngine[Any] = column.type
    # What a decorator stores is not what Python gives it, and constraints are about what is stored.
    wish = _Wish(name, number, Limits() if isinstance(kind, types.TypeDecorator) else limits(column), names)
    # SQLAlchemy has its own Interval as a decorator of DateTime.
    while isinstance(kind, types.TypeDecorator) and not isinstance(kind, types.Interval):
        kind = kind.impl_instance
    for class_, make in _MAKERS:
        if isinstance(kind, class_):
            return make(kind, wish)
    return quoted(name)


def _enum(kind: Any, wish: _Wish) -> str:
    if kind.enum_class is None:
        return quoted(kind.enums[(wish.number - 1) % len(kind.enums)])
    members = list(kind.enum_class)
    return f"{wish.names.of(kind.enum_class)}.{members[(wish.number - 1) % len(members)].name}"


def _boolean(kind: Any, wish: _Wish) -> str:
    choices = {choice.lower() for choice in wish.limits.choices}
    return "False" if choices and not choices & {"1", "true"} else "True"


def _integer(kind: Any, wish: _Wish) -> str:
    return str(int(wish.amount()))


def _numeric(kind: Any, wish: _Wish) -> str:
    scale = kind.scale if isinstance(kind, types.Numeric) else None
    whole = (kind.precision or 10) - (scale or 0)
    if wish.limits.numeric:
        digits = 2 if scale is None else scale
        text = f"{float(wish.amount(Fraction(1, 10**digits))):.{digits}f}"
    elif not kind.asdecimal:
        text = f"{wish.number}.5"
    elif whole < 1:
        text = f"0.{wish.number}" if wish.number < 10 else f"0.{wish.number:0{scale}}"
    else:
        text = f"{wish.number % 10**whole}{'' if scale == 0 else '.50'}"
    return f'{wish.names.imported("decimal", "Decimal")}("{text}")' if kind.asdecimal else text


def _datetime(kind: Any, wish: _Wish) -> str:
    day = wish.day()
    # Midnight is what a date without a time means in a constraint.
    hour = 0 if wish.limits.numeric else 12
    zone = f", tzinfo={wish.names.imported('datetime', 'timezone')}.utc" if kind.timezone else ""
    class_ = wish.names.imported("datetime", "datetime")
    return f"{class_}({day.year}, {day.month}, {day.day}, {hour}, 0{zone})"


def _date(kind: Any, wish: _Wish) -> str:
    day = wish.day()
    return f"{wish.names.imported('datetime', 'date')}({day.year}, {day.month}, {day.day})"


def _time(kind: Any, wish: _Wish) -> str:
    time = datetime.combine(_NEW_YEAR, datetime.min.time()) + timedelta(hours=12, minutes=wish.number)
    return f"{wish.names.imported('datetime', 'time')}({time.hour}, {time.minute})"


def _interval(kind: Any, wish: _Wish) -> str:
    return f"{wish.names.imported('datetime', 'timedelta')}(days={wish.number})"


def _uuid(kind: Any, wish: _Wish) -> str:
    text = f'"00000000-0000-4000-8000-{wish.number:012d}"'
    return f"{wish.names.imported('uuid', 'UUID')}({text})" if kind.as_uuid else text


def _string(kind: Any, wish: _Wish) -> str:
    allowed, number = wish.limits, wish.number
    if allowed.choices:
        return quoted(allowed.choices[(number - 1) % len(allowed.choices)])
    lengths = [length for length in (kind.length, allowed.longest) if length is not None]
    lower = wish.name.lower()
    if "email" in lower:
        text = f"user{number}@example.com"
    elif "url" in lower or "link" in lower:
        text = f"https://example.com/{number}"
    else:
        text = f"{wish.name.replace('_', ' ').capitalize()} {number}"
    if lengths and len(text) > min(lengths):
        text = str(number).rjust(min(*lengths, max(2, allowed.shortest)), "0")[-min(lengths) :]
    if len(text) < allowed.shortest:
        # In front, so that an address stays one and the number tells the rows apart.
        text = "x" * (allowed.shortest - len(text)) + text
    return quoted(text)


_Maker = Callable[[Any, _Wish], str]
# The first that fits counts: an Enum is a String too. Float is a kind of Numeric up to SQLAlchemy 2.0 only.
_MAKERS: tuple[tuple[type[Any], _Maker], ...] = (
    (types.Enum, _enum),
    (types.Boolean, _boolean),
    (types.Integer, _integer),
    (types.Numeric, _numeric),
    (types.Float, _numeric),
    (types.DateTime, _datetime),
    (types.Date, _date),
    (types.Time, _time),
    (types.Interval, _interval),
    (types.Uuid, _uuid),
    (types.JSON, lambda kind, wish: "{}"),
    (types.ARRAY, lambda kind, wish: "[]"),
    (types.LargeBinary, lambda kind, wish: f'b"{wish.number}"'),
    (types.String, _string),
)
