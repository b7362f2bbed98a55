"""Shapes: N records, C channels, H height, W width."""

from itertools import pairwise

import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from lightloop.explanation.reference import frozen
from lightloop.explanation.sanity import foreground, layers_from_top, randomised, rank_correlation
from lightloop.networks._inputs import ImageInputs
from lightloop.networks.cnn import CNN
from lightloop.networks.mlp import MLP
from lightloop.networks.resnet import ResNet

SHAPE = (1, 8, 8)
INPUTS = ImageInputs(*SHAPE)
X_NCHW = torch.randn((3, *SHAPE), generator=torch.Generator().manual_seed(0))


def networks(kind):
    builds = {
        "cnn": lambda: CNN(INPUTS, 3, channels=(4, 4)),
        "resnet": lambda: ResNet(INPUTS, 3, channels=(4, 8), blocks=1),
        "mlp": lambda: MLP(INPUTS, 3, hidden=(6, 5)),
    }
    torch.manual_seed(1)
    trained = builds[kind]()
    for parameter in trained.parameters():
        nn.init.normal_(parameter)
    return frozen(trained), frozen(builds[kind]())


@pytest.mark.parametrize("kind", ["cnn", "resnet", "mlp"])
def test_every_layer_is_randomised_once_from_the_top(kind):
    network, fresh = networks(kind)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    named = [name for group in layers_from_top(network, X_NCHW) for name in group]
    assert sorted(named) == sorted(
        name for name, module in network.named_modules() if list(module.parameters(recurse=False))
    )

    def unlike(state):
        return {key for key, value in state.items() if not torch.equal(value, fresh.state_dict()[key])}

    left = [
        unlike({key: value.clone() for key, value in one.state_dict().items()})
        for _, one in randomised(network, fresh, X_NCHW)
    ]
    assert all(after < earlier for earlier, after in pairwise(left))
    assert left[-1] == set()
    top = list(network.state_dict())[-1].rpartition(".")[0]
    assert unlike(before) - left[0] == {f"{top}.weight", f"{top}.bias"}
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_normalisation_goes_with_its_convolution():
    # Frozen networks have no normalisation left: it is in the convolutions.
    network = CNN(INPUTS, 3, channels=(4, 4)).eval()
    assert layers_from_top(network, X_NCHW) == [
        ["head.3"],
        ["stages.1.1.0", "stages.1.1.1"],
        ["stages.1.0.0", "stages.1.0.1"],
        ["stages.0.0.0", "stages.0.0.1"],
    ]


def test_correlation_is_that_of_scipy_with_ties():
    generator = torch.Generator().manual_seed(0)
    first = torch.randint(-3, 4, (4, 6, 6), generator=generator).float()
    second = torch.randint(-3, 4, (4, 6, 6), generator=generator).float()
    where = torch.rand((4, 6, 6), generator=generator) < 0.6
    expected = [
        spearmanr(a[w].abs().numpy(), b[w].abs().numpy()).statistic
        for a, b, w in zip(first, second, where, strict=True)
    ]
    assert rank_correlation(first, second, where) == pytest.approx(sum(expected) / 4)


def test_correlation_of_related_maps():
    maps = torch.randn(2, 5, 5, generator=torch.Generator().manual_seed(0))
    everywhere = torch.ones(2, 5, 5, dtype=torch.bool)
    assert rank_correlation(maps, -3 * maps, everywhere) == pytest.approx(1)
    assert rank_correlation(maps, 1 / maps, everywhere) == pytest.approx(-1)


def test_what_does_not_vary_has_no_correlation():
    maps = torch.randn(2, 5, 5, generator=torch.Generator().manual_seed(0))
    everywhere, nowhere = torch.ones(2, 5, 5, dtype=torch.bool), torch.zeros(2, 5, 5, dtype=torch.bool)
    assert rank_correlation(maps, torch.zeros(2, 5, 5), everywhere) is None
    assert rank_correlation(maps, maps, nowhere) is None
    half = torch.stack([maps[0], torch.zeros(5, 5)])
    assert rank_correlation(maps, half, everywhere) == pytest.approx(1)


def test_foreground_is_what_differs_from_the_commonest_colour():
    pixels = torch.full((1, 3, 4, 4), 200, dtype=torch.uint8)
    pixels[0, 1, 1, 2] = 201
    assert foreground(pixels).nonzero().tolist() == [[0, 1, 2]]
    assert not foreground(torch.zeros((1, 1, 4, 4), dtype=torch.uint8)).any()


def test_what_both_have_from_the_distance_alone_does_not_count():
    generator = torch.Generator().manual_seed(0)
    distance_NQ = torch.rand(30, 40, generator=generator) * 10
    noise = torch.rand(2, 30, 40, generator=generator) + 0.5
    first_NQ, second_NQ = distance_NQ * noise[0], distance_NQ * noise[1]
    everywhere = torch.ones(30, 40, dtype=torch.bool)
    assert rank_correlation(first_NQ, second_NQ, everywhere) > 0.7
    assert abs(rank_correlation(first_NQ, second_NQ, everywhere, distance_NQ)) < 0.1
    assert rank_correlation(distance_NQ, second_NQ, everywhere, distance_NQ) is None


def test_the_partial_correlation_is_that_of_the_textbook():
    generator = torch.Generator().manual_seed(1)
    first, second, given = torch.rand(3, 1, 50, generator=generator)
    r12, r13, r23 = (spearmanr(a[0], b[0]).statistic for a, b in ((first, second), (first, given), (second, given)))
    expected = (r12 - r13 * r23) / ((1 - r13**2) * (1 - r23**2)) ** 0.5
    assert rank_correlation(first, second, torch.ones(1, 50, dtype=torch.bool), given) == pytest.approx(expected)


def test_attention_is_randomised_whole():
    attention = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    network = frozen(nn.Sequential(nn.Linear(4, 8), attention, nn.Flatten(), nn.Linear(24, 2)))
    torch.backends.mha.set_fastpath_enabled(False)
    groups = layers_from_top(network, torch.zeros(1, 3, 4))
    torch.backends.mha.set_fastpath_enabled(True)
    assert [name for group in groups for name in group if "self_attn" in name] == [
        "1.self_attn",
        "1.self_attn.out_proj",
    ]
    assert groups[0] == ["3"]
    assert groups[-1] == ["0"]
