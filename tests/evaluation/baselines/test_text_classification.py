"""The simpler model for texts."""

import numpy as np
import pyarrow as pa
import pytest
from texts import make_rows

from lightloop.data.records import group_codes
from lightloop.evaluation.baselines.text_classification import _folds, baseline_probabilities


def pairs(seed: int, count: int = 80) -> tuple[list[str], np.ndarray]:
    rows = make_rows(count, seed)
    return [row["text"] for row in rows], np.array([row["label"] == "spam" for row in rows]).astype(int)


def test_it_learns_what_words_tell_and_its_probabilities_are_honest():
    (train, labels), (asked, truth) = pairs(0, 200), pairs(1, 200)
    found = baseline_probabilities(train, labels, asked, 2)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    assert (found.argmax(1) == truth).mean() > 0.97
    assert -np.log(found[np.arange(200), truth]).mean() < 0.2


def test_the_same_texts_give_the_same_answer():
    train, labels = pairs(0)
    first, second = (baseline_probabilities(train, labels, train, 2) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_pairs_of_words_count():
    train = ["not good at all", "good not at all"] * 20
    labels = np.arange(40) % 2
    assert (baseline_probabilities(train, labels, train, 2).argmax(1) == labels).all()


def test_three_classes_and_one_that_has_no_record():
    words = ["alpha", "beta", "gamma"]
    train = [f"{words[row % 3]} word {row % 7}" for row in range(60)]
    labels = np.array([0, 1, 3])[np.arange(60) % 3]
    found = baseline_probabilities(train, labels, train, 4)
    assert (found.argmax(1) == labels).all()
    assert (found[:, 2] == 0).all()
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize(("labels", "expected"), [([1] * 6, [0, 1]), ([0, 1, 0, 1, 0, 0], [4 / 6, 2 / 6])])
def test_nothing_to_tell_apart_or_nothing_to_tell_it_by(labels, expected):
    train = ["the same"] * 6 if len(set(labels)) == 1 else [f"w{row}" for row in range(6)]
    found = baseline_probabilities(train, np.array(labels), ["anything", ""], 2)
    np.testing.assert_allclose(found, [expected] * 2, atol=1e-6)


def test_a_class_with_one_record_is_answered_without_calibration():
    train = ["buy pills", "see you", "see me", "see us", "see them"]
    found = baseline_probabilities(train, np.array([1, 0, 0, 0, 0]), ["see you", "buy pills see"], 2)
    assert found[0, 0] > 0.5
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)


def test_odd_texts_are_answered():
    train, labels = pairs(0)
    odd = ["", "\x00 😀", "拾金不昧", "pills " * 300_000]
    found = baseline_probabilities(train, labels, odd, 2)
    assert np.isfinite(found).all()
    assert found[3].argmax() == 1


def test_folds_keep_groups_together_and_classes_on_both_sides():
    groups = np.repeat(np.arange(20), 4)
    labels = np.tile([0, 1], 40)
    folds = _folds(labels, groups)
    assert folds is not None
    assert sorted(np.concatenate([rest for _, rest in folds]).tolist()) == list(range(80))
    for kept, rest in folds:
        assert not set(groups[kept]) & set(groups[rest])
    assert _folds(np.array([0, 0, 0, 1]), None) is None
    assert group_codes(pa.array(["a", None, "a", None]).to_pylist()).tolist() == [0, 1, 0, 2]
