"""Augmentation of series: what changes, by how much, and what must not."""

import math

import pytest
import torch

from lightloop.config.series import SeriesAugment
from lightloop.data.series.augment import augment_series


def batch(count=400, steps=50):
    time = torch.arange(steps) / steps
    values = torch.sin(2 * math.pi * time).repeat(count, 1) * 3 + 100
    return torch.stack([values, time.repeat(count, 1)], 2), torch.full((count, 2), 101.0)


def change(forecasts=True, seed=0, **settings):
    series, targets = batch()
    random = torch.Generator().manual_seed(seed)
    return (
        series,
        targets,
        *augment_series(series, targets, SeriesAugment(name="series", **settings), random, forecasts=forecasts),
    )


def test_nothing_asked_for_changes_nothing():
    series, targets, new_series, new_targets = change()
    assert torch.equal(series, new_series)
    assert torch.equal(targets, new_targets)


@pytest.mark.parametrize("settings", [{"jitter": 0.1}, {"scaling": 0.1}, {"warp": 0.5}])
def test_the_same_draws_the_same_and_the_calendar_stays(settings):
    series, _, first, _ = change(**settings)
    _, _, again, _ = change(**settings)
    _, _, other, _ = change(seed=1, **settings)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[..., 0], series[..., 0])
    assert torch.equal(first[..., 1], series[..., 1])


def test_jitter_is_as_large_as_said():
    series, targets, noisy, same = change(jitter=0.1)
    noise = (noisy - series)[..., 0]
    assert noise.std().item() == pytest.approx(0.1 * series[0, :, 0].std(correction=0).item(), rel=0.02)
    assert torch.equal(targets, same)


def test_scaling_takes_a_forecasts_targets_along():
    series, targets, scaled, new_targets = change(scaling=0.2)
    mean = series[..., 0].mean(1, keepdim=True)
    factor = (new_targets - mean) / (targets - mean)
    torch.testing.assert_close((scaled[..., 0] - mean), (series[..., 0] - mean) * factor[:, :1], atol=2e-3, rtol=0)
    assert factor[:, 0].std().item() == pytest.approx(0.2, rel=0.15)
    torch.testing.assert_close(factor[:, 0], factor[:, 1])
    _, targets, _, kept = change(forecasts=False, scaling=0.2)
    assert torch.equal(targets, kept)


def test_warping_moves_time_and_keeps_ends_and_range():
    series, _, warped, _ = change(warp=0.9)
    values, moved = series[..., 0], warped[..., 0]
    torch.testing.assert_close(moved[:, [0, -1]], values[:, [0, -1]])
    assert moved.max() <= values.max() + 1e-4
    assert moved.min() >= values.min() - 1e-4
    ramp = torch.arange(50.0).repeat(300, 1)[..., None]
    settings = SeriesAugment(name="series", warp=0.9)
    times, _ = augment_series(ramp, torch.zeros(300, 1), settings, torch.Generator(), forecasts=True)
    speed = times[..., 0].diff(dim=1)
    assert speed.min() > 0.05
    assert speed.max() < 1.95
    assert speed.std() > 0.1


def test_gaps_stay_gaps():
    series, targets = batch(8)
    series[:, 10:13, 0] = math.nan
    settings = SeriesAugment(name="series", jitter=0.1, scaling=0.1)
    changed, new = augment_series(series, targets, settings, torch.Generator(), forecasts=True)
    assert torch.equal(changed.isnan(), series.isnan())
    assert torch.isfinite(new).all()
    warped, _ = augment_series(
        series, targets, SeriesAugment(name="series", warp=0.3), torch.Generator(), forecasts=True
    )
    assert 0 < warped.isnan().sum() < series.isnan().sum() * 2
