"""Missing values and unseen categories of a window, against the training records'."""

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lightloop.config.monitoring import Kind, MonitorConfig
from lightloop.monitoring.comparing import share_differs
from lightloop.monitoring.findings import Finding
from lightloop.serving.described import Values
from lightloop.serving.profile import Column, Profile

NAMED = 3


def look(columns: Mapping[str, Values], profile: Profile, config: MonitorConfig) -> list[Finding]:
    """Whether more values are missing, and more categories unseen, than among the training records, by Fisher's exact
    test of the two shares. Candidates: `p_value` is raw.

    Args:
        columns: of the window, by `serving.described.described`.
        profile: of the bundle.
        config: read are `missing`, `unseen` and `fewest`.

    Returns:
        For each feature a finding of the kind `missing`, for each category with values one of `unseen`.
    """
    found: list[Finding] = []
    for column in profile.features:
        values = columns.get(column.name)
        if values is not None and min(len(values), column.n) >= config.fewest:
            found += [_missing(column, values, config), *_unseen(column, values, config)]
    return found


def _missing(column: Column, values: Values, config: MonitorConfig) -> Finding:
    count = int((~np.isfinite(values)).sum()) if isinstance(values, np.ndarray) else values.null_count
    return _more(
        "missing", column, (count, len(values)), (column.missing, column.n), limit=config.missing, words="have no value"
    )


def _unseen(column: Column, values: Values, config: MonitorConfig) -> Iterator[Finding]:
    # Of a column with more values than the profile names, rare ones are not told from unseen ones.
    if isinstance(values, np.ndarray) or column.other or len(values) == values.null_count:
        return
    known = values.drop_null()
    strange = known.filter(pc.invert(pc.is_in(known, pa.array(list(column.values), known.type))))
    names = sorted(set(strange.slice(0, 1000).to_pylist()))[:NAMED]
    named = f" ({', '.join(names)})" if names else ""
    words = f"have a category that no training record has{named}"
    yield _more("unseen", column, (len(strange), len(known)), (0, column.known), limit=config.unseen, words=words)


def _more(
    kind: Kind, column: Column, now: tuple[int, int], before: tuple[int, int], *, limit: float, words: str
) -> Finding:
    test = share_differs(*now, *before, "greater")
    share, then = now[0] / max(now[1], 1), before[0] / max(before[1], 1)
    return Finding(
        kind=kind,
        name=column.name,
        alarm=test.size >= limit,
        sentence=f"{column.name}: {share:.1%} of the records {words}; of the training records {then:.1%}.",
        value=test.size,
        limit=limit,
        p_value=test.p,
        figures={"share": share, "before": then},
    )
