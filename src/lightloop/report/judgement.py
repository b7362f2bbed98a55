"""Is the network worth its trouble? What its gain over the simpler model is, in a sentence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lightloop.report.figures import figure


@dataclass(frozen=True)
class Judgement:
    """Of the network beside the simpler model.

    Attributes:
        better: by more than one standard error of the paired difference.
        sentence: that says so, with the figures.
    """

    better: bool
    sentence: str


def judge_gain(metrics: Mapping[str, Any], title: str, simpler: str) -> Judgement | None:
    """What metrics.json says of the gain over the simpler model, None where it says nothing.

    Args:
        metrics: content of metrics.json.
        title: of the metric that models are compared by.
        simpler: what the simpler model is.

    Examples:
        >>> gain = {"metric": "accuracy", "value": 0.02, "low": -0.01, "high": 0.05, "standard_error": 0.03}
        >>> judge_gain({"better_than_baseline": gain}, "Accuracy", "logistic regression").better
        False
    """
    gain = metrics.get("better_than_baseline")
    if not gain:
        return None
    value, error = gain["value"], gain.get("standard_error")
    if value is None:
        return Judgement(False, f"{title} of network or {simpler} is not defined: they cannot be compared.")
    size = f"{figure(abs(value))} (standard error {figure(error)})" if error is not None else figure(abs(value))
    if value <= 0:
        word = "worse than" if value < 0 else "no better than"
        return Judgement(False, f"The network is {word} {simpler}: {title} differs by {size} on the same records.")
    if error is not None and value <= error:
        return Judgement(
            False,
            f"The network is not better than {simpler} by more than one standard error: {title} is better by {size} "
            "on the same records. The simpler model would do.",
        )
    return Judgement(True, f"The network is better than {simpler}: {title} by {size} on the same records.")
