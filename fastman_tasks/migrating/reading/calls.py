"""What a call in a version file does to tables and columns."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable
from typing import Any

from fastman_tasks.migrating.reading import directives
from fastman_tasks.migrating.reading.directives import Arguments, CannotTellError, Operation
from fastman_tasks.migrating.reading.meanings import (
    Builtin,
    Column,
    Directive,
    Function,
    Library,
    Method,
    Sql,
    Thing,
    is_literal,
    is_plain,
    reaches,
)

# Methods that hand a statement on.
_SENDERS = frozenset({"execute", "exec_driver_sql", "scalar", "scalars"})
_STILL_A_BIND = frozenset({"begin", "begin_nested", "connect", "execution_options", "get_bind", "connection"})
_HARMLESS_OF_A_BIND = frozenset({
    "add", "add_all", "close", "commit", "dispose", "expire_all", "flush", "get_transaction", "in_nested_transaction",
    "in_transaction", "rollback",
})  # fmt: skip
_OF_A_CONTEXT = frozenset({
    "autocommit_block", "begin_transaction", "get_current_heads", "get_current_revision", "get_revision_argument",
    "get_tag_argument", "get_x_argument", "is_offline_mode", "is_transactional_ddl",
})  # fmt: skip
#: What makes an engine, a connection or a session, or binds one.
_CONNECT = frozenset({"create_engine", "engine_from_config", "Connection", "Session", "scoped_session", "sessionmaker"})
_INSPECT = frozenset({"inspect", "from_engine"})
_PURE = {
    str: frozenset(
        {
            "capitalize",
            "lower",
            "lstrip",
            "removeprefix",
            "removesuffix",
            "replace",
            "rstrip",
            "split",
            "strip",
            "title",
            "upper",
        }
    ),
    dict: frozenset({"copy", "get", "items", "keys", "values"}),
    list: frozenset({"copy", "count", "index"}),
}
_CALLED: dict[str, Callable[..., Any]] = {
    "dict": dict, "enumerate": enumerate, "list": list, "range": range, "reversed": reversed, "set": dict.fromkeys,
    "sorted": sorted, "tuple": tuple, "zip": zip,
}  # fmt: skip
_ONLY_LOOK = frozenset({"bool", "isinstance", "print", "repr", "str"})
_LONGEST_RANGE = 1000


def call(callee: Any, arguments: Arguments) -> tuple[Any, Operation | None]:
    """Returns the value of the call of ``callee``, and its operation if it has one that matters.

    Raises CannotTellError.
    """
    match callee:
        case Directive("get_bind", None):
            return Thing.BIND, None
        case Directive("get_context", None):
            return Thing.CONTEXT, None
        case Directive("f"):
            return arguments.get("name", 0), None
        case Directive("batch_alter_table", None):
            return directives.batch(arguments), None
        case Directive():
            return Thing.INERT, directives.interpret(callee, arguments)
        case Library():
            return _library(callee, arguments), None
        case Builtin():
            return _builtin(callee.name, arguments), None
        case Method():
            return _method(callee, arguments)
        case Thing.BIND | Thing.REFUSAL:
            # A sessionmaker; an exception that is made, to be raised.
            return callee, None
    raise CannotTellError


def _library(callee: Library, arguments: Arguments) -> Any:
    name, first = callee.name, arguments.positional[0] if arguments.positional else None
    if callee.package == "textwrap" and isinstance(first, str):
        return textwrap.dedent(first)
    if callee.package == "sqlalchemy" and (name in _CONNECT or name.startswith("create_async")):
        return Thing.BIND
    given = {key: value for key, value in (arguments.keywords or {}).items() if key != "autoload_with"}
    if reaches(given) or (reaches(arguments.positional) and name not in _INSPECT):
        raise CannotTellError
    if callee.package != "sqlalchemy":
        return Thing.INERT
    match name:
        case "text" | "DDL" | "literal_column":
            text = arguments.get("text" if name != "DDL" else "statement", 0)
            return Sql(text) if isinstance(text, str) and name != "literal_column" else Thing.INERT
        case "quoted_name":
            return arguments.get("value", 0)
        case "Column":
            named = arguments.get("name", 0)
            return Column(str(named)) if isinstance(named, str) else Thing.INERT
        case "Enum" | "ENUM" | "DOMAIN":
            return Thing.TYPE
        case "insert" | "CreateTable" | "CreateIndex" | "CreateSequence" | "CreateSchema":
            return Thing.ADDS
    return Thing.INERT


def _builtin(name: str, arguments: Arguments) -> Any:
    if name in _ONLY_LOOK:
        return Thing.INERT
    if reaches(list(arguments.all)) or not arguments.complete:
        raise CannotTellError
    unknown = Thing.ANYTHING if Thing.ANYTHING in arguments.positional else Thing.INERT
    if name not in _CALLED or not all(map(is_literal, arguments.all)):
        return unknown
    if name == "range" and not (is_plain(arguments.all) and len(range(*arguments.positional)) <= _LONGEST_RANGE):
        return unknown
    try:
        made = _CALLED[name](*arguments.positional, **(arguments.keywords or {}))
    except (TypeError, ValueError):
        return unknown
    return made if isinstance(made, dict) and name == "dict" else list(made)


def _method(method: Method, arguments: Arguments) -> tuple[Any, Operation | None]:
    of, name = method.of, method.name
    match of:
        case Thing.BIND | Thing.CONTEXT | Thing.INERT if name in _SENDERS:
            return Thing.INERT, directives.statement(arguments.positional[0] if arguments.positional else None)
        case Thing.BIND if name in _STILL_A_BIND:
            return Thing.BIND, None
        case Thing.BIND if name in _HARMLESS_OF_A_BIND:
            return Thing.INERT, None
        case Thing.CONTEXT if name in ("get_bind", "get_context"):
            return (Thing.BIND if name == "get_bind" else Thing.CONTEXT), None
        case Thing.CONTEXT if name in _OF_A_CONTEXT:
            return Thing.INERT, None
        case Thing.BIND | Thing.CONTEXT:
            raise CannotTellError
        case Thing.TYPE if name in ("create", "drop"):
            return Thing.INERT, None
    if reaches(list(arguments.all)) and not (of is Thing.INERT and name in ("create", "create_all", "reflect")):
        raise CannotTellError
    match of:
        case Sql() if name in ("bindparams", "columns", "execution_options"):
            return of, None
        case Thing.ADDS:
            return (Thing.INERT if name == "on_conflict_do_update" else Thing.ADDS), None
        case Thing.INERT if name == "insert":
            return Thing.ADDS, None
        case str() | dict() | list():
            return _of_literal(of, name, arguments), None
    return Thing.INERT, None


def _of_literal(of: str | dict[Any, Any] | list[Any], name: str, arguments: Arguments) -> Any:
    if name in _PURE[type(of)]:
        if not (arguments.complete and all(map(is_plain, arguments.all))):
            return Thing.ANYTHING
        try:
            made = getattr(of, name)(*arguments.positional, **(arguments.keywords or {}))
        except (TypeError, ValueError):
            return Thing.ANYTHING
        return list(made) if isinstance(of, dict) and name in ("items", "keys", "values") else made
    forget(of)
    return Thing.INERT


def forget(changed: Any) -> None:
    """Make the contents of the list or dict ``changed`` unknown from here on, under all its names."""
    if isinstance(changed, list):
        changed[:] = [Thing.ANYTHING]
    elif isinstance(changed, dict):
        changed.clear()
        changed[Thing.INERT] = Thing.ANYTHING


def is_generator(node: ast.AST) -> bool:
    """Whether the function ``node`` is a generator."""
    return any(isinstance(each, (ast.Yield, ast.YieldFrom)) for each in ast.walk(node))


def parameters(function: Function, arguments: Arguments) -> dict[str, Any]:
    """Returns the names that ``function`` starts with; ANYTHING for one that its caller does not set."""
    named = function.node.args
    positional = [each.arg for each in (*named.posonlyargs, *named.args)]
    names = dict.fromkeys((*positional, *(each.arg for each in named.kwonlyargs)), Thing.ANYTHING) | (
        function.defaults if arguments.complete else {}
    )
    rest = {key: value for key, value in (arguments.keywords or {}).items() if key not in names}
    if arguments.complete:
        names |= dict(zip(positional, arguments.positional, strict=False))
    names |= {key: value for key, value in (arguments.keywords or {}).items() if key in names}
    if named.vararg:
        names[named.vararg.arg] = arguments.positional[len(positional) :] if arguments.complete else Thing.ANYTHING
    if named.kwarg:
        names[named.kwarg.arg] = rest if arguments.complete else Thing.ANYTHING
    return names
