"""Shapes: N records, D components, T tokens."""

import pytest
import torch
from torch import nn

from lightloop.explanation.methods import METHODS, unfit
from lightloop.explanation.reference import Reference, frozen
from lightloop.networks._attention import SelfAttention
from lightloop.networks._inputs import SeriesInputs, TextInputs
from lightloop.networks.embedding_bag import EmbeddingBag
from lightloop.networks.gru import GRU
from lightloop.networks.tcn import TCN
from lightloop.networks.transformer import Transformer

WIDTH, LENGTH = 8, 7
REFERENCE = Reference(torch.zeros(WIDTH, LENGTH), torch.zeros(2, WIDTH, LENGTH), 16, 0)


class Embedded(nn.Module):
    """A network of texts as a function of embedded tokens (N, D, T) and of which are there (N, T)."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x_NDT, mask_NT):
        return self.network.forward_embedded(x_NDT.transpose(1, 2), mask_NT)


def attended(network):
    torch.manual_seed(3)
    x_NDT, mask_NT = torch.randn(4, WIDTH, LENGTH), torch.arange(LENGTH) < torch.tensor([[7], [4], [1], [6]])
    found = METHODS["attention"].attribute(
        Embedded(frozen(network)), x_NDT, torch.zeros(4, dtype=torch.long), REFERENCE, (mask_NT,)
    )
    return found, x_NDT, mask_NT


@pytest.mark.parametrize("pooling", ["mean", "last", "attention"])
@pytest.mark.parametrize("build", [Transformer, GRU, TCN])
def test_all_that_is_pooled_came_from_tokens_that_are_there(build, pooling):
    torch.manual_seed(0)
    sizes = {Transformer: {"width": WIDTH, "heads": 2}, GRU: {"embedding": WIDTH}, TCN: {"embedding": WIDTH}}[build]
    found_NT, _, mask_NT = attended(build(TextInputs(20, LENGTH), 2, pooling=pooling, **sizes))
    torch.testing.assert_close(found_NT.sum(1), torch.ones(4))
    assert (found_NT >= 0).all()
    assert (found_NT[~mask_NT] == 0).all()
    assert found_NT[2].tolist() == [1, 0, 0, 0, 0, 0, 0]


def test_the_weights_are_those_that_the_blocks_use():
    """One block whose values are the steps themselves: its output is the weighted mean."""
    torch.manual_seed(0)
    layer = SelfAttention(WIDTH, 1, 0.0)
    with torch.no_grad():
        layer.questions_keys_values.weight[2 * WIDTH :] = torch.eye(WIDTH)
        layer.questions_keys_values.bias[2 * WIDTH :] = 0
        layer.output.weight.copy_(torch.eye(WIDTH))
        layer.output.bias.zero_()
    from lightloop.explanation.attention import _weights

    x_NTD, mask_NT = torch.randn(3, LENGTH, WIDTH), torch.arange(LENGTH) < torch.tensor([[7], [4], [1]])
    torch.testing.assert_close(_weights(layer, x_NTD, mask_NT) @ x_NTD, layer(x_NTD, mask_NT))


def test_of_a_recurrent_network_it_is_the_pooling_and_of_a_bag_that_by_attention():
    torch.manual_seed(0)
    bag = EmbeddingBag(TextInputs(20, LENGTH), 2, width=WIDTH, pooling=("mean", "max", "attention"))
    found_NT, x_NDT, mask_NT = attended(bag)
    scores_NT = bag.pooling[2].score(x_NDT.transpose(1, 2))[..., 0].masked_fill(~mask_NT, -torch.inf)
    torch.testing.assert_close(found_NT, scores_NT.softmax(1).detach())


def test_what_does_not_attend_is_named():
    assert "weighs nothing" in unfit("attention", GRU(SeriesInputs(5, 1), 1, pooling="mean"))
    assert unfit("attention", GRU(SeriesInputs(5, 1), 1)) is None
