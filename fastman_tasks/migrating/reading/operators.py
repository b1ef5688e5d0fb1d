"""The results of operators."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from typing import Any

from fastman_tasks.migrating.reading.meanings import Thing, elements, is_plain, reaches

_COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.In: lambda one, several: one in several, ast.NotIn: lambda one, several: one not in several,
}  # fmt: skip


def compute(node: ast.expr, values: list[Any]) -> Any:
    """Returns the result of an operator for ``values``, its operands in the order of the source."""
    try:
        match node:
            case ast.Slice():
                parts: Iterator[Any] = iter(values)
                return slice(*(None if each is None else next(parts) for each in (node.lower, node.upper, node.step)))
            case _ if not all(map(is_plain, values)):
                pass
            case ast.UnaryOp(op=ast.Not()):
                return not values[0]
            case ast.UnaryOp(op=ast.USub()):
                return -values[0]
            case ast.BinOp(op=ast.Add()):
                return values[0] + values[1]
            case ast.Compare():
                pairs = zip(node.ops, values, values[1:], strict=False)
                return all(_COMPARED[type(op)](one, other) for op, one, other in pairs)
    except TypeError:
        pass
    if isinstance(node, (ast.Compare, ast.UnaryOp, ast.JoinedStr, ast.FormattedValue)):
        return Thing.INERT
    return unknown_value(values)


def unknown_value(values: list[Any]) -> Thing:
    """Returns what is known of a value that is computed from ``values``, or is one of them."""
    return Thing.ANYTHING if reaches(values) or Thing.ANYTHING in values else Thing.INERT


def item(of: Any, key: Any) -> Any:
    """``of[key]``."""
    if isinstance(of, (str, tuple, list, dict)) and isinstance(key, (str, int, slice)):
        try:
            return of[key]  # type: ignore[index]
        except (LookupError, TypeError, ValueError):
            return Thing.ANYTHING
    if isinstance(of, dict):
        return unknown_value(list(of.values()))
    return unknown_value(elements(of) or [of])
