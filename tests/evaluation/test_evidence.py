import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lightloop.errors import LightloopError
from lightloop.evaluation.bootstrap import class_intervals, intervals, paired_difference
from lightloop.evaluation.classification import (
    ClassAnswers,
    classes_content,
    mistakes_content,
    predictions_table,
    write_confusion,
)
from lightloop.evaluation.evidence import Resampling, metrics_content, read_predictions, write_table
from lightloop.evaluation.metrics import CLASSIFICATION, WeightedMetrics

HOW = Resampling(confidence=0.9, resamples=50, seed=7)
CLASSES = ("bag", "coat", "dress")


@pytest.fixture
def answers():
    generator = np.random.default_rng(0)
    model, baseline = (generator.dirichlet(np.ones(3), 60).astype(np.float32) for _ in range(2))
    return ClassAnswers([f"test/{row}" for row in range(60)], CLASSES, generator.integers(3, size=60), model, baseline)


def scorers(answers):
    return (WeightedMetrics(answers.labels_N, p_NK) for p_NK in (answers.model_NK, answers.baseline_NK))


def test_metrics_hold_model_baseline_and_difference(answers):
    content = metrics_content(*scorers(answers), "log_loss", HOW)
    assert list(content) == [
        "n",
        "confidence",
        "resamples",
        "resampling",
        "metrics",
        "baseline",
        "better_than_baseline",
    ]
    assert content["resampling"] == {"unit": "record", "units": 60, "block": None, "column": None}
    assert (content["n"], content["confidence"], content["resamples"]) == (60, 0.9, 50)
    for part, probabilities in (("metrics", answers.model_NK), ("baseline", answers.baseline_NK)):
        assert list(content[part]) == list(CLASSIFICATION)
        expected = intervals(WeightedMetrics(answers.labels_N, probabilities), confidence=0.9, resamples=50, seed=7)
        for name, interval in expected.items():
            assert content[part][name] == {"value": interval.value, "low": interval.low, "high": interval.high}
    difference = paired_difference(*scorers(answers), "log_loss", confidence=0.9, resamples=50, seed=7)
    assert content["better_than_baseline"] == {"metric": "log_loss", **vars(difference)}
    values = content["baseline"]["log_loss"]["value"] - content["metrics"]["log_loss"]["value"]
    assert difference.value == pytest.approx(values)


def test_classes_hold_counts_and_estimates_in_order(answers):
    rows = classes_content(answers, HOW)
    assert [row["label"] for row in rows] == list(CLASSES)
    assert [row["n"] for row in rows] == [(answers.labels_N == k).sum() for k in range(3)]
    expected = class_intervals(
        WeightedMetrics(answers.labels_N, answers.model_NK), confidence=0.9, resamples=50, seed=7
    )
    for row, estimates in zip(rows, expected, strict=True):
        assert {name: row[name] for name in ("precision", "recall", "f1")} == {
            name: vars(interval) for name, interval in estimates.items()
        }


def test_what_is_undefined_is_null_in_json(answers):
    absent = ClassAnswers(answers.ids, CLASSES, np.zeros(60, dtype=np.int64), answers.model_NK, answers.baseline_NK)
    metrics, classes = metrics_content(*scorers(absent), "auroc", HOW), classes_content(absent, HOW)
    assert json.loads(json.dumps([metrics, classes], allow_nan=False)) == [metrics, classes]
    assert metrics["metrics"]["auroc"] == {"value": None, "low": None, "high": None}
    assert metrics["better_than_baseline"]["value"] is None
    assert classes[1]["n"] == 0
    assert classes[1]["recall"]["value"] is None
    assert classes[1]["precision"]["value"] == 0.0


def test_mistakes_are_the_surest_wrong_answers(answers):
    found = mistakes_content(answers, most=10)
    assert len(found) == 10
    confidences = [mistake["confidence"] for mistake in found]
    assert confidences == sorted(confidences, reverse=True)
    wrong = answers.model_NK.argmax(1) != answers.labels_N
    np.testing.assert_allclose(confidences, np.sort(answers.model_NK.max(1)[wrong])[::-1][:10])
    for mistake in found:
        row = answers.ids.index(mistake["id"])
        assert mistake["label"] == CLASSES[answers.labels_N[row]] != mistake["prediction"]
        assert mistake["probability_of_label"] == answers.model_NK[row, answers.labels_N[row]] <= mistake["confidence"]


def test_equally_sure_mistakes_come_in_the_order_of_records_and_right_answers_never():
    model = np.tile(np.array([[0.5, 0.5, 0.0]], dtype=np.float32), (4, 1))
    answers = ClassAnswers(["a", "b", "c", "d"], CLASSES, np.array([1, 0, 2, 1]), model, model)
    assert [mistake["id"] for mistake in mistakes_content(answers)] == ["a", "c", "d"]


def test_predictions_come_back_as_they_were(answers, tmp_path):
    write_table(tmp_path / "folder" / "predictions.parquet", predictions_table(answers))
    table = pq.read_table(tmp_path / "folder" / "predictions.parquet")
    assert table.schema.field("probabilities").type == pa.list_(pa.float32())
    assert table.column_names == ["id", "label", "prediction", "probabilities", "baseline_probabilities"]
    assert table["id"].to_pylist() == answers.ids
    assert table["label"].to_pylist() == [CLASSES[code] for code in answers.labels_N]
    assert table["prediction"].to_pylist() == [CLASSES[code] for code in answers.model_NK.argmax(1)]
    np.testing.assert_array_equal(np.array(table["probabilities"].to_pylist(), np.float32), answers.model_NK)
    np.testing.assert_array_equal(
        np.array(table["baseline_probabilities"].to_pylist(), np.float32), answers.baseline_NK
    )


def test_confusion_is_a_row_a_record(answers, tmp_path):
    write_confusion(tmp_path / "confusion.csv", answers)
    with (tmp_path / "confusion.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["actual", "predicted"]
    actual, predicted = zip(*rows, strict=True)
    assert list(actual) == [CLASSES[code] for code in answers.labels_N]
    assert list(predicted) == [CLASSES[code] for code in answers.model_NK.argmax(1)]


def test_the_same_answers_give_the_same_bytes(answers, tmp_path):
    for name in ("first", "second"):
        write_table(tmp_path / name / "predictions.parquet", predictions_table(answers))
        write_confusion(tmp_path / name / "confusion.csv", answers)
    for name in ("predictions.parquet", "confusion.csv"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_answers_must_fit_together(answers):
    with pytest.raises(ValueError, match=r"probabilities \(59, 3\) of these records .* but \(60, 3\) came"):
        ClassAnswers(answers.ids[1:], CLASSES, answers.labels_N, answers.model_NK, answers.baseline_NK)
    with pytest.raises(ValueError, match="apply softmax to logits"):
        ClassAnswers(answers.ids, CLASSES, answers.labels_N, answers.model_NK, answers.baseline_NK * 9)


def test_predictions_are_read_back_and_what_is_none_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    with pytest.raises(LightloopError, match="is missing: run `lightloop run`"):
        read_predictions(path)
    answers = ClassAnswers(
        ["x", "y"],
        ["a", "b"],
        np.array([0, 1]),
        np.array([[0.75, 0.25], [0.5, 0.5]], np.float32),
        np.array([[0.5, 0.5], [0.25, 0.75]], np.float32),
    )
    write_table(path, predictions_table(answers))
    table = read_predictions(path)
    assert table.column("prediction").to_pylist() == ["a", "a"]
    assert table.column("baseline_probabilities").to_pylist() == [[0.5, 0.5], [0.25, 0.75]]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(LightloopError, match="is not a whole table of predictions"):
        read_predictions(path)
    pq.write_table(pa.table({"id": ["x"], "label": ["a"]}), path)
    with pytest.raises(LightloopError, match="is not a whole table of predictions"):
        read_predictions(path)
