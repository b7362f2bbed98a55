"""slices.json: how the model does on parts of the test records, the ones that were asked for and ones that were found.

Nothing is said of a group below the smallest size (config gate.smallest_group).

Shapes: N records.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.data import Role
from lightloop.config.schema import Config
from lightloop.evaluation.comparison import corrected
from lightloop.evaluation.error_tree import found_slices
from lightloop.evaluation.groups import Records, score_parts
from lightloop.evaluation.problem import Problem

COLUMNS: tuple[Role, ...] = ("sensitive", "slice", "group")
# Beside the metric that decides.
METRICS = {
    "classification": ("accuracy", "macro_f1", "log_loss"),
    "regression": ("mae", "rmse"),
    "forecasting": ("mae", "rmse"),
}


def slices_content(config: Config, problem: Problem, predictions: pa.Table, questions: pa.Table) -> dict[str, Any]:
    """What slices.json holds.

    Args:
        config: of the run.
        problem: of its data.
        predictions: as predictions.parquet holds them.
        questions: the same records as they lie on disk, in the same order.

    Returns:
        `applies`; `smallest`, `confidence`, `resamples`, `resampling`, `metrics`, and `metric` that differences are of;
        `rows`, one a group: `column`, `role`, `value`, `n`, `metrics` with intervals, and `difference` from all other
        records (positive is better) with interval, `p` and `p_worse`, both also corrected by Holm over the rows;
        `left_out`: by column how many records are in smaller groups; `found`: see `error_tree.found_slices`.
    """
    if config.data.problem == "generation":
        return {"applies": False, "why": "Generated records have no columns of their own to be divided by."}
    records, names = Records.of(config, problem, predictions), metrics_of(config)
    rows, left_out = declared_slices(records, config.gate.metric, names)
    return {
        "applies": True,
        "smallest": records.smallest,
        "confidence": records.how.confidence,
        "resamples": records.how.resamples,
        "resampling": records.draws.as_json(),
        "metric": config.gate.metric,
        "metrics": list(names),
        "rows": rows,
        "left_out": left_out,
        "found": found_slices(records, questions, names),
    }


def metrics_of(config: Config) -> tuple[str, ...]:
    """What groups are scored by: the gate's metric first."""
    return tuple(dict.fromkeys([config.gate.metric, *METRICS[config.data.problem]]))


def declared_slices(
    records: Records, metric: str, names: Collection[str]
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Rows of the groups by every sensitive, slice and group column, and how many records were left out by each."""
    problem, confidence = records.problem, records.how.confidence
    named: list[tuple[str, str]] = []
    masks: list[NDArray[np.bool_]] = []
    left_out: dict[str, int] = {}
    for column in problem.spec.with_role(*COLUMNS):
        if column in records.table.column_names:
            groups = records.groups(column)
            left_out[column] = groups.left_out
            named += [(column, value) for value in groups.names]
            masks += groups.rows
    parts = score_parts(records, problem.written(records.table, "model"), masks, names)
    rows: list[dict[str, Any]] = [
        {
            "column": column,
            "role": problem.spec.columns[column].role,
            "value": value,
            "n": int(np.count_nonzero(part.rows_N)),
            "metrics": part.metrics(confidence),
            "difference": part.difference(metric, confidence),
        }
        for (column, value), part in zip(named, parts, strict=True)
    ]
    keys = {"p": "holm", "p_worse": "holm_worse"}
    for row, difference in zip(rows, corrected([row["difference"] for row in rows], keys), strict=True):
        row["difference"] = difference
    return rows, left_out
