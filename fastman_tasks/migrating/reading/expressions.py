"""The values of the expressions of a version file, and what evaluating them would do."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from typing import Any

from fastman_tasks.migrating.reading import calls
from fastman_tasks.migrating.reading.directives import Arguments, CannotTellError
from fastman_tasks.migrating.reading.findings import Findings
from fastman_tasks.migrating.reading.meanings import (
    Function,
    Library,
    Scope,
    Thing,
    attribute,
    elements,
    is_literal,
    is_plain,
    join,
    reaches,
)
from fastman_tasks.migrating.reading.operators import compute, item, unknown_value

#: Calls that are followed before a file counts as too long to be analysed.
_MOST_CALLS = 10_000


class TooLongError(Exception):
    """The file makes too many calls to be analysed."""


class Expressions(ABC):
    """Evaluates expressions of ``source`` without running anything; ``findings`` has what they do."""

    def __init__(self, source: str, dialect: str) -> None:
        self.findings = Findings(source)
        self._dialect = dialect
        self._calls = 0
        #: Above 0 where a class from elsewhere is only made: the type of a column, an exception.
        self.made = 0

    @abstractmethod
    def _enter(self, function: Function, arguments: Arguments, node: ast.Call) -> Any:
        """What ``function`` returns, its body followed."""

    def value(self, node: ast.expr, scope: Scope) -> Any:
        """What ``node`` stands for."""
        match node:
            case ast.Constant():
                return node.value if is_literal(node.value) else Thing.INERT
            case ast.Name():
                return scope.find(node.id)
            case ast.Attribute():
                return attribute(self.value(node.value, scope), node.attr, self._dialect)
            case ast.Call():
                return self._call(node, scope)
            case ast.Tuple() | ast.Set():
                items, complete = self._items(node.elts, scope)
                return tuple(items) if complete else unknown_value(items)
            case ast.List():
                items, complete = self._items(node.elts, scope)
                return items if complete else unknown_value(items)
            case ast.Dict():
                return self._dict(node, scope)
            case ast.BoolOp():
                return self._bool(node, scope)
            case ast.IfExp():
                return self._if(node, scope)
            case ast.Subscript():
                return item(self.value(node.value, scope), self.value(node.slice, scope))
            case ast.NamedExpr(target=ast.Name(id=name)):
                scope.names[name] = found = self.value(node.value, scope)
                return found
            case ast.Lambda():
                return Function(node, scope, self.defaults(node.args, scope))
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                made: list[Any] = []
                known = self._comprehension(node.generators, node.elt, Scope(outer=scope), made)
                return made if known else unknown_value(made)
            case ast.DictComp():
                self._comprehension(node.generators, ast.Tuple([node.key, node.value]), Scope(outer=scope), [])
                return Thing.INERT
            case ast.Starred() | ast.Await():
                return self.value(node.value, scope)
        values = [self.value(child, scope) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        return compute(node, values)

    def decide(self, node: ast.expr, scope: Scope) -> bool | None:
        """Whether ``node`` is true; None where that is not known."""
        found = self.value(node, scope)
        return bool(found) if is_plain(found) else None

    def _call(self, node: ast.Call, scope: Scope) -> Any:
        self._calls += 1
        if self._calls > _MOST_CALLS:
            raise TooLongError
        callee = self.value(node.func, scope)
        column = callee == Library("sqlalchemy", "Column")
        self.made += column
        positional, complete = self._items(node.args, scope)
        keywords: dict[str, Any] = {}
        for keyword in node.keywords:
            is_type = bool(keyword.arg) and str(keyword.arg).rstrip("_").endswith("type")
            self.made += is_type
            found = self.value(keyword.value, scope)
            self.made -= is_type
            if keyword.arg is not None:
                keywords[keyword.arg] = found
            elif isinstance(found, dict) and all(isinstance(name, str) for name in found):
                keywords.update(found)
            else:
                complete = False
        self.made -= column
        arguments = Arguments(tuple(positional), keywords, complete)
        if isinstance(callee, Function):
            return self._enter(callee, arguments, node)
        if callee is Thing.ANYTHING and self.made and not reaches(list(arguments.all)):
            return Thing.INERT
        try:
            returned, operation = calls.call(callee, arguments)
        except CannotTellError:
            self.findings.note_unknown(node)
            return Thing.ANYTHING
        if operation is not None:
            self.findings.note(operation, node)
        return returned

    def _items(self, nodes: list[ast.expr], scope: Scope) -> tuple[list[Any], bool]:
        items: list[Any] = []
        complete = True
        for node in nodes:
            found = self.value(node, scope)
            if not isinstance(node, ast.Starred):
                items.append(found)
            elif (several := elements(found)) is not None:
                items.extend(several)
            else:
                complete = False
        return items, complete

    def _dict(self, node: ast.Dict, scope: Scope) -> Any:
        values = [self.value(each, scope) for each in node.values]
        keys = [None if each is None else self.value(each, scope) for each in node.keys]
        if None in node.keys or not all(isinstance(key, (str, int, type(None))) for key in keys):
            return unknown_value(values)
        return dict(zip(keys, values, strict=True))

    def _bool(self, node: ast.BoolOp, scope: Scope) -> Any:
        ends_with = isinstance(node.op, ast.Or)
        found: list[Any] = []
        outer = self.findings.maybe
        try:
            for each in node.values:
                found.append(self.value(each, scope))
                if is_plain(found[-1]):
                    if bool(found[-1]) is ends_with:
                        break
                else:
                    self.findings.maybe += 1
        finally:
            self.findings.maybe = outer
        return found[-1] if all(map(is_plain, found)) else join(found)

    def _if(self, node: ast.IfExp, scope: Scope) -> Any:
        decided = self.decide(node.test, scope)
        if decided is not None:
            return self.value(node.body if decided else node.orelse, scope)
        self.findings.maybe += 1
        try:
            return join([self.value(node.body, scope), self.value(node.orelse, scope)])
        finally:
            self.findings.maybe -= 1

    def _comprehension(
        self, generators: list[ast.comprehension], element: ast.expr, scope: Scope, made: list[Any]
    ) -> bool:
        """Add what ``element`` stands for in each turn to ``made``; returns whether all of them are known."""
        if not generators:
            made.append(self.value(element, scope))
            return True
        first, *others = generators
        found = self.value(first.iter, scope)
        several = elements(found)
        known = several is not None
        for each in several if several is not None else [unknown_value([found])]:
            outer = self.findings.maybe
            self.findings.maybe += not known
            self.bind(first.target, each, scope)
            tests = [self.decide(test, scope) for test in first.ifs]
            if False not in tests:
                self.findings.maybe += None in tests
                known = self._comprehension(others, element, scope, made) and known and None not in tests
            self.findings.maybe = outer
        return known

    def bind(self, target: ast.expr, value: Any, scope: Scope) -> None:
        """Have ``target``, the left side of an assignment, stand for ``value``."""
        match target:
            case ast.Name():
                scope.names[target.id] = value
            case ast.Tuple() | ast.List():
                parts = elements(value)
                if parts is None or len(parts) != len(target.elts):
                    parts = [unknown_value([value])] * len(target.elts)
                for each, part in zip(target.elts, parts, strict=True):
                    self.bind(each, part, scope)
            case ast.Starred():
                self.bind(target.value, unknown_value([value]), scope)
            case ast.Subscript():
                calls.forget(self.value(target.value, scope))
                self.value(target.slice, scope)
            case ast.Attribute():
                self.value(target.value, scope)

    def defaults(self, arguments: ast.arguments, scope: Scope) -> dict[str, Any]:
        """The parameters that have a default, with what it stands for."""
        positional = [*arguments.posonlyargs, *arguments.args]
        pairs = [*zip(positional[::-1], arguments.defaults[::-1], strict=False)]
        pairs += [(each, node) for each, node in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if node]
        return {argument.arg: self.value(node, scope) for argument, node in pairs}
