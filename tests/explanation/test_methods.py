"""Shapes: N records, S baselines, C channels, H height, W width, K classes."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from captum.attr import GradientShap, KernelShap, Lime
from torch import nn

from lightloop.config import explain as traits
from lightloop.explanation.gradients import gradient_shap
from lightloop.explanation.methods import CONTROLS, METHODS, controls_of, unfit
from lightloop.explanation.reference import Reference, frozen, rows_within
from lightloop.explanation.surrogates import shapley_coalitions
from lightloop.networks._ensemble import Ensemble
from lightloop.networks._inputs import ImageInputs
from lightloop.networks.cnn import CNN
from lightloop.networks.resnet import ResNet

SHAPE = (2, 12, 12)
INPUTS = ImageInputs(*SHAPE)
# Attention is for other networks, see test_attention.py.
ALL = {name: method for name, method in (METHODS | CONTROLS).items() if name != "attention"}


def reference(shape=SHAPE, *, baselines=8, steps=16, seed=0, perturbations=32):
    generator = torch.Generator().manual_seed(99)
    drawn_SCHW = torch.randn((baselines, *shape), generator=generator)
    blocks_HW = torch.arange(shape[1])[:, None] // 6 * 2 + torch.arange(shape[2]) // 6
    return Reference(
        drawn_SCHW.mean(0),
        drawn_SCHW,
        steps,
        seed,
        units_P=blocks_HW,
        perturbations=perturbations,
        window=(shape[0], 4, 4),
        stride=(shape[0], 2, 2),
    )


def over_positions(method, network, x_NCHW, targets_N, against):
    """Attributions (N, P), summed over components."""
    found = method.attribute(network, x_NCHW, targets_N, against, ())
    return found.sum(1) if found.ndim == x_NCHW.ndim else found


def records(count=5, shape=SHAPE):
    return torch.randn((count, *shape), generator=torch.Generator().manual_seed(1)), torch.arange(count) % 3


@pytest.fixture(params=["cnn", "resnet"])
def network(request):
    torch.manual_seed(0)
    if request.param == "cnn":
        return frozen(CNN(INPUTS, 3, channels=(8, 8, 8)))
    return frozen(ResNet(INPUTS, 3, channels=(8, 8), blocks=1))


def linear_network(shape=SHAPE):
    torch.manual_seed(4)
    return frozen(nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 3)))


@pytest.mark.parametrize("name", ALL)
def test_attributions_are_finite_repeatable_and_leave_everything_as_it_was(name, network):
    x_NCHW, targets_N = records()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    kept_NCHW, torch_state, numpy_state = x_NCHW.clone(), torch.get_rng_state(), np.random.get_state()[1].copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first_NHW = over_positions(ALL[name], network, x_NCHW, targets_N, reference())
    again_NHW = over_positions(ALL[name], network, x_NCHW, targets_N, reference())
    assert first_NHW.shape == (5, 12, 12)
    assert first_NHW.dtype == torch.float32
    assert first_NHW.isfinite().all()
    assert first_NHW.abs().sum() > 0
    assert torch.equal(first_NHW, again_NHW)
    assert torch.equal(x_NCHW, kept_NCHW)
    assert not x_NCHW.requires_grad
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert not any(module._forward_hooks or module._backward_hooks for module in network.modules())
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()


def test_integrated_gradients_of_a_linear_network_are_weight_times_difference():
    network, (x_NCHW, targets_N), against = linear_network(), records(), reference()
    found_NHW = over_positions(METHODS["integrated_gradients"], network, x_NCHW, targets_N, against)
    weight_NCHW = network[1].weight[targets_N].view(-1, *SHAPE)
    expected_NHW = (weight_NCHW * (x_NCHW - against.baseline_DP)).sum(1)
    torch.testing.assert_close(found_NHW, expected_NHW, atol=1e-5, rtol=1e-4)


def test_gradient_shap_of_a_linear_network_nears_weight_times_difference_from_the_mean():
    network, (x_NCHW, targets_N) = linear_network(), records()
    against = reference(baselines=2000)
    found_NHW = over_positions(METHODS["gradient_shap"], network, x_NCHW, targets_N, against)
    weight_NCHW = network[1].weight[targets_N].view(-1, *SHAPE)
    expected_NHW = (weight_NCHW * (x_NCHW - against.baselines_SDP.mean(0))).sum(1)
    # 2000 draws of a difference with deviation |w| a channel: within 6 standard errors.
    bound_NHW = 6 * weight_NCHW.square().sum(1).sqrt() / 2000**0.5
    assert ((found_NHW - expected_NHW).abs() <= bound_NHW).all()


def test_integrated_gradients_sum_to_the_difference_of_the_logits(network):
    (x_NCHW, targets_N), against = records(), reference(steps=200)
    maps_NHW = over_positions(METHODS["integrated_gradients"], network, x_NCHW, targets_N, against)
    reached_N = network(x_NCHW).gather(1, targets_N[:, None])[:, 0]
    start_N = network(against.baseline_DP[None])[0, targets_N]
    torch.testing.assert_close(maps_NHW.sum((1, 2)), reached_N - start_N, atol=2e-3, rtol=1e-2)


def test_gradient_shap_sums_to_the_difference_from_the_mean_logit(network):
    (x_NCHW, targets_N), against = records(), reference(baselines=1500)
    maps_NHW = over_positions(METHODS["gradient_shap"], network, x_NCHW, targets_N, against)
    reached_N = network(x_NCHW).gather(1, targets_N[:, None])[:, 0]
    start_SN = network(against.baselines_SDP)[:, targets_N]
    error_N = (maps_NHW.sum((1, 2)) - (reached_N - start_SN.mean(0))).abs()
    assert (error_N <= 6 * start_SN.std(0) / 1500**0.5 + 0.02).all()


def test_grad_cam_is_what_the_paper_says(network):
    x_NCHW, targets_N = records()
    seen = []
    hook = network.feature_maps.register_forward_hook(lambda _, __, out: seen.append(out))
    logits_NK = network(x_NCHW.clone().requires_grad_())
    hook.remove()
    gradient_NChw = torch.autograd.grad(logits_NK.gather(1, targets_N[:, None]).sum(), seen[0])[0]
    weight_NC11 = gradient_NChw.mean((2, 3), keepdim=True)
    cam_N1hw = (weight_NC11 * seen[0]).sum(1, keepdim=True).clamp_min(0).detach()
    expected_NHW = nn.functional.interpolate(cam_N1hw, SHAPE[1:], mode="bilinear")[:, 0]
    found_NHW = over_positions(METHODS["grad_cam"], network, x_NCHW, targets_N, reference())
    torch.testing.assert_close(found_NHW, expected_NHW)


def test_guided_backpropagation_lets_only_positive_gradients_through():
    first, second = nn.Linear(4, 5), nn.Linear(5, 3)
    network = frozen(nn.Sequential(nn.Flatten(), first, nn.ReLU(), second))
    x_NCHW, targets_N = records(count=3, shape=(1, 2, 2))
    hidden_N5 = first(x_NCHW.flatten(1))
    upper_N5 = second.weight[targets_N].clamp_min(0) * (hidden_N5 > 0)
    expected_NHW = (upper_N5 @ first.weight).view(3, 2, 2).detach()
    found_NHW = over_positions(CONTROLS["guided_backpropagation"], network, x_NCHW, targets_N, reference((1, 2, 2)))
    torch.testing.assert_close(found_NHW, expected_NHW)


def test_a_frozen_network_is_another_one_that_answers_the_same():
    network = CNN(INPUTS, 3, channels=(8, 8)).eval()
    x_NCHW, _ = records()
    copy = frozen(network)
    torch.testing.assert_close(copy(x_NCHW), network(x_NCHW))
    assert not any(parameter.requires_grad for parameter in copy.parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())


class Products(nn.Module):
    """Three columns, the last of two positions, whose Shapley values are known."""

    def forward(self, x_NDP, factor_N):
        column_N3 = torch.stack([x_NDP[:, 0, 0], x_NDP[:, 0, 1], x_NDP[:, 0, 2:].sum(1)], 1)
        score_N = column_N3[:, 0] * column_N3[:, 1] + 2 * column_N3[:, 2]
        return (score_N * factor_N)[:, None]


def test_shapley_values_of_a_product_are_halves_and_ablation_finds_all_of_it():
    x_NDP = torch.tensor([[[2.0, 3.0, 1.0, 4.0]], [[1.0, 5.0, 2.0, 2.0]]])
    units_P = torch.tensor([0, 1, 2, 2])
    against = Reference(torch.zeros(1, 4), torch.zeros(1, 1, 4), 16, 0, units_P=units_P, perturbations=2000)
    about = (Products(), x_NDP, torch.zeros(2, dtype=torch.long), against, (torch.tensor([1.0, 10.0]),))
    expected_NP = torch.tensor([[3.0, 3.0, 5.0, 5.0], [25.0, 25.0, 40.0, 40.0]])
    for name in ("kernel_shap", "shapley_sampling"):
        # Three units have few coalitions, so all of them are asked, and as many orders.
        shapley_NP = METHODS[name].attribute(*about)[:, 0]
        torch.testing.assert_close(
            shapley_NP, expected_NP, atol=1e-3, rtol=0.05 if name == "shapley_sampling" else 1e-4
        )
        torch.testing.assert_close(shapley_NP.sum(1), expected_NP.sum(1), atol=1e-2, rtol=1e-3)
    ablated_NP = METHODS["feature_ablation"].attribute(*about)[:, 0]
    torch.testing.assert_close(ablated_NP, torch.tensor([[6.0, 6.0, 5.0, 5.0], [50.0, 50.0, 40.0, 40.0]]))


def test_extras_reach_the_network_with_their_records():
    x_NDP = torch.tensor([[[2.0, 3.0, 1.0, 4.0]], [[1.0, 5.0, 2.0, 2.0]]])
    against = Reference(torch.zeros(1, 4), torch.zeros(8, 1, 4), 16, 0)
    about = (Products(), x_NDP, torch.zeros(2, dtype=torch.long), against, (torch.tensor([1.0, 10.0]),))
    for name in ("integrated_gradients", "gradient_shap"):
        sums_N = METHODS[name].attribute(*about).sum((1, 2))
        tolerance = {"atol": 1e-3, "rtol": 1e-3} if name == "integrated_gradients" else {"atol": 40.0, "rtol": 0.0}
        torch.testing.assert_close(sums_N, torch.tensor([16.0, 130.0]), **tolerance)


def test_the_config_knows_every_method_and_no_other():
    assert list(traits.METHODS) == list(METHODS)


def test_gradient_shap_agrees_with_captums_and_is_nearer_to_the_expectation(network):
    (x_NCHW, targets_N), against = records(), reference(baselines=64)
    own_NHW = gradient_shap(network, x_NCHW, targets_N, against).sum(1)
    torch.manual_seed(0)
    np.random.seed(0)

    def captum(samples):
        found = GradientShap(network).attribute(x_NCHW, against.baselines_SDP, n_samples=samples, target=targets_N)
        return found.sum(1).detach()

    long_NHW, short_NHW = captum(3000), captum(64)
    assert (own_NHW - long_NHW).norm() < (short_NHW - long_NHW).norm()
    assert torch.corrcoef(torch.stack([own_NHW.flatten(), long_NHW.flatten()]))[0, 1] > 0.97


def test_gradient_shap_in_bf16_is_nearly_the_same(network):
    (x_NCHW, targets_N), against = records(), reference(baselines=32)
    full_NCHW = gradient_shap(network, x_NCHW, targets_N, against)
    half_NCHW = gradient_shap(network, x_NCHW, targets_N, replace(against, bf16=True))
    assert half_NCHW.dtype == torch.float32
    assert not torch.equal(half_NCHW, full_NCHW)
    assert torch.corrcoef(torch.stack([half_NCHW.flatten(), full_NCHW.flatten()]))[0, 1] > 0.99


@pytest.mark.parametrize(
    "name", [name for name in ALL if METHODS.get(name, ALL[name]).grain != "unit"] + ["kernel_shap"]
)
def test_the_rows_of_a_pass_change_nothing(name, network):
    x_NCHW, targets_N = records()
    one_NHW, many_NHW = (
        over_positions(ALL[name], network, x_NCHW, targets_N, replace(reference(), rows=rows)) for rows in (3, 500)
    )
    torch.testing.assert_close(one_NHW, many_NHW, atol=1e-4, rtol=1e-3)


def test_more_memory_gives_more_rows_within_bounds(network):
    x_NCHW, _ = records()
    few, many = (rows_within(network, x_NCHW, (), megabytes) for megabytes in (1, 8))
    assert 1 <= few < many <= 4096
    assert rows_within(network, x_NCHW, (), 10**6) == 4096


class Ten(nn.Module):
    """A score of ten units that no linear model has, (N, 1)."""

    def forward(self, x_NDP):
        x_NP = x_NDP[:, 0]
        pairs_N = (x_NP[:, :-1] * x_NP[:, 1:]).sum(1)
        return (x_NP @ torch.linspace(-1, 2, 10) + pairs_N + x_NP[:, 0] * x_NP[:, 5] * x_NP[:, 9])[:, None]


@pytest.mark.slow  # Captum fits a model a record
@pytest.mark.parametrize(("name", "peer", "least"), [("kernel_shap", KernelShap, 0.99), ("lime", Lime, 0.99)])
def test_surrogates_agree_with_captums(name, peer, least):
    x_NDP = torch.randn(3, 1, 10, generator=torch.Generator().manual_seed(5))
    against = Reference(torch.zeros(1, 10), torch.zeros(1, 1, 10), 16, 0, perturbations=600)
    own_NP = METHODS[name].attribute(Ten(), x_NDP, torch.zeros(3, dtype=torch.long), against, ())[:, 0]
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other_NP = torch.cat([peer(Ten()).attribute(x[None], target=0, n_samples=6000)[:, 0] for x in x_NDP])
    for own_P, other_P in zip(own_NP, other_NP, strict=True):
        assert torch.corrcoef(torch.stack([own_P, other_P]))[0, 1] > least


def test_kernel_shap_of_drawn_coalitions_nears_the_exact_values():
    x_NDP = torch.randn(4, 1, 10, generator=torch.Generator().manual_seed(5))
    targets_N = torch.zeros(4, dtype=torch.long)
    found = {}
    for count in (60, 400, 2000):
        against = Reference(torch.zeros(1, 10), torch.zeros(1, 1, 10), 16, 0, perturbations=count)
        found[count] = METHODS["kernel_shap"].attribute(Ten(), x_NDP, targets_N, against, ())
    whole_N = Ten()(x_NDP)[:, 0] - Ten()(torch.zeros(4, 1, 10))[:, 0]
    for values in found.values():
        torch.testing.assert_close(values.sum((1, 2)), whole_N, atol=1e-4, rtol=1e-4)
    # 2000 is more than there are coalitions of ten: these are the Shapley values.
    errors = [(found[count] - found[2000]).abs().mean() for count in (60, 400)]
    assert errors[1] < errors[0]


@pytest.mark.parametrize("units", [2, 3, 6, 9, 30])
def test_coalitions_are_weighed_as_the_kernel_says(units):
    coalitions_CU, weights_C = shapley_coalitions(units, 256, seed=1)
    assert len(coalitions_CU) == len(weights_C) <= 256
    assert weights_C.sum() == pytest.approx(1)
    sizes_C = coalitions_CU.sum(1).long()
    assert 0 < sizes_C.min() <= sizes_C.max() < units
    by_size = torch.zeros(units + 1, dtype=torch.double).index_add(0, sizes_C, weights_C)[1:-1]
    torch.testing.assert_close(by_size, by_size.flip(0))
    if 2**units - 2 <= 256:
        assert len(coalitions_CU.unique(dim=0)) == 2**units - 2
        kernel = torch.tensor([1 / (size * (units - size)) for size in range(1, units)], dtype=torch.double)
        torch.testing.assert_close(by_size, kernel / kernel.sum())


def test_permutation_is_ablation_by_each_drawn_record_on_average():
    x_NDP = torch.randn(4, 1, 10, generator=torch.Generator().manual_seed(5))
    drawn_SDP = torch.randn(128, 1, 10, generator=torch.Generator().manual_seed(6))
    targets_N, against = torch.zeros(4, dtype=torch.long), Reference(drawn_SDP.mean(0), drawn_SDP, 16, 0)
    found_NP = METHODS["feature_permutation"].attribute(Ten(), x_NDP, targets_N, against, ())[:, 0]
    rows = torch.randperm(128, generator=torch.Generator().manual_seed(0))[:16]
    whole_N = Ten()(x_NDP)[:, 0]
    for place in range(10):
        falls = []
        for row in rows:
            changed = x_NDP.clone()
            changed[:, 0, place] = drawn_SDP[row, 0, place]
            falls.append(whole_N - Ten()(changed)[:, 0])
        torch.testing.assert_close(found_NP[:, place], torch.stack(falls).mean(0), atol=1e-4, rtol=1e-4)


def test_occlusion_is_the_mean_fall_under_the_windows_that_cover_a_step():
    x_NDP = torch.randn(2, 1, 10, generator=torch.Generator().manual_seed(5))
    against = Reference(torch.zeros(1, 10), torch.zeros(1, 1, 10), 16, 0, window=(1, 4), stride=(1, 2))
    found_NP = METHODS["occlusion"].attribute(Ten(), x_NDP, torch.zeros(2, dtype=torch.long), against, ())[:, 0]
    falls_NW = []
    for start in (0, 2, 4, 6):
        changed = x_NDP.clone()
        changed[:, :, start : start + 4] = 0
        falls_NW.append((Ten()(x_NDP) - Ten()(changed))[:, 0])
    torch.testing.assert_close(found_NP[:, 5], (falls_NW[1] + falls_NW[2]) / 2)
    torch.testing.assert_close(found_NP[:, 0], falls_NW[0])


# of feature: series
def test_channels_are_ablated_and_occluded_one_by_one():
    x_NDP = torch.randn(3, 2, 8, generator=torch.Generator().manual_seed(5))
    weight_DP = torch.randn(2, 8, generator=torch.Generator().manual_seed(6))
    network = frozen(nn.Sequential(nn.Flatten(), nn.Linear(16, 1, bias=False)))
    network[1].weight.copy_(weight_DP.view(1, 16))
    against = Reference(
        torch.zeros(2, 8), torch.zeros(4, 2, 8), 16, 0, by_channel=True, window=(1, 1), stride=(1, 1), perturbations=600
    )
    for name in ("feature_ablation", "occlusion", "feature_permutation", "shapley_sampling", "kernel_shap"):
        found_NDP = METHODS[name].attribute(network, x_NDP, torch.zeros(3, dtype=torch.long), against, ())
        torch.testing.assert_close(found_NDP, x_NDP * weight_DP, atol=1e-4, rtol=1e-4)


# end


def test_what_says_nothing_of_a_network_is_named():
    cnn, ensemble = CNN(INPUTS, 3, channels=(4, 4)), Ensemble([CNN(INPUTS, 3, channels=(4, 4))], rule="mean", classes=3)
    assert unfit("grad_cam", cnn) is None
    assert "those of its members differ" in unfit("grad_cam_plus_plus", ensemble)
    assert "no ReLUs" in unfit("guided_grad_cam", CNN(INPUTS, 3, channels=(4, 4), activation="gelu"))
    assert "weighs nothing" in unfit("attention", cnn)
    assert "each member apart" in unfit("attention", ensemble)
    assert list(controls_of(cnn, images=True)) == ["guided_backpropagation"]
    assert list(controls_of(cnn, images=False)) == ["blind"]
