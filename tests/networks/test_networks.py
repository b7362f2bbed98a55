"""Every network that can be named, for every modality it takes: its contract, and that it learns."""

from typing import Any

import pytest
import torch
from network_examples import ANSWERING, CASES, OUTPUTS, SMALL, build, records
from torch import Tensor, nn

from lightloop.networks._inputs import ImageInputs, SeriesInputs, TableInputs
from lightloop.networks._layers import ACTIVATIONS
from lightloop.networks.cnn import CNN
from lightloop.networks.inception_time import InceptionTime
from lightloop.networks.mlp import MLP
from lightloop.networks.tabular import Tabular
from lightloop.networks.transformer import Transformer

EMBEDDING = [(name, modality) for name, modality in CASES if modality != "image"]
TEXT = [name for name, modality in CASES if modality == "text"]
IMAGE = [name for name, modality in CASES if modality == "image"]


def answers(network: nn.Module, features: tuple[Tensor, ...]) -> Tensor:
    with torch.no_grad():
        return network.eval()(*features)


def test_every_small_example_is_of_a_network():
    assert set(SMALL) == set(ANSWERING)
    assert {modality for _, modality in CASES} == {"image", "tabular", "text", "series"}


# These take seconds each; of their relatives one is in the fast tier.
LONG = [
    ("timm", "image"),
    ("gru", "series"),
    ("lstm", "series"),
    ("gru", "text"),
    ("inception_time", "series"),
    ("resnet", "image"),
]


@pytest.mark.parametrize(
    ("name", "modality"),
    [pytest.param(*case, marks=pytest.mark.slow) if case in LONG else case for case in CASES],
)
def test_it_learns_a_batch_by_heart_with_all_its_parameters(name: str, modality: str):
    network = build(name, modality)
    features, labels = records(modality, 16), torch.arange(16) % OUTPUTS
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0)
    first = nn.functional.cross_entropy(network(*features), labels).item()
    reached: set[str] = set()
    for _ in range(80):
        loss = nn.functional.cross_entropy(network(*features), labels)
        optimizer.zero_grad()
        loss.backward()
        reached |= {key for key, p in network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        optimizer.step()
        if loss.item() < 0.05 * first:
            break
    # Scores that all move by the same do not change their softmax.
    assert {key for key, _ in network.named_parameters() if not key.endswith("score.2.bias")} <= reached
    with torch.no_grad():
        # So few steps leave the running statistics of batch norms behind.
        for _ in range(30):
            network(*features)
    logits = answers(network, features)
    assert (logits.argmax(1) == labels).all()
    assert nn.functional.cross_entropy(network.train()(*features), labels).item() < 0.1 * first


@pytest.mark.parametrize(("name", "modality"), CASES)
def test_answers_are_float_of_the_promised_shape_and_records_do_not_touch_each_other(name: str, modality: str):
    network, features = build(name, modality), records(modality, 5)
    outputs = answers(network, features)
    assert outputs.shape == (5, OUTPUTS)
    assert outputs.dtype == torch.float32
    one = answers(network, tuple(part[2:3] for part in features))
    assert torch.allclose(outputs[2:3], one, atol=1e-5)


@pytest.mark.parametrize(("name", "modality"), CASES)
def test_the_seed_decides_the_weights(name: str, modality: str):
    features = records(modality, 3)
    assert torch.equal(answers(build(name, modality), features), answers(build(name, modality), features))


@pytest.mark.parametrize(("name", "modality"), EMBEDDING)
def test_embedding_first_gives_the_same_answer(name: str, modality: str):
    network, features = build(name, modality).eval(), records(modality, 4)
    embedded = network.embed(*features)
    assert embedded.is_floating_point()
    rows = {"tabular": 5, "text": features[0].shape[1], "series": features[0].shape[1]}[modality]
    assert embedded.shape[:2] == (4, rows)
    if modality == "series":
        assert torch.equal(embedded, features[0])
    mask = features[0] != 0 if modality == "text" else None
    assert torch.equal(network.forward_embedded(embedded, mask), network(*features))


@pytest.mark.parametrize(("name", "modality"), EMBEDDING)
def test_gradients_reach_every_place_of_the_embedding(name: str, modality: str):
    network, features = build(name, modality).eval(), records(modality, 4)
    embedded = network.embed(*features).detach().requires_grad_()
    network.forward_embedded(embedded).sum().backward()
    if (name, modality) == ("mlp", "tabular"):
        assert (embedded.grad[:, :3, 1:] == 0).all()
        reached = torch.cat([embedded.grad[:, :3, 0], embedded.grad[:, 3:].abs().sum(2)], 1)
    else:
        reached = embedded.grad.abs().sum(2)
    assert (reached != 0).float().mean() > 0.9


@pytest.mark.parametrize("name", TEXT)
def test_more_padding_does_not_change_the_answer(name: str):
    network, (ids,) = build(name, "text"), records("text", 6)
    longer = nn.functional.pad(ids, (0, 5))
    assert torch.allclose(answers(network, (ids,)), answers(network, (longer,)), atol=1e-5)


@pytest.mark.parametrize("name", TEXT)
@pytest.mark.parametrize("gradients", [True, False])
def test_a_text_of_padding_alone_has_an_answer(name: str, gradients: bool):
    # Without gradients the fast path of torch's own transformer would fail here.
    network = build(name, "text").eval()
    with torch.set_grad_enabled(gradients):
        outputs = network(torch.zeros(2, 7, dtype=torch.int64))
    assert torch.isfinite(outputs).all()


@pytest.mark.parametrize(
    "name", [name for name in TEXT if name != "embedding_bag" and "pooling" in ANSWERING[name].model.model_fields]
)
@pytest.mark.parametrize("pooling", ["mean", "last", "attention"])
def test_each_pooling_reads_order_and_all_tokens(name: str, pooling: str):
    network = build(name, "text", pooling=pooling)
    ids = torch.tensor([[5, 6, 7, 8, 0, 0], [8, 6, 7, 5, 0, 0], [9, 6, 7, 8, 0, 0]])
    outputs = answers(network, (ids,))
    assert (outputs[0] - outputs[1]).abs().max() > 1e-4
    assert (outputs[0] - outputs[2]).abs().max() > 1e-4
    padded = answers(network, (nn.functional.pad(ids, (0, 4)),))
    assert torch.allclose(outputs, padded, atol=1e-5)


@pytest.mark.parametrize(("name", "modality"), CASES)
def test_activations_are_modules_each_used_once(name: str, modality: str):
    network = build(name, modality).eval()
    kinds = tuple(type(activation()) for activation in ACTIVATIONS.values())
    calls: dict[nn.Module, int] = {}
    activations = [module for module in network.modules() if isinstance(module, kinds)]
    for module in activations:
        assert not getattr(module, "inplace", False)
        module.register_forward_hook(lambda module, *_: calls.update({module: calls.get(module, 0) + 1}))
    answers(network, records(modality, 1))
    assert activations
    assert list(calls.values()) == [1] * len(activations)


@pytest.mark.parametrize("name", IMAGE)
def test_feature_maps_have_positions_where_promised(name: str):
    network = build(name, "image").eval()
    if not ANSWERING[name].traits["has_feature_maps"]:
        assert not hasattr(network, "feature_maps")
        return
    seen: list[Tensor] = []
    network.feature_maps.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    answers(network, records("image", 2))
    assert seen[0].ndim == 4
    assert seen[0].shape[2] > 1
    assert (seen[0] >= 0).all(), "Grad-CAM weighs maps after the activation"


@pytest.mark.parametrize("name", ["mlp", "tabular", "ft_transformer"])
@pytest.mark.parametrize("columns", [TableInputs(2), TableInputs(0, (3, 2))])
def test_tables_of_numbers_or_codes_alone(name: str, columns: TableInputs):
    network = ANSWERING[name].load()(columns, 1, **SMALL[name])
    numbers, codes = torch.randn(4, columns.numbers), torch.ones(4, len(columns.cardinalities), dtype=torch.int64)
    assert answers(network, (numbers, codes)).shape == (4, 1)
    assert network.embed(numbers, codes).shape[:2] == (4, 2)


@pytest.mark.parametrize("name", ["mlp", "tabular", "ft_transformer"])
def test_a_table_without_columns_is_refused(name: str):
    with pytest.raises(ValueError, match="no feature columns"):
        ANSWERING[name].load()(TableInputs(0), 1)


@pytest.mark.slow
@pytest.mark.parametrize("numbers", ["piecewise", "periodic", "linear"])
def test_each_numerical_embedding_learns_a_step(numbers: str):
    torch.manual_seed(0)
    x = torch.linspace(-2, 2, 64)[:, None]
    # Three steps: no line answers this.
    wanted = ((x[:, 0] > -1) ^ (x[:, 0] > 0) ^ (x[:, 0] > 1)).long()
    network = Tabular(TableInputs(1), 2, numbers=numbers, embedding=16, hidden=(32, 32), scale=0.5, dropout=0.0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    codes = torch.zeros(64, 0, dtype=torch.int64)
    for _ in range(150):
        loss = nn.functional.cross_entropy(network(x, codes), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (answers(network, (x, codes)).argmax(1) == wanted).float().mean() > 0.95


# of feature: text
@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_places_tell_order_and_none_do_not(positions: str):
    ids = torch.tensor([[5, 6, 7], [7, 6, 5]])
    told = answers(build("transformer", "text", positions=positions), (ids,))
    untold = answers(build("transformer", "text", positions="none"), (ids,))
    assert (told[0] - told[1]).abs().max() > 1e-4
    assert torch.allclose(untold[0], untold[1], atol=1e-5)


# end


def test_a_causal_convolution_does_not_see_the_future():
    network = build("tcn", "series").eval()
    x = records("series", 2)[0]
    changed = x.clone()
    changed[:, 9:] += 1
    steps = [network.blocks(part.transpose(1, 2)) for part in (x, changed)]
    assert torch.allclose(steps[0][:, :, :9], steps[1][:, :, :9], atol=1e-6)
    assert not torch.allclose(steps[0][:, :, 9:], steps[1][:, :, 9:], atol=1e-3)


# of feature: text
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_both_directions_are_those_of_torch(cell: str):
    network = build(cell, "text", layers=1, pooling="last").eval()
    layer = network.layers[0]
    theirs = getattr(nn, cell.upper())(12, layer.onward.hidden_size, batch_first=True, bidirectional=True)
    for (_, target), source in zip(
        sorted(theirs.named_parameters(), key=lambda item: item[0].endswith("reverse")),
        [*layer.onward.parameters(), *layer.backward_.parameters()],
        strict=True,
    ):
        target.data.copy_(source)
    (ids,) = records("text", 6)
    lengths = (ids != 0).sum(1)
    packed = nn.utils.rnn.pack_padded_sequence(network.embed(ids), lengths, batch_first=True, enforce_sorted=False)
    _, state = theirs(packed)
    state = state[0] if cell == "lstm" else state
    expected = network.head(torch.cat([state[0], state[1]], 1))
    assert torch.allclose(network(ids), expected, atol=1e-5)


# end


# of feature: text
def test_attention_is_that_of_torch():
    network = build("transformer", "text").eval()
    attention = network.blocks[0].attention
    theirs = nn.MultiheadAttention(16, 2, batch_first=True)
    theirs.load_state_dict(
        {
            "in_proj_weight": attention.questions_keys_values.weight,
            "in_proj_bias": attention.questions_keys_values.bias,
            "out_proj.weight": attention.output.weight,
            "out_proj.bias": attention.output.bias,
        }
    )
    x, mask = torch.randn(3, 5, 16), torch.arange(5) < torch.tensor([[5], [2], [1]])
    expected, _ = theirs(x, x, x, key_padding_mask=~mask)
    assert torch.allclose(attention(x, mask), expected, atol=1e-5)


# end


def size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def attention_size(width: int) -> int:
    inner = width // 2
    return (width + 1) * inner + inner + 1


def test_parameters_of_networks_for_tables_are_as_many_as_the_docstrings_say():
    assert size(MLP(TableInputs(3, (4, 2)), 5, hidden=(7,), embedding=6)) == 6 * 6 + (15 + 1) * 7 + 14 + 8 * 5
    periodic = Tabular(TableInputs(3, (4, 2)), 5, numbers="periodic", embedding=6, frequencies=4, hidden=(7,))
    assert size(periodic) == 3 * 6 * (8 + 1) + 3 * 4 + 6 * 6 + (5 * 6 + 1) * 7 + 14 + 8 * 5


# of feature: text
def test_parameters_of_recurrent_networks_are_as_many_as_the_docstrings_say():
    for cell, gates in (("rnn", 1), ("gru", 3), ("lstm", 4)):
        network = build(cell, "text", hidden=6, layers=1, embedding=5)
        assert size(network) == 2 * gates * 6 * (5 + 6 + 2) + 5 * 30 + OUTPUTS * 13 + attention_size(12)


# end


def test_parameters_of_networks_for_series_are_as_many_as_the_docstrings_say():
    series = Transformer(SeriesInputs(9, 3), 5, width=8, blocks=1, heads=2, hidden=7, positions="learned")
    assert size(series) == 8 * 4 + 9 * 8 + (4 * 8 * 9 + 32 + 7 * 9 + 8 * 8) + 16 + 45
    inception = InceptionTime(SeriesInputs(20, 2), 5, filters=4, depth=1, kernels=(9, 5), bottleneck=3)
    assert size(inception) == 2 * 3 + 3 * 4 * 14 + 2 * 4 + 2 * 12 + 5 * 13


def test_the_default_network_is_the_same_as_ever():
    torch.manual_seed(42)
    network = CNN(ImageInputs(1, 28, 28), 10)
    assert size(network) == 100_522
    assert next(iter(network.state_dict())) == "stages.0.0.0.weight"
    # The next draw says how many were made.
    assert torch.rand(1).item() == pytest.approx(0.22463440895080566, abs=1e-7)
    assert network.head[3].weight.double().sum().item() == pytest.approx(1.0378792434930801, abs=1e-5)


@pytest.mark.parametrize(
    ("build_it", "message"),
    [
        # of feature: text
        (lambda: build("transformer", "text", width=18, heads=4), "width=18 is not a multiple of heads=4"),
        (lambda: build("transformer", "text", width=9, heads=3), "width=9 is odd"),
        # end
        (lambda: build("inception_time", "series", kernels=(8, 3)), "kernels has 8, which is even"),
        (lambda: build("timm", "image", backbone="resnet81"), "timm has no backbone 'resnet81'"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_in_a_sentence(build_it: Any, message: str):
    with pytest.raises(ValueError, match=message):
        build_it()
