"""Which statements, functions and classes can be without what is gone."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import libcst as cst

from lightloop.template.slim.expressions import Expressions
from lightloop.template.slim.gone import (
    FALSE,
    GONE,
    TRUE,
    Scope,
    dotted,
    is_false,
    is_gone,
    is_true,
    last,
    names_of,
    text_of,
    tidy,
)

REMOVED = cst.RemovalSentinel.REMOVE
ENDS = (cst.Return, cst.Raise, cst.Continue, cst.Break)
Left = cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement] | cst.RemovalSentinel
Small = cst.BaseSmallStatement | cst.RemovalSentinel


class Statements(Expressions):
    """Judges statements by what is left of their expressions."""

    def __init__(self, gone: Any, **where: Any) -> None:
        super().__init__(gone, **where)
        self.branches: set[int] = set()
        # Of each condition further out, what its function had lost before it.
        self.before: list[tuple[bool, bool]] = []
        # Parameters that can be nothing but None any more, with their places, by the function's full name.
        self.voids: dict[str, dict[str, int]] = {}

    @property
    def scope(self) -> Scope:
        return self.scopes[-1]

    def touch(self) -> None:
        """A statement of this function is lost."""
        self.scope.touched = True

    def qualified(self, name: str) -> str:
        return ".".join([*(scope.name for scope in self.scopes[1:]), name])

    def said_gone(self, name: str) -> bool:
        """Whether a definition in this scope is named as gone."""
        inside = any(scope.function for scope in self.scopes[1:])
        return not inside and self.qualified(name) in self.gone.definitions.get(self.module, ())

    def lose(self, name: str) -> None:
        """A definition of this scope is gone."""
        self.scope.gone.add(name)
        if not any(scope.function for scope in self.scopes[1:]):
            self.lost.add(self.qualified(name))
        self.touch()

    def lose_names(self, targets: Sequence[cst.BaseExpression]) -> None:
        for target in targets:
            for name in names_of(target):
                if not self.scope.function:
                    self.lose(name)
                elif name in self.scope.once:
                    self.scope.gone.add(name)
        if self.scope.name.startswith("test") or not self.scope.function:
            self.touch()

    # Imports

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:  # noqa: N802
        return False

    def leave_ImportFrom(self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom) -> Small:  # noqa: N802
        if isinstance(updated_node.names, cst.ImportStar):
            return updated_node
        module = self._absolute(updated_node)
        kept = []
        for alias in updated_node.names:
            name = dotted(alias.name)
            if self.gone.named(module, name):
                self.scope.gone.add(_bound_name(alias))
            else:
                kept.append(alias)
                self.aliases[_bound_name(alias)] = f"{module}.{name}"
        if len(kept) == len(updated_node.names):
            return updated_node
        if not kept:
            return REMOVED
        kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        return updated_node.with_changes(names=kept)

    def _absolute(self, node: cst.ImportFrom) -> str:
        name = dotted(node.module)
        level = len(node.relative)
        if not level:
            return name
        base = self.package.split(".")
        base = base[: len(base) - level + 1]
        return ".".join([*base, name] if name else base)

    def visit_Import(self, node: cst.Import) -> bool:  # noqa: N802
        return False

    def leave_Import(self, original_node: cst.Import, updated_node: cst.Import) -> Small:  # noqa: N802
        kept = [alias for alias in updated_node.names if not self.gone.module(dotted(alias.name))]
        self.roots |= {_bound_name(alias) for alias in updated_node.names}
        for alias in updated_node.names:
            if alias not in kept and alias.asname:
                self.scope.gone.add(_bound_name(alias))
        if len(kept) == len(updated_node.names):
            return updated_node
        if not kept:
            return REMOVED
        kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        return updated_node.with_changes(names=kept)

    # Small statements

    def leave_Expr(self, original_node: cst.Expr, updated_node: cst.Expr) -> Small:  # noqa: N802
        if text_of(original_node.value) is not None:
            return original_node
        if is_gone(updated_node.value) or is_true(updated_node.value) or is_false(updated_node.value):
            self.touch()
            return REMOVED
        return updated_node

    def leave_Assign(self, original_node: cst.Assign, updated_node: cst.Assign) -> Small:  # noqa: N802
        if all(is_gone(target.target) for target in updated_node.targets) or is_gone(updated_node.value):
            self.lose_names([target.target for target in original_node.targets])
            return REMOVED
        parts = (original_node.targets[0].target, original_node.value)
        if all(isinstance(one, cst.Tuple) for one in parts):
            return self._pairs(original_node, updated_node, *cast("tuple[cst.Tuple, cst.Tuple]", parts))
        names = names_of(original_node.targets[0].target)
        if (
            names
            and self.scope.once.issuperset(names)
            and (is_true(updated_node.value) or is_false(updated_node.value))
        ):
            self.scope.truths |= dict.fromkeys(names, TRUE if is_true(updated_node.value) else FALSE)
            return REMOVED
        if self._exported(original_node) and isinstance(updated_node.value, cst.List):
            return updated_node.with_changes(value=self._still_exported(updated_node.value))
        return updated_node

    def _pairs(self, before: cst.Assign, node: cst.Assign, names: cst.Tuple, values: cst.Tuple) -> Small:
        """`a, b = 1, 2` without those of which one side is gone."""
        if len(names.elements) != len(values.elements):
            return node
        pairs = list(zip(names.elements, values.elements, strict=True))
        kept = [pair for pair in pairs if not any(is_gone(cast("cst.CSTNode", one.value.visit(self))) for one in pair)]
        if len(kept) == len(pairs):
            return node
        self.lose_names([pair[0].value for pair in pairs if pair not in kept])
        if not kept:
            return REMOVED
        target: Any = names.with_changes(elements=tidy([name for name, _ in kept], names.elements))
        value: Any = values.with_changes(elements=tidy([one for _, one in kept], values.elements))
        if len(kept) == 1:
            target, value = kept[0][0].value, kept[0][1].value
        return before.with_changes(targets=[before.targets[0].with_changes(target=target)], value=value.visit(self))

    @staticmethod
    def _exported(node: cst.Assign) -> bool:
        return last(node.targets[0].target) == "__all__"

    def _still_exported(self, names: cst.List) -> cst.List:
        kept = [one for one in names.elements if not self.is_gone_name(text_of(one.value) or "")]
        return names.with_changes(elements=kept) if len(kept) < len(names.elements) else names

    def leave_AnnAssign(self, original_node: cst.AnnAssign, updated_node: cst.AnnAssign) -> Small:  # noqa: N802
        name = last(original_node.target)
        if self.said_gone(name) or any(
            map(is_gone, (updated_node.target, updated_node.annotation.annotation, updated_node.value))
        ):
            self.lose_names([original_node.target])
            return REMOVED
        return updated_node

    def leave_AugAssign(self, original_node: cst.AugAssign, updated_node: cst.AugAssign) -> Small:  # noqa: N802
        if is_gone(updated_node.value) or is_gone(updated_node.target):
            self.touch()
            return REMOVED
        return updated_node

    def leave_Return(self, original_node: cst.Return, updated_node: cst.Return) -> Small:  # noqa: N802
        if is_gone(updated_node.value):
            self.scope.returns = True
            self.touch()
            return REMOVED
        return updated_node

    def leave_Raise(self, original_node: cst.Raise, updated_node: cst.Raise) -> Small:  # noqa: N802
        if is_gone(updated_node.exc):
            self.touch()
            return REMOVED
        if updated_node.cause and is_gone(updated_node.cause.item):
            return updated_node.with_changes(cause=None)
        return updated_node

    def leave_Assert(self, original_node: cst.Assert, updated_node: cst.Assert) -> Small:  # noqa: N802
        if is_false(updated_node.test) or is_gone(updated_node.msg):
            self.touch()
            return REMOVED
        return REMOVED if is_true(updated_node.test) else updated_node

    def leave_Del(self, original_node: cst.Del, updated_node: cst.Del) -> Small:  # noqa: N802
        return REMOVED if is_gone(updated_node.target) else updated_node

    def leave_TypeAlias(self, original_node: cst.TypeAlias, updated_node: cst.TypeAlias) -> Small:  # noqa: N802
        if is_gone(updated_node.value):
            self.lose(original_node.name.value)
            return REMOVED
        return updated_node

    # Annotations in quotes

    def leave_Annotation(self, original_node: cst.Annotation, updated_node: cst.Annotation) -> cst.Annotation:  # noqa: N802
        said = text_of(updated_node.annotation)
        if said is None or not said.isprintable():
            return updated_node
        try:
            before = cst.parse_expression(said)
        except cst.ParserSyntaxError:
            return updated_node
        after = before.visit(self)
        if not isinstance(after, cst.BaseExpression) or after.deep_equals(before):
            return updated_node
        code = cst.Module([]).code_for_node(after)
        return updated_node.with_changes(annotation=after if is_gone(after) else cst.SimpleString(f'"{code}"'))

    # Blocks

    def leave_IndentedBlock(self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock) -> cst.BaseSuite:  # noqa: N802
        body = list(updated_node.body)
        for place, statement in enumerate(body[:-1]):
            ends = isinstance(statement, cst.SimpleStatementLine) and isinstance(statement.body[-1], ENDS)
            if ends:  # what stood further in came behind it by the cut
                return updated_node.with_changes(body=body[: place + 1])
        return updated_node

    def visit_If(self, node: cst.If) -> None:  # noqa: N802
        self.before.append((self.scope.touched, self.scope.returns))
        if isinstance(node.orelse, cst.If):
            self.branches.add(id(node.orelse))

    def leave_If(self, original_node: cst.If, updated_node: cst.If) -> Any:  # noqa: N802
        branch = id(original_node) in self.branches
        before = self.before.pop()
        if is_true(updated_node.test):
            if original_node.orelse is not None:
                self.touch()
            return cst.Else(body=updated_node.body) if branch else flat(updated_node, updated_node.body)
        if is_false(updated_node.test):
            if original_node.orelse is None:  # nothing is lost: it was never so
                self.scope.touched, self.scope.returns = before
            else:
                self.touch()
            return self._otherwise(updated_node, branch=branch)
        if emptied(original_node.body, updated_node.body):
            if updated_node.orelse is None:
                return REMOVED
            if isinstance(updated_node.orelse, cst.Else) and not branch:
                return updated_node.with_changes(
                    test=cst.UnaryOperation(
                        operator=cst.Not(),
                        expression=updated_node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()]),
                    ),
                    body=updated_node.orelse.body,
                    orelse=None,
                )
        return updated_node

    @staticmethod
    def _otherwise(node: cst.If, *, branch: bool) -> Any:
        other = node.orelse
        if other is None:
            return REMOVED
        if isinstance(other, cst.If):
            return other if branch else other.with_changes(leading_lines=node.leading_lines)
        return other if branch else flat(node, other.body)

    def leave_Else(self, original_node: cst.Else, updated_node: cst.Else) -> Any:  # noqa: N802
        return REMOVED if emptied(original_node.body, updated_node.body) else updated_node

    def leave_For(self, original_node: cst.For, updated_node: cst.For) -> Left:  # noqa: N802
        if is_gone(updated_node.iter) or emptied(original_node.body, updated_node.body):
            self.touch()
            return REMOVED
        return updated_node

    def leave_While(self, original_node: cst.While, updated_node: cst.While) -> Left:  # noqa: N802
        if is_false(updated_node.test) or emptied(original_node.body, updated_node.body):
            self.touch()
            return REMOVED
        return updated_node

    def leave_With(self, original_node: cst.With, updated_node: cst.With) -> Left:  # noqa: N802
        items = [one for one in updated_node.items if not is_gone(one.item)]
        if emptied(original_node.body, updated_node.body):
            return REMOVED
        if len(items) == len(updated_node.items):
            return updated_node
        self.touch()
        if not items:
            return flat(updated_node, updated_node.body)
        items[-1] = items[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        return updated_node.with_changes(items=items)

    def leave_Try(self, original_node: cst.Try, updated_node: cst.Try) -> Left:  # noqa: N802
        if emptied(original_node.body, updated_node.body):
            return REMOVED
        handlers = [one for one in updated_node.handlers if not is_gone(one.type)]
        if len(handlers) == len(updated_node.handlers):
            return updated_node
        if not handlers and not updated_node.finalbody:
            return flat(updated_node, updated_node.body)
        return updated_node.with_changes(handlers=handlers)

    # What is left over

    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:  # noqa: N802
        return updated_node.visit(_Words())

    def unsolved(self, tree: cst.Module) -> Iterator[str]:
        """Lines that still say what they can't."""
        for number, line in enumerate(tree.code.splitlines(), start=1):
            if GONE in line:
                yield f"{self.module}:{number}: {line.strip()}"


class _Words(cst.CSTTransformer):
    """Truths that were left standing, in Python's words."""

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:  # noqa: N802
        return cst.Name({TRUE: "True", FALSE: "False"}.get(updated_node.value, updated_node.value))


def _bound_name(alias: cst.ImportAlias) -> str:
    if alias.asname:
        return dotted(alias.asname.name)
    return dotted(alias.name).split(".")[0]


def flat(node: Any, body: cst.BaseSuite) -> Any:
    """The statements of a block, one level further out, below the comments that stood above it."""
    statements = list(body.body) if isinstance(body, cst.IndentedBlock) else []
    if not statements:
        return REMOVED
    first: Any = statements[0]
    if hasattr(first, "leading_lines"):
        first = first.with_changes(leading_lines=[*node.leading_lines, *first.leading_lines])
    return cst.FlattenSentinel([first, *statements[1:]])


def is_docstring(statement: Any) -> bool:
    if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        return False
    [only] = statement.body
    return isinstance(only, cst.Pass) or (
        isinstance(only, cst.Expr) and isinstance(only.value, cst.SimpleString | cst.ConcatenatedString)
    )


def _says(body: cst.BaseSuite) -> bool:
    """Whether a block does anything but describe itself and import."""
    if not isinstance(body, cst.IndentedBlock):
        return True
    return any(not is_docstring(one) and not _imports(one) for one in body.body)


def _imports(statement: Any) -> bool:
    return isinstance(statement, cst.SimpleStatementLine) and all(
        isinstance(one, cst.Import | cst.ImportFrom) for one in statement.body
    )


def emptied(before: cst.BaseSuite, after: cst.BaseSuite) -> bool:
    if isinstance(after, cst.IndentedBlock) and not after.body:
        return True
    return _says(before) and not _says(after)
