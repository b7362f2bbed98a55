"""What evaluation, export, gate and report must know of a kind of problem: one subclass each. NumPy, no torch.

Shapes: N records, M numbers of an answer.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.calibration.rules import Decision
from lightloop.config.schema import AnySpec, Config
from lightloop.data.splits import SplitName
from lightloop.errors import LightloopError
from lightloop.evaluation.bootstrap import Scorer
from lightloop.project import Project

Floats = NDArray[np.floating[Any]]
Answers = Mapping[str, NDArray[Any]]


class Problem(ABC):
    """A kind of problem: what its answers are, how they are scored, which evidence they leave.

    Attributes:
        answer: the output of the exported graph that is judged.
        metrics: names of its metrics, in the order of display.
        spec: the data set.
        rule: by which `write` decides the model's answers. Everything later reads it from predictions.parquet.
    """

    answer: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]

    def __init__(self, spec: AnySpec, rule: Decision | None = None) -> None:
        self.spec = spec
        self.rule = rule or Decision()

    def questions(self, config: Config, test: pa.Table) -> pa.Table:
        """What the model is asked: the test records, but for generation."""
        return test

    def checked(self, answers: Answers, who: str) -> Floats:
        """The judged answers (N, M) of a model.

        Raises:
            LightloopError: one of them is no number.
        """
        values_NM: Floats = answers[self.answer]
        if not np.isfinite(values_NM).all():
            raise LightloopError(
                f"{who} answers NaN or infinity on test records: train it again with a lower optimizer.lr"
            )
        return values_NM

    def prepare(self, config: Config, project: Project, splits: Mapping[SplitName, pa.Table]) -> None:
        """Before `write`: make what answers are judged with, where that is more than the records; mostly nothing."""
        del config, project, splits

    @abstractmethod
    def write(self, config: Config, project: Project, questions: pa.Table, model: Answers, baseline: Answers) -> None:
        """Write the evidence of the evaluate stage: predictions, metrics with intervals, and what is special."""

    @property
    def block(self) -> int:
        """Neighbouring records that overlap, such as the windows of a forecast."""
        return 1

    @abstractmethod
    def scorer(self, predictions: pa.Table, answers_NM: Floats, names: Collection[str] | None = None) -> Scorer:
        """Answers to the records of predictions.parquet as a scorer of some metrics; without names of all."""

    def errors(self, predictions: pa.Table, answers_NM: Floats) -> NDArray[np.float64]:
        """How wrong each answer (N,) is: 1 for a wrong class, the mean absolute error of numbers.

        Raises:
            NotImplementedError: of what is generated, which is neither right nor wrong.
        """
        raise NotImplementedError(f"answers of {self.spec.problem} are neither right nor wrong")

    @abstractmethod
    def written(self, predictions: pa.Table, who: str) -> Floats:
        """The answers (N, M) that `write` wrote of `who`: "model" or "baseline"."""

    @abstractmethod
    def different(self, first_NM: Floats, second_NM: Floats, predictions: pa.Table | None = None) -> int:
        """How many records two models answer differently, in what a user of the answer would see.

        Args:
            first_NM: the answers of one model.
            second_NM: those of the other, to the same records.
            predictions: that say by which rule answers are decided; without them by the default.
        """

    def comparable(self, champion: Mapping[str, Any], answers_NM: Floats) -> Floats | str:
        """A champion's answers in the order of ours, or in words why the two can't be compared.

        Args:
            champion: what its manifest says.
            answers_NM: its answers to our test records.
        """
        del champion
        return answers_NM


PROBLEMS = {
    "classification": "classification.Classes",
    "regression": "numbers.Numbers",
    "forecasting": "numbers.Numbers",
    "generation": "samples.Samples",
}


def problem_of(spec: AnySpec, rule: Decision | None = None) -> Problem:
    """The problem of a data set; with the rule by which the model's answers are decided, where they are written."""
    module, _, name = PROBLEMS[spec.problem].partition(".")
    problem: Problem = getattr(importlib.import_module(f"lightloop.evaluation.{module}"), name)(spec, rule)
    return problem
