"""Figures with intervals, for every part of the audit.

Shapes: N records, M numbers of an answer, R resamples.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import binomtest

from lightloop.config.audit import Audit
from lightloop.config.schema import Config
from lightloop.data.folds import split_policy
from lightloop.evaluation.bootstrap import Scorer, intervals
from lightloop.evaluation.draws import draws_of
from lightloop.evaluation.evidence import plain
from lightloop.evaluation.problem import Answers, Floats, Problem, problem_of

Estimate = dict[str, float | None]
UNDEFINED: Estimate = {"value": None, "low": None, "high": None}


@dataclass(frozen=True)
class Ruler:
    """How answers are measured: by the gate's metric, with bootstrap intervals.

    Attributes:
        config: of the run.
        settings: of the audit.
        problem: of the data set.
    """

    config: Config
    settings: Audit
    problem: Problem

    @classmethod
    def of(cls, config: Config, settings: Audit) -> "Ruler":
        return cls(config, settings, problem_of(config.data))

    @property
    def metric(self) -> str:
        """The metric that decides at the gate."""
        return self.config.gate.metric

    @property
    def how(self) -> dict[str, Any]:
        """Of every interval, for the files."""
        return {"confidence": self.config.gate.confidence, "resamples": self.settings.resamples}

    def values(self, answers: Answers) -> Floats:
        """The judged answers (N, M), as they are."""
        return answers[self.problem.answer]

    def estimate(self, records: pa.Table, answers_NM: Floats) -> Estimate:
        """The metric with its interval; undefined where an answer is no number."""
        if not np.isfinite(answers_NM).all():
            return dict(UNDEFINED)
        return self.scored(self.scorer(records, answers_NM))

    def scorer(self, records: pa.Table, answers_NM: Floats) -> Scorer:
        """Answers to records as a scorer of the metric alone."""
        return self.problem.scorer(records, answers_NM, [self.metric])

    def scored(self, scorer: Scorer) -> Estimate:
        """The metric of a scorer with its interval."""
        return plain(intervals(scorer, **self.how, seed=self.config.seed))[self.metric]

    def mean(self, values_N: NDArray[Any], records: pa.Table) -> Estimate:
        """The mean of something known of each record, with the interval that the data's own draws give.

        A share (of booleans) that is 0 or 1 has Wilson's interval, since every resample says the same.
        """
        yes_or_no = values_N.dtype == bool
        values_N = values_N.astype(np.float64)
        value = float(values_N.mean())
        draws = draws_of(self.config.data, records, block=self.problem.block)
        if yes_or_no and value in (0.0, 1.0):
            units = int(draws.as_json()["units"])
            bounds = binomtest(round(value * units), units).proportion_ci(self.config.gate.confidence, "wilson")
            return {"value": value, "low": float(bounds.low), "high": float(bounds.high)}
        means_R = np.concatenate(
            [
                counts_RN @ values_N / counts_RN.sum(1)
                for counts_RN in draws.counts(self.settings.resamples, self.config.seed)
            ]
        )
        return {"value": value, **bounds_of(means_R, self.config.gate.confidence)}


def bounds_of(draws_R: NDArray[Any], confidence: float) -> Estimate:
    """`low` and `high` of the percentile interval.

    Examples:
        >>> bounds_of(np.arange(101.0), 0.5)
        {'low': 25.0, 'high': 75.0}
    """
    defined_R = draws_R[np.isfinite(draws_R)]
    if not len(defined_R):
        return {"low": None, "high": None}
    low, high = np.quantile(defined_R, [(1 - confidence) / 2, (1 + confidence) / 2])
    return {"low": float(low), "high": float(high)}


def sample(table: pa.Table, config: Config, most: int) -> pa.Table:
    """At most so many records, in their order: drawn by the run's seed; where time divides them the latest."""
    if len(table) <= most:
        return table
    policy = split_policy(config.data)
    if policy == "windows":  # they stand in the order of time
        return table.slice(len(table) - most)
    if policy == "time":
        stamps = table.column(config.data.with_role("time")[0]).to_numpy(zero_copy_only=False)
        return table.take(np.sort(np.argsort(stamps, kind="stable")[len(table) - most :]))
    rows = np.random.default_rng(config.seed).permutation(len(table))[:most]
    return table.take(np.sort(rows))


def not_applicable(why: str) -> dict[str, Any]:
    """The content of a file that says nothing about this problem."""
    return {"applies": False, "why": why}


def described(found: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a file that applies."""
    return {"applies": True, **found}
