"""A classifier's metrics where no label is known, expected from its calibrated probabilities. NumPy alone.

If of all records with the probability 0.8 of a class a share of 0.8 is of that class, then the probabilities say how
many answers are right, and which classes the wrong ones are of. This holds when records change and the relation of
records to labels does not; when that relation changes (concept drift), nothing but labels shows it.

Shapes: N records, K classes, R weightings.
Sources: Guillory et al. 2021 (arXiv:2107.03315, difference of confidences); Garg et al. 2022 (arXiv:2201.04234, where
it fails); Białek et al. 2024 (arXiv:2401.08348, metrics from the expected confusion matrix).
"""

from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lightloop.evaluation.draws import Draws
from lightloop.evaluation.metrics import OF_COUNTS, SMALLEST, Counts, Floats, WeightedMetrics, defined_mean, ratio

# The metrics that can be expected from probabilities. Of the calibration error it is 0 by assumption.
EXPECTED: Final = ("accuracy", *OF_COUNTS, "auroc", "log_loss", "brier")


class ExpectedMetrics(WeightedMetrics):
    """As `WeightedMetrics`, with each record counting as all classes, to the share that its probabilities say.

    Sums (accuracy, log loss, Brier score) are exact expectations; ratios of sums (recall, F1, AUROC) are the ratios of
    expectations, which differ from the expected ratio by a term that falls as 1/N.

    Args:
        probabilities_NK: calibrated, float, rows that sum to 1.
        names: the metrics that will be asked for; those that can't be expected are left out.
        decided_N: the class that is answered, by default the most probable one.
        draws: what a bootstrap draws; by default each record on its own.

    Raises:
        ValueError: these are no probabilities.

    Examples:
        >>> expected = ExpectedMetrics(np.array([[0.9, 0.1], [0.3, 0.7]]), ["accuracy", "brier"])
        >>> {name: round(float(value[0]), 2) for name, value in expected.scores(np.ones((1, 2), np.int32)).items()}
        {'accuracy': 0.8, 'brier': 0.3}
    """

    def __init__(
        self,
        probabilities_NK: NDArray[np.floating],
        names: Collection[str] = EXPECTED,
        *,
        decided_N: NDArray[np.int64] | None = None,
        draws: Draws | None = None,
    ) -> None:
        wanted = tuple(name for name in EXPECTED if name in names)
        if decided_N is None and probabilities_NK.ndim == 2:
            decided_N = probabilities_NK.argmax(1).astype(np.int64)
        unknown_N = np.zeros(len(probabilities_NK), dtype=np.int64)  # no column looks at labels
        super().__init__(unknown_N, probabilities_NK, set(wanted) - {"auroc"}, draws=draws, decided_N=decided_N)
        self.names = wanted
        p_NK = probabilities_NK.astype(np.float64)
        self.expected_ranks = [_ExpectedRanks(p_NK[:, k]) for k in range(self.classes)] if "auroc" in wanted else []

    def scores(self, weights_RN: Counts) -> dict[str, Floats]:
        """Each metric's expectation (R,) for each weighting; NaN where it is undefined."""
        totals_R = weights_RN.sum(1).astype(np.float64)
        sums = self._summed(weights_RN)
        found: dict[str, Floats] = {
            name: ratio(sums[name][:, 0], totals_R) for name in ("accuracy", "log_loss", "brier") if name in sums
        }
        if "counts" in sums:
            found |= self._of_counts(sums["counts"], totals_R)
        if self.expected_ranks:
            areas = [ranks.areas(weights_RN) for ranks in self.expected_ranks]
            found["auroc"] = defined_mean(np.stack(areas, axis=1))
        return {name: found[name] for name in self.names}

    def _accuracy(self, p_NK: Floats) -> Floats:
        return np.take_along_axis(p_NK, self.predictions_N[:, None], axis=1)

    def _class_counts(self, p_NK: Floats) -> Floats:
        """Columns (N, 3K): expected to be predicted rightly, predicted, expected to be, each by class."""
        predicted_NK = self.predictions_N[:, None] == np.arange(self.classes)
        return np.concatenate([predicted_NK * p_NK, predicted_NK.astype(np.float64), p_NK], axis=1)

    def _log_loss(self, p_NK: Floats) -> Floats:
        return -(p_NK * np.log(np.maximum(p_NK, SMALLEST))).sum(1, keepdims=True)

    def _brier(self, p_NK: Floats) -> Floats:
        return (p_NK * (1 - p_NK)).sum(1, keepdims=True)


class _ExpectedRanks:
    """The expected AUROC of one class: pairs of two records, one of the class and one not, each with its chance.

    Ties count half. A record makes no pair with itself.
    """

    def __init__(self, p_N: Floats) -> None:
        self.order_N = np.argsort(p_N, kind="stable")
        self.p_N = p_N[self.order_N]
        self.starts_N = np.searchsorted(self.p_N, self.p_N, side="left")
        self.ends_N = np.searchsorted(self.p_N, self.p_N, side="right")

    def areas(self, weights_RN: Counts) -> Floats:
        """AUROC (R,); NaN where no pair has a chance."""
        weights = weights_RN[:, self.order_N].astype(np.float64)
        positive_RN, negative_RN = weights * self.p_N, weights * (1 - self.p_N)
        upto_RN = np.zeros((len(weights), weights.shape[1] + 1))
        np.cumsum(negative_RN, axis=1, out=upto_RN[:, 1:])
        below_RN = (upto_RN[:, self.starts_N] + upto_RN[:, self.ends_N]) / 2
        itself_R = np.einsum("rn,rn->r", positive_RN, negative_RN)
        pairs_R = positive_RN.sum(1) * upto_RN[:, -1] - itself_R
        above_R = np.einsum("rn,rn->r", positive_RN, below_RN) - itself_R / 2
        return ratio(above_R, np.where(pairs_R > 1e-12, pairs_R, 0.0))
