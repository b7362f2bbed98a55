"""Every network that can be named: its contract, and that it learns."""

import pytest
import torch
from torch import nn

from lightloop.config.signature import components

NETWORKS = sorted(components("networks"))
SHAPES = [((1, 28, 28), 10), ((3, 32, 24), 2)]


def build(name: str, shape, outputs: int) -> nn.Module:
    torch.manual_seed(0)
    return components("networks")[name].load()(shape, outputs)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("shape", "outputs"), SHAPES)
def test_logits_have_the_promised_shape(name: str, shape, outputs: int):
    network = build(name, shape, outputs).eval()
    assert network(torch.randn(3, *shape)).shape == (3, outputs)


@pytest.mark.parametrize("name", NETWORKS)
def test_records_of_a_batch_do_not_touch_each_other(name: str):
    network = build(name, (1, 28, 28), 10).eval()
    batch = torch.randn(4, 1, 28, 28)
    assert torch.allclose(network(batch)[1:2], network(batch[1:2]), atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_overfits_a_batch(name: str):
    network = build(name, (1, 28, 28), 10)
    records, labels = torch.randn(32, 1, 28, 28), torch.arange(32) % 10
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(60):
        loss = nn.functional.cross_entropy(network(records), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval()
    assert (network(records).argmax(1) == labels).float().mean() > 0.95


@pytest.mark.parametrize("name", NETWORKS)
def test_activations_are_modules_each_used_once(name: str):
    network = build(name, (1, 28, 28), 10).eval()
    calls: dict[nn.Module, int] = {}
    activations = [module for module in network.modules() if isinstance(module, nn.ReLU)]
    for module in activations:
        assert not module.inplace
        module.register_forward_hook(lambda module, *_: calls.update({module: calls.get(module, 0) + 1}))
    network(torch.randn(1, 1, 28, 28))
    assert activations
    assert list(calls.values()) == [1] * len(activations)


@pytest.mark.parametrize("name", NETWORKS)
def test_feature_maps_have_positions_where_promised(name: str):
    network = build(name, (1, 28, 28), 10).eval()
    if not components("networks")[name].traits["has_feature_maps"]:
        assert not hasattr(network, "feature_maps")
        return
    seen: list[torch.Tensor] = []
    network.feature_maps.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    network(torch.randn(2, 1, 28, 28))
    assert seen[0].ndim == 4
    assert seen[0].shape[2] > 1
    assert (seen[0] >= 0).all(), "Grad-CAM weighs maps after the activation"


def test_the_default_network_is_small(config):
    network = components("networks")["cnn"].load()((1, 28, 28), 10, **config.network.arguments())
    assert sum(p.numel() for p in network.parameters()) <= 120_000
