"""Shapes: N records, F fractions, C channels, H height, W width."""

import numpy as np
import pytest
import torch
from torch import nn

from lightloop.explanation.curves import (
    POINTS,
    Replacing,
    area,
    area_check,
    fractions,
    mean_interval,
    random_maps,
    ranks,
)

SIZE = (6, 6)


class Planted(nn.Module):
    """The class is decided by the four pixels in the middle and by nothing else."""

    def forward(self, x_NCHW):
        logit_N = x_NCHW[:, :, 2:4, 2:4].sum((1, 2, 3)) * 4 - 8
        return torch.stack([torch.zeros_like(logit_N), logit_N], dim=1)


def planted():
    """All-ones records of class 1, their true attributions, and a baseline of zeros."""
    x_NCHW = torch.ones(8, 1, *SIZE)
    truth_NHW = torch.zeros(8, *SIZE)
    truth_NHW[:, 2:4, 2:4] = 1
    return x_NCHW, torch.ones(8, dtype=torch.long), truth_NHW, torch.zeros(1, *SIZE)


def curves_of(maps_NHW):
    x_NCHW, targets_N, _, baseline_CHW = planted()
    records = Replacing(Planted(), x_NCHW, targets_N, baseline_CHW, torch.ones_like(maps_NHW, dtype=torch.bool))
    return [records.curve(maps_NHW, insertion=one, seed=0) for one in (False, True)]


def test_curves_are_those_of_a_naive_loop():
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(72, 3)).eval()
    x_NCHW, baseline_CHW = torch.randn(15, 2, *SIZE, generator=generator), torch.randn(2, *SIZE, generator=generator)
    maps_NHW, targets_N = torch.randn(15, *SIZE, generator=generator), torch.arange(15) % 3
    for insertion in (False, True):
        everywhere = torch.ones_like(maps_NHW, dtype=torch.bool)
        found_NF = Replacing(network, x_NCHW, targets_N, baseline_CHW, everywhere).curve(
            maps_NHW, insertion=insertion, seed=0
        )
        assert found_NF.shape == (15, POINTS)
        for record in range(15):
            order = np.argsort(-maps_NHW[record].flatten().numpy())
            for point, fraction in enumerate(fractions()):
                taken = torch.from_numpy(order[: round(fraction * 36)])
                start, other = (baseline_CHW, x_NCHW[record]) if insertion else (x_NCHW[record], baseline_CHW)
                picture = start.clone().flatten(1)
                picture[:, taken] = other.flatten(1)[:, taken]
                with torch.no_grad():
                    expected = network(picture.view(1, 2, *SIZE)).softmax(1)[0, targets_N[record]].item()
                assert found_NF[record, point] == pytest.approx(expected, abs=1e-6)


def test_columns_go_together_and_extras_come_along():
    """Two columns of two positions each; the extra, a record's own factor, must reach the network with its record."""

    class Weighed(nn.Module):
        def forward(self, x_NDP, factor_N):
            return (x_NDP.sum(1) * torch.tensor([1.0, 1.0, 10.0, 10.0])).sum(1, keepdim=True) * factor_N[:, None]

    x_NDP, columns_P = torch.ones(30, 1, 4), torch.tensor([0, 0, 1, 1])
    factor_N, maps_NQ = torch.arange(1, 31).float(), torch.tensor([[0.0, 1.0]]).expand(30, 2)
    records = Replacing(
        Weighed(),
        x_NDP,
        torch.zeros(30, dtype=torch.long),
        torch.zeros(1, 4),
        torch.ones(30, 2, dtype=torch.bool),
        probability=False,
        extras=(factor_N,),
        columns_P=columns_P,
    )
    deleted_NF = records.curve(maps_NQ, insertion=False, seed=0)
    # Of two columns the heavy one goes at a half, the other at the end.
    expected_NF = factor_N[:, None].double().numpy() * np.array([[22.0, 2.0, 0.0]])
    np.testing.assert_allclose(deleted_NF[:, [0, 12, 20]], expected_NF)
    np.testing.assert_allclose(records.curve(maps_NQ, insertion=True, seed=0)[:, 12], factor_N * 20)


def test_padding_is_neither_deleted_nor_counted():
    class Total(nn.Module):
        def forward(self, x_NDP):
            return x_NDP.sum((1, 2))[:, None]

    x_NDP, present_NQ = torch.ones(2, 1, 8), torch.tensor([[True] * 8, [True] * 4 + [False] * 4])
    records = Replacing(
        Total(), x_NDP, torch.zeros(2, dtype=torch.long), torch.zeros(1, 8), present_NQ, probability=False
    )
    maps_NQ = torch.zeros(2, 8)
    deleted_NF = records.curve(maps_NQ, insertion=False, seed=0)
    np.testing.assert_allclose(deleted_NF[:, [0, 10, 20]], [[8, 4, 0], [8, 6, 4]])
    inserted_NF = records.curve(maps_NQ, insertion=True, seed=0)
    np.testing.assert_allclose(inserted_NF[:, [0, 10, 20]], [[0, 4, 8], [4, 6, 8]])


def test_curves_start_and_end_at_record_and_baseline():
    x_NCHW, _, truth_NHW, baseline_CHW = planted()
    deletion_NF, insertion_NF = curves_of(truth_NHW)
    record = Planted()(x_NCHW).softmax(1)[:, 1].double().numpy()
    nothing = Planted()(baseline_CHW[None]).softmax(1)[0, 1].item()
    np.testing.assert_allclose(deletion_NF[:, 0], record, rtol=1e-6)
    np.testing.assert_allclose(insertion_NF[:, -1], record, rtol=1e-6)
    np.testing.assert_allclose([deletion_NF[:, -1], insertion_NF[:, 0]], nothing, rtol=1e-5)


def test_the_truth_beats_random_order_and_its_reverse_does_not():
    truth_NHW = planted()[2]
    random = curves_of(random_maps(8, SIZE, SIZE, seed=5))
    for maps_NHW, expected in ((truth_NHW, True), (-truth_NHW, False)):
        own = curves_of(maps_NHW)
        for place, insertion in enumerate((False, True)):
            check = area_check(own[place], random[place], insertion=insertion, seed=0)
            assert check["passed"] is expected
            assert check["low"] <= check["value"] <= check["high"]
            better = check["value"] > check["random"] if insertion else check["value"] < check["random"]
            assert better is expected


def test_random_order_does_not_beat_random_order():
    first, second = curves_of(random_maps(8, SIZE, SIZE, seed=1)), curves_of(random_maps(8, SIZE, SIZE, seed=2))
    assert not area_check(first[0], first[0], insertion=False, seed=0)["passed"]
    passed = [area_check(first[i], second[i], insertion=bool(i), seed=0)["passed"] for i in (0, 1)]
    assert passed != [True, True]


def test_one_record_proves_nothing():
    truth = np.linspace(1, 0, POINTS)[None] ** 4
    assert area_check(truth, np.ones((1, POINTS)), insertion=False, seed=0)["passed"] is False


def test_ranks_are_a_permutation_that_follows_the_values():
    maps_NHW = torch.randn(7, *SIZE, generator=torch.Generator().manual_seed(3))
    ranks_NHW = ranks(maps_NHW, seed=0)
    assert all(sorted(places.flatten().tolist()) == list(range(36)) for places in ranks_NHW)
    for values, places in zip(maps_NHW.flatten(1), ranks_NHW.flatten(1), strict=True):
        assert (values[places.argsort()].diff() <= 0).all()


def test_ties_are_put_in_random_order():
    ranks_NHW = ranks(torch.zeros(1, 20, 20), seed=0)
    first_quarter = ranks_NHW[0, :5].double().mean().item()
    assert abs(first_quarter - 199.5) < 5 * 115 / 10  # a mean of 100 ranks, deviation 115, not the first hundred's 49.5
    assert not torch.equal(ranks_NHW, ranks(torch.zeros(1, 20, 20), seed=1))


def test_random_maps_are_as_coarse_as_their_grid():
    fine, coarse = random_maps(3, (28, 28), (28, 28), seed=0), random_maps(3, (28, 28), (7, 7), seed=0)
    assert fine.shape == coarse.shape == (3, 28, 28)
    assert coarse.diff(dim=2).abs().mean() < fine.diff(dim=2).abs().mean() / 2


def test_the_interval_covers_the_mean_of_what_it_was_drawn_from():
    generator = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        low, high = mean_interval(generator.exponential(size=60), seed)
        covered += low <= 1 <= high
    # The percentile interval of a skewed mean covers a little less than 95 %: between 88 and 99 of 100.
    assert 176 <= covered <= 198


def test_area_is_that_of_scipy():
    from scipy.integrate import trapezoid

    curve_NF = np.random.default_rng(0).random((4, POINTS))
    np.testing.assert_allclose(area(curve_NF), trapezoid(curve_NF, dx=1 / (POINTS - 1), axis=1))
