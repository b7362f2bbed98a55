"""What a smaller bundle costs: its metric, calibration and answers beside those of the network, on the same records.

Shapes: N records, M numbers of an answer, R resamples.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.metrics import signed
from lightloop.config.schema import Config
from lightloop.data.targets import encode_targets
from lightloop.evaluation.bootstrap import Scorer, interval_of, intervals, paired_difference, paired_draws
from lightloop.evaluation.draws import draws_of
from lightloop.evaluation.evidence import decided_by, plain
from lightloop.evaluation.problem import Problem, problem_of
from lightloop.serving.predictor import Predictor

Answers = Mapping[str, NDArray[Any]]
CALIBRATION = "ece"


@dataclass(frozen=True)
class Judge:
    """Compares answers to some records with the network's.

    Attributes:
        config: of the run; read are `gate`, `data` and `seed`.
        records: as a split or predictions.parquet has them.
        network: predictor of the exported bundle.
        expected: its answers.
    """

    config: Config
    records: pa.Table
    network: Predictor
    expected: Answers

    @property
    def problem(self) -> Problem:
        return problem_of(self.config.data)

    @property
    def names(self) -> list[str]:
        """The gate's metric, and of classes the calibration error."""
        first = self.config.gate.metric
        return [first, *([CALIBRATION] if self.network.classes and first != CALIBRATION else [])]

    def figures(self, predictor: Predictor, answers: Answers) -> dict[str, Any]:
        """What one bundle's answers are worth.

        Returns:
            `metric` and `calibration` with intervals: of classes the calibration error, of numbers the coverage of the
            first conformal level. `difference` of the metric from the network's, positive where the bundle is better,
            with one-sided bounds (see `bootstrap.Difference`); `calibration_change`, the change of that figure with its
            interval; `agreement`: the share of records that both answer alike; `moved`: the most that a judged number
            moved.
        """
        gate, how = self.config.gate, self._how()
        ours, theirs = self._scorer(predictor, answers), self._scorer(self.network, self.expected)
        found = plain(intervals(ours, **how))
        difference = paired_difference(ours, theirs, gate.metric, **how)
        calibration: dict[str, Any] | None
        change: dict[str, Any] | None
        if CALIBRATION in self.names:
            calibration = found[CALIBRATION]
            (point,), draws_R = paired_draws(
                ours, theirs, [CALIBRATION], resamples=gate.resamples, seed=self.config.seed
            )[CALIBRATION]
            sign = signed(CALIBRATION, 1.0)
            change = asdict(interval_of(sign * point, sign * draws_R, gate.confidence))
        else:
            calibration, change = self._coverage(predictor, answers)
        answer = self.problem.answer
        return {
            "metric": found[gate.metric],
            "difference": asdict(difference),
            "calibration": calibration,
            "calibration_change": change,
            "agreement": self._agreement(predictor, answers),
            "moved": float(np.abs(answers[answer] - self.expected[answer]).max()),
        }

    def _how(self) -> dict[str, Any]:
        gate = self.config.gate
        return {"confidence": gate.confidence, "resamples": gate.resamples, "seed": self.config.seed}

    def _scorer(self, predictor: Predictor, answers: Answers) -> Scorer:
        records = decided_by(self.records, predictor.manifest.rules.decision) if predictor.classes else self.records
        return self.problem.scorer(records, answers[self.problem.answer], self.names)

    def _agreement(self, predictor: Predictor, answers: Answers) -> float:
        ours, theirs = answers[self.problem.answer], self.expected[self.problem.answer]
        if predictor.classes:
            return float((predictor.decide(ours) == self.network.decide(theirs)).mean())
        return 1 - self.problem.different(ours, theirs) / len(self.records)

    def _coverage(self, predictor: Predictor, answers: Answers) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """The share of truths inside the intervals of the first level, and its change from the network's."""
        if predictor.level is None or self.network.level is None:
            return None, None
        ours_N, theirs_N = self._inside(predictor, answers), self._inside(self.network, self.expected)
        draws = draws_of(self.config.data, self.records, block=self.problem.block)
        gate = self.config.gate
        counts = list(draws.counts(gate.resamples, self.config.seed))

        def mean(values_N: NDArray[np.float64]) -> dict[str, Any]:
            draws_R = np.concatenate([weights_RN @ values_N / weights_RN.sum(1) for weights_RN in counts])
            return asdict(interval_of(float(values_N.mean()), draws_R, gate.confidence))

        return mean(ours_N), mean(ours_N - theirs_N)

    def _inside(self, predictor: Predictor, answers: Answers) -> NDArray[np.float64]:
        """The share of each record's truths (N,) that its intervals hold."""
        truths_NH = encode_targets(self.records, self.config.data).numpy().reshape(len(self.records), -1)
        ends_NH2 = predictor.intervals(answers)
        inside_NH = (truths_NH >= ends_NH2[..., 0]) & (truths_NH <= ends_NH2[..., 1])
        found: NDArray[np.float64] = inside_NH.mean(1, dtype=np.float64)
        return found
