"""Which expressions can be without what is gone."""

import re
from collections.abc import Sequence
from typing import Any, cast

import libcst as cst

from lightloop.template.slim.gone import (
    FALSE,
    GONE,
    TRUE,
    Gone,
    Scope,
    dotted,
    is_false,
    is_gone,
    is_true,
    last,
    text_of,
)

NOTHING = cst.Name(GONE)


class Expressions(cst.CSTTransformer):
    """Judges expressions from the leaves up."""

    def __init__(self, gone: Gone, *, module: str, package: str, test: bool) -> None:
        super().__init__()
        self.gone = gone
        self.module = module
        self.package = package
        self.test = test
        self.scopes = [Scope(gone={name for name in gone.definitions.get(module, ()) if "." not in name})]
        self.lost: set[str] = set()
        # Tuples that are entries of something else are records: they are gone as a whole.
        self.records: set[int] = set()
        self.subjects: list[str] = []
        # Modules by the names under which the file imports them.
        self.aliases: dict[str, str] = {}

    # Names

    def is_gone_name(self, name: str) -> bool:
        for scope in reversed(self.scopes):
            if name in scope.gone:
                return True
            if name in scope.bound:
                return False
        return False

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:  # noqa: N802
        return NOTHING if self.is_gone_name(updated_node.value) else updated_node

    def visit_Attribute(self, node: cst.Attribute) -> bool:  # noqa: N802
        return False

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.BaseExpression:  # noqa: N802
        whole = dotted(updated_node)
        if whole and any(f"{whole}.".startswith(f"{module}.") for module in self.gone.modules):
            return NOTHING
        if isinstance(updated_node.value, cst.Name):
            module = self.aliases.get(updated_node.value.value, "")
            if module and updated_node.attr.value in self.gone.definitions.get(module, ()):
                return NOTHING
        value = cast("cst.BaseExpression", updated_node.value.visit(self))
        holders = self.gone.attributes.get(updated_node.attr.value, ())
        holder = last(updated_node.value.func if isinstance(updated_node.value, cst.Call) else updated_node.value)
        if is_gone(value) or holder in holders:
            return NOTHING
        return updated_node.with_changes(value=value)

    def visit_Arg(self, node: cst.Arg) -> bool:  # noqa: N802
        return False

    def leave_Arg(self, original_node: cst.Arg, updated_node: cst.Arg) -> cst.Arg:  # noqa: N802
        return updated_node.with_changes(value=updated_node.value.visit(self))

    def visit_Param(self, node: cst.Param) -> bool:  # noqa: N802
        return False

    def visit_NameItem(self, node: cst.NameItem) -> bool:  # noqa: N802
        return False

    # Words

    def speaks_of_gone(self, text: str) -> bool:
        """Whether a text names something that configs no longer have."""
        return any(
            re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) for word in self.gone.options if word in text
        )

    def leave_SimpleString(  # noqa: N802
        self, original_node: cst.SimpleString, updated_node: cst.SimpleString
    ) -> cst.BaseExpression:
        return NOTHING if self.test and self.speaks_of_gone(updated_node.value) else updated_node

    def leave_FormattedStringText(  # noqa: N802
        self, original_node: cst.FormattedStringText, updated_node: cst.FormattedStringText
    ) -> cst.BaseFormattedStringContent:
        if self.test and self.speaks_of_gone(updated_node.value):
            return cst.FormattedStringExpression(NOTHING)
        return updated_node

    # Calls

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:  # noqa: N802
        function = last(updated_node.func)
        if is_gone(updated_node.func):
            return NOTHING
        if function in ("isinstance", "issubclass") and len(updated_node.args) == 2:
            return self._instance(updated_node)
        arguments = self._still_taken(updated_node)
        # What is named can be left out where it has a default; what has a place only with the whole call.
        arguments = [one for one in arguments if not (one.keyword and is_gone(one.value))]
        if any(is_gone(one.value) for one in arguments):
            return NOTHING
        if len(arguments) < len(updated_node.args):
            return updated_node.with_changes(args=tidy(arguments, updated_node.args))
        return updated_node

    def _still_taken(self, node: cst.Call) -> list[cst.Arg]:
        """The arguments without those for parameters that are gone."""
        arguments = list(node.args)
        lost = self.gone.parameters.get(self.full_name(node.func), {})
        first = 0
        if last(node.func) == "partial" and arguments:
            lost, first = self.gone.parameters.get(self.full_name(arguments[0].value), {}), 1
        places = {place + first for place in lost.values() if place >= 0}
        return [
            one
            for place, one in enumerate(arguments)
            if not (
                (one.keyword and one.keyword.value in lost) or (not one.keyword and not one.star and place in places)
            )
        ]

    def full_name(self, node: cst.CSTNode) -> str:
        """The full name of a function that the file defines or imports."""
        name = dotted(node)
        holder, _, inner = name.rpartition(".")
        if holder:
            return f"{self.aliases.get(holder, holder)}.{inner}"
        return self.aliases.get(name, f"{self.module}.{name}")

    def _instance(self, node: cst.Call) -> cst.BaseExpression:
        if is_gone(node.args[0].value):
            return NOTHING
        classes = node.args[1].value
        if is_gone(classes):
            return cst.Name(FALSE)
        if last(classes) in self.gone.alone and isinstance(classes, cst.Name | cst.Attribute):
            return cst.Name(TRUE)
        return node

    # Operators

    def leave_BinaryOperation(  # noqa: N802
        self, original_node: cst.BinaryOperation, updated_node: cst.BinaryOperation
    ) -> cst.BaseExpression:
        left, right = is_gone(updated_node.left), is_gone(updated_node.right)
        if not left and not right:
            return updated_node
        if isinstance(updated_node.operator, cst.BitOr) and not (left and right):
            return updated_node.right if left else updated_node.left
        return NOTHING

    def leave_BooleanOperation(  # noqa: N802
        self, original_node: cst.BooleanOperation, updated_node: cst.BooleanOperation
    ) -> cst.BaseExpression:
        left, right = updated_node.left, updated_node.right
        both = isinstance(updated_node.operator, cst.And)
        absorbing, neutral = (is_false, is_true) if both else (is_true, is_false)
        if absorbing(left) or (absorbing(right) and not is_gone(left)):
            return cst.Name(FALSE if both else TRUE) if not (is_gone(left) or is_gone(right)) else NOTHING
        if neutral(left):
            return right
        return left if neutral(right) else updated_node

    def leave_UnaryOperation(  # noqa: N802
        self, original_node: cst.UnaryOperation, updated_node: cst.UnaryOperation
    ) -> cst.BaseExpression:
        inner = updated_node.expression
        if is_gone(inner):
            return NOTHING
        if isinstance(updated_node.operator, cst.Not) and (is_true(inner) or is_false(inner)):
            return cst.Name(FALSE if is_true(inner) else TRUE)
        return updated_node

    def leave_Comparison(self, original_node: cst.Comparison, updated_node: cst.Comparison) -> cst.BaseExpression:  # noqa: N802
        kind = last(updated_node.left)
        [first, *more] = updated_node.comparisons
        if kind in self.gone.values and not more and is_gone(first.comparator):
            # Of texts none is left that it could be.
            return cst.Name(TRUE if isinstance(first.operator, cst.NotIn) else FALSE)
        if is_gone(updated_node.left) or any(is_gone(one.comparator) for one in updated_node.comparisons):
            return NOTHING
        if kind not in self.gone.values or len(updated_node.comparisons) != 1:
            return updated_node
        [target] = updated_node.comparisons
        return self._compared(updated_node, kind, target.operator, target.comparator)

    def _compared(
        self, node: cst.Comparison, kind: str, operator: cst.BaseCompOp, other: cst.BaseExpression
    ) -> cst.BaseExpression:
        gone, only = self.gone.values[kind], self.gone.only.get(kind)
        said = text_of(other)
        if said is not None and isinstance(operator, cst.Equal | cst.NotEqual):
            equal = isinstance(operator, cst.Equal)
            if said in gone:
                return cst.Name(FALSE if equal else TRUE)
            return cst.Name(TRUE if equal else FALSE) if said == only else node
        if isinstance(operator, cst.In | cst.NotIn) and isinstance(other, cst.Tuple | cst.List | cst.Set):
            inside = isinstance(operator, cst.In)
            texts = [text_of(element.value) for element in other.elements]
            left = [text for text in texts if text not in gone]
            if only is not None and only in left:
                return cst.Name(TRUE if inside else FALSE)
            if not left:
                return cst.Name(FALSE if inside else TRUE)
            if len(left) == 1:
                word = cst.Equal() if inside else cst.NotEqual()
                comparison = cst.ComparisonTarget(operator=word, comparator=cst.SimpleString(f'"{left[0]}"'))
                return node.with_changes(comparisons=[comparison])
        return node

    def leave_IfExp(self, original_node: cst.IfExp, updated_node: cst.IfExp) -> cst.BaseExpression:  # noqa: N802
        if is_true(updated_node.test):
            return updated_node.body
        if is_false(updated_node.test):
            return updated_node.orelse
        if is_gone(updated_node.body):
            return updated_node.orelse
        return updated_node.body if is_gone(updated_node.orelse) else updated_node

    # Containers

    def visit_Element(self, node: cst.Element) -> None:  # noqa: N802
        if isinstance(node.value, cst.Tuple):
            self.records.add(id(node.value))

    def visit_DictElement(self, node: cst.DictElement) -> None:  # noqa: N802
        self.records |= {id(one) for one in (node.key, node.value) if isinstance(one, cst.Tuple)}

    def leave_Tuple(self, original_node: cst.Tuple, updated_node: cst.Tuple) -> cst.BaseExpression:  # noqa: N802
        gone = [is_gone(element.value) for element in updated_node.elements]
        if any(gone) and (id(original_node) in self.records or all(gone)):
            return NOTHING
        elements = [element for element in updated_node.elements if not is_gone(element.value)]
        elements = self._still_said(elements)
        if not elements and updated_node.elements:
            return NOTHING
        if len(elements) == len(updated_node.elements):
            return updated_node
        return updated_node.with_changes(elements=tidy(elements, updated_node.elements))

    def _still_said(self, elements: list[cst.BaseElement]) -> list[cst.BaseElement]:
        """The elements without values that are gone, where all of them are values of one kind."""
        texts = [text_of(element.value) for element in elements]
        for kind, known in self.gone.kinds.items():
            if texts and all(text in known for text in texts):
                gone = self.gone.values[kind]
                return [element for element, text in zip(elements, texts, strict=True) if text not in gone]
        return elements

    def leave_List(self, original_node: cst.List, updated_node: cst.List) -> cst.BaseExpression:  # noqa: N802
        return self._container(updated_node)

    def leave_Set(self, original_node: cst.Set, updated_node: cst.Set) -> cst.BaseExpression:  # noqa: N802
        return self._container(updated_node)

    def _container(self, node: cst.List | cst.Set) -> cst.BaseExpression:
        elements = [element for element in node.elements if not is_gone(element.value)]
        if isinstance(node, cst.Set):
            elements = self._still_said(elements)
        if len(elements) == len(node.elements):
            return node
        return node.with_changes(elements=tidy(elements, node.elements)) if elements else NOTHING

    def leave_Dict(self, original_node: cst.Dict, updated_node: cst.Dict) -> cst.BaseExpression:  # noqa: N802
        keys = [text_of(one.key) for one in updated_node.elements if isinstance(one, cst.DictElement)]
        elements = [one for one in updated_node.elements if not self._entry_gone(one, keys)]
        if len(elements) == len(updated_node.elements):
            return updated_node
        return updated_node.with_changes(elements=tidy(elements, updated_node.elements)) if elements else NOTHING

    def _entry_gone(self, one: cst.BaseDictElement, keys: list[str | None]) -> bool:
        if is_gone(one.value) or not isinstance(one, cst.DictElement):
            return is_gone(one.value)
        if is_gone(one.key):
            return True
        for kind, known in self.gone.kinds.items():
            gone = self.gone.values[kind]
            if text_of(one.key) in gone and len(keys) > 1 and all(key in known for key in keys):
                return True
            if isinstance(one.key, cst.Tuple) and any(text_of(part.value) in gone for part in one.key.elements):
                return True
        return False

    def leave_Subscript(self, original_node: cst.Subscript, updated_node: cst.Subscript) -> cst.BaseExpression:  # noqa: N802
        if is_gone(updated_node.value):
            return NOTHING
        gone = [isinstance(one.slice, cst.Index) and is_gone(one.slice.value) for one in updated_node.slice]
        if last(updated_node.value) == "Literal":
            return self._literal(updated_node)
        return NOTHING if any(gone) else updated_node

    def _literal(self, node: cst.Subscript) -> cst.BaseExpression:
        texts = [text_of(one.slice.value) if isinstance(one.slice, cst.Index) else None for one in node.slice]
        for kind, known in self.gone.kinds.items():
            if len(texts) > 1 and all(text in known for text in texts):
                kept = [one for one, text in zip(node.slice, texts, strict=True) if text not in self.gone.values[kind]]
                if not kept:
                    return NOTHING
                kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
                return node.with_changes(slice=kept)
        return node

    # What can't be without one of its parts

    def leave_FormattedString(  # noqa: N802
        self, original_node: cst.FormattedString, updated_node: cst.FormattedString
    ) -> cst.BaseExpression:
        gone = any(
            isinstance(part, cst.FormattedStringExpression) and is_gone(part.expression) for part in updated_node.parts
        )
        return NOTHING if gone else updated_node

    def leave_ConcatenatedString(  # noqa: N802
        self, original_node: cst.ConcatenatedString, updated_node: cst.ConcatenatedString
    ) -> cst.BaseExpression:
        return NOTHING if is_gone(updated_node.left) or is_gone(updated_node.right) else updated_node

    def visit_Lambda(self, node: cst.Lambda) -> None:  # noqa: N802
        self.scopes.append(Scope(bound={one.name.value for one in node.params.params}, function=True))

    def leave_Lambda(self, original_node: cst.Lambda, updated_node: cst.Lambda) -> cst.BaseExpression:  # noqa: N802
        self.scopes.pop()
        return NOTHING if is_gone(updated_node.body) else updated_node

    def leave_Await(self, original_node: cst.Await, updated_node: cst.Await) -> cst.BaseExpression:  # noqa: N802
        return NOTHING if is_gone(updated_node.expression) else updated_node

    def leave_Yield(self, original_node: cst.Yield, updated_node: cst.Yield) -> cst.BaseExpression:  # noqa: N802
        value = updated_node.value.item if isinstance(updated_node.value, cst.From) else updated_node.value
        return NOTHING if is_gone(value) else updated_node

    def leave_NamedExpr(self, original_node: cst.NamedExpr, updated_node: cst.NamedExpr) -> cst.BaseExpression:  # noqa: N802
        if is_gone(updated_node.value):
            self.lose_names([original_node.target])
            return NOTHING
        return updated_node

    def leave_ListComp(self, original_node: cst.ListComp, updated_node: cst.ListComp) -> cst.BaseExpression:  # noqa: N802
        return NOTHING if is_gone(updated_node.elt) or _from_nothing(updated_node.for_in) else updated_node

    def leave_SetComp(self, original_node: cst.SetComp, updated_node: cst.SetComp) -> cst.BaseExpression:  # noqa: N802
        return NOTHING if is_gone(updated_node.elt) or _from_nothing(updated_node.for_in) else updated_node

    def leave_GeneratorExp(  # noqa: N802
        self, original_node: cst.GeneratorExp, updated_node: cst.GeneratorExp
    ) -> cst.BaseExpression:
        return NOTHING if is_gone(updated_node.elt) or _from_nothing(updated_node.for_in) else updated_node

    def leave_DictComp(self, original_node: cst.DictComp, updated_node: cst.DictComp) -> cst.BaseExpression:  # noqa: N802
        gone = is_gone(updated_node.key) or is_gone(updated_node.value) or _from_nothing(updated_node.for_in)
        return NOTHING if gone else updated_node

    def lose_names(self, targets: list[cst.BaseExpression]) -> None:
        """What was bound to something that is gone is gone, where it is bound nowhere else."""
        raise NotImplementedError


def _from_nothing(loop: cst.CompFor) -> bool:
    if is_gone(loop.iter) or any(is_false(one.test) for one in loop.ifs):
        return True
    return loop.inner_for_in is not None and _from_nothing(loop.inner_for_in)


def tidy(kept: list[Any], before: Sequence[Any]) -> list[Any]:
    """Entries that end as all of them ended: after a last comma the formatter puts each on a line of its own."""
    if kept and isinstance(before[-1].comma, cst.MaybeSentinel):
        kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    return kept
