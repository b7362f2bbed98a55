"""Scores of generated images: by hand, by weights, and that better images score better."""

import numpy as np
import pyarrow as pa
import pytest

from lightloop.data.image.records import decode_images
from lightloop.evaluation.baselines.image_generation import sampled_images
from lightloop.evaluation.bootstrap import intervals, paired_difference
from lightloop.evaluation.frechet import within
from lightloop.evaluation.samples import SampleScores, encoded, mistakes_content


def cloud(seed: int, *, shift: float = 0.0, records: int = 80, size: int = 4):
    return np.random.default_rng(seed).normal(size=(records, size)) + shift


def test_scores_follow_from_the_weights():
    real, made = cloud(0), cloud(1, shift=0.8)
    weights = np.random.default_rng(2).multinomial(80, np.full(80, 1 / 80), size=3).astype(np.int32)
    found = SampleScores(real, made).scores(weights)
    for row, counts in enumerate(weights):
        first, second = (np.repeat(points, counts, axis=0) for points in (real, made))
        alone = SampleScores(first, second).scores(np.ones((1, 80), dtype=np.int32))
        np.testing.assert_allclose(found["frechet"][row], alone["frechet"][0], rtol=1e-8)
        assert found["sample_precision"][row] == pytest.approx(np.average(within(made, real), weights=counts))
        assert found["sample_recall"][row] == pytest.approx(np.average(within(real, made), weights=counts))


def test_the_interval_holds_the_value_and_the_truth():
    """Both clouds are of one distribution: the true distance is 0, below every distance that is measured."""
    scorer = SampleScores(cloud(0, records=300), cloud(1, records=300))
    found = intervals(scorer, resamples=200, seed=0)
    assert found["frechet"].low == 0.0 < found["frechet"].value < found["frechet"].high
    assert found["sample_precision"].low < found["sample_precision"].value < found["sample_precision"].high


def test_the_interval_of_a_shifted_cloud_holds_the_known_distance():
    scorer = SampleScores(cloud(0, records=400), cloud(1, records=400, shift=1.0))
    interval = intervals(scorer, resamples=200, seed=0)["frechet"]
    assert interval.low < 4.0 < interval.high  # four features, each shifted by one
    assert interval.low > 2.5


def test_the_nearer_cloud_is_better_on_every_metric():
    real, near, far = cloud(0), cloud(1, shift=0.2), cloud(2, shift=2.0)
    for name in SampleScores.names:
        difference = paired_difference(
            SampleScores(real, near), SampleScores(real, far), name, resamples=200, seed=0, confidence=0.95
        )
        assert difference.low > 0, name


def test_fewer_than_two_or_other_shapes_are_refused():
    with pytest.raises(ValueError, match="at least 2"):
        SampleScores(cloud(0, records=1), cloud(1, records=1))
    with pytest.raises(ValueError, match="as many real images as generated"):
        SampleScores(cloud(0), cloud(1, records=79))


def test_mistakes_are_the_images_farthest_out():
    real = cloud(0)
    made = np.concatenate([real[:5], cloud(1, shift=50.0, records=2), cloud(2, shift=20.0, records=1)])
    found = mistakes_content([f"r{row}" for row in range(8)], ["x"] * 8, real, made)
    assert {row["id"] for row in found[:2]} == {"r5", "r6"}
    assert found[2]["id"] == "r7"
    assert all(row["outside"] > 1 for row in found)
    assert not {"r0", "r1", "r2", "r3", "r4"} & {row["id"] for row in found}


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_survive_the_file(channels):
    pixels = np.random.default_rng(0).integers(256, size=(3, channels, 6, 5), dtype=np.uint8)
    column = encoded(pixels)
    assert pa.types.is_binary(column.type)
    np.testing.assert_array_equal(decode_images(column.to_pylist(), (6, 5), channels), pixels)


def test_the_baseline_has_the_moments_of_its_images():
    generator = np.random.default_rng(0)
    # Two directions of variance alone, far from the ends of the scale.
    directions = generator.normal(size=(2, 36))
    images = 128 + generator.normal(size=(2000, 2)) * [9.0, 4.0] @ directions
    train = np.rint(images).clip(0, 255).astype(np.uint8).reshape(-1, 1, 6, 6)
    drawn = sampled_images(train, 4000, seed=1).reshape(4000, -1).astype(float)
    flat = train.reshape(len(train), -1).astype(float)
    np.testing.assert_allclose(drawn.mean(0), flat.mean(0), atol=1.5)
    np.testing.assert_allclose(np.cov(drawn, rowvar=False), np.cov(flat, rowvar=False), atol=0.06 * flat.var(0).max())


def test_the_baseline_is_the_same_for_the_same_seed():
    train = np.random.default_rng(0).integers(256, size=(40, 3, 5, 4), dtype=np.uint8)
    first, again, other = (sampled_images(train, 7, seed=seed) for seed in (0, 0, 1))
    assert first.shape == (7, 3, 5, 4)
    assert (first == again).all()
    assert (first != other).any()
