"""Which functions and classes can be without what is gone, and with fewer parameters."""

from collections.abc import Collection, Iterator
from typing import Any, cast

import libcst as cst

from lightloop.template.slim.cases import Cases
from lightloop.template.slim.examples import without_entries, without_stale
from lightloop.template.slim.gone import Bindings, Scope, is_gone, last
from lightloop.template.slim.statements import REMOVED, Left, emptied, is_docstring


class Functions(Cases):
    """Judges definitions by what is left of them."""

    # Functions and classes

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:  # noqa: N802
        found = Bindings()
        node.body.visit(found)
        parameters = [one.name.value for one in _parameters(node.params)]
        known = self.gone.parameters.get(f"{self.module}.{node.name.value}", {})
        lost = {name for name in parameters if name in known}
        self.scopes.append(
            Scope(
                name=node.name.value,
                gone=lost,
                bound=(set(found.counts) | set(parameters)) - lost,
                once={name for name, count in found.counts.items() if count == 1} - set(parameters),
                kinds={one.name.value: self._kind(one) for one in _parameters(node.params)},
                function=True,
            )
        )

    def _kind(self, one: cst.Param) -> str:
        """The name of its class, where its annotation is nothing else by now."""
        said = one.annotation.annotation.visit(self) if one.annotation else None
        return said.value if isinstance(said, cst.Name) else ""

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> Left:  # noqa: N802
        inner = self.scopes.pop()
        name = original_node.name.value
        parameters, needed = self._kept_parameters(original_node, inner)
        parameter_names = [one.name.value for one in _parameters(original_node.params)]
        decorated = any(is_gone(one.decorator) for one in updated_node.decorators)
        returned = updated_node.returns is not None and is_gone(updated_node.returns.annotation)
        hollow = emptied(original_node.body, updated_node.body)
        no_answer = inner.returns and not _answers(updated_node.body)
        # Without its last yield it would be no generator any more, and answer None.
        no_answer |= _yields(original_node.body) and not _yields(updated_node.body)
        if (
            self.said_gone(name)
            or decorated
            or returned
            or needed
            or hollow
            or no_answer
            or (self.test and inner.touched)
        ):
            self.lose(name)
            return REMOVED
        if parameters is not None:
            updated_node = updated_node.with_changes(params=parameters)
        return self.with_docstring(
            updated_node.with_changes(name=original_node.name), set(parameter_names) & inner.gone
        )

    def visit_Parameters(self, node: cst.Parameters) -> bool:  # noqa: N802
        return False

    def _kept_parameters(self, node: cst.FunctionDef, inner: Scope) -> tuple[cst.Parameters | None, bool]:
        """The parameters without those that are gone (None: all stay), and whether one is gone that it needs."""
        changed, needed = False, False
        lists: dict[str, list[cst.Param]] = {}
        for group in ("posonly_params", "params", "kwonly_params"):
            lists[group] = []
            for one in getattr(node.params, group):
                if one.name.value in inner.gone:
                    changed = True
                    continue
                judged = self._judged(one)
                if judged is None:
                    needed = True
                    continue
                changed = changed or judged is not one
                if judged is not one and last(judged.annotation and judged.annotation.annotation) == "None":
                    place = list(node.params.params).index(one) if group == "params" else -1
                    self.voids.setdefault(f"{self.module}.{node.name.value}", {})[one.name.value] = place
                lists[group].append(judged)
        if not changed:
            return None, needed
        if lists["params"] and not lists["kwonly_params"] and node.params.star_kwarg is None:
            lists["params"][-1] = lists["params"][-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        if not lists["kwonly_params"] and isinstance(node.params.star_arg, cst.ParamStar):
            # Both at once: a star that nothing follows is no syntax.
            return node.params.with_changes(**lists, star_arg=cst.MaybeSentinel.DEFAULT), needed
        return node.params.with_changes(**lists), needed

    def _judged(self, one: cst.Param) -> cst.Param | None:
        """The parameter with what is left of its annotation and default; None where that is nothing."""
        if self.is_gone_name(one.name.value) and self.test:
            return None
        annotation = one.annotation.visit(self) if one.annotation else None
        default = cast("cst.CSTNode | None", one.default.visit(self)) if one.default else None
        if (isinstance(annotation, cst.Annotation) and is_gone(annotation.annotation)) or is_gone(default):
            return None
        before = one.annotation
        same = before is None or (isinstance(annotation, cst.Annotation) and annotation.deep_equals(before))
        return one if same else one.with_changes(annotation=annotation)

    def with_docstring(self, node: Any, lost: Collection[str]) -> Any:
        """A function or class whose docstring says nothing of what it lost, and runs no example of what is gone."""
        body = node.body
        if not isinstance(body, cst.IndentedBlock) or not body.body or not is_docstring(body.body[0]):
            return node
        line: Any = body.body[0]
        said = line.body[0].value if isinstance(line.body[0], cst.Expr) else None
        if not isinstance(said, cst.SimpleString):
            return node
        text = without_entries(said.value, lost)
        text = without_stale(text, self._gone_word, self.gone.named) if ">>>" in text else text
        if text == said.value:
            return node
        first = line.with_changes(body=[cst.Expr(value=said.with_changes(value=text))])
        return node.with_changes(body=body.with_changes(body=[first, *body.body[1:]]))

    def _gone_word(self, word: str) -> bool:
        return word in self.gone.options or word in self.scopes[0].gone

    def visit_ClassDef(self, node: cst.ClassDef) -> None:  # noqa: N802
        self.scopes.append(Scope(name=node.name.value))

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> Left:  # noqa: N802
        inner = self.scopes.pop()
        name = original_node.name.value
        bases = any(is_gone(one.value) for one in updated_node.bases)
        decorated = any(is_gone(one.decorator) for one in updated_node.decorators)
        # What can't be made is not there.
        unmade = f"{self.qualified(name)}.__init__" in self.lost
        if self.said_gone(name) or bases or decorated or unmade or emptied(original_node.body, updated_node.body):
            self.lose(name)
            return REMOVED
        return self.with_docstring(updated_node.with_changes(name=original_node.name), inner.gone)


def _parameters(parameters: cst.Parameters) -> Iterator[cst.Param]:
    yield from (*parameters.posonly_params, *parameters.params, *parameters.kwonly_params)
    for one in (parameters.star_arg, parameters.star_kwarg):
        if isinstance(one, cst.Param):
            yield one


class _Answers(cst.CSTVisitor):
    """Whether a function answers something."""

    def __init__(self) -> None:
        self.found = False
        self.yields = False

    def visit_Return(self, node: cst.Return) -> None:  # noqa: N802
        self.found = self.found or node.value is not None

    def visit_Yield(self, node: cst.Yield) -> None:  # noqa: N802
        self.found = self.yields = True

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:  # noqa: N802
        return False

    def visit_Lambda(self, node: cst.Lambda) -> bool:  # noqa: N802
        return False


def _yields(body: cst.BaseSuite) -> bool:
    found = _Answers()
    body.visit(found)
    return found.yields


def _answers(body: cst.BaseSuite) -> bool:
    found = _Answers()
    body.visit(found)
    return found.found
