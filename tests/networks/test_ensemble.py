"""Several networks as one: the rules against NumPy and scikit-learn."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightloop.networks._ensemble import Ensemble, stacking_features

B, M, K, F = 16, 5, 3, 4


class Embedding(nn.Module):
    """A network with an embedding, as those of tables and texts have."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(F, 6), nn.Linear(6, K)

    def embed(self, x_BF: Tensor) -> Tensor:
        return self.inner(x_BF)

    def forward_embedded(self, embedded: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.outer(embedded.tanh())

    def forward(self, x_BF: Tensor) -> Tensor:
        return self.forward_embedded(self.embed(x_BF))


@pytest.fixture
def members() -> list[nn.Module]:
    torch.manual_seed(0)
    return [Embedding() for _ in range(M)]


@pytest.fixture
def x() -> Tensor:
    return torch.randn(B, F, generator=torch.Generator().manual_seed(1)) * 3


def probabilities(members: list[nn.Module], x: Tensor) -> np.ndarray:
    with torch.no_grad():
        return torch.stack([member(x) for member in members]).softmax(-1).numpy()


def answer(ensemble: Ensemble, x: Tensor) -> np.ndarray:
    with torch.no_grad():
        return ensemble(x).softmax(-1).numpy()


def test_mean_and_weighted(members: list[nn.Module], x: Tensor):
    ensemble = Ensemble(members, rule="mean", classes=K)
    p_MBK = probabilities(members, x)
    np.testing.assert_allclose(answer(ensemble, x), p_MBK.mean(0), atol=1e-6)
    weights = np.array([0.5, 0.2, 0.1, 0.1, 0.1], dtype=np.float32)
    ensemble.weights_M.copy_(torch.from_numpy(weights))
    np.testing.assert_allclose(answer(ensemble, x), np.einsum("mbk,m->bk", p_MBK, weights), atol=1e-6)


def test_votes_are_counted_and_the_mean_decides_between_equals(members: list[nn.Module], x: Tensor):
    p_MBK = probabilities(members, x)
    votes = np.stack([np.bincount(column, minlength=K) for column in p_MBK.argmax(-1).T])
    found = answer(Ensemble(members, rule="voting", classes=K), x)
    np.testing.assert_allclose(found, (votes + p_MBK.mean(0)) / (M + 1), atol=1e-6)
    assert all(votes[row, best] == votes[row].max() for row, best in enumerate(found.argmax(1)))
    assert len({tuple(row) for row in votes}) > 1, "the members disagree somewhere"
    two = [nn.Linear(F, K), nn.Linear(F, K)]
    for member, bias in zip(two, ([5.0, 0, 0], [0, 1.0, 0]), strict=True):
        nn.init.zeros_(member.weight)
        member.bias.data = torch.tensor(bias)
    assert answer(Ensemble(two, rule="voting", classes=K), x).argmax(1).tolist() == [0] * B


def test_stacking_averages_each_seed_before_its_linear_layer(members: list[nn.Module], x: Tensor):
    seeds, chosen = 2, members[:4]
    ensemble = Ensemble(chosen, rule="stacking", classes=K, seeds=seeds)
    p_MBK = probabilities(chosen, x)
    # Members stand fold after fold, in each fold seed after seed.
    features = np.concatenate([np.log((p_MBK[seed] + p_MBK[seed + 2]) / 2) for seed in range(seeds)], axis=1)
    np.testing.assert_allclose(stacking_features(torch.from_numpy(p_MBK), seeds).numpy(), features, rtol=1e-5)
    weight, bias = ensemble.stack.weight.detach().numpy(), ensemble.stack.bias.detach().numpy()
    logits = features @ weight.T + bias
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(answer(ensemble, x), expected, atol=1e-5)


def test_numbers_are_averaged_and_further_heads_too(members: list[nn.Module], x: Tensor):
    with torch.no_grad():
        outputs = torch.stack([member(x) for member in members])
        torch.testing.assert_close(Ensemble(members, rule="mean", classes=0)(x), outputs.mean(0))
        torch.testing.assert_close(Ensemble(members, rule="mean", classes=2)(x)[:, 2:], outputs.mean(0)[:, 2:])


@pytest.mark.parametrize("rule", ["mean", "voting", "weighted"])
def test_it_can_be_entered_behind_the_embeddings_and_has_gradients(members: list[nn.Module], x: Tensor, rule: str):
    ensemble = Ensemble(members, rule=rule, classes=K)
    embedded = ensemble.embed(x)
    assert embedded.shape == (B, M * 6)
    torch.testing.assert_close(ensemble.forward_embedded(embedded), ensemble(x))
    inputs = x.clone().requires_grad_()
    ensemble(inputs)[:, 0].sum().backward()
    assert inputs.grad is not None
    assert (inputs.grad.abs().sum(1) > 0).all()
