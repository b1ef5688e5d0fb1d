"""Plausible values for a column: of its type and length, another one for each row."""

from __future__ import annotations

import enum
import math
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import Column, types

from fastman_tasks.making.source import GeneratedNames, quote
from fastman_tasks.models.columns import undecorate

_NEW_YEAR = datetime(2026, 1, 1, 12)
_NEIGHBOURS = 20
# 0, 1, -1, 2, -2, …
_STEPS = sorted(range(1 - _NEIGHBOURS, _NEIGHBOURS), key=lambda step: (abs(step), -step))
_LENGTHS = set(range(1, 1000))
_TEXT = r"'((?:[^']|'')*)'"


def value(column: Column[Any], name: str, number: int) -> Any:
    """What row ``number``, counted from 1, has in ``column``, whose attribute is ``name``."""
    kind = undecorate(column.type)
    make = next((make for class_, make in _MAKERS if isinstance(kind, class_)), None)
    if make is not None:
        return make(kind, name, number)
    special = _SPECIAL.get(kind.__visit_name__)
    return special(number) if special is not None else _by_python_type(kind, name, number)


def near(column: Column[Any], name: str, condition: str) -> Iterator[Any]:
    """Other values for ``column`` that the SQL ``condition`` may want: those that it names, and those beside them."""
    kind = undecorate(column.type)
    texts = [text.replace("''", "'") for text in re.findall(_TEXT, condition)]
    numbers = [Fraction(text) for text in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?", re.sub(_TEXT, "", condition))]
    if isinstance(kind, types.Enum):
        yield from (_enum(kind, name, number) for number in range(1, len(kind.enums) + 1))
    elif isinstance(kind, types.Boolean):
        yield from (True, False)
    elif isinstance(kind, types.Integer):
        yield from (math.floor(number) + step for number in numbers for step in _STEPS)
    elif isinstance(kind, types.Numeric | types.Float):
        scale = kind.scale if isinstance(kind, types.Numeric) and kind.scale is not None else 2
        for digits in (scale, 0):
            for number in numbers:
                amounts = [Decimal(math.floor(number * 10**digits) + step).scaleb(-digits) for step in _STEPS]
                yield from amounts if kind.asdecimal else map(float, amounts)
    elif isinstance(kind, types.Date | types.DateTime):
        yield from _near_days(kind, texts)
    elif isinstance(kind, types.String):
        lengths = sorted({size for number in numbers for size in range(int(number) - 1, int(number) + 2)} & _LENGTHS)
        longest = kind.length or max(_LENGTHS)
        yield from (text for text in _near_texts(_string(kind, name, 1), texts, lengths) if len(text) <= longest)


def others(name: str, number: int) -> tuple[Any, ...]:
    """Values of other types, for a column whose own type does not take the usual one of what it is stored as."""
    day = _NEW_YEAR + timedelta(number - 1)
    return (day.replace(tzinfo=timezone.utc), day, day.date(), {}, [], f"{name} {number}", number, timedelta(number))


def literal(value: Any, names: GeneratedNames) -> str:
    """``value`` as Python source; what that imports goes into ``names``."""
    if isinstance(value, enum.Enum):
        return f"{names.of(type(value))}.{value.name}"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bytes):
        return f"b{quote(value.decode())}"
    if isinstance(value, Decimal):
        return f'{names.import_name("decimal", "Decimal")}("{value:f}")'
    if isinstance(value, uuid.UUID):
        return f'{names.import_name("uuid", "UUID")}("{value}")'
    if isinstance(value, datetime):
        zone = f", tzinfo={names.import_name('datetime', 'timezone')}.utc" if value.tzinfo else ""
        parts = f"{value.year}, {value.month}, {value.day}, {value.hour}, {value.minute}"
        return f"{names.import_name('datetime', 'datetime')}({parts}{zone})"
    if isinstance(value, date):
        return f"{names.import_name('datetime', 'date')}({value.year}, {value.month}, {value.day})"
    if isinstance(value, time):
        return f"{names.import_name('datetime', 'time')}({value.hour}, {value.minute})"
    if isinstance(value, timedelta):
        return f"{names.import_name('datetime', 'timedelta')}(days={value.days})"
    # Numbers, booleans, and the empty list and dictionary.
    return repr(value)


def _near_days(kind: Any, texts: Sequence[str]) -> Iterator[date]:
    for text in texts:
        with suppress(ValueError):
            day = datetime.fromisoformat(text)
            for step in _STEPS:
                with suppress(OverflowError):
                    moved = day + timedelta(step)
                    if isinstance(kind, types.DateTime):
                        yield moved.replace(tzinfo=timezone.utc) if kind.timezone else moved.replace(tzinfo=None)
                    else:
                        yield moved.date()


def _near_texts(usual: str, texts: Sequence[str], lengths: Sequence[int]) -> Iterator[str]:
    yield from texts
    numbered = [re.sub(r"\d+", str(number), usual) for number in range(1, _NEIGHBOURS)]
    for number in range(1, _NEIGHBOURS):
        # For LIKE.
        yield from (text.replace("%", str(number)).replace("_", "x") for text in texts if "%" in text or "_" in text)
    for text in numbered:
        bare = re.sub(r"\W", "_", text)
        yield from (text.lower(), text.upper(), bare, bare.lower(), bare.upper(), bare.lower().replace("_", "-"))
    for length in lengths or (2, 3):
        # The number is at the end, so that an address stays one and the rows differ.
        yield from (text.rjust(length, "x")[-length:] for text in numbered)
        for number in range(_NEIGHBOURS):
            letters = chr(ord("A") + number) * length
            yield from (letters, letters.lower(), str(number).rjust(length, "0"))


def _enum(kind: Any, name: str, number: int) -> Any:
    members = list(kind.enum_class) if kind.enum_class is not None else kind.enums
    return members[(number - 1) % len(members)]


def _numeric(kind: Any, name: str, number: int) -> Any:
    scale = kind.scale if isinstance(kind, types.Numeric) else None
    whole = (kind.precision or 10) - (scale or 0)
    if not kind.asdecimal:
        return number + 0.5
    if whole < 1:
        return Decimal(f"0.{number}" if number < 10 else f"0.{number:0{scale}}")
    return Decimal(f"{number % 10**whole}{'' if scale == 0 else '.50'}")


def _datetime(kind: Any, name: str, number: int) -> datetime:
    return (_NEW_YEAR + timedelta(number - 1)).replace(tzinfo=timezone.utc if kind.timezone else None)


def _uuid(kind: Any, name: str, number: int) -> Any:
    text = f"00000000-0000-4000-8000-{number:012d}"
    return uuid.UUID(text) if kind.as_uuid else text


def _string(kind: Any, name: str, number: int) -> str:
    lower = name.lower()
    if "email" in lower:
        text = f"user{number}@example.com"
    elif "url" in lower or "link" in lower:
        text = f"https://example.com/{number}"
    else:
        text = f"{name.replace('_', ' ').capitalize()} {number}"
    if kind.length and len(text) > kind.length:
        text = str(number).rjust(min(kind.length, 2), "0")[-kind.length :]
    return text


def _by_python_type(kind: Any, name: str, number: int) -> Any:
    """For a type of a dialect, or of the project: as for a usual one that has the same values."""
    try:
        python = kind.python_type
    except NotImplementedError:
        return name
    like: dict[type, types.TypeEngine[Any]] = {
        int: types.Integer(),
        timedelta: types.Interval(),
        dict: types.JSON(),
        list: types.ARRAY(types.Integer()),
    }
    return value(Column(like[python]), name, number) if python in like else name


_Maker = Callable[[Any, str, int], Any]
# The first that fits counts: an Enum is a String too. Float is a kind of Numeric up to SQLAlchemy 2.0 only.
_MAKERS: tuple[tuple[type[Any], _Maker], ...] = (
    (types.Enum, _enum),
    (types.Boolean, lambda kind, name, number: True),
    (types.Integer, lambda kind, name, number: number),
    (types.Numeric, _numeric),
    (types.Float, _numeric),
    (types.DateTime, _datetime),
    (types.Date, lambda kind, name, number: (_NEW_YEAR + timedelta(number - 1)).date()),
    (types.Time, lambda kind, name, number: (_NEW_YEAR + timedelta(minutes=number)).time()),
    (types.Interval, lambda kind, name, number: timedelta(number)),
    (types.Uuid, _uuid),
    (types.JSON, lambda kind, name, number: {}),
    (types.ARRAY, lambda kind, name, number: []),
    (types.LargeBinary, lambda kind, name, number: str(number).encode()),
    (types.String, _string),
)
_SPECIAL: dict[str, Callable[[int], Any]] = {
    "INET": lambda number: f"192.0.2.{number}",
    "CIDR": lambda number: f"192.0.{number}.0/24",
    "MACADDR": lambda number: f"02:00:00:00:00:{number:02x}",
    "MACADDR8": lambda number: f"02:00:00:00:00:00:00:{number:02x}",
    "MONEY": str,
    "BIT": lambda number: "1",
    "HSTORE": lambda number: {},
}
