"""How the model does on parts of the test records: by sensitive columns and by slices. Of classes and of numbers.

Shapes: N records.
"""

from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from lightloop.evaluation.bootstrap import intervals
from lightloop.evaluation.problem import problem_of
from lightloop.report.evidence import Evidence

SMALLEST = 20  # records of a group: of fewer no figure can be said to be its own
MOST = 12  # groups of a column: more are no slices


def slices(evidence: Evidence) -> list[dict[str, Any]]:
    """For each sensitive and slice column its groups with n and two metrics with intervals, weakest first.

    Returns:
        By column `column`, `role`, `metrics` (their names), `groups` (`name`, `n`, and by metric an estimate) and
        `left_out` (how many records are in groups that are too small).
    """
    spec = evidence.config.data
    if spec.problem == "generation":
        return []
    found = []
    for column in spec.with_role("sensitive", "slice"):
        if column in evidence.predictions.column_names:
            rows = _column(evidence, column)
            if rows["groups"]:
                found.append(rows)
    return found


def _column(evidence: Evidence, column: str) -> dict[str, Any]:
    config, predictions = evidence.config, evidence.predictions
    problem = problem_of(config.data)
    metrics = list(dict.fromkeys([config.gate.metric, "accuracy" if evidence.classifies else "mae"]))
    values = np.array([_name(value) for value in predictions.column(column).to_pylist()], dtype=object)
    names, counts = np.unique(values.astype(str), return_counts=True)
    groups: list[dict[str, Any]] = []
    for name, n in sorted(zip(names.tolist(), counts.tolist(), strict=True), key=lambda pair: -pair[1])[:MOST]:
        if n < SMALLEST:
            continue
        part: pa.Table = predictions.filter(pa.array(values == name))
        scorer = problem.scorer(part, problem.written(part, "model"))
        estimates = intervals(
            scorer,
            confidence=evidence.metrics["confidence"],
            resamples=min(500, evidence.metrics["resamples"]),
            seed=config.seed,
        )
        shown = {metric: asdict(estimates[metric]) for metric in metrics if metric in estimates}
        groups.append({"name": name, "n": n, "estimates": shown})
    counted = sum(group["n"] for group in groups)
    return {
        "column": column,
        "role": config.data.columns[column].role,
        "metrics": [metric for metric in metrics if groups and metric in groups[0]["estimates"]],
        "groups": groups,
        "left_out": len(predictions) - counted,
    }


def _name(value: Any) -> str:
    if value is None or value != value:  # noqa: PLR0124 - NaN is the one value that is not itself
        return "missing"
    return f"{value:g}" if isinstance(value, float) else str(value)
