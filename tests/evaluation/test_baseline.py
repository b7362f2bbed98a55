import numpy as np
import pytest

from lightloop.evaluation.baselines.image_classification import POSITIONS, baseline_probabilities, baseline_size


def pictures(seed, records=120, classes=3):
    """Noise with a bright column whose place tells the class."""
    generator = np.random.default_rng(seed)
    labels = np.arange(records) % classes
    pixels = generator.integers(0, 120, size=(records, 1, 8, 8), dtype=np.uint8)
    pixels[np.arange(records), 0, :, 2 * labels] += 100
    return pixels, labels


def test_it_learns_what_a_linear_model_can_learn():
    train, labels = pictures(0)
    test, truth = pictures(1)
    found = baseline_probabilities(train, labels, test, 3)
    assert found.shape == (120, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    assert (found.argmax(1) == truth).mean() == 1.0


def test_the_same_records_give_the_same_answer():
    train, labels = pictures(0)
    first, second = (baseline_probabilities(train, labels, train, 3) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_two_classes_and_colour():
    train, labels = pictures(0, classes=2)
    coloured = np.repeat(train, 3, axis=1)
    found = baseline_probabilities(coloured, labels, coloured, 2)
    assert (found.argmax(1) == labels).all()
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)


def test_a_class_without_a_training_record_gets_nothing():
    train, labels = pictures(0)
    found = baseline_probabilities(train, labels + (labels > 0), train, 4)
    assert (found[:, 1] == 0).all()
    assert (found.argmax(1) == labels + (labels > 0)).all()


def test_a_single_class_is_always_answered():
    train, labels = pictures(0)
    np.testing.assert_array_equal(baseline_probabilities(train, labels * 0 + 1, train[:2], 3), [[0, 1, 0], [0, 1, 0]])


def test_blank_images_do_not_harm():
    train = np.zeros((6, 1, 4, 4), dtype=np.uint8)
    found = baseline_probabilities(train, np.array([0, 1, 0, 1, 0, 1]), train, 2)
    np.testing.assert_allclose(found, 0.5, atol=1e-6)


@pytest.mark.parametrize(
    "size", [(1, 1), (28, 28), (32, 32), (33, 32), (224, 224), (64, 1024), (1, 5000), (4000, 3000)]
)
def test_large_images_are_scaled_in_proportion(size):
    height, width = baseline_size(size)
    assert min(height, width) >= 1
    assert height * width <= max(POSITIONS, height, width)
    if size[0] * size[1] <= POSITIONS:
        assert (height, width) == size
    elif min(height, width) > 10:
        assert height / width == pytest.approx(size[0] / size[1], rel=0.1)
