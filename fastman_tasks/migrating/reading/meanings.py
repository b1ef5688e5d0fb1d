"""What the expressions of a version file stand for, as far as the source tells: values, names, what is imported.

A literal stands for itself: a string, a number, None, and a tuple, list or dict of anything.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Thing(Enum):
    """What is known of a value that is not a literal."""

    ALEMBIC = "the package alembic"
    OP = "alembic.op"
    CONTEXT = "a migration context"
    #: A connection, an engine or a session: what sends statements.
    BIND = "a connection"
    DIALECT = "a dialect"
    #: An Enum of SQLAlchemy's: a type of its own on PostgreSQL, which cannot be dropped while a column uses it.
    TYPE = "a type"
    #: A statement that only adds.
    ADDS = "an insert"
    REFUSAL = "NotImplementedError"
    #: Not known, but it reaches no database by itself: a row, a table, an inspector.
    INERT = "a value"
    #: Not known at all: calling it may do anything.
    ANYTHING = "anything"


@dataclass(frozen=True)
class Batch:
    """What ``batch_alter_table()`` returns and yields; ``table`` is None where its name is not known."""

    table: str | None


@dataclass(frozen=True)
class Directive:
    """``op.drop_table``, or ``batch.drop_column`` where there is a ``batch``."""

    name: str
    batch: Batch | None = None


@dataclass(frozen=True)
class Method:
    """The attribute ``name`` of ``of``, most likely to be called."""

    of: Any
    name: str


@dataclass(frozen=True)
class Library:
    """Something of SQLAlchemy's, or of a module of the standard library that reaches no database; by its name."""

    package: str
    name: str


@dataclass(frozen=True)
class Builtin:
    """A built-in function that reaches no database."""

    name: str


@dataclass(frozen=True)
class Sql:
    """``sa.text("…")``."""

    text: str


@dataclass(frozen=True)
class Column:
    """``sa.Column("name", …)``."""

    name: str


@dataclass(eq=False)
class Scope:
    """Names and their values; what is not found is looked for in the ``outer`` one."""

    names: dict[str, Any] = field(default_factory=dict)
    outer: Scope | None = None

    def find(self, name: str) -> Any:
        """The value of ``name``, a built-in function's too; ANYTHING where it is not known."""
        if name in self.names:
            return self.names[name]
        if self.outer is not None:
            return self.outer.find(name)
        if name == "NotImplementedError":
            return Thing.REFUSAL
        return Builtin(name) if name in _BUILTINS else Thing.ANYTHING

    def copy(self) -> Scope:
        """The names as they are now, with what is in their lists and dicts, and those of the outer scopes."""
        return Scope({name: _copy(value) for name, value in self.names.items()}, self.outer and self.outer.copy())

    def agrees(self, before: Scope) -> bool:
        """Whether the names that there were ``before`` still stand for the same."""
        outer = self.outer is None or before.outer is None or self.outer.agrees(before.outer)
        return outer and all(
            name in self.names and _same(self.names[name], each) for name, each in before.names.items()
        )


def _copy(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(map(_copy, value))
    return {key: _copy(each) for key, each in value.items()} if isinstance(value, dict) else value


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)


@dataclass(eq=False)
class Function:
    """A function of the file; ``defaults`` are those of its parameters."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope
    defaults: dict[str, Any] = field(default_factory=dict)

    @property
    def decorators(self) -> list[ast.expr]:
        """What stands before it with an @."""
        return [] if isinstance(self.node, ast.Lambda) else self.node.decorator_list


_BUILTINS = frozenset({
    "abs", "all", "any", "bool", "bytes", "dict", "enumerate", "filter", "float", "frozenset", "hash", "id", "int",
    "isinstance", "issubclass", "len", "list", "max", "min", "print", "range", "repr", "reversed", "round", "set",
    "sorted", "str", "sum", "tuple", "type", "zip",
}) | {"Exception", "RuntimeError", "ValueError", "KeyError", "TypeError", "AssertionError"}  # fmt: skip
# Of the standard library, what neither opens anything nor calls what it is given.
_INERT_MODULES = frozenset({
    "__future__", "calendar", "collections", "datetime", "decimal", "enum", "json", "logging", "math", "random", "re",
    "secrets", "string", "textwrap", "time", "typing", "unicodedata", "uuid", "warnings", "zoneinfo",
})  # fmt: skip
_SQLALCHEMY = frozenset({"sqlalchemy", "sqlmodel"})


def resolve_import(module: str, name: str | None = None) -> Any:
    """What ``import module``, or ``from module import name``, binds."""
    root = module.partition(".")[0]
    dotted = f"{module}.{name}" if name else module
    if root == "alembic":
        value: Any = Thing.ALEMBIC
        for each in dotted.split(".")[1:]:
            value = attribute(value, each, "")
        return value
    if root in _SQLALCHEMY:
        return Library("sqlalchemy", dotted.rpartition(".")[2])
    if root in _INERT_MODULES:
        return Library(root, dotted.rpartition(".")[2])
    return Thing.ANYTHING


def attribute(value: Any, name: str, dialect: str) -> Any:
    """``value.name``; ``dialect`` is the name of the dialect of the database that the file is read for."""
    match value:
        case Thing.ALEMBIC:
            return {"op": Thing.OP, "context": Thing.CONTEXT}.get(name, Thing.ANYTHING)
        case Thing.OP:
            return Directive(name)
        case Batch():
            return Directive(name, value)
        case Thing.DIALECT:
            return dialect if name == "name" else Thing.INERT
        case Thing.CONTEXT | Thing.BIND if name == "dialect":
            return Thing.DIALECT
        case Thing.BIND if name == "name":
            return dialect
        case Thing.BIND if name in ("url", "info"):
            return Thing.INERT
        case Thing.CONTEXT | Thing.BIND | Thing.INERT if name in ("bind", "connection", "engine"):
            return Thing.BIND
        case Library():
            return Library(value.package, name)
        case Thing.ANYTHING | Thing.REFUSAL | Directive() | Function() | Method():
            return Thing.ANYTHING
    return Method(value, name)


def is_literal(value: Any) -> bool:
    """Whether ``value`` stands for itself."""
    return value is None or isinstance(value, (str, bytes, int, float, tuple, list, dict, slice))


def is_plain(value: Any) -> bool:
    """Whether ``value`` is a literal through and through, which can be compared."""
    if isinstance(value, dict):
        return all(is_plain(each) for pair in value.items() for each in pair)
    if isinstance(value, (tuple, list)):
        return all(map(is_plain, value))
    return is_literal(value)


def reaches(value: Any) -> bool:
    """Whether who is given ``value`` could change the database, or have this file's code do it."""
    if isinstance(value, dict):
        return any(map(reaches, value.values()))
    if isinstance(value, (tuple, list)):
        return any(map(reaches, value))
    if isinstance(value, Method):
        return reaches(value.of)
    if isinstance(value, Thing):
        return value in (Thing.ALEMBIC, Thing.OP, Thing.CONTEXT, Thing.BIND)
    return isinstance(value, (Batch, Directive, Function))


def join(values: Iterable[Any]) -> Any:
    """What a name stands for that has one of several ``values``."""
    several = list(values)
    first = several[0]
    if all(each is first or (is_plain(each) and is_plain(first) and each == first) for each in several):
        return first
    if all(isinstance(each, (Sql, Column, Batch, Directive, Library)) and each == first for each in several):
        return first
    if any(reaches(each) or each is Thing.ANYTHING or isinstance(each, (Library, Builtin)) for each in several):
        return Thing.ANYTHING
    return Thing.INERT


def elements(value: Any) -> list[Any] | None:
    """What a loop over ``value`` goes through, in order; None where that is not known."""
    if isinstance(value, (tuple, list, dict)):
        return list(value)
    return list(value) if isinstance(value, str) else None
