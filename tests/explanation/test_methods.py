"""Shapes: N records, S baselines, C channels, H height, W width, K classes."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from lightloop.explanation.methods import CONTROLS, METHODS, Reference, frozen
from lightloop.networks._inputs import ImageInputs
from lightloop.networks.cnn import CNN
from lightloop.networks.resnet import ResNet

SHAPE = (2, 12, 12)
INPUTS = ImageInputs(*SHAPE)
# KernelSHAP is for few units, see below.
ALL = {name: method for name, method in (METHODS | CONTROLS).items() if name != "kernel_shap"}


def reference(shape=SHAPE, *, baselines=8, steps=16, seed=0):
    generator = torch.Generator().manual_seed(99)
    drawn_SCHW = torch.randn((baselines, *shape), generator=generator)
    return Reference(drawn_SCHW.mean(0), drawn_SCHW, steps, seed)


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
        first_NHW = ALL[name].attribute(network, x_NCHW, targets_N, reference())
    again_NHW = ALL[name].attribute(network, x_NCHW, targets_N, reference())
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
    found_NHW = METHODS["integrated_gradients"].attribute(network, x_NCHW, targets_N, against)
    weight_NCHW = network[1].weight[targets_N].view(-1, *SHAPE)
    expected_NHW = (weight_NCHW * (x_NCHW - against.baseline_DP)).sum(1)
    torch.testing.assert_close(found_NHW, expected_NHW, atol=1e-5, rtol=1e-4)


def test_gradient_shap_of_a_linear_network_nears_weight_times_difference_from_the_mean():
    network, (x_NCHW, targets_N) = linear_network(), records()
    against = reference(baselines=2000)
    found_NHW = METHODS["gradient_shap"].attribute(network, x_NCHW, targets_N, against)
    weight_NCHW = network[1].weight[targets_N].view(-1, *SHAPE)
    expected_NHW = (weight_NCHW * (x_NCHW - against.baselines_SDP.mean(0))).sum(1)
    # 2000 draws of a difference with deviation |w| a channel: within 6 standard errors.
    bound_NHW = 6 * weight_NCHW.square().sum(1).sqrt() / 2000**0.5
    assert ((found_NHW - expected_NHW).abs() <= bound_NHW).all()


def test_integrated_gradients_sum_to_the_difference_of_the_logits(network):
    (x_NCHW, targets_N), against = records(), reference(steps=200)
    maps_NHW = METHODS["integrated_gradients"].attribute(network, x_NCHW, targets_N, against)
    reached_N = network(x_NCHW).gather(1, targets_N[:, None])[:, 0]
    start_N = network(against.baseline_DP[None])[0, targets_N]
    torch.testing.assert_close(maps_NHW.sum((1, 2)), reached_N - start_N, atol=2e-3, rtol=1e-2)


def test_gradient_shap_sums_to_the_difference_from_the_mean_logit(network):
    (x_NCHW, targets_N), against = records(), reference(baselines=1500)
    maps_NHW = METHODS["gradient_shap"].attribute(network, x_NCHW, targets_N, against)
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
    found_NHW = METHODS["grad_cam"].attribute(network, x_NCHW, targets_N, reference())
    torch.testing.assert_close(found_NHW, expected_NHW)


def test_guided_backpropagation_lets_only_positive_gradients_through():
    first, second = nn.Linear(4, 5), nn.Linear(5, 3)
    network = frozen(nn.Sequential(nn.Flatten(), first, nn.ReLU(), second))
    x_NCHW, targets_N = records(count=3, shape=(1, 2, 2))
    hidden_N5 = first(x_NCHW.flatten(1))
    upper_N5 = second.weight[targets_N].clamp_min(0) * (hidden_N5 > 0)
    expected_NHW = (upper_N5 @ first.weight).view(3, 2, 2).detach()
    found_NHW = CONTROLS["guided_backpropagation"].attribute(network, x_NCHW, targets_N, reference((1, 2, 2)))
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
    shapley_NP = METHODS["kernel_shap"].attribute(*about)
    # Coalitions are drawn, so values are near; their sum is exact.
    expected_NP = torch.tensor([[3.0, 3.0, 5.0, 5.0], [25.0, 25.0, 40.0, 40.0]])
    torch.testing.assert_close(shapley_NP, expected_NP, atol=0.1, rtol=0.06)
    torch.testing.assert_close(shapley_NP.sum(1), expected_NP.sum(1), atol=1e-2, rtol=1e-3)
    ablated_NP = METHODS["feature_ablation"].attribute(*about)
    torch.testing.assert_close(ablated_NP, torch.tensor([[6.0, 6.0, 5.0, 5.0], [50.0, 50.0, 40.0, 40.0]]))


def test_extras_reach_the_network_with_their_records():
    x_NDP = torch.tensor([[[2.0, 3.0, 1.0, 4.0]], [[1.0, 5.0, 2.0, 2.0]]])
    against = Reference(torch.zeros(1, 4), torch.zeros(8, 1, 4), 16, 0)
    about = (Products(), x_NDP, torch.zeros(2, dtype=torch.long), against, (torch.tensor([1.0, 10.0]),))
    for name in ("integrated_gradients", "gradient_shap"):
        sums_N = METHODS[name].attribute(*about).sum(1)
        tolerance = {"atol": 1e-3, "rtol": 1e-3} if name == "integrated_gradients" else {"atol": 40.0, "rtol": 0.0}
        torch.testing.assert_close(sums_N, torch.tensor([16.0, 130.0]), **tolerance)
