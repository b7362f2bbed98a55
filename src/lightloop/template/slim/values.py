"""What is left to be said of attributes that can be only one of a few words, such as the modality of data."""

import re
from collections.abc import Sequence

import libcst as cst

from lightloop.template.slim.gone import FALSE, GONE, TRUE, Gone, text_of

NOTHING = cst.Name(GONE)


class Values(cst.CSTTransformer):
    """Judges comparisons and lists of such words."""

    gone: Gone
    test: bool

    def speaks_of_gone(self, text: str) -> bool:
        """Whether a text names something that configs no longer have."""
        return any(
            re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) for word in self.gone.options if word in text
        )

    def worded(self, node: cst.Call) -> bool:
        """Whether a named argument says a word that is gone: without it a test would say something else."""
        codes = (cst.Module([]).code_for_node(one.value) for one in node.args if one.keyword)
        return any(map(self.speaks_of_gone, codes))

    def of_gone_kind(self, maker: str, said: Sequence[cst.CSTNode]) -> bool:
        """Whether a test makes or takes something of a kind that is gone."""
        makes = self.test and maker in self.gone.makers
        return makes and any(text_of(one) in gone for one in said for gone in self.gone.values.values())

    def case_of_gone_kind(self, node: cst.Tuple) -> bool:
        """Whether a test's case begins with a kind that is gone."""
        first = text_of(node.elements[0].value) if node.elements else None
        return self.test and first in self.gone.values.get("input", ())

    def compared(
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

    def still_said(self, elements: list[cst.BaseElement]) -> list[cst.BaseElement]:
        """The elements without values that are gone, where all of them are values of one kind."""
        texts = [text_of(element.value) for element in elements]
        for kind, known in self.gone.kinds.items():
            if texts and all(text in known for text in texts):
                gone = self.gone.values[kind]
                return [element for element, text in zip(elements, texts, strict=True) if text not in gone]
        return elements

    def literal(self, node: cst.Subscript) -> cst.BaseExpression:
        texts = [text_of(one.slice.value) if isinstance(one.slice, cst.Index) else None for one in node.slice]
        for kind, known in self.gone.kinds.items():
            if len(texts) > 1 and all(text in known for text in texts):
                kept = [one for one, text in zip(node.slice, texts, strict=True) if text not in self.gone.values[kind]]
                if not kept:
                    return NOTHING
                kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
                return node.with_changes(slice=kept)
        return node
