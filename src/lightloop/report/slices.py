"""How the model does on parts of the test records, and who is given the favourable class.

From slices.json and fairness.json; nothing is computed here.
"""

from collections.abc import Mapping
from typing import Any

from lightloop.report.evidence import Evidence
from lightloop.report.figures import figure, words

GAPS = {
    "demographic_parity_difference": "Demographic parity, difference",
    "demographic_parity_ratio": "Demographic parity, ratio",
    "equal_opportunity_difference": "Equal opportunity, difference",
    "equalized_odds_difference": "Equalised odds, difference",
}
RATES = {
    "selection_rate": "Given",
    "base_rate": "In the labels",
    "true_positive_rate": "True positives",
    "false_positive_rate": "False positives",
    "accuracy": "Accuracy",
}
CONSTRAINTS = {"demographic_parity": "Demographic parity", "equalized_odds": "Equalised odds"}
AIMS = {"demographic_parity": "demographic_parity_difference", "equalized_odds": "equalized_odds_difference"}


def slices(evidence: Evidence) -> list[dict[str, Any]]:
    """For each sensitive, slice and group column its groups with n, metrics with intervals, and what sets them apart.

    Returns:
        By column `column`, `role`, `metrics` (names of the first two), `groups` (`name`, `n`, `estimates` by metric,
        `difference` from the other records) and `left_out` (how many records are in groups that are too small).
    """
    content = evidence.slices
    if not (content and content["applies"]):
        return []
    found: dict[str, dict[str, Any]] = {}
    for row in content["rows"]:
        column = found.setdefault(
            row["column"],
            {
                "column": row["column"],
                "role": row["role"],
                "metrics": content["metrics"][:2],
                "groups": [],
                "left_out": content["left_out"][row["column"]],
            },
        )
        column["groups"].append(
            {"name": row["value"], "n": row["n"], "estimates": row["metrics"], "difference": row["difference"]}
        )
    return list(found.values())


def found_slices(evidence: Evidence) -> Mapping[str, Any] | None:
    """What the error tree found; None where there is no such evidence."""
    content = evidence.slices
    return content["found"] if content and content["applies"] else None


def fairness(evidence: Evidence) -> dict[str, Any] | None:
    """Rates by group and gaps of each sensitive column; None where there is none.

    Returns:
        `smallest`, `columns` with `title`, the groups, and `gaps`: rows of (title, of the labels the model was taught,
        of the labels of the test, of the model); `why` where a column has too few groups; and `thresholds`, rows of
        what a threshold for each group would cost and gain.
    """
    content = evidence.fairness
    if not (content and content["applies"]):
        return None
    return {
        "smallest": content["smallest"],
        "columns": [
            {
                **column,
                "title": f"{words(column['column'])}: who is given {column['favourable']!r}",
                "rows": [
                    (
                        title,
                        *((column.get(part) or {}).get(name) for part in ("training_gaps", "data_gaps")),
                        column["gaps"][name],
                    )
                    for name, title in GAPS.items()
                ]
                if column["applies"]
                else [],
            }
            for column in content["columns"]
        ],
        "thresholds": _thresholds(content.get("thresholds")),
    }


def _thresholds(content: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    if not (content and content["applies"]):
        return []
    return [
        {
            "column": row["column"],
            "title": CONSTRAINTS[row["constraint"]],
            "n": row["n"],
            "before": row["gaps_before"][AIMS[row["constraint"]]],
            "after": row["gaps_after"][AIMS[row["constraint"]]],
            "gain": row["gain"],
            "cost": row["cost"],
        }
        for row in content["columns"]
        if row["applies"]
    ]


def p_value(value: float | None) -> str:
    """A p value, as short as it may be.

    Examples:
        >>> p_value(0.03214), p_value(0.0004), p_value(None)
        ('0.032', '<0.001', '–')
    """
    return "<0.001" if value is not None and value < 0.001 else figure(value)
