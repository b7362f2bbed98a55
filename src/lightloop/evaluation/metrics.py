"""Every metric for many weightings of the same records at once: what a bootstrap needs. NumPy alone.

A resample is a count for each record, so R resamples are a matrix (R, N), and most metrics are ratios of sums that one
matrix product gives. AUROC and AUPRC are rank statistics: scores are sorted once for each class, ties count half.

Shapes: N records, K classes, R weightings, M sums, P records of one class.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from lightloop.config.metrics import BUILT_IN, OF_PROBLEM, OWN
from lightloop.evaluation.draws import Draws
from lightloop.evaluation.own._metric import ClassMetric, means

Floats = NDArray[np.float64]
Counts = NDArray[np.int32]

BINS = 15  # of the calibration error: Guo et al. 2017 (arXiv:1706.04599)
# Below it a probability counts as it, as in scikit-learn for float32: one record costs at most 15.9 nats.
SMALLEST = float(np.finfo(np.float32).eps)
# The metrics of a classifier that come along, and all of them, in the order of display.
CLASSIFICATION = BUILT_IN["classification"]
ALL = OF_PROBLEM["classification"]
CLASS_METRICS = ("precision", "recall", "f1")
# What is known from how often each class is right, answered and meant.
OF_COUNTS = ("balanced_accuracy", "macro_precision", "macro_recall", "macro_f1", "mcc", "kappa")
OF_RANKS = ("auroc", "auprc")


class WeightedMetrics:
    """The metrics of one model's probabilities, as functions of the records' weights.

    Definitions are those of `metrics.point_estimates`, which all weights of one reproduce. What is undefined is NaN:
    a class without records of its own (recall, AUROC), without predictions (precision), without either (F1). Means
    over classes are taken over the defined ones.

    Args:
        labels_N: the right class of each record, 0 to K-1.
        probabilities_NK: float, rows that sum to 1.
        names: the metrics that will be asked for; the others cost nothing.
        draws: what a bootstrap draws; by default each record on its own.
        decided_N: the class that is answered, by default the most probable one. What is said of probabilities (AUROC,
            AUPRC, log loss, Brier score, calibration error) does not depend on it.

    Raises:
        ValueError: shapes, labels or probabilities are not as said.

    Examples:
        >>> metrics = WeightedMetrics(np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]]), ["accuracy"])
        >>> metrics.scores(np.array([[1, 1], [2, 0]], dtype=np.int32))["accuracy"].tolist()
        [0.5, 1.0]
    """

    def __init__(
        self,
        labels_N: NDArray[np.int64],
        probabilities_NK: NDArray[np.floating],
        names: Collection[str] = CLASSIFICATION,
        *,
        draws: Draws | None = None,
        decided_N: NDArray[np.int64] | None = None,
    ) -> None:
        check_probabilities(labels_N, probabilities_NK)
        self.names = tuple(name for name in ALL if name in names)
        self.records = len(labels_N)
        self.draws = draws or Draws(self.records)
        self.labels_N = labels_N
        self.classes = probabilities_NK.shape[1]
        self.predictions_N = probabilities_NK.argmax(1) if decided_N is None else decided_N
        columns = {
            "accuracy": self._accuracy,
            "counts": self._class_counts,
            "log_loss": self._log_loss,
            "brier": self._brier,
            "ece": self._calibration,
        }
        p_NK = probabilities_NK.astype(np.float64)
        needed = {"counts" if name in OF_COUNTS else name for name in self.names}
        self.sums = {name: column(p_NK) for name, column in columns.items() if name in needed}
        self.own: dict[str, tuple[ClassMetric, Floats]] = {}
        for name in needed.intersection(OWN):
            metric: ClassMetric = OWN[name].load()()
            self.own[name] = metric, metric.columns(labels_N, p_NK, self.predictions_N)
        ranked = needed.intersection(OF_RANKS)
        self.ranks = [Ranks(labels_N == k, p_NK[:, k]) for k in range(self.classes)] if ranked else []

    def scores(self, weights_RN: Counts) -> dict[str, Floats]:
        """Each metric's value (R,) for each weighting; NaN where it is undefined."""
        totals_R = weights_RN.sum(1).astype(np.float64)
        sums = self._summed(weights_RN)
        found: dict[str, Floats] = {
            name: ratio(sums[name][:, 0], totals_R) for name in ("accuracy", "log_loss", "brier") if name in sums
        }
        if "ece" in sums:
            found["ece"] = ratio(np.abs(sums["ece"]).sum(1), totals_R)
        if "counts" in sums:
            found |= self._of_counts(sums["counts"], totals_R)
        if self.ranks:
            areas = [ranks.areas(weights_RN, precision="auprc" in self.names) for ranks in self.ranks]
            found["auroc"], found["auprc"] = (defined_mean(np.stack(each, axis=1)) for each in zip(*areas, strict=True))
        found |= {name: metric.value(means(columns_NM, weights_RN)) for name, (metric, columns_NM) in self.own.items()}
        return {name: found[name] for name in self.names}

    def class_scores(self, weights_RN: Counts) -> dict[str, Floats]:
        """Precision, recall and F1 of each class, (R, K), for each weighting; needs one of OF_COUNTS."""
        return self._class_ratios(self._summed(weights_RN)["counts"])

    def noise(self, weights_RN: Counts) -> dict[str, Floats]:
        """Of `ece`: how far (R,) the bins' gaps lie, summed without sign, from those with every weight one.

        By the triangle inequality no calibration error can move by more than that between two weightings.
        """
        if "ece" not in self.sums:
            return {}
        gaps_NM = self.sums["ece"]
        resampled_RM = weights_RN.astype(np.float64) @ gaps_NM / weights_RN.sum(1, keepdims=True)
        return {"ece": np.abs(resampled_RM - gaps_NM.mean(0)).sum(1)}

    def _summed(self, weights_RN: Counts) -> dict[str, Floats]:
        """The weighted sums of every metric's columns, by one matrix product."""
        if not self.sums:
            return {}
        widths = np.cumsum([column.shape[1] for column in self.sums.values()])
        product_RM = weights_RN.astype(np.float64) @ np.concatenate(list(self.sums.values()), axis=1)
        return dict(zip(self.sums, np.split(product_RM, widths[:-1], axis=1), strict=True))

    def _of_counts(self, counts_RM: Floats, totals_R: Floats) -> dict[str, Floats]:
        """Means over classes; correlation and agreement of answers and labels.

        Source: Gorodkin 2004 (the multi-class correlation); Cohen 1960.
        """
        of_class = self._class_ratios(counts_RM)
        recall_R = defined_mean(of_class["recall"])
        right_RK, predicted_RK, actual_RK = np.split(counts_RM, 3, axis=1)
        right_R, squares_R = right_RK.sum(1), np.square(totals_R)
        by_chance_R = (predicted_RK * actual_RK).sum(1)
        spread_R = (squares_R - np.square(predicted_RK).sum(1)) * (squares_R - np.square(actual_RK).sum(1))
        above_R = right_R * totals_R - by_chance_R
        return {
            "balanced_accuracy": recall_R,
            "macro_precision": defined_mean(of_class["precision"]),
            "macro_recall": recall_R,
            "macro_f1": defined_mean(of_class["f1"]),
            "mcc": ratio(above_R, np.sqrt(spread_R)),
            "kappa": ratio(above_R, squares_R - by_chance_R),
        }

    def _class_ratios(self, counts_RM: Floats) -> dict[str, Floats]:
        right_RK, predicted_RK, actual_RK = np.split(counts_RM, 3, axis=1)
        return {
            "precision": ratio(right_RK, predicted_RK),
            "recall": ratio(right_RK, actual_RK),
            "f1": ratio(2 * right_RK, predicted_RK + actual_RK),
        }

    def _accuracy(self, _: Floats) -> Floats:
        return (self.predictions_N == self.labels_N)[:, None].astype(np.float64)

    def _class_counts(self, _: Floats) -> Floats:
        """Columns (N, 3K): predicted rightly, predicted, actual, each by class."""
        each = np.arange(self.classes)
        predicted_NK = self.predictions_N[:, None] == each
        actual_NK = self.labels_N[:, None] == each
        return np.concatenate([predicted_NK & actual_NK, predicted_NK, actual_NK], axis=1).astype(np.float64)

    def _log_loss(self, p_NK: Floats) -> Floats:
        return -np.log(np.maximum(np.take_along_axis(p_NK, self.labels_N[:, None], axis=1), SMALLEST))

    def _brier(self, p_NK: Floats) -> Floats:
        actual_NK = self.labels_N[:, None] == np.arange(self.classes)
        return np.square(p_NK - actual_NK).sum(1, keepdims=True)

    def _calibration(self, p_NK: Floats) -> Floats:
        """Columns (N, BINS): confidence minus correctness, in the bin of the confidence."""
        confidence_N = p_NK.max(1)
        gap_N = confidence_N - (p_NK.argmax(1) == self.labels_N)
        return np.where(bins_of(confidence_N)[:, None] == np.arange(BINS), gap_N[:, None], 0.0)


def bins_of(confidence_N: Floats) -> NDArray[np.int64]:
    """The bin (N,) of each confidence, as the calibration error has them; the last one holds 1 itself.

    Examples:
        >>> bins_of(np.array([0.05, 0.5, 1.0])).tolist()
        [0, 7, 14]
    """
    # Edges in float32, as probabilities are.
    edges = np.linspace(0, 1, BINS + 1, dtype=np.float32)
    places_N = np.searchsorted(edges, confidence_N.astype(np.float32), side="right") - 1
    return np.asarray(np.minimum(places_N, BINS - 1), dtype=np.int64)


class Ranks:
    """AUROC and average precision of one class against the rest, sorted once.

    With E the sum of weights up to a place in the order, and a and b the ends of a record's group of equal scores, the
    weight below a record plus half of its group is (E[a] + E[b]) / 2. Summed over the positives that counts every pair
    with a negative (ties half), and the pairs among positives, which are half of the square of their weight.
    The precision at a record is the share of positives in the weight from the start of its group upwards.

    Args:
        positive_N: whether each record is of the class.
        scores_N: float; only their order and equality matter.
    """

    def __init__(self, positive_N: NDArray[np.bool_], scores_N: Floats) -> None:
        self.order_N = np.argsort(scores_N, kind="stable")
        in_order_N = scores_N[self.order_N]
        self.rows_P = self.order_N[positive_N[self.order_N]]
        scores_P = scores_N[self.rows_P]
        self.starts_P = np.searchsorted(in_order_N, scores_P, side="left")
        self.ends_P = np.searchsorted(in_order_N, scores_P, side="right")
        self.firsts_P = np.searchsorted(scores_P, scores_P, side="left")

    def areas(self, weights_RN: Counts, *, precision: bool = True) -> tuple[Floats, Floats]:
        """AUROC (R,), the chance that a positive scores above a negative, and average precision (R,).

        NaN without positives; AUROC also without negatives. The second is NaN unless `precision` asks for it.
        """
        upto_RN = np.zeros((len(weights_RN), weights_RN.shape[1] + 1), dtype=np.int32)
        np.cumsum(weights_RN[:, self.order_N], axis=1, out=upto_RN[:, 1:])
        below_RP = upto_RN[:, self.starts_P]
        counts_RP = weights_RN[:, self.rows_P]
        weights_RP = counts_RP.astype(np.float64)
        twice_below_R = np.einsum("rp,rp->r", weights_RP, below_RP + upto_RN[:, self.ends_P])
        positives_R = weights_RP.sum(1)
        negatives_R = upto_RN[:, -1] - positives_R
        auroc_R = ratio((twice_below_R - positives_R**2) / 2, positives_R * negatives_R)
        if not precision:
            return auroc_R, np.full(len(weights_RN), np.nan)
        positive_below_RP = np.zeros((len(weights_RN), len(self.rows_P) + 1), dtype=np.int32)
        np.cumsum(counts_RP, axis=1, out=positive_below_RP[:, 1:])
        above_RP = upto_RN[:, -1:] - below_RP
        right_RP = positive_below_RP[:, -1:] - positive_below_RP[:, self.firsts_P]
        # Where nothing lies above, the record itself weighs nothing.
        precision_RP = right_RP / np.maximum(above_RP, 1)
        return auroc_R, ratio(np.einsum("rp,rp->r", weights_RP, precision_RP), positives_R)


def ratio(above: Floats, below: Floats) -> Floats:
    """`above / below`, NaN where `below` is 0.

    Examples:
        >>> ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0])).tolist()
        [0.5, nan]
    """
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0)


def defined_mean(values_RK: Floats) -> Floats:
    """The mean (R,) over what is defined in each row; NaN where nothing is."""
    defined_RK = ~np.isnan(values_RK)
    return ratio(np.where(defined_RK, values_RK, 0.0).sum(1), defined_RK.sum(1).astype(np.float64))


def check_probabilities(labels_N: NDArray[np.int64], probabilities_NK: NDArray[np.floating]) -> None:
    """Raise ValueError unless labels (N,) in 0 to K-1 and probabilities (N, K), rows that sum to 1, fit together."""
    if labels_N.ndim != 1 or probabilities_NK.ndim != 2 or len(labels_N) != len(probabilities_NK):
        raise ValueError(
            "labels (N,) and probabilities (N, K) were expected, "
            f"but shapes {labels_N.shape} and {probabilities_NK.shape} came"
        )
    if not len(labels_N):
        raise ValueError("at least one record was expected, but none came")
    classes = probabilities_NK.shape[1]
    if classes < 2 or labels_N.min() < 0 or labels_N.max() >= classes:
        raise ValueError(
            f"labels from 0 to {classes - 1} and at least 2 classes were expected, but "
            f"{labels_N.min()} to {labels_N.max()} of {classes} classes came"
        )
    fits = np.abs(probabilities_NK.sum(1) - 1) < 1e-3
    if not (fits.all() and probabilities_NK.min() >= 0):  # NaN never fits
        raise ValueError(
            "probabilities from 0 to 1 that sum to 1 for each record were expected: apply softmax to logits"
        )
