import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from lightloop.report.tables import confusion


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
