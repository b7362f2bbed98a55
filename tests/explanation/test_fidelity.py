"""Shapes: N records, K removals, C channels, H height, W width."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from captum.metrics import infidelity, sensitivity_max
from torch import nn

from lightloop.explanation.attributing import attribute
from lightloop.explanation.fidelity import REMOVALS, draw_removals
from lightloop.explanation.methods import METHODS
from lightloop.explanation.reference import Reference, frozen, seeded
from lightloop.explanation.stability import NUDGE, NUDGED_RECORDS, NUDGES, sensitivity
from lightloop.explanation.subject import Subject

SHAPE = (1, 12, 12)


@pytest.fixture(scope="module")
def subject():
    torch.manual_seed(5)
    network = nn.Sequential(nn.Flatten(), nn.Linear(144, 12), nn.Tanh(), nn.Linear(12, 3))
    network = frozen(network)
    x_NCHW = torch.randn((8, *SHAPE))
    reference = Reference(torch.zeros(SHAPE), torch.randn((16, *SHAPE)), steps=32, seed=0)
    everywhere = torch.ones((8, *SHAPE[1:]), dtype=torch.bool)
    targets_N = network(x_NCHW).argmax(1)
    return Subject(network, network, x_NCHW, targets_N, reference, everywhere, everywhere, noun="pixels")


def by_captum(subject, maps_NHW, removed_NKHW):
    """Captum's own, on the removals that were drawn here, over the mean square of the falls."""
    x_NCHW, baseline_CHW = subject.x_NDP, subject.reference.baseline_DP

    def remove(inputs):
        removed_MCHW = removed_NKHW.flatten(0, 1)[:, None]
        assert len(inputs) == len(removed_MCHW)
        return removed_MCHW.float(), torch.where(removed_MCHW, baseline_CHW, inputs)

    found_N = infidelity(
        subject.network,
        remove,
        x_NCHW,
        maps_NHW[:, None],
        target=subject.targets_N,
        n_perturb_samples=REMOVALS,
        normalize=True,
    )
    places_N = torch.arange(len(x_NCHW))
    falls = []
    for number in range(REMOVALS):
        left_NCHW = torch.where(removed_NKHW[:, number, None], baseline_CHW, x_NCHW)
        falls.append((subject.network(x_NCHW) - subject.network(left_NCHW))[places_N, subject.targets_N])
    return (found_N.double() / torch.stack(falls, 1).double().square().mean(1)).numpy()


@pytest.mark.parametrize("name", ["integrated_gradients", "input_x_gradient"])
def test_infidelity_is_captums_on_the_same_removals(subject, name):
    maps_NHW = attribute(METHODS[name], subject)
    removals = draw_removals(subject)
    removed_NKHW = removals.removed_NKU[:, :, removals.units_Q.view(SHAPE[1:])]
    expected_N = by_captum(subject, maps_NHW, removed_NKHW)
    np.testing.assert_allclose(removals.infidelity(maps_NHW), expected_N, atol=1e-5)
    assert 0 < expected_N.mean() < 1


def test_attributions_that_point_the_wrong_way_explain_nothing_though_captum_would_scale_them(subject):
    removals = draw_removals(subject)
    maps_NHW = attribute(METHODS["integrated_gradients"], subject)
    assert removals.infidelity(maps_NHW).max() < 0.5
    assert removals.infidelity(-maps_NHW) == pytest.approx(np.ones(len(maps_NHW)))


def test_sensitivity_is_captums_mean_over_records(subject):
    method = METHODS["integrated_gradients"]
    rows = subject.spread(NUDGED_RECORDS)
    part = subject.take(rows)

    def explain(given):
        (x_NCHW,) = given
        targets_N = part.targets_N.repeat_interleave(len(x_NCHW) // len(part.x_NDP))
        given = replace(part, x_NDP=x_NCHW, targets_N=targets_N)
        return (method.attribute(given.network, given.x_NDP, given.targets_N, given.reference, ()),)

    with seeded(subject.reference.seed):
        radius = NUDGE * float(part.x_NDP.std())
        expected_N = sensitivity_max(explain, part.x_NDP, perturb_radius=radius, n_perturb_samples=NUDGES)
    found = sensitivity(method, subject, threshold=0.5)
    assert found["value"] == pytest.approx(float(expected_N.mean()), rel=1e-4)
    assert found["low"] < found["value"] < found["high"]
