"""Evidence as the stages wrote it, as tables of pandas."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lightloop.config.metrics import METRICS

ENDS = ("value", "low", "high")


def metrics_frame(content: Mapping[str, Any]) -> pd.DataFrame:
    """metrics.json: a row a metric, with its interval, and the same of the simpler model beside it.

    Examples:
        >>> one = {"value": 0.9, "low": 0.8, "high": 0.95}
        >>> frame = metrics_frame({"metrics": {"accuracy": one}, "baseline": {"accuracy": {**one, "value": 0.85}}})
        >>> print(*frame.loc["accuracy", ["value", "baseline", "direction"]])
        0.9 0.85 higher
    """
    rows = []
    for name, estimate in content["metrics"].items():
        beside = content.get("baseline", {}).get(name, {})
        spec = METRICS.get(name)
        rows.append(
            {
                "metric": name,
                "title": spec.title if spec else name,
                **{end: estimate.get(end) for end in ENDS},
                "baseline": beside.get("value"),
                "baseline_low": beside.get("low"),
                "baseline_high": beside.get("high"),
                "direction": spec.direction if spec else None,
                "unit": spec.unit if spec else None,
            }
        )
    return pd.DataFrame(rows).set_index("metric")


def flat(row: Mapping[str, Any], key: str = "") -> dict[str, Any]:
    """A row whose parts are mappings as one of columns: an estimate is `NAME`, `NAME_low` and `NAME_high`.

    Examples:
        >>> flat({"n": 3, "metrics": {"accuracy": {"value": 1.0, "low": 0.9, "high": 1.0}}})
        {'n': 3, 'accuracy': 1.0, 'accuracy_low': 0.9, 'accuracy_high': 1.0}
    """
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            found |= flat(value, "" if name == "metrics" else name)
        else:
            found[_column(key, name)] = value
    return found


def rows_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of evidence as a table; see `flat`. Without rows it is empty."""
    return pd.DataFrame([flat(row) for row in rows])


def _column(key: str, name: str) -> str:
    if not key:
        return name
    return key if name == "value" else f"{key}_{name}"
