"""What the evaluation leaves behind: the contents of its files, from labels and probabilities.

Shapes: N records, K classes.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lightloop.errors import LightloopError
from lightloop.evaluation.bootstrap import class_intervals, intervals, paired_difference
from lightloop.evaluation.metrics import check_probabilities
from lightloop.files import replacing

MISTAKES = 24
PREDICTION_COLUMNS = ["id", "label", "prediction", "probabilities", "baseline_probabilities"]


@dataclass(frozen=True)
class Answers:
    """The test records with what the model and the baseline say about them.

    Attributes:
        ids: of the records, in the order of every row below.
        classes: label names in the order of the probabilities.
        labels_N: the right classes, int64, places in `classes`.
        model_NK: probabilities of the model, float32, rows that sum to 1.
        baseline_NK: those of the baseline.

    Raises:
        ValueError: they do not fit together.
    """

    ids: Sequence[str]
    classes: Sequence[str]
    labels_N: NDArray[np.int64]
    model_NK: NDArray[np.float32]
    baseline_NK: NDArray[np.float32]

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
        """The most probable class (N,) of each record; of equal ones the first."""
        return self.model_NK.argmax(1)

    def names(self, codes_N: NDArray[np.int64]) -> list[str]:
        """Label names of places in `classes`."""
        return [self.classes[code] for code in codes_N]


@dataclass(frozen=True)
class Resampling:
    """How intervals are drawn; see `bootstrap.intervals`."""

    confidence: float
    resamples: int
    seed: int


def metrics_content(answers: Answers, metric: str, how: Resampling) -> dict[str, Any]:
    """metrics.json: every metric of model and baseline, and whether the model is better on `metric`.

    `better_than_baseline` has one-sided bounds, positive where the model is better; see `bootstrap.Difference`.
    """
    options = asdict(how)
    difference = paired_difference(answers.labels_N, answers.model_NK, answers.baseline_NK, metric, **options)
    return {
        "n": len(answers.ids),
        "confidence": how.confidence,
        "resamples": how.resamples,
        "metrics": _plain(intervals(answers.labels_N, answers.model_NK, **options)),
        "baseline": _plain(intervals(answers.labels_N, answers.baseline_NK, **options)),
        "better_than_baseline": {"metric": metric, **asdict(difference)},
    }


def classes_content(answers: Answers, how: Resampling) -> list[dict[str, Any]]:
    """classes.json: a row a class, with its number of records, precision, recall and F1."""
    counts = np.bincount(answers.labels_N, minlength=len(answers.classes))
    found = class_intervals(answers.labels_N, answers.model_NK, **asdict(how))
    return [
        {"label": label, "n": int(count), **_plain(estimates)}
        for label, count, estimates in zip(answers.classes, counts, found, strict=True)
    ]


def mistakes_content(answers: Answers, most: int = MISTAKES) -> list[dict[str, Any]]:
    """mistakes.json: the wrong answers of which the model was surest; of equally sure ones the first records."""
    predictions_N = answers.predicted
    confidence_N = answers.model_NK.max(1)
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


def write_predictions(path: Path, answers: Answers) -> None:
    """predictions.parquet: a row a record: id, label, prediction, probabilities, baseline_probabilities."""
    table = pa.table(
        {
            "id": pa.array(answers.ids, pa.string()),
            "label": pa.array(answers.names(answers.labels_N), pa.string()),
            "prediction": pa.array(answers.names(answers.predicted), pa.string()),
            "probabilities": _lists(answers.model_NK),
            "baseline_probabilities": _lists(answers.baseline_NK),
        }
    )
    with replacing(path) as temporary:
        pq.write_table(table, temporary)


def read_predictions(path: Path) -> pa.Table:
    """predictions.parquet as `write_predictions` wrote it: the one reader for every later stage.

    Raises:
        LightloopError: the file is missing, damaged, or no table of predictions.
    """
    try:
        return pq.ParquetFile(path).read(columns=PREDICTION_COLUMNS).select(PREDICTION_COLUMNS)
    except FileNotFoundError:
        raise LightloopError(f"{path} is missing: run `lightloop run`, whose evaluate stage makes it") from None
    except (pa.ArrowException, OSError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise LightloopError(f"{path} is not a whole table of predictions ({reason}): run `lightloop run`") from None


def write_confusion(path: Path, answers: Answers) -> None:
    """confusion.csv: a row a record, from which DVC draws the matrix."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["actual", "predicted"])
        writer.writerows(zip(answers.names(answers.labels_N), answers.names(answers.predicted), strict=True))


def _lists(values_NK: NDArray[np.float32]) -> pa.ListArray:
    offsets = np.arange(len(values_NK) + 1, dtype=np.int32) * values_NK.shape[1]
    return pa.ListArray.from_arrays(offsets, pa.array(values_NK.ravel(), pa.float32()))


def _plain(estimates: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    return {name: asdict(interval) for name, interval in estimates.items()}
