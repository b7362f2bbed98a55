"""Every metric of predicted numbers for many weightings of the same records at once. NumPy alone.

All of them are functions of weighted sums, which one matrix product gives.

Shapes: N records, H numbers of a record, Q quantiles, R weightings, M sums.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from lightloop.config.metrics import BUILT_IN, OF_PROBLEM, OWN
from lightloop.evaluation.draws import Draws, blocks
from lightloop.evaluation.metrics import Counts, Floats, ratio
from lightloop.evaluation.own._metric import NumberMetric, means

# Those that come along, and all of them, in the order of display.
REGRESSION = BUILT_IN["regression"]
FORECASTING = BUILT_IN["forecasting"]
ALL = tuple(
    dict.fromkeys(
        name for table in (BUILT_IN, OF_PROBLEM) for problem in ("forecasting", "regression") for name in table[problem]
    )
)


class NumberMetrics:
    """The metrics of one model's numbers, as functions of the records' weights.

    Over all numbers of all records alike. What is undefined is NaN: R2 where the targets do not differ, MAPE where one
    is 0, MASE without an error to scale by.

    Args:
        labels_NH: the right numbers.
        predictions_NH: the answers.
        names: the metrics that will be asked for; those that need what is not given are left out.
        block: neighbouring records that are not independent, such as windows that overlap.
        draws: in place of `block`, what a bootstrap draws.
        naive_error: that MASE is scaled by.
        quantiles_NHQ: rising in Q; `coverage` and `width` are of the interval between the first and the last.

    Raises:
        ValueError: shapes are not as said, or a number is not finite.

    Examples:
        >>> metrics = NumberMetrics(np.array([[1.0], [3.0]]), np.array([[1.0], [5.0]]), ["rmse", "mae"])
        >>> metrics.scores(np.array([[1, 1], [0, 2]], dtype=np.int32))["mae"].tolist()
        [1.0, 2.0]
    """

    def __init__(
        self,
        labels_NH: NDArray[np.floating],
        predictions_NH: NDArray[np.floating],
        names: Collection[str] = REGRESSION,
        *,
        block: int = 1,
        draws: Draws | None = None,
        naive_error: float | None = None,
        quantiles_NHQ: NDArray[np.floating] | None = None,
    ) -> None:
        _check(labels_NH, predictions_NH)
        absent = {"mase"} if naive_error is None else set()
        absent |= {"coverage", "width"} if quantiles_NHQ is None else set()
        self.names = tuple(name for name in ALL if name in names and name not in absent)
        self.records, self.numbers = labels_NH.shape
        self.draws = draws or blocks(Draws(self.records, block))
        self.naive_error = naive_error
        y_NH, p_NH = labels_NH.astype(np.float64), predictions_NH.astype(np.float64)
        error_NH = p_NH - y_NH
        # About the mean, so that the squares of large numbers keep their digits.
        centred_NH = y_NH - y_NH.mean()
        size_NH = np.abs(y_NH)
        columns = {
            "square": np.square(error_NH),
            "absolute": np.abs(error_NH),
            "target": centred_NH,
            "target_square": np.square(centred_NH),
            "share": np.divide(np.abs(error_NH), size_NH, out=np.zeros_like(y_NH), where=size_NH > 0),
            "zero": (size_NH == 0).astype(np.float64),
            "both": _symmetric(error_NH, size_NH + np.abs(p_NH)),
        }
        if quantiles_NHQ is not None:
            low_NH, high_NH = quantiles_NHQ[:, :, 0], quantiles_NHQ[:, :, -1]
            columns["inside"] = ((low_NH <= y_NH) & (y_NH <= high_NH)).astype(np.float64)
            columns["width"] = (high_NH - low_NH).astype(np.float64)
        self.columns = tuple(columns)
        self.sums_NM = np.stack([column.mean(1) for column in columns.values()], axis=1)
        self.own: dict[str, tuple[NumberMetric, Floats]] = {}
        for name in OWN.keys() & set(self.names):
            metric: NumberMetric = OWN[name].load()()
            self.own[name] = metric, metric.columns(y_NH, p_NH)

    def scores(self, weights_RN: Counts) -> dict[str, Floats]:
        """Each metric's value (R,) for each weighting; NaN where it is undefined."""
        weights = weights_RN.astype(np.float64)
        means_RM = ratio(weights @ self.sums_NM, np.repeat(weights.sum(1, keepdims=True), self.sums_NM.shape[1], 1))
        of = dict(zip(self.columns, means_RM.T, strict=True))
        nothing = np.full(len(weights_RN), np.nan)
        variance = of["target_square"] - np.square(of["target"])
        # What rounding leaves of equal targets is no variance.
        variance = np.where(variance > 1e-12 * np.maximum(of["target_square"], 1e-300), variance, 0.0)
        scaled = ratio(of["absolute"], np.full(len(weights_RN), self.naive_error)) if self.naive_error else nothing
        found = {
            "mse": of["square"],
            "rmse": np.sqrt(of["square"]),
            "mae": of["absolute"],
            "r2": 1 - ratio(of["square"], variance),
            "mape": np.where(of["zero"] > 0, np.nan, of["share"]),
            "smape": of["both"],
            "mase": scaled,
            "coverage": of.get("inside", nothing),
            "width": of.get("width", nothing),
            **{name: metric.value(means(columns_NM, weights_RN)) for name, (metric, columns_NM) in self.own.items()},
        }
        return {name: found[name] for name in self.names}

    def noise(self, weights_RN: Counts) -> dict[str, Floats]:
        """None of these metrics is moved by noise in one direction alone."""
        return {}


def _symmetric(error_NH: Floats, sizes_NH: Floats) -> Floats:
    """Twice the error as a share of the sizes of target and answer; 0 where both are 0."""
    return np.divide(2 * np.abs(error_NH), sizes_NH, out=np.zeros_like(error_NH), where=sizes_NH > 0)


def _check(labels_NH: NDArray[np.floating], predictions_NH: NDArray[np.floating]) -> None:
    if labels_NH.ndim != 2 or labels_NH.shape != predictions_NH.shape or not labels_NH.size:
        raise ValueError(
            "labels (N, H) and predictions (N, H) of at least one record were expected, "
            f"but shapes {labels_NH.shape} and {predictions_NH.shape} came"
        )
    if not (np.isfinite(labels_NH).all() and np.isfinite(predictions_NH).all()):
        raise ValueError("finite labels and predictions were expected, but NaN or infinity came")
