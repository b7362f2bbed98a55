"""The metrics, declared once: direction, unit and range of each. No library is needed to read them.

Those of the project's own stand each in a file of `evaluation/own/`, which is read without being imported.
"""

from dataclasses import dataclass
from typing import Any, Literal

from lightloop.config.signature import Component, components
from lightloop.errors import UsageError


@dataclass(frozen=True)
class Metric:
    """What one number says, and which way is better.

    Attributes:
        name: the key in evidence and configs.
        title: for people.
        direction: whether higher or lower is better. Values keep their own sign everywhere; only `signed` turns it.
        unit: of the value and of every margin on it.
        low, high: bounds of the value; None where there is none.
        meaning: in one sentence.
    """

    name: str
    title: str
    direction: Literal["higher", "lower"]
    unit: str
    low: float | None
    high: float | None
    meaning: str


# In the order of display.
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "accuracy",
            "Accuracy",
            "higher",
            "share",
            0,
            1,
            "The share of records whose most probable class is the label.",
        ),
        Metric(
            "balanced_accuracy",
            "Balanced accuracy",
            "higher",
            "share",
            0,
            1,
            "The mean over classes of the share of their records that are recognised; guessing gives 1 / their number.",
        ),
        Metric(
            "macro_precision",
            "Macro precision",
            "higher",
            "share",
            0,
            1,
            "The mean over classes of the share of right answers among those that name the class.",
        ),
        Metric(
            "macro_recall",
            "Macro recall",
            "higher",
            "share",
            0,
            1,
            "The mean over classes of the share of their records that are recognised, which is balanced accuracy.",
        ),
        Metric(
            "macro_f1",
            "Macro F1",
            "higher",
            "score",
            0,
            1,
            "The mean over classes of the harmonic mean of precision and recall; each class counts the same.",
        ),
        Metric(
            "auroc",
            "AUROC",
            "higher",
            "probability",
            0,
            1,
            "The chance that a record of a class gets a higher probability of it than a record of another class, "
            "mean over classes.",
        ),
        Metric(
            "auprc",
            "AUPRC",
            "higher",
            "share",
            0,
            1,
            "Average precision: the precision at each recall, from the surest answer down; mean over classes, "
            "so that a class of few records counts in full.",
        ),
        Metric(
            "log_loss",
            "Log loss",
            "lower",
            "nats",
            0,
            None,
            "The mean of minus the natural logarithm of the probability given to the label.",
        ),
        Metric(
            "brier",
            "Brier score",
            "lower",
            "squared probability",
            0,
            2,
            "The mean over records of the squared distance between probabilities and truth, summed over classes.",
        ),
        Metric(
            "ece",
            "Calibration error",
            "lower",
            "share",
            0,
            1,
            "How far confidence and accuracy lie apart on average, over 15 bins of equal width.",
        ),
        Metric(
            "mcc",
            "Matthews correlation",
            "higher",
            "correlation",
            -1,
            1,
            "The correlation of answers with labels; undefined where either names one class alone.",
        ),
        Metric(
            "kappa",
            "Cohen's kappa",
            "higher",
            "share",
            -1,
            1,
            "The share of agreement of answers with labels that chance does not account for.",
        ),
        Metric(
            "mse",
            "MSE",
            "lower",
            "squared target's unit",
            0,
            None,
            "The mean of squared errors.",
        ),
        Metric(
            "rmse",
            "RMSE",
            "lower",
            "target's unit",
            0,
            None,
            "The root of the mean squared error: what a large error costs counts twice over.",
        ),
        Metric(
            "mae",
            "MAE",
            "lower",
            "target's unit",
            0,
            None,
            "The mean of errors without their sign.",
        ),
        Metric(
            "r2",
            "R²",
            "higher",
            "share",
            None,
            1,
            "The share of the targets' variance that the answers account for; 0 is what their mean reaches.",
        ),
        Metric(
            "mape",
            "MAPE",
            "lower",
            "share",
            0,
            None,
            "The mean error as a share of the target; undefined where a target is 0.",
        ),
        # of feature: series
        Metric(
            "smape",
            "sMAPE",
            "lower",
            "share",
            0,
            2,
            "The mean error as a share of the mean of target and answer.",
        ),
        Metric(
            "mase",
            "MASE",
            "lower",
            "naive errors",
            0,
            None,
            "The mean error over that of saying, on the training series, what was one season earlier.",
        ),
        Metric(
            "coverage",
            "Coverage",
            "higher",
            "share",
            0,
            1,
            "The share of targets between the lowest and the highest quantile; it should be what the levels say.",
        ),
        Metric(
            "width",
            "Interval width",
            "lower",
            "target's unit",
            0,
            None,
            "The mean distance of the highest from the lowest quantile.",
        ),
        # end
        # of feature: generation
        Metric(
            "frechet",
            "Fréchet distance",
            "lower",
            "squared feature units",
            0,
            None,
            "The squared distance between two normal distributions, fitted to features of generated and of real images "
            "by the project's own classifier. Comparable on one data set alone.",
        ),
        Metric(
            "sample_precision",
            "Precision of samples",
            "higher",
            "share",
            0,
            1,
            "The share of generated images that lie among real ones, closer to one than its third neighbour does.",
        ),
        Metric(
            "sample_recall",
            "Recall of samples",
            "higher",
            "share",
            0,
            1,
            "The share of real images that lie among generated ones, closer to one than its third neighbour does.",
        ),
        # end
    )
}


# The metrics that come along, of each problem, in the order of display.
BUILT_IN: dict[str, tuple[str, ...]] = {
    "classification": (
        "accuracy",
        "balanced_accuracy",
        "macro_precision",
        "macro_recall",
        "macro_f1",
        "auroc",
        "auprc",
        "log_loss",
        "brier",
        "ece",
        "mcc",
        "kappa",
    ),
    "regression": ("mse", "rmse", "mae", "r2", "mape"),
    "forecasting": ("mse", "rmse", "mae", "r2", "mape", "smape", "mase", "coverage", "width"),
    "generation": ("frechet", "sample_precision", "sample_recall"),
}
OWN_ROOM = "evaluation/own"


def own_metric(component: Component) -> Metric:
    """What the file of a metric of the project's own says of it.

    Raises:
        UsageError: it lacks a class attribute, or names a problem that there is not.
    """
    said: dict[str, Any] = component.traits
    where = f"{OWN_ROOM}/{component.name}.py"
    missing = [name for name in ("title", "direction", "unit", "low", "high") if name not in said]
    if missing:
        raise UsageError(f"{where} does not say {missing[0]}: write `{missing[0]}: ClassVar = ...` in its class")
    if said["direction"] not in ("higher", "lower"):
        raise UsageError(f"{where} says direction {said['direction']!r}: which is better, higher or lower?")
    if unknown := sorted(set(said["problems"]) - set(BUILT_IN)):
        raise UsageError(f"{where} is for {unknown[0]!r}, which is no problem: say some of {', '.join(BUILT_IN)}")
    if component.name in METRICS:
        raise UsageError(f"{where} has the name of a metric that comes along: give it another one")
    return Metric(
        component.name, said["title"], said["direction"], said["unit"], said["low"], said["high"], component.summary
    )


OWN: dict[str, Component] = components(OWN_ROOM)
METRICS |= {name: own_metric(component) for name, component in OWN.items()}
# The metrics of each problem, in the order of display: first those that come along.
OF_PROBLEM: dict[str, tuple[str, ...]] = {
    problem: (*names, *(name for name, component in OWN.items() if problem in component.traits["problems"]))
    for problem, names in BUILT_IN.items()
}


def metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        UsageError: there is none.

    Examples:
        >>> metric("log_loss").direction
        'lower'
    """
    if name not in METRICS:
        raise UsageError(f"{name!r} is no metric: valid names are {', '.join(METRICS)}")
    return METRICS[name]


def is_better(name: str, a: float, b: float) -> bool:
    """Whether value `a` of a metric is strictly better than value `b`.

    Examples:
        >>> is_better("accuracy", 0.9, 0.8), is_better("log_loss", 0.9, 0.8)
        (True, False)
    """
    return signed(name, a - b) > 0


def signed(name: str, difference: float) -> float:
    """A difference of values, turned so that positive is better.

    Examples:
        >>> signed("accuracy", 0.5), signed("log_loss", 0.5)
        (0.5, -0.5)
    """
    return difference if metric(name).direction == "higher" else -difference
