"""learning.json: the learning curve, and what twice as many records would give.

Shapes: N test records, R resamples, P points, J seeds.
Source of the power law: Hestness et al. 2017, arXiv:1712.00409.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.audit.scoring import Estimate, Ruler, bounds_of, described, not_applicable
from lightloop.audit.trainings import Trainer
from lightloop.config.metrics import METRICS
from lightloop.data.folds import split_policy
from lightloop.data.splits import SplitName, divided_rows
from lightloop.errors import RefusedError
from lightloop.evaluation.bootstrap import Scorer

FEWEST = 20  # records of a part
Floats = NDArray[np.float64]
Answered = NDArray[np.floating[Any]]
Step = Callable[[str], None]


def learning(
    trainer: Trainer, splits: Mapping[SplitName, pa.Table], released: Answered | None, ruler: Ruler, step: Step
) -> dict[str, Any]:
    """The content of learning.json.

    `points`: `share` and number of training `records`, and the `metric` on the whole test split with its interval, by
    networks with the run's config trained on such a part (mean over `seeds`). `released`: the same of the released
    model, which is the last point too where parts were trained as long as the run (`epochs` is then null). `law`: the
    shortfall (the metric, or 1 less it where higher is better) is `scale` * records ** -`exponent`, fitted to the
    points, with intervals over test records and seeds; null where it does not fall with the records. `doubling`: the
    metric `now`, as released, and `then`, with twice the `records`, if the law holds, and the `gain`, positive where it
    is better. `check`, where the released model is no point: what the law `said` of its number of `records`, what it
    `reached`, and whether the interval `holds` that.

    Args:
        trainer: of the run.
        splits: of the run.
        released: the released model's answers to the test split (N, M); None where it has none.
        ruler: of the run.
        step: called with what is done next.
    """
    config, settings = ruler.config, ruler.settings
    if released is None:
        return not_applicable("samples have no metric a record, and a further GAN takes as long as the first")
    if METRICS[ruler.metric].direction == "higher" and METRICS[ruler.metric].high != 1:
        return not_applicable(
            f"{METRICS[ruler.metric].title} has no best value that a shortfall could be measured from"
        )
    test, train = splits["test"], splits["train"]
    scorers: list[list[Scorer]] = []
    records: list[int] = []
    shares: list[float] = []
    for share in settings.shares:
        parts = [part_of(splits, ruler, share, config.seed + number) for number in range(settings.seeds)]
        if parts[0] is None or len(parts[0]["train"]) < FEWEST:
            continue
        row = []
        for number, part in enumerate(parts):
            assert part is not None
            step(f"learning from {len(part['train']):,} records")
            model = trainer.train(part, number=number, epochs=settings.learning_epochs, share=share)
            row.append(ruler.scorer(test, ruler.values(model.answers(test))))
        scorers.append(row)
        shares.append(share)
        records.append(len(parts[0]["train"]))
    if len(scorers) < 2:
        return not_applicable(f"parts of {len(train)} training records would be too small to learn from")
    scorers, shares, records = (
        [*scorers, [ruler.scorer(test, released)]],
        [*shares, 1.0],
        [*records, len(train)],
    )
    values_P, draws_RP = curves(scorers, ruler)
    as_long = settings.learning_epochs is None or settings.learning_epochs >= config.trainer.max_epochs
    points = [
        {"share": share, "records": n, "value": _known(value), **bounds_of(draws_R, config.gate.confidence)}
        for share, n, value, draws_R in zip(shares, records, values_P, draws_RP.T, strict=True)
    ]
    fitted = slice(None) if as_long else slice(-1)
    law = Law.fit(np.asarray(records, dtype=np.float64)[fitted], values_P[fitted], draws_RP[:, fitted], ruler)
    return described(
        {
            "metric": ruler.metric,
            "n": len(test),
            "seeds": settings.seeds,
            "epochs": None if as_long else settings.learning_epochs,
            **ruler.how,
            "points": points[fitted],
            "released": points[-1],
            "law": law.as_json() if law else None,
            "doubling": law.doubling(len(train), values_P[-1], draws_RP[:, -1]) if law else None,
            "check": law.check(len(train), values_P[-1]) if law and not as_long else None,
        }
    )


def part_of(
    splits: Mapping[SplitName, pa.Table], ruler: Ruler, share: float, seed: int
) -> dict[SplitName, pa.Table] | None:
    """A share of the training and of the validation records, by the data's own policy; of a series the latest ones.

    None where the records can't be divided so.
    """
    spec = ruler.config.data
    found: dict[SplitName, pa.Table] = {"test": splits["test"].slice(0, 1)}
    names: tuple[SplitName, ...] = ("train", "validation")
    for name in names:
        table = splits[name]
        count = max(1, round(share * len(table)))
        if split_policy(spec) == "windows":
            found[name] = table.slice(len(table) - count) if name == "train" else table
            continue
        # Twice FEWEST at least, or too few are left to choose the epoch by.
        part = share if name == "train" else max(share, min(0.99, 2 * FEWEST / len(table)))
        try:
            found[name] = table.take(divided_rows(table, spec, part, seed)[1]) if part < 0.99 else table
        except RefusedError:
            return None
    return found


def curves(scorers: Sequence[Sequence[Scorer]], ruler: Ruler) -> tuple[Floats, Floats]:
    """The metric of each point (P,), mean over its seeds, and the same in each resample (R, P).

    A resample draws test records, the same for all points, and for each point its seeds: both are luck.
    """
    first, name = scorers[0][0], ruler.metric
    ones = np.ones((1, first.records), dtype=np.int32)
    values_P = np.array([np.mean([one.scores(ones)[name][0] for one in row]) for row in scorers])
    parts = []
    random = np.random.default_rng(ruler.config.seed)
    for counts_RN in first.draws.counts(ruler.settings.resamples, ruler.config.seed):
        columns = []
        for row in scorers:
            scores_JR = np.stack([one.scores(counts_RN)[name] for one in row])
            chosen_JR = random.integers(len(row), size=scores_JR.shape)
            columns.append(np.take_along_axis(scores_JR, chosen_JR, axis=0).mean(0))
        parts.append(np.stack(columns, axis=1))
    return values_P, np.concatenate(parts)


def fit_law(records_P: Floats, shortfall_RP: Floats) -> tuple[Floats, Floats]:
    """Exponent and scale (R,) of shortfall = scale * records ** -exponent, by least squares on logarithms.

    NaN where a shortfall is 0 or less.

    Examples:
        >>> records = np.array([100.0, 200.0, 400.0])
        >>> exponent, scale = fit_law(records, 3 * records[None] ** -0.5)
        >>> exponent.round(6).tolist(), scale.round(6).tolist()
        ([0.5], [3.0])
    """
    x_P = np.log(records_P)
    with np.errstate(divide="ignore", invalid="ignore"):
        y_RP = np.where(shortfall_RP > 0, np.log(shortfall_RP), np.nan)
    centred_P = x_P - x_P.mean()
    slope_R = (y_RP @ centred_P) / (centred_P @ centred_P)
    return -slope_R, np.exp(y_RP.mean(1) - slope_R * x_P.mean())


@dataclass(frozen=True)
class Law:
    """A power law that was fitted to a learning curve, and to each of its resamples.

    Attributes:
        exponent, scale: of the curve itself.
        exponent_R, scale_R: of the resamples.
        higher: whether a higher metric is better; the shortfall is then 1 less the metric.
        confidence: of intervals.
    """

    exponent: float
    scale: float
    exponent_R: Floats
    scale_R: Floats
    higher: bool
    confidence: float

    @classmethod
    def fit(cls, records_P: Floats, values_P: Floats, draws_RP: Floats, ruler: Ruler) -> "Law | None":
        """None where the shortfall does not fall with the records, or is 0."""
        higher = METRICS[ruler.metric].direction == "higher"
        shortfall_P, shortfall_RP = (1 - part if higher else part for part in (values_P, draws_RP))
        exponent_1, scale_1 = fit_law(records_P, shortfall_P[None])
        if not (np.isfinite(exponent_1[0]) and exponent_1[0] > 0):
            return None
        drawn = fit_law(records_P, shortfall_RP)
        return cls(float(exponent_1[0]), float(scale_1[0]), *drawn, higher, ruler.config.gate.confidence)

    def as_json(self) -> dict[str, Estimate]:
        """`exponent` and `scale`."""
        return {
            "exponent": self._estimate(self.exponent, self.exponent_R),
            "scale": self._estimate(self.scale, self.scale_R),
        }

    def doubling(self, records: int, now: float, now_R: Floats) -> dict[str, Any]:
        """What twice as many records would give, from the released model's metric on: the law says how fast the
        shortfall falls, the model where it stands.
        """
        then, then_R = (
            self._metric(self._metric(a) * 2.0**-b) for a, b in ((now, self.exponent), (now_R, self.exponent_R))
        )
        sign = 1 if self.higher else -1
        return {
            "records": records,
            "now": self._estimate(now, now_R),
            "then": self._estimate(then, then_R),
            "gain": self._estimate(sign * (then - now), sign * (then_R - now_R)),
        }

    def check(self, records: int, reached: float) -> dict[str, Any]:
        """What the law says of the number of records that the released model had, against what that reached."""
        said, said_R = (
            self._metric(a * records**-b) for a, b in ((self.scale, self.exponent), (self.scale_R, self.exponent_R))
        )
        estimate = self._estimate(said, said_R)
        low, high = estimate["low"], estimate["high"]
        holds = None if low is None or high is None else bool(low <= reached <= high)
        return {"records": records, "said": estimate, "reached": _known(reached), "holds": holds}

    def _metric(self, shortfall: Any) -> Any:
        """A shortfall as the metric, and the metric as a shortfall."""
        return 1 - shortfall if self.higher else shortfall

    def _estimate(self, value: float, draws_R: Floats) -> Estimate:
        return {"value": _known(value), **bounds_of(draws_R, self.confidence)}


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
