import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import confusion_matrix
from torchmetrics.functional.classification import multiclass_calibration_error

from lightloop.report.tables import BINS, confusion, probabilities, reliability_bins


@pytest.mark.parametrize("classes", [2, 3, 17])
def test_confusion_counts_as_scikit_learn_does(classes: int) -> None:
    generator = np.random.default_rng(classes)
    names = [f"c{number}" for number in range(classes)]
    labels = generator.choice(names, 200).tolist()
    predictions = generator.choice(names, 200).tolist()

    found = confusion(labels, predictions, names)

    assert np.array_equal(found.counts, confusion_matrix(labels, predictions, labels=names))
    assert sum(found.totals) == 200


def test_a_class_without_records_has_no_colour() -> None:
    found = confusion(["a"], ["a"], ["a", "b"])

    assert found.counts == ((1, 0), (0, 0))
    assert [found.level(1, column) for column in range(2)] == [0, 0]


def test_one_record_of_many_still_has_a_colour() -> None:
    found = confusion(["a"] * 1000, ["b"] + ["a"] * 999, ["a", "b"])

    assert found.level(0, 1) == 1
    assert found.level(0, 0) == 10


def test_pairs_are_mistakes_only_most_frequent_first() -> None:
    found = confusion(["a", "a", "a", "b", "b"], ["b", "b", "a", "a", "b"], ["a", "b"])

    assert found.pairs(9) == [("a", "b", 2, 3), ("b", "a", 1, 2)]
    assert found.pairs(1) == [("a", "b", 2, 3)]


@pytest.mark.parametrize("classes", [2, 10])
def test_bins_hold_every_record_once_and_sum_to_the_calibration_error(classes: int) -> None:
    import torch

    generator = np.random.default_rng(classes)
    probabilities_NK = generator.dirichlet(np.full(classes, 0.4), 500)
    labels_N = generator.integers(0, classes, 500)

    rows = reliability_bins(probabilities_NK, probabilities_NK.argmax(1) == labels_N)

    assert sum(row["n"] for row in rows) == 500
    error = sum(row["n"] * abs(row["accuracy"] - row["confidence"]) for row in rows if row["n"]) / 500
    expected = multiclass_calibration_error(
        torch.from_numpy(probabilities_NK), torch.from_numpy(labels_N), num_classes=classes, n_bins=BINS
    )
    assert error == pytest.approx(expected.item(), abs=1e-6)


def test_an_empty_bin_has_no_accuracy() -> None:
    rows = reliability_bins(np.array([[1.0, 0.0]]), np.array([True]), bins=4)

    assert [row["n"] for row in rows] == [0, 0, 0, 1]
    assert rows[0]["accuracy"] is None
    assert rows[3]["accuracy"] == 1.0


def test_probabilities_come_out_in_their_order() -> None:
    table = pa.table({"probabilities": pa.chunked_array([[[0.25, 0.75]], [[1.0, 0.0]]], pa.list_(pa.float32()))})

    assert probabilities(table).tolist() == [[0.25, 0.75], [1.0, 0.0]]
