"""The bag of words as a network: padding and batch mates change nothing, order counts as far as it says."""

import pytest
import torch
from torch import nn

from lightloop.networks._inputs import TextInputs
from lightloop.networks.embedding_bag import EmbeddingBag

POOLINGS = [("mean",), ("max",), ("attention",), ("sqrtn",), ("mean", "max", "attention")]


def make(**settings) -> EmbeddingBag:
    torch.manual_seed(0)
    return EmbeddingBag(TextInputs(100, 12), 3, **{"width": 8, "hidden": (6,), **settings})


def texts(records: int = 6, length: int = 12) -> torch.Tensor:
    ids_BT = torch.randint(2, 100, (records, length), generator=torch.Generator().manual_seed(1))
    for row in range(records):
        ids_BT[row, length - row :] = 0
    return ids_BT


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("buckets", [0, 64])
def test_padding_and_batch_mates_change_nothing(pooling, buckets):
    network = make(pooling=pooling, buckets=buckets).eval()
    ids_BT = texts()
    whole = network(ids_BT)
    assert whole.shape == (6, 3)
    for row in range(6):
        alone = network(ids_BT[row : row + 1, : 12 - row])
        assert torch.allclose(whole[row], alone[0], atol=1e-6)
    assert torch.isfinite(network(torch.zeros(2, 4, dtype=torch.int64))).all()


@pytest.mark.parametrize("buckets", [0, 64])
def test_it_is_its_two_halves(buckets):
    network = make(buckets=buckets).eval()
    ids_BT = texts()
    embedded = network.embed(ids_BT)
    assert embedded.shape == (6, 12, 8)
    assert (embedded[ids_BT == 0] == 0).all()
    assert torch.equal(network(ids_BT), network.forward_embedded(embedded, ids_BT != 0))


def test_order_counts_with_pairs_alone():
    ids_BT = texts(1)
    turned = ids_BT.flip(1)
    assert torch.allclose(make().eval()(ids_BT), make().eval()(turned), atol=1e-6)
    assert not torch.allclose(make(buckets=64).eval()(ids_BT), make(buckets=64).eval()(turned), atol=1e-4)


def test_pairs_spread_over_the_buckets():
    network = make(buckets=50, width=1)
    with torch.no_grad():
        network.pairs.weight[:] = torch.arange(50.0)[:, None]
        network.tokens.weight.zero_()
    ids_BT = torch.cartesian_prod(torch.arange(2, 102), torch.arange(2, 102)).clamp_max(99)
    counts = network.embed(ids_BT)[:, 1, 0].long().bincount(minlength=50)
    assert counts.min() > 0.5 * counts.float().mean()
    assert counts.max() < 2 * counts.float().mean()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_it_overfits_a_batch(pooling):
    network = make(pooling=pooling, buckets=64, dropout=0.1)
    ids_BT, labels = texts(10), torch.arange(10) % 3
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.02)
    for _ in range(80):
        loss = nn.functional.cross_entropy(network(ids_BT), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (network.eval()(ids_BT).argmax(1) == labels).float().mean() > 0.89


def test_the_parameters_are_those_that_the_docstring_counts():
    counted = sum(parameter.numel() for parameter in make(buckets=64, pooling=("mean", "max")).parameters())
    assert counted == (100 + 64) * 8 + (16 + 1) * 6 + (6 + 1) * 3


def test_sqrtn_is_the_mean_times_the_root_of_the_length():
    ids_BT = texts()
    network = make(pooling=("sqrtn",), hidden=()).eval()
    embedded_BTD, mask_BT = network.embed(ids_BT), ids_BT != 0
    mean_BD = embedded_BTD.sum(1) / mask_BT.sum(1, keepdim=True)
    expected = network.head(mean_BD * mask_BT.sum(1, keepdim=True).sqrt())
    assert torch.allclose(network(ids_BT), expected, atol=1e-6)
    assert torch.allclose(network.forward_embedded(embedded_BTD[:1]), expected[:1], atol=1e-6)


def test_no_pooling_is_refused():
    with pytest.raises(
        ValueError, match=r"network\.pooling is empty: name at least one of mean, max, attention, sqrtn"
    ):
        make(pooling=())
