"""Challenger and champion on the same test records: what comparison.json holds, and the gate rests on.

Shapes: N records, R resamples.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.metrics import signed
from lightloop.config.schema import Config
from lightloop.errors import UsageError
from lightloop.evaluation.bootstrap import interval_of, share_beyond, two_sided
from lightloop.evaluation.comparison import compare_metrics, corrected, mcnemar_exact
from lightloop.evaluation.groups import Records
from lightloop.evaluation.metrics import Floats
from lightloop.evaluation.problem import Problem


@dataclass(frozen=True)
class Side:
    """One model's answers to the test records.

    Attributes:
        table: of predictions, with the rule by which this model's answers are decided.
        answers_NM: its answers.
    """

    table: pa.Table
    answers_NM: NDArray[np.floating[Any]]


def comparison_content(
    config: Config, problem: Problem, version: str, challenger: Side, champion: Side
) -> dict[str, Any]:
    """What comparison.json holds, but for `folds`, which the gate stage adds.

    Args:
        config: of the run.
        problem: of its data.
        version: of the champion.
        challenger: the new model.
        champion: the one in production.

    Returns:
        `applies`, `champion`, `n`, `confidence`, `resamples`, `resampling`; `metrics`: see
        `evaluation.comparison.compare_metrics`, the gate's metric first; `mcnemar`: of classes whether both are right
        equally often; `protected`: see `protected_rows`.

    Raises:
        UsageError: gate.further names a metric that is none of the problem's.
    """
    records = Records.of(config, problem, challenger.table)
    ours, theirs = (problem.scorer(side.table, side.answers_NM) for side in (challenger, champion))
    margins = {config.gate.metric: config.gate.margin, **config.gate.further}
    unknown = [name for name in margins if name not in ours.names]
    if unknown:
        raise UsageError(
            f"gate.further names {unknown[0]}, which is no metric of {config.data.problem} that models can be compared "
            f"by: say some of {', '.join(ours.names)}"
        )
    return {
        "applies": True,
        "champion": version,
        "n": len(records),
        "confidence": records.how.confidence,
        "resamples": records.how.resamples,
        "resampling": records.draws.as_json(),
        "metrics": compare_metrics(ours, theirs, margins, records.how),
        "mcnemar": _mcnemar(records, challenger, champion),
        "protected": protected_rows(config, records, challenger, champion),
    }


def _mcnemar(records: Records, challenger: Side, champion: Side) -> dict[str, Any]:
    problem = records.problem
    if problem.spec.problem != "classification":
        return {"applies": False, "why": "McNemar's test is for answers that are right or wrong."}
    if not records.draws.independent:
        return {"applies": False, "why": "McNemar's test is for independent records, and these come in groups or runs."}
    wrong = [problem.errors(side.table, side.answers_NM) for side in (challenger, champion)]
    return {"applies": True, **mcnemar_exact(*wrong)}


def protected_rows(config: Config, records: Records, challenger: Side, champion: Side) -> list[dict[str, Any]]:
    """A row a group of a sensitive column: how much better the challenger is there.

    Each holds `column`, `value` (the group), `n`, `metric`, `margin`; `difference` with interval; `p` of "no
    difference"; `p_worse` of "not worse by more than the margin", one-sided; both also corrected by Holm over the rows.
    """
    problem, name, margin = records.problem, config.gate.metric, config.gate.protected_margin
    if problem.spec.problem == "generation":
        return []
    groups = []
    for column in problem.spec.with_role("sensitive"):
        if column in records.table.column_names:
            found = records.groups(column)
            groups += [(column, *group) for group in zip(found.names, found.rows, strict=True)]
    rows = []
    for (column, value, rows_N), (point, gap_R) in zip(
        groups, _gaps(records, [one[2] for one in groups], challenger, champion, name), strict=True
    ):
        interval = interval_of(point, gap_R, records.how.confidence)
        known = interval.value is not None
        rows.append(
            {
                "column": column,
                "value": value,
                "n": int(rows_N.sum()),
                "metric": name,
                "margin": margin,
                "difference": asdict(interval),
                "p": two_sided(gap_R) if known else None,
                "p_worse": share_beyond(gap_R, -margin) if known else None,
            }
        )
    return corrected(rows, {"p": "holm", "p_worse": "holm_worse"})


def _gaps(
    records: Records, rows: list[NDArray[np.bool_]], challenger: Side, champion: Side, name: str
) -> list[tuple[float, Floats]]:
    """For each group the difference, and its resamples (R,), positive where the challenger is better."""
    problem, sign = records.problem, signed(name, 1.0)

    def scorers(side: Side) -> list[Any]:
        return [problem.scorer(side.table.filter(pa.array(one)), side.answers_NM[one], [name]) for one in rows]

    pairs = list(zip(scorers(challenger), scorers(champion), rows, strict=True))
    ones_1N = np.ones((1, len(records)), dtype=np.int32)
    found: list[list[Floats]] = [[] for _ in rows]
    for weights_RN in (ones_1N, *records.draws.counts(records.how.resamples, records.how.seed)) if rows else ():
        for gaps, (ours, theirs, one) in zip(found, pairs, strict=True):
            weights = weights_RN[:, one]
            gaps.append(sign * (ours.scores(weights)[name] - theirs.scores(weights)[name]))
    return [(float(gaps[0][0]), np.concatenate(gaps[1:])) for gaps in found]
