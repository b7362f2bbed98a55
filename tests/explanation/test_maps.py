"""Shapes: N records, C channels, H height, W width, h and w of feature maps."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from lightloop.explanation.maps import choose_layer, feature_maps, grad_cam_plus_plus, map_sizes
from lightloop.explanation.methods import CONTROLS, METHODS
from lightloop.explanation.reference import Reference, frozen
from lightloop.networks._inputs import ImageInputs
from lightloop.networks.cnn import CNN
from lightloop.networks.resnet import ResNet

SHAPE = (2, 16, 16)


@pytest.fixture(scope="module", params=["cnn", "resnet"])
def network(request):
    torch.manual_seed(0)
    inputs = ImageInputs(*SHAPE)
    return frozen(CNN(inputs, 3, channels=(6, 6, 6)) if request.param == "cnn" else ResNet(inputs, 3, channels=(6, 6)))


@pytest.fixture
def about():
    x_NCHW = torch.randn((6, *SHAPE), generator=torch.Generator().manual_seed(1))
    return x_NCHW, torch.arange(6) % 3, Reference(torch.zeros(SHAPE), x_NCHW, 16, 0)


def test_grad_cam_plus_plus_weighs_by_the_derivatives_of_the_exponential(network, about):  # pragma: allowlist secret
    """Equation 19 of the paper, its second and third derivatives by autograd, position by position."""
    x_NCHW, targets_N, reference = about
    seen = []
    hook = feature_maps(network).register_forward_hook(lambda _, __, out: seen.append(out))
    scores_N = network(x_NCHW.clone().requires_grad_()).gather(1, targets_N[:, None])[:, 0]
    hook.remove()
    (maps,) = seen
    (gradient,) = torch.autograd.grad(scores_N.sum(), maps)
    # Y = exp(S) and S is taken as linear in the maps: its derivatives are exp(S) times powers of the gradient.
    y_N111 = scores_N.detach().double().exp()[:, None, None, None]
    first, second, third = (y_N111 * gradient.double() ** power for power in (1, 2, 3))
    below = 2 * second + (maps.detach().double().sum((2, 3), keepdim=True)) * third
    share = torch.where(below != 0, second / below, 0.0)
    weight = (share * (first / y_N111).relu()).sum((2, 3), keepdim=True)
    cam = (weight * maps.detach().double()).sum(1, keepdim=True).relu()
    expected = nn.functional.interpolate(cam, SHAPE[1:], mode="bilinear")[:, 0].float()
    torch.testing.assert_close(
        grad_cam_plus_plus(network, x_NCHW, targets_N, reference), expected, rtol=1e-3, atol=1e-5
    )


def test_of_each_resolution_the_last_layer_up_to_the_feature_maps_is_tried(network):
    sizes = map_sizes(network, torch.zeros(1, *SHAPE))
    assert len(set(sizes.values())) == len(sizes) >= 2
    assert network.get_submodule(list(sizes)[-1]) is feature_maps(network)


def test_the_layer_with_the_best_areas_is_chosen_and_used(network, about):
    x_NCHW, targets_N, reference = about
    layer, rows = choose_layer(network, x_NCHW, targets_N, reference)
    assert {row["layer"] for row in rows} == set(map_sizes(network, x_NCHW))
    assert layer == max(rows, key=lambda row: row["value"])["layer"]
    first, last = (grad_cam_plus_plus(network, x_NCHW, targets_N, replace(reference, layer=row["layer"])) for row in
                   (rows[0], rows[-1]))  # fmt: skip
    assert not torch.equal(first, last)


def test_guided_grad_cam_is_the_product_of_both(network, about):
    guided_NCHW = CONTROLS["guided_backpropagation"].attribute(network, *about, ())
    cam_NHW = METHODS["grad_cam"].attribute(network, *about, ())
    torch.testing.assert_close(
        METHODS["guided_grad_cam"].attribute(network, *about, ()), guided_NCHW * cam_NHW[:, None]
    )


def test_gradients_end_at_the_layer_and_no_hook_stays(network, about):
    METHODS["grad_cam"].attribute(network, *about, ())
    assert not any(module._forward_hooks for module in network.modules())
    assert network(about[0]).requires_grad is False
