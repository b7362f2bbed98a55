"""What is no longer there, and the scopes in which a file names it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import libcst as cst

GONE, TRUE, FALSE = "__gone__", "__true__", "__false__"


@dataclass
class Gone:
    """What is no longer there.

    Attributes:
        modules: dotted names.
        definitions: of each module, such as `f` or `Class.method`.
        attributes: names that objects have no longer, with what holders are called.
        parameters: that functions no longer take, with their places, by the function's full name.
        values: by attribute, what it is no longer.
        only: by attribute, the one value that is left, where there is only one.
        alone: classes that are all that is left of a union.
        makers: what in tests makes or holds something of the kind that is said.
        options: words of configs that name nothing any more.
        paths: of files, and what they are called.
        settled: functions and parameters that the file's calls no longer give by their places.
    """

    modules: set[str] = field(default_factory=set)
    definitions: dict[str, set[str]] = field(default_factory=dict)
    attributes: dict[str, set[str]] = field(default_factory=dict)
    parameters: dict[str, dict[str, int]] = field(default_factory=dict)
    values: dict[str, frozenset[str]] = field(default_factory=dict)
    kinds: dict[str, tuple[str, ...]] = field(default_factory=dict)
    only: dict[str, str] = field(default_factory=dict)
    alone: set[str] = field(default_factory=set)
    makers: frozenset[str] = frozenset()
    options: set[str] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    settled: set[tuple[str, str]] = field(default_factory=set)

    def module(self, name: str) -> bool:
        """Whether a module is gone, with a package that it is in."""
        parts = name.split(".")
        return any(".".join(parts[:end]) in self.modules for end in range(1, len(parts) + 1))

    def named(self, module: str, name: str) -> bool:
        """Whether `from module import name` finds nothing."""
        return self.module(module) or self.module(f"{module}.{name}") or name in self.definitions.get(module, ())


@dataclass
class Scope:
    """The names of a module, class or function as far as the cut has come.

    Attributes:
        name: of the class or function; empty for a module.
        gone: names that are bound to nothing any more.
        bound: names that it binds to something that stays, which hide those further out.
        once: names that it assigns a single time.
        truths: names that are always true or always false by now.
        kinds: of parameters that are of a single class.
        returns: whether it returned something that is gone.
        touched: whether it lost a statement.
        function: whether it is one.
    """

    name: str = ""
    gone: set[str] = field(default_factory=set)
    bound: set[str] = field(default_factory=set)
    once: set[str] = field(default_factory=set)
    truths: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    returns: bool = False
    touched: bool = False
    function: bool = False


class Bindings(cst.CSTVisitor):
    """The names that a function assigns, with how often; not those of functions inside."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.imported: set[str] = set()

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:  # noqa: N802
        self.counts[node.name.value] = self.counts.get(node.name.value, 0) + 1
        return False

    def visit_Lambda(self, node: cst.Lambda) -> bool:  # noqa: N802
        return False

    def visit_ClassDef(self, node: cst.ClassDef) -> bool:  # noqa: N802
        return False

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:  # noqa: N802
        self._count(names_of(node.target))

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:  # noqa: N802
        self._count(names_of(node.target))

    def visit_AugAssign(self, node: cst.AugAssign) -> None:  # noqa: N802
        self._count(names_of(node.target))

    def visit_For(self, node: cst.For) -> None:  # noqa: N802
        self._count(names_of(node.target))

    def visit_CompFor(self, node: cst.CompFor) -> None:  # noqa: N802
        self._count(names_of(node.target))

    def visit_AsName(self, node: cst.AsName) -> None:  # noqa: N802
        self._count(names_of(node.name))

    def visit_NamedExpr(self, node: cst.NamedExpr) -> None:  # noqa: N802
        self._count(names_of(node.target))

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:  # noqa: N802
        return False

    def visit_Import(self, node: cst.Import) -> bool:  # noqa: N802
        return False

    def _count(self, names: Iterable[str]) -> None:
        for name in names:
            self.counts[name] = self.counts.get(name, 0) + 1


def names_of(target: cst.BaseExpression) -> list[str]:
    """The plain names that a target binds."""
    if isinstance(target, cst.Name):
        return [target.value]
    if isinstance(target, cst.Tuple | cst.List):
        return [name for element in target.elements for name in names_of(element.value)]
    if isinstance(target, cst.StarredElement):
        return names_of(target.value)
    return []


def is_gone(node: cst.CSTNode | None) -> bool:
    return isinstance(node, cst.Name) and node.value == GONE


def is_true(node: cst.CSTNode | None) -> bool:
    return isinstance(node, cst.Name) and node.value == TRUE


def is_false(node: cst.CSTNode | None) -> bool:
    return isinstance(node, cst.Name) and node.value in (FALSE, GONE)


def dotted(node: cst.CSTNode | None) -> str:
    """`a.b.c` of an expression; empty where it is something else."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr.value}" if inner else ""
    return ""


def last(node: cst.CSTNode | None) -> str:
    """The last name of an expression: `modality` of `config.data.modality`."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return ""


def text_of(node: cst.CSTNode | None) -> str | None:
    """What a plain string says."""
    if isinstance(node, cst.SimpleString):
        value = node.evaluated_value
        return value if isinstance(value, str) else None
    return None


def from_nothing(loop: cst.CompFor) -> bool:
    if is_gone(loop.iter) or any(is_false(one.test) for one in loop.ifs):
        return True
    return loop.inner_for_in is not None and from_nothing(loop.inner_for_in)


def tidy(kept: list[Any], before: Sequence[Any]) -> list[Any]:
    """Entries that end as all of them ended: after a last comma the formatter puts each on a line of its own."""
    if kept and isinstance(before[-1].comma, cst.MaybeSentinel):
        kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    return kept
