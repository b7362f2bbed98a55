"""Which expressions can be without what is gone."""

from typing import cast

import libcst as cst

from lightloop.template.slim.gone import (
    FALSE,
    TRUE,
    Gone,
    Scope,
    dotted,
    from_nothing,
    is_false,
    is_gone,
    is_true,
    last,
    text_of,
    tidy,
)
from lightloop.template.slim.values import NOTHING, Values


class Expressions(Values):
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
        # Of each text of several strings around this place, whether one of them is gone.
        self.joined: list[bool] = []
        self.decorating = False
        # Modules by the names under which the file imports them.
        self.aliases: dict[str, str] = {}
        # First names of modules that it imports whole.
        self.roots: set[str] = set()

    # Names

    def is_gone_name(self, name: str) -> bool:
        for scope in reversed(self.scopes):
            if name in scope.gone:
                return True
            if name in scope.bound:
                return False
        return False

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:  # noqa: N802
        if self.is_gone_name(updated_node.value):
            # What helps tests can be without a name, but not where it needs it.
            self.scopes[-1].touched |= updated_node.value in self.scopes[-1].gone
            return NOTHING
        truth = self._truth(updated_node.value)
        return cst.Name(truth) if truth else updated_node

    def _truth(self, name: str) -> str | None:
        """What a name of a function is by now, where that is always the same truth."""
        scope = next((one for one in reversed(self.scopes) if name in one.truths or name in one.bound), None)
        return scope.truths.get(name) if scope else None

    def visit_Attribute(self, node: cst.Attribute) -> bool:  # noqa: N802
        return False

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.BaseExpression:  # noqa: N802
        whole = dotted(updated_node)
        imported = whole.partition(".")[0] in self.roots
        if imported and any(f"{whole}.".startswith(f"{module}.") for module in self.gone.modules):
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
        before, after = updated_node.value, updated_node.value.visit(self)
        if self.test and not self.decorating and isinstance(before, cst.List) and isinstance(after, cst.List):
            # A config without one of its overrides is another one: the call can't be without it. One of a group that
            # is gone, `tracking=none`, said nothing else.
            said = [(text_of(one.value) or "").partition("=")[2] for one in before.elements]
            if any(self.speaks_of_gone(one) for one in said):
                after = NOTHING
        return updated_node.with_changes(value=after)

    def visit_Decorator(self, node: cst.Decorator) -> None:  # noqa: N802
        self.decorating = True

    def leave_Decorator(self, original_node: cst.Decorator, updated_node: cst.Decorator) -> cst.Decorator:  # noqa: N802
        self.decorating = False
        return updated_node

    def visit_Param(self, node: cst.Param) -> bool:  # noqa: N802
        return False

    def visit_NameItem(self, node: cst.NameItem) -> bool:  # noqa: N802
        return False

    # Words

    def leave_SimpleString(  # noqa: N802
        self, original_node: cst.SimpleString, updated_node: cst.SimpleString
    ) -> cst.BaseExpression:
        if self.test and (self.speaks_of_gone(updated_node.value) or text_of(updated_node) in self.gone.paths):
            return self._without(updated_node)
        return updated_node

    def _without(self, node: cst.BaseExpression) -> cst.BaseExpression:
        """Nothing, instead of a text; of texts that stand side by side the whole is gone."""
        if not self.joined:
            return NOTHING
        self.joined[-1] = True
        return node

    def visit_ConcatenatedString(self, node: cst.ConcatenatedString) -> None:  # noqa: N802
        self.joined.append(False)

    def leave_FormattedStringText(  # noqa: N802
        self, original_node: cst.FormattedStringText, updated_node: cst.FormattedStringText
    ) -> cst.BaseFormattedStringContent:
        if self.test and self.speaks_of_gone(updated_node.value):
            return cst.FormattedStringExpression(NOTHING)
        return updated_node

    # Calls

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:  # noqa: N802
        function = last(updated_node.func)
        if is_gone(updated_node.func) or self.of_gone_kind(function, [one.value for one in updated_node.args]):
            return NOTHING
        if function in ("isinstance", "issubclass") and len(updated_node.args) == 2:
            return self._instance(updated_node)
        arguments = self._still_taken(updated_node)
        # What is named can be left out where it has a default; what has a place only with the whole call.
        named = [one for one in arguments if one.keyword and is_gone(one.value)]
        if named and self.test and not self.decorating and self.worded(original_node):
            return NOTHING
        arguments = [one for one in arguments if one not in named]
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
        function = self.full_name(node.func if not first else arguments[0].value)
        settled = self.gone.settled
        places = {place + first for name, place in lost.items() if place >= 0 and (function, name) not in settled}
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
        one = isinstance(classes, cst.Name | cst.Attribute)
        if one and last(classes) in (*self.gone.alone, self._class_of(node.args[0].value)):
            return cst.Name(TRUE)
        return node

    def _class_of(self, node: cst.BaseExpression) -> str | None:
        """What a parameter is by its annotation, where that is a single class."""
        name = dotted(node)
        scope = next((one for one in reversed(self.scopes) if name in one.kinds or name in one.bound), None)
        return scope.kinds.get(name) if scope else None

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
        [was, *_] = original_node.comparisons
        texts = kind in self.gone.values or text_of(was.comparator) is not None
        if texts and not more and is_gone(first.comparator) and not is_gone(updated_node.left):
            # Of texts none is left that it could be.
            return cst.Name(TRUE if isinstance(first.operator, cst.NotIn | cst.NotEqual) else FALSE)
        if is_gone(updated_node.left) or any(is_gone(one.comparator) for one in updated_node.comparisons):
            return NOTHING
        if kind not in self.gone.values or len(updated_node.comparisons) != 1:
            return updated_node
        [target] = updated_node.comparisons
        return self.compared(updated_node, kind, target.operator, target.comparator)

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
        if isinstance(node.value, cst.Tuple | cst.List):
            self.records.add(id(node.value))

    def visit_GeneratorExp(self, node: cst.GeneratorExp) -> None:  # noqa: N802
        self.records |= {id(node.elt)} if isinstance(node.elt, cst.Tuple) else set()

    def visit_DictElement(self, node: cst.DictElement) -> None:  # noqa: N802
        self.records |= {id(one) for one in (node.key, node.value) if isinstance(one, cst.Tuple)}

    def leave_Tuple(self, original_node: cst.Tuple, updated_node: cst.Tuple) -> cst.BaseExpression:  # noqa: N802
        gone = [is_gone(element.value) for element in updated_node.elements]
        record = id(original_node) in self.records
        if any(gone) and (record or all(gone)):
            return NOTHING
        if record and self.case_of_gone_kind(updated_node):
            return NOTHING
        elements = [element for element in updated_node.elements if not is_gone(element.value)]
        elements = self.still_said(elements)
        if not elements and updated_node.elements:
            return NOTHING
        if len(elements) == len(updated_node.elements):
            return updated_node
        return updated_node.with_changes(elements=tidy(elements, updated_node.elements))

    def leave_List(self, original_node: cst.List, updated_node: cst.List) -> cst.BaseExpression:  # noqa: N802
        said = [(text_of(one.value) or "").partition("=")[2] for one in original_node.elements]
        spoken = any(map(self.speaks_of_gone, said))
        if self.test and spoken and id(original_node) in self.records:
            # The overrides of one case of several: without one of them it is another case.
            return NOTHING
        if self.test and all(said) and not spoken:
            # Overrides of groups that are gone: without them it is a list of none.
            elements = [one for one in updated_node.elements if not is_gone(one.value)]
            return updated_node.with_changes(elements=tidy(elements, updated_node.elements))
        return self._container(updated_node)

    def leave_Set(self, original_node: cst.Set, updated_node: cst.Set) -> cst.BaseExpression:  # noqa: N802
        return self._container(updated_node)

    def _container(self, node: cst.List | cst.Set) -> cst.BaseExpression:
        elements = [element for element in node.elements if not is_gone(element.value)]
        if isinstance(node, cst.Set):
            elements = self.still_said(elements)
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
        places = [one.slice.value for one in updated_node.slice if isinstance(one.slice, cst.Index)]
        if self.of_gone_kind(last(updated_node.value), places):
            return NOTHING
        if last(updated_node.value) == "Literal":
            return self.literal(updated_node)
        return NOTHING if any(map(is_gone, places)) else updated_node

    # What can't be without one of its parts

    def leave_FormattedString(  # noqa: N802
        self, original_node: cst.FormattedString, updated_node: cst.FormattedString
    ) -> cst.BaseExpression:
        gone = any(
            isinstance(part, cst.FormattedStringExpression) and is_gone(part.expression) for part in updated_node.parts
        )
        return self._without(updated_node) if gone else updated_node

    def leave_ConcatenatedString(  # noqa: N802
        self, original_node: cst.ConcatenatedString, updated_node: cst.ConcatenatedString
    ) -> cst.BaseExpression:
        return self._without(updated_node) if self.joined.pop() else updated_node

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
        return NOTHING if is_gone(updated_node.elt) or from_nothing(updated_node.for_in) else updated_node

    def leave_SetComp(self, original_node: cst.SetComp, updated_node: cst.SetComp) -> cst.BaseExpression:  # noqa: N802
        return NOTHING if is_gone(updated_node.elt) or from_nothing(updated_node.for_in) else updated_node

    def leave_GeneratorExp(  # noqa: N802
        self, original_node: cst.GeneratorExp, updated_node: cst.GeneratorExp
    ) -> cst.BaseExpression:
        return NOTHING if is_gone(updated_node.elt) or from_nothing(updated_node.for_in) else updated_node

    def leave_DictComp(self, original_node: cst.DictComp, updated_node: cst.DictComp) -> cst.BaseExpression:  # noqa: N802
        gone = is_gone(updated_node.key) or is_gone(updated_node.value) or from_nothing(updated_node.for_in)
        return NOTHING if gone else updated_node

    def lose_names(self, targets: list[cst.BaseExpression]) -> None:
        """What was bound to something that is gone is gone, where it is bound nowhere else."""
        raise NotImplementedError
