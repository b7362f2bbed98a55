"""Findings as people and programs read them."""

import json
from collections import Counter
from collections.abc import Sequence

from lightloop.doctor.finding import Finding


def lines(found: Sequence[Finding]) -> str:
    """A line a finding, with what to do below those that are not well; then a sentence.

    Examples:
        >>> from lightloop.doctor.finding import Area
        >>> print(lines([Area("git").look("changes", "a.py not committed", "git commit")]))
        git
          look    changes: a.py not committed
                  -> git commit
        <BLANKLINE>
        1 finding: nothing is broken, 1 to look at
    """
    written: list[str] = []
    area = ""
    for one in sorted(found, key=lambda one: _order(found, one.area)):
        if one.area != area:
            area = one.area
            written.append(area)
        written.append(f"  {one.state:<7} {one.name}: {one.said}")
        if one.do:
            written.append(f"          -> {one.do}")
    return "\n".join([*written, "", summary(found)])


def summary(found: Sequence[Finding]) -> str:
    """How it stands, in one line."""
    counts = Counter(one.state for one in found)
    total = f"{len(found)} finding{'' if len(found) == 1 else 's'}"
    broken = f"{counts['broken']} broken" if counts["broken"] else "nothing is broken"
    return f"{total}: {broken}" + (f", {counts['look']} to look at" if counts["look"] else "")


def as_json(found: Sequence[Finding]) -> str:
    """For programs: the summary's counts, and every finding."""
    counts = Counter(one.state for one in found)
    content = {state: counts[state] for state in ("ok", "look", "broken")}
    return json.dumps({**content, "findings": [one.model_dump() for one in found]}, indent=2, ensure_ascii=False)


def _order(found: Sequence[Finding], area: str) -> int:
    """Areas stand in the order in which they first came."""
    return list(dict.fromkeys(one.area for one in found)).index(area)
