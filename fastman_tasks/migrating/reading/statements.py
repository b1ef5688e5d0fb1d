"""Follow the statements of a version file as Python would, without running any of them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from fastman_tasks.migrating.reading import calls
from fastman_tasks.migrating.reading.directives import Arguments, Operation
from fastman_tasks.migrating.reading.expressions import Expressions
from fastman_tasks.migrating.reading.meanings import Function, Scope, Thing, elements, join, resolve_import
from fastman_tasks.migrating.reading.operators import unknown_value

_DEEPEST = 20


class RefusalError(Exception):
    """The code that is followed certainly raises NotImplementedError."""


class Follower(Expressions):
    """Follows a version file. ``module`` has its names; ``dialect`` is that of the database it is read for.

    Raises TooLongError, also later on.
    """

    def __init__(self, source: str, tree: ast.Module, dialect: str) -> None:
        super().__init__(source, dialect)
        self.module = Scope()
        self._returned: list[Any] = []
        self._depth = 0
        with suppress(RefusalError):
            self._block(tree.body, self.module)
        # Importing the file does this too: it is not part of the migration.
        self.findings.clear()

    def follow(self, function: Function) -> tuple[tuple[Operation, ...], bool]:
        """The operations of ``function``, called without arguments, and whether it certainly refuses."""
        self.findings.clear()
        refuses = False
        try:
            for decorator in function.decorators:
                self.findings.note_unknown(decorator)
            self._run(function, Arguments())
        except RefusalError:
            refuses = True
        return tuple(self.findings.operations), refuses

    def _enter(self, function: Function, arguments: Arguments, node: ast.Call) -> Any:
        if self._depth >= _DEEPEST:
            self.findings.note_unknown(node)
            return Thing.ANYTHING
        odd = isinstance(function.node, ast.AsyncFunctionDef) or calls.is_generator(function.node)
        if odd or function.decorators:
            # It is unknown who runs its body, and how often.
            self.findings.note_unknown(node)
            self.findings.maybe += 1
            self._run(function, arguments)
            self.findings.maybe -= 1
            return Thing.ANYTHING
        return self._run(function, arguments)

    def _run(self, function: Function, arguments: Arguments) -> Any:
        scope = Scope(calls.parameters(function, arguments), function.scope)
        outer, maybe = self._returned, self.findings.maybe
        returned: list[Any] = []
        self._returned = returned
        self._depth += 1
        try:
            if isinstance(function.node, ast.Lambda):
                return self.value(function.node.body, scope)
            ended = self._block(function.node.body, scope)
        finally:
            self._depth -= 1
            self._returned, self.findings.maybe = outer, maybe
        return join([*returned, *([] if ended and returned else [None])])

    def _block(self, statements: Sequence[ast.stmt], scope: Scope) -> bool:
        """Follow ``statements``; returns whether what comes after them is never reached."""
        return any(self._statement(statement, scope) for statement in statements)

    def _statement(self, node: ast.stmt, scope: Scope) -> bool:
        match node:
            case ast.Return():
                self._returned.append(None if node.value is None else self.value(node.value, scope))
                return True
            case ast.Raise():
                # An exception from elsewhere that is made does nothing.
                self.made += 1
                raised = None if node.exc is None else self.value(node.exc, scope)
                self.made -= 1
                if raised is Thing.REFUSAL and not self.findings.maybe:
                    raise RefusalError
                return True
            case ast.Break() | ast.Continue():
                return True
            case ast.If():
                decided = self.decide(node.test, scope)
                if decided is not None:
                    return self._block(node.body if decided else node.orelse, scope)
                return self._branches([partial(self._block, each, scope) for each in (node.body, node.orelse)], scope)
            case ast.For() | ast.AsyncFor():
                self._for(node, scope)
            case ast.While():
                if self.decide(node.test, scope) is not False:
                    self._repeat(partial(self._block, node.body, scope), scope)
                self._optional(node.orelse, scope)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    entered = self.value(item.context_expr, scope)
                    if item.optional_vars is not None:
                        self.bind(item.optional_vars, entered, scope)
                return self._block(node.body, scope)
            case ast.Try():
                return self._try(node, scope)
            case ast.Match():
                self.value(node.subject, scope)
                for case in node.cases:
                    for each in ast.walk(case.pattern):
                        if isinstance(each, (ast.MatchAs, ast.MatchStar)) and each.name:
                            scope.names[each.name] = Thing.ANYTHING
                    self._optional(case.body, scope)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                scope.names[node.name] = Function(node, scope, self.defaults(node.args, scope))
            case ast.ClassDef():
                bases = [self.value(base, scope) for base in node.bases]
                self._block(node.body, Scope(outer=scope))
                scope.names[node.name] = Thing.REFUSAL if Thing.REFUSAL in bases else Thing.ANYTHING
            case _:
                self._simple(node, scope)
        return False

    def _simple(self, node: ast.stmt, scope: Scope) -> None:
        match node:
            case ast.Import():
                for alias in node.names:
                    root = alias.name.partition(".")[0]
                    scope.names[alias.asname or root] = resolve_import(alias.name if alias.asname else root)
            case ast.ImportFrom():
                for alias in node.names:
                    foreign = node.level or not node.module or alias.name == "*"
                    found = Thing.ANYTHING if foreign else resolve_import(str(node.module), alias.name)
                    scope.names[alias.asname or alias.name] = found
            case ast.Assign():
                found = self.value(node.value, scope)
                for target in node.targets:
                    self.bind(target, found, scope)
            case ast.AnnAssign(value=ast.expr() as right):
                self.bind(node.target, self.value(right, scope), scope)
            case ast.AugAssign():
                self._augment(node, scope)
            case ast.Delete():
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        scope.names.pop(target.id, None)
                    else:
                        self.bind(target, None, scope)
            case ast.Global() | ast.Nonlocal():
                # Changes to them are not followed.
                for name in node.names:
                    scope.names[name] = self.module.names[name] = Thing.ANYTHING
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.value(child, scope)

    def _augment(self, node: ast.AugAssign, scope: Scope) -> None:
        before = self.value(node.target, scope)
        if isinstance(before, list):
            self.value(node.value, scope)
            calls.forget(before)
            return
        computed = ast.copy_location(ast.BinOp(node.target, node.op, node.value), node)
        self.bind(node.target, self.value(computed, scope), scope)

    def _for(self, node: ast.For | ast.AsyncFor, scope: Scope) -> None:
        found = self.value(node.iter, scope)
        several = elements(found)
        if several is None:

            def turn() -> bool:
                self.bind(node.target, unknown_value([found]), scope)
                return self._block(node.body, scope)

            self._repeat(turn, scope)
        for item in several or ():
            self.bind(node.target, item, scope)
            # If an iteration ends early, it is unknown whether the next ones run.
            self.findings.maybe += self._block(node.body, scope)
        self._optional(node.orelse, scope)

    def _try(self, node: ast.Try, scope: Scope) -> bool:
        if not node.handlers:
            ended = self._block([*node.body, *node.orelse], scope)
            return self._block(node.finalbody, scope) or ended
        self._branches([partial(self._block, [*node.body, *node.orelse], scope), lambda: False], scope)
        for handler in node.handlers:
            if handler.name:
                scope.names[handler.name] = Thing.INERT
            self._optional(handler.body, scope)
        return self._block(node.finalbody, scope)

    def _optional(self, body: Sequence[ast.stmt], scope: Scope) -> None:
        if body:
            self._branches([partial(self._block, body, scope), lambda: False], scope)

    def _repeat(self, turn: Callable[[], bool], scope: Scope) -> None:
        before = scope.copy()
        self._branches([turn, lambda: False], scope)
        # The next iteration sees what the previous one has assigned.
        if not scope.agrees(before):
            self._branches([turn, lambda: False], scope)

    def _branches(self, branches: Sequence[Callable[[], bool]], scope: Scope) -> bool:
        """Follow all ``branches``, one of which is taken; returns as ``_block`` does."""
        before = dict(scope.names)
        after: list[dict[str, Any]] = []
        self.findings.maybe += 1
        for branch in branches:
            scope.names.clear()
            scope.names.update(before)
            if not branch():
                after.append(dict(scope.names))
        self.findings.maybe -= 1
        scope.names.clear()
        names = dict.fromkeys(name for each in after or [before] for name in each)
        scope.names.update({name: join([each[name] for each in after or [before] if name in each]) for name in names})
        if after and len(after) < len(branches):
            # It is unknown whether the rest of the function is reached.
            self.findings.maybe += 1
        return not after
