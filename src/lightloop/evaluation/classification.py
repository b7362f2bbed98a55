"""Choosing one class of several: what its evaluation leaves behind.

Shapes: N records, K classes.
"""

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.calibration.rules import Decision, decided_probability
from lightloop.calibration.scaling import log_softmax
from lightloop.config.data import Role
from lightloop.config.schema import Config
from lightloop.data.records import label_codes
from lightloop.evaluation.bootstrap import class_intervals
from lightloop.evaluation.draws import Draws, draws_of
from lightloop.evaluation.evidence import (
    Resampling,
    decided_by,
    decision_of,
    lists,
    matrix,
    metrics_content,
    plain,
    write_table,
)
from lightloop.evaluation.metrics import ALL, WeightedMetrics, check_probabilities
from lightloop.evaluation.problem import Answers, Floats, Problem
from lightloop.files import replacing, write_json
from lightloop.project import Project

MISTAKES = 24
COLUMNS = {"model": "probabilities", "baseline": "baseline_probabilities"}
# Columns of the records that are read for evaluation and travel with the predictions.
CARRIED: tuple[Role, ...] = ("sensitive", "slice", "group", "time")


class Classes(Problem):
    """Classification: answers are probabilities (N, K)."""

    answer = "probabilities"
    metrics = ALL

    def write(self, config: Config, project: Project, questions: pa.Table, model: Answers, baseline: Answers) -> None:
        spec = self.spec
        labels_N = label_codes(questions["label"].to_pylist(), spec.classes)
        ids = questions["id"].to_pylist()
        ours_NK, simpler_NK = self.checked(model, "the model"), self.checked(baseline, "the baseline")
        rule = self.rule
        answers = ClassAnswers(ids, spec.classes, labels_N, ours_NK, simpler_NK, rule.decide(ours_NK))
        how = Resampling.of(config)
        carried = {name: questions.column(name) for name in spec.with_role(*CARRIED) if name in questions.column_names}
        if "logits" in model:
            carried["raw_probabilities"] = lists(np.exp(log_softmax(model["logits"])))
        write_table(project.predictions, decided_by(predictions_table(answers, carried), rule))
        draws = draws_of(spec, questions)
        ours, simpler = (
            WeightedMetrics(labels_N, p_NK, ALL, draws=draws, decided_N=decision.decide(p_NK))
            for p_NK, decision in ((answers.model_NK, rule), (answers.baseline_NK, rule.of_others()))
        )
        write_json(project.metrics, metrics_content(ours, simpler, config.gate.metric, how))
        write_json(project.classes, classes_content(answers, how, draws))
        write_confusion(project.confusion, answers)
        write_json(project.mistakes, mistakes_content(answers))
        write_json(project.horizons, [])

    def scorer(
        self, predictions: pa.Table, answers_NM: Floats, names: Collection[str] | None = None
    ) -> WeightedMetrics:
        labels_N = label_codes(predictions.column("label").to_pylist(), self.spec.classes)
        return WeightedMetrics(
            labels_N,
            answers_NM,
            ALL if names is None else names,
            draws=draws_of(self.spec, predictions),
            decided_N=decision_of(predictions).decide(answers_NM),
        )

    def errors(self, predictions: pa.Table, answers_NM: Floats) -> NDArray[np.float64]:
        labels_N = label_codes(predictions.column("label").to_pylist(), self.spec.classes)
        return (decision_of(predictions).decide(answers_NM) != labels_N).astype(np.float64)

    def written(self, predictions: pa.Table, who: str) -> Floats:
        return matrix(predictions, COLUMNS[who])

    def different(self, first_NM: Floats, second_NM: Floats, predictions: pa.Table | None = None) -> int:
        rule = decision_of(predictions) if predictions is not None else Decision()
        return int((rule.decide(first_NM) != rule.decide(second_NM)).sum())

    def comparable(self, champion: Mapping[str, Any], answers_NM: Floats) -> Floats | str:
        classes = list(champion["classes"])
        if sorted(classes) != sorted(self.spec.classes):
            return _other_classes(classes, self.spec.classes)
        return answers_NM[:, [classes.index(name) for name in self.spec.classes]]


def _other_classes(champion: Sequence[str], challenger: Sequence[str]) -> str:
    gone = sorted(set(champion) - set(challenger))
    new = sorted(set(challenger) - set(champion))
    parts = [f"it knows {', '.join(gone)}, which the challenger does not"] if gone else []
    parts += [f"it does not know {', '.join(new)}"] if new else []
    return " and ".join(parts)


@dataclass(frozen=True)
class ClassAnswers:
    """The test records with what the model and the baseline say about them.

    Attributes:
        ids: of the records, in the order of every row below.
        classes: label names in the order of the probabilities.
        labels_N: the right classes, int64, places in `classes`.
        model_NK: probabilities of the model, float32, rows that sum to 1.
        baseline_NK: those of the baseline.
        decided_N: the class that the model answers; by default the most probable one.

    Raises:
        ValueError: they do not fit together.
    """

    ids: Sequence[str]
    classes: Sequence[str]
    labels_N: NDArray[np.int64]
    model_NK: NDArray[np.float32]
    baseline_NK: NDArray[np.float32]
    decided_N: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        for probabilities_NK in (self.model_NK, self.baseline_NK):
            check_probabilities(self.labels_N, probabilities_NK)
            if probabilities_NK.shape != (len(self.ids), len(self.classes)):
                raise ValueError(
                    f"probabilities ({len(self.ids)}, {len(self.classes)}) of these records and classes were expected, "
                    f"but {probabilities_NK.shape} came"
                )

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The class (N,) that the model answers."""
        return self.model_NK.argmax(1) if self.decided_N is None else self.decided_N

    def names(self, codes_N: NDArray[np.int64]) -> list[str]:
        """Label names of places in `classes`."""
        return [self.classes[code] for code in codes_N]


def classes_content(answers: ClassAnswers, how: Resampling, draws: Draws | None = None) -> list[dict[str, Any]]:
    """classes.json: a row a class, with its number of records, precision, recall and F1."""
    counts = np.bincount(answers.labels_N, minlength=len(answers.classes))
    scorer = WeightedMetrics(answers.labels_N, answers.model_NK, ["macro_f1"], draws=draws, decided_N=answers.predicted)
    found = class_intervals(scorer, **asdict(how))
    return [
        {"label": label, "n": int(count), **plain(estimates)}
        for label, count, estimates in zip(answers.classes, counts, found, strict=True)
    ]


def mistakes_content(answers: ClassAnswers, most: int = MISTAKES) -> list[dict[str, Any]]:
    """mistakes.json: the wrong answers of which the model was surest; of equally sure ones the first records."""
    predictions_N = answers.predicted
    confidence_N = decided_probability(answers.model_NK, predictions_N)
    wrong = np.flatnonzero(predictions_N != answers.labels_N)
    worst = wrong[np.argsort(-confidence_N[wrong], kind="stable")][:most]
    return [
        {
            "id": answers.ids[row],
            "label": answers.classes[answers.labels_N[row]],
            "prediction": answers.classes[predictions_N[row]],
            "confidence": float(confidence_N[row]),
            "probability_of_label": float(answers.model_NK[row, answers.labels_N[row]]),
        }
        for row in worst
    ]


def predictions_table(answers: ClassAnswers, carried: Mapping[str, Any] | None = None) -> pa.Table:
    """predictions.parquet: a row a record: id, label, prediction, probabilities, baseline_probabilities; `carried`."""
    return pa.table(
        {
            "id": pa.array(answers.ids, pa.string()),
            "label": pa.array(answers.names(answers.labels_N), pa.string()),
            "prediction": pa.array(answers.names(answers.predicted), pa.string()),
            "probabilities": lists(answers.model_NK),
            "baseline_probabilities": lists(answers.baseline_NK),
            **(carried or {}),
        }
    )


def write_confusion(path: Path, answers: ClassAnswers) -> None:
    """confusion.csv: a row a record, from which DVC draws the matrix."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["actual", "predicted"])
        writer.writerows(zip(answers.names(answers.labels_N), answers.names(answers.predicted), strict=True))
