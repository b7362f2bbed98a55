"""Which cases of a match can be without what is gone."""

from typing import Any

import libcst as cst

from lightloop.template.slim.gone import GONE, is_false, is_gone, is_true, text_of
from lightloop.template.slim.statements import REMOVED, Left, Statements, emptied, flat

# A match can't be without a case until it is judged as a whole.
UNMET = cst.MatchAs(name=cst.Name(GONE))


def _unmet(case: cst.MatchCase) -> bool:
    return isinstance(case.pattern, cst.MatchAs) and case.pattern.pattern is None and is_gone(case.pattern.name)


class Cases(Statements):
    """Judges cases by what is left of their patterns."""

    def visit_Match(self, node: cst.Match) -> None:  # noqa: N802
        self.subjects.append(cst.Module([]).code_for_node(node.subject))

    def leave_Match(self, original_node: cst.Match, updated_node: cst.Match) -> Left:  # noqa: N802
        self.subjects.pop()
        kept = [case for case in updated_node.cases if not _unmet(case)]
        if is_gone(updated_node.subject) or not kept:
            self.touch()
            return REMOVED
        if len(kept) == len(original_node.cases):
            return updated_node
        updated_node = updated_node.with_changes(cases=kept)
        if len(kept) > 1:
            return updated_node
        [case] = kept
        whatever = isinstance(case.pattern, cst.MatchAs) and case.pattern.pattern is None and case.pattern.name is None
        return flat(updated_node, case.body) if whatever and case.guard is None else updated_node

    def leave_MatchCase(self, original_node: cst.MatchCase, updated_node: cst.MatchCase) -> Any:  # noqa: N802
        pattern = self._pattern(updated_node.pattern)
        if pattern is None or (updated_node.guard and is_false(updated_node.guard)):
            self.touch()
            return original_node.with_changes(pattern=UNMET, guard=None)
        if emptied(original_node.body, updated_node.body):
            return original_node.with_changes(pattern=UNMET, guard=None)
        guard = None if updated_node.guard and is_true(updated_node.guard) else updated_node.guard
        return updated_node.with_changes(pattern=pattern, guard=guard)

    def _pattern(self, pattern: Any) -> Any:  # noqa: PLR0911 - one answer a kind of pattern
        """The pattern without what can't be; None where it can't be met."""
        if isinstance(pattern, cst.MatchClass):
            return None if is_gone(pattern.cls) else pattern
        if isinstance(pattern, cst.MatchValue):
            return None if is_gone(pattern.value) or self._gone_value(text_of(pattern.value)) else pattern
        if isinstance(pattern, cst.MatchAs) and pattern.pattern is not None:
            inner = self._pattern(pattern.pattern)
            return None if inner is None else pattern.with_changes(pattern=inner)
        if isinstance(pattern, cst.MatchTuple | cst.MatchList):
            return (
                None if any(self._pattern(getattr(one, "value", None)) is None for one in pattern.patterns) else pattern
            )
        if isinstance(pattern, cst.MatchOr):
            kept = [one for one in pattern.patterns if self._pattern(one.pattern) is not None]
            if len(kept) < len(pattern.patterns):
                if len(kept) <= 1:
                    return kept[0].pattern if kept else None
                kept[-1] = kept[-1].with_changes(separator=cst.MaybeSentinel.DEFAULT)
                return pattern.with_changes(patterns=kept)
        return pattern if pattern is not None else ()

    def _gone_value(self, said: str | None) -> bool:
        subject = self.subjects[-1] if self.subjects else ""
        return any(said in gone and kind in subject for kind, gone in self.gone.values.items())
