"""Shapes: N records, C channels, H height, W width."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from lightloop.explanation.attributing import attribute
from lightloop.explanation.checks import (
    completeness_error,
    control_checks,
    doubts,
    method_checks,
    order_curves,
    peers,
    sanity_check,
)
from lightloop.explanation.maps import feature_maps, feature_size
from lightloop.explanation.methods import METHODS, Method
from lightloop.explanation.reference import Reference, frozen
from lightloop.explanation.sanity import foreground
from lightloop.explanation.subject import Subject
from lightloop.networks._inputs import ImageInputs
from lightloop.networks.cnn import CNN

SHAPE = (1, 12, 12)
INPUTS = ImageInputs(*SHAPE)


def subject_of(network, fresh, records=12):
    generator = torch.Generator().manual_seed(0)
    pixels_NCHW = torch.randint(0, 256, (records, *SHAPE), generator=generator, dtype=torch.uint8)
    x_NCHW = pixels_NCHW.float() / 128 - 1
    baselines_SCHW = torch.randn((16, *SHAPE), generator=generator)
    reference = Reference(torch.zeros(SHAPE), baselines_SCHW, steps=32, seed=0)
    targets_N = network(x_NCHW).argmax(1).detach()
    where_NHW = foreground(pixels_NCHW)
    return Subject(network, fresh, x_NCHW, targets_N, reference, torch.ones_like(where_NHW), where_NHW, noun="pixels")


@pytest.fixture(scope="module")
def subject():
    torch.manual_seed(0)
    network = CNN(INPUTS, 3, channels=(8, 8, 8))
    for name, parameter in network.named_parameters():
        if name.startswith("head"):
            nn.init.normal_(parameter, std=3)
    return subject_of(frozen(network), frozen(CNN(INPUTS, 3, channels=(8, 8, 8))))


def edges(network, x_NCHW, targets_N, reference, extras):
    """What draws the record and knows no network: the caricature of an explanation."""
    x_NHW = x_NCHW.sum(1)
    return (x_NHW - x_NHW.roll(1, 2)).abs() + (x_NHW - x_NHW.roll(1, 1)).abs()


@pytest.mark.parametrize("drawing", [edges, lambda network, x_NCHW, targets_N, reference, extras: x_NCHW.sum(1)])
def test_a_method_that_ignores_the_weights_fails_the_sanity_check(drawing, subject):
    check = sanity_check(Method(drawing, sums_to=None), subject, threshold=0.6)
    assert check["value"] == pytest.approx(1)
    assert check["passed"] is False
    assert [row["correlation"] for row in check["by_layer"]] == pytest.approx([1] * 6)


def test_a_control_that_passes_is_reported_as_such(subject, config):
    ignoring = control_checks(Method(edges, sums_to=None), subject, config.explain)
    assert ignoring["fails_as_expected"] is True

    def gradient(network, x_NCHW, targets_N, reference, extras):
        x_NCHW = x_NCHW.clone().requires_grad_()
        return torch.autograd.grad(network(x_NCHW).gather(1, targets_N[:, None]).sum(), x_NCHW)[0].sum(1)

    honest = control_checks(Method(gradient, sums_to=None), subject, config.explain)
    assert honest["checks"]["randomised_correlation"]["passed"] is True
    assert honest["fails_as_expected"] is False


def test_the_sanity_value_is_the_highest_of_its_layers(subject):
    check = sanity_check(METHODS["integrated_gradients"], subject, threshold=0.6)
    assert check["value"] == max(row["correlation"] for row in check["by_layer"])
    assert check["passed"] is (check["value"] <= 0.6)
    assert sanity_check(METHODS["integrated_gradients"], subject, check["value"])["passed"] is True


def test_maps_that_never_vary_are_not_measurable_and_do_not_pass(subject, config):
    flat = Method(lambda network, x_NCHW, targets_N, reference, extras: torch.zeros_like(x_NCHW[:, 0]), sums_to=None)
    check = sanity_check(flat, subject, threshold=0.6)
    assert check["value"] is None
    assert check["passed"] is False
    assert control_checks(flat, subject, config.explain)["fails_as_expected"] is False
    assert doubts({"randomised_correlation": check}, subject) == [
        "Its attributions stay alike when layers are given random weights "
        "(rank correlation not measurable, at most 0.60 is allowed)."
    ]


def test_completeness_is_kept_by_integrated_gradients_and_seen_when_broken(subject):
    method = METHODS["integrated_gradients"]
    maps_NHW = attribute(method, subject)
    assert completeness_error(method, subject, maps_NHW) < 0.05
    assert completeness_error(method, subject, 2 * maps_NHW) == pytest.approx(1, abs=0.1)
    assert completeness_error(method, subject, 0 * maps_NHW) == pytest.approx(1)
    assert completeness_error(METHODS["grad_cam"], subject, maps_NHW) is None


def test_completeness_of_the_expectation_takes_the_mean_over_the_baselines():
    torch.manual_seed(3)
    network = frozen(nn.Sequential(nn.Flatten(), nn.Linear(144, 3)))
    subject = subject_of(network, network)
    weight_NCHW = network[1].weight[subject.targets_N].view(-1, *SHAPE)
    exact_NHW = (weight_NCHW * (subject.x_NDP - subject.reference.baselines_SDP.mean(0))).sum(1)
    assert completeness_error(METHODS["gradient_shap"], subject, exact_NHW) < 1e-4


def test_completeness_is_undefined_where_nothing_has_to_be_explained(subject):
    baseline_CHW = subject.reference.baseline_DP
    same = replace(subject, x_NDP=baseline_CHW.expand_as(subject.x_NDP).contiguous())
    method = METHODS["integrated_gradients"]
    one = same.part(1, draws=16)
    assert completeness_error(method, one, torch.zeros(1, 12, 12)) is None


def test_every_resolution_gets_its_own_peer(subject):
    assert (
        feature_size(subject.network, feature_maps(subject.network), subject.x_NDP)
        == subject.grid(METHODS["grad_cam"])
        != (12, 12)
    )
    found = peers(subject, METHODS.values())
    assert list(found.curves) == [(12, 12), (7, 7), subject.grid(METHODS["grad_cam"])]
    assert list(peers(subject, [METHODS["gradient_shap"]]).curves) == [(12, 12)]


def test_checks_of_a_method_and_what_follows(subject, config):
    method = METHODS["integrated_gradients"]
    maps_NHW = attribute(method, subject)
    own = order_curves(subject, maps_NHW)
    chance = peers(subject, [method])
    checks = method_checks(method, subject, maps_NHW, own=own, peer=chance, limits=config.explain)
    assert list(checks) == [
        "completeness_error",
        "deletion_auc",
        "insertion_auc",
        "infidelity",
        "sensitivity",
        "seed_agreement",
        "randomised_correlation",
    ]
    assert checks["deletion_auc"]["passed"]
    assert checks["insertion_auc"]["passed"]
    assert len(doubts(checks, subject)) == sum(check["passed"] is False for check in checks.values())

    same = replace(chance, curves={(12, 12): own, subject.grid(METHODS["grad_cam"]): own})
    worse = method_checks(method, subject, -maps_NHW, own=own, peer=same, limits=config.explain)
    assert [sentence.split(" (")[0] for sentence in doubts(worse, subject)][:3] == [
        "Its attributions miss what they promise to sum to by 2.00 of it",
        "Deleting the pixels that it ranks first does not lower the probability faster than a random order does",
        "Inserting the pixels that it ranks first does not raise the probability faster than a random order does",
    ]
    assert worse["infidelity"]["value"] > checks["infidelity"]["value"]
    assert worse["infidelity"]["passed"] is False
    unpromised = method_checks(METHODS["grad_cam"], subject, maps_NHW, own=own, peer=same, limits=config.explain)
    assert unpromised["completeness_error"] == {"value": None, "threshold": None, "passed": None}


def test_a_part_is_spread_evenly(subject):
    part = subject.part(3, draws=4)
    assert torch.equal(part.x_NDP, subject.x_NDP[[0, 6, 11]]) or torch.equal(part.x_NDP, subject.x_NDP[[0, 5, 11]])
    assert len(part.reference.baselines_SDP) == 4
    assert torch.equal(subject.part(99, draws=99).x_NDP, subject.x_NDP)
