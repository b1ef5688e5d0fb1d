"""Convert values from a file to what the driver expects for a column, a whole column of a batch at a time."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from math import isfinite
from typing import Any

from sqlalchemy import Column, types
from sqlalchemy.dialects.postgresql import INTERVAL
from sqlalchemy.engine import Dialect

from fastman_tasks.models.columns import undecorate
from fastman_tasks.rows import strict_json

_TRUE, _FALSE = {"true", "t", "yes", "y", "on", "1"}, {"false", "f", "no", "n", "off", "0"}
Parse = Callable[[str], Any]
_A_DAY = date(1, 2, 3)


class Converter:
    """Converts the values of ``column`` in a file to what the driver of ``dialect`` accepts."""

    def __init__(self, column: Column[Any], dialect: Dialect) -> None:
        self.column = column
        kind = undecorate(column.type)
        self._parse, self._words, self._native = _reader(kind)
        self._length = kind.length if isinstance(kind, types.String) and not isinstance(kind, types.Enum) else None
        # SQLAlchemy converts None to the JSON text null, which is not NULL.
        self._keeps_none = isinstance(kind, types.JSON) and column.nullable
        self._process = column.type.dialect_impl(dialect).bind_processor(dialect)
        if isinstance(kind, types.Date) and self._process and self._process(_A_DAY) == _A_DAY.isoformat():
            # On SQLite: the same in a tenth of the time.
            self._process, self._keeps_none = date.isoformat, True  # type: ignore[assignment]

    def convert_texts(self, texts: Sequence[str]) -> list[Any]:
        """Returns the values of ``texts``; an empty one is NULL if the column accepts it. Raises ValueError."""
        parse: Parse | None = self._parse
        values: list[Any]
        if self.column.nullable and "" in texts:
            values = [None if text == "" else parse(text) if parse else text for text in texts]
        else:
            values = list(map(parse, texts)) if parse else list(texts)
        self._check_length(texts)
        return self.bind(values)

    def value(self, text: str) -> Any:
        """Returns the Python value of one text, which is never NULL. Raises ValueError."""
        self._check_length([text])
        return self._parse(text) if self._parse else text

    def check_texts(self, texts: Sequence[str]) -> Sequence[str]:
        """Returns ``texts`` as they are if ``convert_texts()`` would accept them all. Raises ValueError otherwise."""
        if self._parse:
            # A deque that keeps nothing is the fastest way to call a function for each.
            deque(map(self._parse, filter(None, texts) if self.column.nullable else texts), maxlen=0)
        self._check_length(texts)
        return texts

    def convert_natives(self, values: Sequence[Any]) -> list[Any]:
        """Returns the values of JSON; a text is converted as in a CSV file, a number stays one. Raises ValueError."""
        return self.bind([self._one(value) for value in values])

    def bind(self, values: list[Any]) -> list[Any]:
        """Returns Python's ``values`` as the driver accepts them."""
        process = self._process
        if process is None:
            return values
        if self._keeps_none:
            return [None if value is None else process(value) for value in values]
        return list(map(process, values))

    def problem(self, value: Any) -> str | None:
        """Returns what is wrong with ``value``, as it is in the file; None if it is valid."""
        try:
            if isinstance(value, str):
                self.convert_texts([value])
            else:
                self.convert_natives([value])
        except RecursionError:
            return "is nested too deeply"
        except (ValueError, ArithmeticError, LookupError, TypeError):
            if value == "" or value is None:
                return "is empty, and the column does not accept NULL"
            if self._length is not None and isinstance(value, str) and len(value) > self._length:
                return f"{value[:60]!r} has {len(value)} characters, the column accepts {self._length}"
            return f"{str(value)[:60]!r} is not {self._words}"
        return None

    def _check_length(self, texts: Sequence[str]) -> None:
        if self._length is not None and max(map(len, texts), default=0) > self._length:
            raise ValueError

    def _one(self, value: Any) -> Any:
        if value is None:
            if not self.column.nullable:
                raise ValueError
            return None
        if self._native is object or (isinstance(value, self._native) and not isinstance(value, str)):
            if isinstance(value, bool) and self._native not in (bool, object):
                raise ValueError
            # For these a number still has to be converted.
            if isinstance(value, float) and self._native is not object and not isfinite(value):
                # Such as 1e999.
                raise ValueError
            return self._parse(str(value)) if self._parse in (_decimal, _seconds) else value
        if not isinstance(value, str) or (self._length is not None and len(value) > self._length):
            raise ValueError
        return self._parse(value) if self._parse else value


def _boolean(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE


def _datetime(text: str) -> datetime:
    # Before Python 3.11 a Z is not supported.
    return datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith(("Z", "z")) else text)


def _local(text: str) -> datetime:
    moment = _datetime(text)
    if moment.tzinfo is not None:
        raise ValueError
    return moment


def _zoned(text: str) -> datetime:
    moment = _datetime(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)


def _float(text: str) -> float:
    # NaN and Infinity: most databases refuse them, and SQLite writes NULL.
    value = float(text)
    if not isfinite(value):
        raise ValueError
    return value


def _decimal(text: str) -> Decimal:
    value = Decimal(text)
    if not value.is_finite():
        raise ValueError
    return value


def _seconds(text: str) -> timedelta:
    return timedelta(seconds=float(text))


def _binary(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("\\x"))


def _reader(kind: Any) -> tuple[Parse | None, str, Any]:
    """Returns how to convert a text for ``kind``, what the text has to be, and which Python types are accepted too."""
    if isinstance(kind, types.Enum):
        if kind.enum_class is None:
            return _one_of({name: name for name in kind.enums}), f"one of {', '.join(kind.enums)}", ()
        members = list(kind.enum_class)
        known = {**{str(member.value): member for member in members}, **{member.name: member for member in members}}
        return _one_of(known), f"one of {', '.join(member.name for member in members)}", ()
    if isinstance(kind, types.DateTime):
        return (
            (_zoned, "a date and time such as 2026-01-31T12:00:00+00:00", ())
            if kind.timezone
            else (_local, "a date and time without an offset, such as 2026-01-31T12:00:00", ())
        )
    if isinstance(kind, types.Numeric) and kind.asdecimal:
        return _decimal, "a number", (int, float)
    if isinstance(kind, types.Uuid) and not kind.as_uuid:
        return lambda text: str(uuid.UUID(text)), "a UUID", ()
    for class_, parse, words, native in _READERS:
        if isinstance(kind, class_):
            return parse, words, native
    return None, "a text", ()


def _one_of(known: dict[str, Any]) -> Parse:
    return lambda text: known[text]


_READERS: tuple[tuple[type[Any], Parse, str, Any], ...] = (
    (types.Boolean, _boolean, "true or false", bool),
    (types.Integer, int, "a whole number", int),
    (types.Numeric, _float, "a number", (int, float)),
    (types.Float, _float, "a number", (int, float)),
    (types.Date, date.fromisoformat, "a date such as 2026-01-31", ()),
    (types.Time, time.fromisoformat, "a time such as 12:30:00", ()),
    (types.Interval, _seconds, "a number of seconds", (int, float)),
    (INTERVAL, _seconds, "a number of seconds", (int, float)),
    (types.Uuid, uuid.UUID, "a UUID", ()),
    (types.JSON, strict_json.read, "JSON", object),
    (types.ARRAY, strict_json.read, "a JSON array", list),
    (types.LargeBinary, _binary, "bytes in hexadecimal digits", ()),
)
