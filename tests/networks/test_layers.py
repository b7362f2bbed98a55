"""Activations, normalisations and initialisations by name: the lists in the configs, and that each trains."""

import typing

import pytest
import torch
from network_examples import ANSWERING, build, records
from torch import nn

from lightloop.networks._layers import ACTIVATIONS, INITIALISATIONS, MAP_NORMS, STEP_NORMS, VECTOR_NORMS, initialise
from lightloop.networks._pooling import Pool

NAMES = {"activation": set(ACTIVATIONS), "initialisation": {"default", *INITIALISATIONS}}
NORMS = {
    "cnn": MAP_NORMS,
    "resnet": MAP_NORMS,
    "mlp": VECTOR_NORMS,
    "tabular": VECTOR_NORMS,
    "tcn": STEP_NORMS,
    "inception_time": STEP_NORMS,
}


def test_the_names_in_the_signatures_are_those_of_the_tables():
    for name, component in ANSWERING.items():
        fields = component.model.model_fields
        for option in ("activation", "initialisation"):
            # The cells of torch know two activations alone.
            if option in fields and (name, option) != ("rnn", "activation"):
                assert set(typing.get_args(fields[option].annotation)) == NAMES[option], f"{name}.{option}"
        assert ("normalisation" in fields) == (name in NORMS), name
        if "normalisation" in fields:
            assert set(typing.get_args(fields["normalisation"].annotation)) == set(NORMS[name]), name


def learns(network: nn.Module, modality: str, steps: int = 60) -> bool:
    features, labels = records(modality, 8), torch.arange(8) % 4
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    losses = []
    for _ in range(steps):
        loss = nn.functional.cross_entropy(network(*features), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_network_learns_with_each_activation(activation: str):
    assert learns(build("mlp", "series", activation=activation), "series")


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_recurrent_network_learns_with_each_activation(activation: str):
    assert learns(build("rnn", "series", activation=activation), "series")


@pytest.mark.parametrize("initialisation", INITIALISATIONS)
def test_a_network_learns_from_each_initialisation(initialisation: str):
    network = build("mlp", "series", initialisation=initialisation)
    assert not torch.equal(network.layers[1].weight, build("mlp", "series").layers[1].weight)
    assert learns(network, "series")


@pytest.mark.parametrize(
    ("name", "modality", "normalisation"),
    [
        # of feature: image
        *(("cnn", "image", norm) for norm in MAP_NORMS),
        *(("resnet", "image", norm) for norm in MAP_NORMS),
        # end
        *(("mlp", "tabular", norm) for norm in VECTOR_NORMS),
        # of feature: tabular
        *(("tabular", "tabular", norm) for norm in VECTOR_NORMS),
        # end
        # of feature: series
        *(("tcn", "series", norm) for norm in STEP_NORMS),
        *(("inception_time", "series", norm) for norm in STEP_NORMS),
        # end
    ],
)
def test_a_network_learns_with_each_normalisation(name: str, modality: str, normalisation: str):
    assert learns(build(name, modality, normalisation=normalisation), modality)


def test_weights_of_gates_are_drawn_gate_by_gate():
    cell = nn.LSTM(3, 5)
    initialise(cell, "orthogonal")
    for gate in cell.weight_hh_l0.split(5):
        assert torch.allclose(gate @ gate.T, torch.eye(5), atol=1e-5)
    assert (cell.bias_ih_l0 == 0).all()


def test_initialisation_leaves_embeddings_and_norms():
    network = nn.Sequential(nn.Embedding(5, 3), nn.LayerNorm(3))
    before = [parameter.clone() for parameter in network.parameters()]
    initialise(network, "kaiming")
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


def test_kaiming_has_the_deviation_that_it_promises():
    torch.manual_seed(0)
    layer = nn.Linear(400, 300)
    initialise(layer, "kaiming")
    assert layer.weight.std().item() == pytest.approx((2 / 400) ** 0.5, rel=0.02)


@pytest.mark.parametrize("how", ["mean", "last", "attention"])
def test_pooling_does_not_see_padding(how: str):
    torch.manual_seed(0)
    pool, steps = Pool(4, how), torch.randn(2, 5, 4)
    mask = torch.arange(5) < torch.tensor([[3], [5]])
    changed = torch.where(mask[:, :, None], steps, 1e3)
    assert torch.allclose(pool(steps, mask), pool(changed, mask), atol=1e-6)
    assert torch.allclose(pool(steps, mask)[0], pool(steps[:1, :3])[0], atol=1e-6)
