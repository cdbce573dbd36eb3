"""Where the names of a Python file come from, as far as its text says: `ac` is litellm.acompletion.

An origin is a dotted name; `()` in it stands for a call, as in `openai.OpenAI().chat`.
"""

import ast
from dataclasses import dataclass, field

IMPORTERS = {"importlib.import_module", "__import__"}
UNKNOWN = "?"


@dataclass(eq=False)
class Scope:
    """A module, a class or a function.

    Attributes:
        bound: what each name is set to: an expression, an origin, or UNKNOWN.
        returned: what the function of each name gives back.
    """

    parent: "Scope | None" = None
    is_class: bool = False
    bound: dict[str, list[tuple["Scope", ast.expr] | str]] = field(default_factory=dict)
    returned: dict[str, list[tuple["Scope", ast.expr]]] = field(default_factory=dict)

    def bind(self, name: str, value: ast.expr | str) -> None:
        bound = value if isinstance(value, str) else (self, value)
        self.holder(name).bound.setdefault(name, []).append(bound)

    def holder(self, name: str) -> "Scope":
        """The scope that a name is set in: this one, or the class of a `self.…`."""
        scope: Scope | None = self
        while name.startswith("self.") and scope is not None:
            if scope.is_class:
                return scope
            scope = scope.parent
        return self

    def owner(self, name: str) -> "Scope | None":
        """The scope whose name this is; of a class around it, only `self.…` is seen."""
        scope: Scope | None = self
        while scope is not None:
            seen = scope is self or not scope.is_class or name.startswith("self.")
            if seen and name in scope.bound:
                return scope
            scope = scope.parent
        return None


class Origins:
    """
    Args:
        tree: a file, parsed.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.scopes: dict[ast.AST, Scope] = {}
        self._under_way: set[tuple[Scope, str]] = set()
        self._enter(tree, Scope(), "")

    def _enter(self, node: ast.AST, scope: Scope, function: str) -> None:
        self.scopes[node] = scope
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                scope.bind(name, UNKNOWN)
                scope, function = Scope(scope), name
            case ast.ClassDef(name=name):
                scope.bind(name, UNKNOWN)
                scope = Scope(scope, is_class=True)
            case ast.Lambda():
                scope = Scope(scope)
            case ast.Return(value=ast.expr() as value) if scope.parent is not None:
                scope.parent.returned.setdefault(function, []).append((scope, value))
            case _:
                bind(node, scope)
        for child in ast.iter_child_nodes(node):
            self._enter(child, scope, function)

    def of(self, node: ast.expr, scope: Scope | None = None) -> set[str]:
        """The origins that an expression may have; UNKNOWN where the text does not say."""
        scope = scope or self.scopes[node]
        match node:
            case ast.Name(id=name):
                return self._of_name(name, scope)
            case ast.Attribute(value=ast.Name(id="self"), attr=attribute):
                return self._of_name(f"self.{attribute}", scope)
            case ast.Attribute(value=value, attr=attribute):
                return {f"{origin}.{attribute}" for origin in self.of(value, scope)}
            case ast.Await(value=value) | ast.NamedExpr(value=value):
                return self.of(value, scope)
            case ast.Call():
                return self._of_call(node, scope)
            case ast.IfExp(body=body, orelse=orelse):
                return self.of(body, scope) | self.of(orelse, scope)
            case ast.BoolOp(values=values):
                return {origin for value in values for origin in self.of(value, scope)}
        return {UNKNOWN}

    def _of_name(self, name: str, scope: Scope) -> set[str]:
        owner = scope.owner(name)
        if owner is None:
            return {name if name in {"getattr", *IMPORTERS} else UNKNOWN}
        if (owner, name) in self._under_way:
            return {UNKNOWN}
        self._under_way.add((owner, name))
        origins: set[str] = set()
        for bound in owner.bound[name]:
            origins |= {bound} if isinstance(bound, str) else self.of(bound[1], bound[0])
        self._under_way.discard((owner, name))
        return origins

    def _of_call(self, call: ast.Call, scope: Scope) -> set[str]:
        called = self.of(call.func, scope)
        match call.args:
            case [ast.Constant(value=str(module)), *_] if called & IMPORTERS:
                return {module}
            case [of, ast.Constant(value=str(attribute)), *_] if "getattr" in called:
                return {f"{origin}.{attribute}" for origin in self.of(of, scope)}
        if isinstance(call.func, ast.Name) and (owner := scope.owner(call.func.id)):
            returned = owner.returned.get(call.func.id, [])
            if returned and (owner, f"{call.func.id}()") not in self._under_way:
                self._under_way.add((owner, f"{call.func.id}()"))
                origins = {o for inner, value in returned for o in self.of(value, inner)}
                self._under_way.discard((owner, f"{call.func.id}()"))
                return origins
        return {UNKNOWN if origin == UNKNOWN else f"{origin}()" for origin in called}

    def text(self, node: ast.expr, scope: Scope | None = None) -> set[str]:
        """The ends of the texts that an expression may be, as far as they are written out."""
        scope = scope or self.scopes[node]
        match node:
            case ast.Constant(value=str(text)):
                return {text}
            case ast.JoinedStr(values=[*_, last]) | ast.FormattedValue(value=last):
                return self.text(last, scope)
            case ast.BinOp(op=ast.Add(), right=last) | ast.BinOp(op=ast.Div(), right=last):
                return self.text(last, scope)
            case ast.BinOp(op=ast.Mod(), left=last):
                return self.text(last, scope)
            case ast.Call(func=ast.Attribute(value=last, attr="format")):
                return self.text(last, scope)
            case ast.Call(args=[*_, last], keywords=[]):
                return self.text(last, scope)
            case ast.Name() | ast.Attribute(value=ast.Name(id="self")):
                return self._text_of_name(node, scope)
        return set()

    def _text_of_name(self, node: ast.Name | ast.Attribute, scope: Scope) -> set[str]:
        name = node.id if isinstance(node, ast.Name) else f"self.{node.attr}"
        owner = scope.owner(name)
        if owner is None or (owner, name) in self._under_way:
            return set()
        self._under_way.add((owner, name))
        bound = [value for value in owner.bound[name] if not isinstance(value, str)]
        texts = {text for inner, value in bound for text in self.text(value, inner)}
        self._under_way.discard((owner, name))
        return texts


def bind(node: ast.AST, scope: Scope) -> None:
    """What a statement, or a part of one, does to the names of its scope."""
    match node:
        case ast.Import(names=names):
            for alias in names:
                first = alias.name.partition(".")[0]
                scope.bind(alias.asname or first, alias.name if alias.asname else first)
        case ast.ImportFrom(module=str(module), names=names, level=0):
            for alias in names:
                scope.bind(alias.asname or alias.name, f"{module}.{alias.name}")
        case ast.ImportFrom(names=names):
            for alias in names:
                scope.bind(alias.asname or alias.name, UNKNOWN)
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                bind_target(target, value, scope)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            bind_target(target, value, scope)
        case ast.NamedExpr(target=target, value=value):
            bind_target(target, value, scope)
        case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
            bind_target(target, value, scope)
        case ast.arg(arg=name):
            scope.bind(name, UNKNOWN)
        case ast.For(target=target) | ast.AsyncFor(target=target):
            bind_target(target, UNKNOWN, scope)


def bind_target(target: ast.expr, value: ast.expr | str, scope: Scope) -> None:
    match target:
        case ast.Name(id=name):
            scope.bind(name, value)
        case ast.Attribute(value=ast.Name(id="self"), attr=attribute):
            scope.bind(f"self.{attribute}", value)
        case ast.Tuple(elts=targets) | ast.List(elts=targets):
            values = value.elts if isinstance(value, ast.Tuple | ast.List) else []
            for number, inner in enumerate(targets):
                paired = len(values) == len(targets)
                bind_target(inner, values[number] if paired else UNKNOWN, scope)
