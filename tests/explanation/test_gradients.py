"""DeepLIFT where Captum's is right and where it is not, and layers of embeddings. Shapes: N records, D components."""

import pytest
import torch
from captum.attr import LayerIntegratedGradients
from torch import nn

from lightloop.explanation.attributing import attribute
from lightloop.explanation.checks import completeness_error
from lightloop.explanation.methods import METHODS
from lightloop.explanation.reference import Reference, frozen
from lightloop.explanation.subject import Subject


class Functional(nn.Module):
    """Calls its activation as a function, which hooks do not see."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(64, 32), nn.Linear(32, 3)

    def forward(self, x_NCHW):
        return self.last(torch.relu(self.first(x_NCHW.flatten(1))))


class Recurring(nn.Module):
    """Reads the rows of an image one after the other."""

    def __init__(self):
        super().__init__()
        self.cell, self.last = nn.GRU(8, 16, batch_first=True), nn.Linear(16, 3)

    def forward(self, x_NCHW):
        return self.last(self.cell(3 * x_NCHW[:, 0])[0][:, -1])


class Twice(nn.Module):
    """Uses one activation module two times, which Captum refuses."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 3)
        self.activation = nn.ReLU()

    def forward(self, x_NCHW):
        return self.last(self.activation(self.second(self.activation(self.first(x_NCHW.flatten(1))))))


def convolutions(activation, pooling):
    return nn.Sequential(nn.Conv2d(1, 8, 3), activation, pooling, nn.Flatten(), nn.Linear(72, 3))


def subject_of(network):
    generator = torch.Generator().manual_seed(0)
    x_NCHW, drawn_SCHW = (torch.randn((12, 1, 8, 8), generator=generator) for _ in range(2))
    there_NHW = torch.ones((12, 8, 8), dtype=torch.bool)
    reference = Reference(drawn_SCHW.mean(0), drawn_SCHW, 32, 0)
    return Subject(network, network, x_NCHW, torch.arange(12) % 3, reference, there_NHW, there_NHW, noun="pixels")


def error_of(network):
    torch.manual_seed(0)
    subject, method = subject_of(frozen(network)), METHODS["deep_lift_shap"]
    return completeness_error(method, subject, attribute(method, subject))


@pytest.mark.parametrize("pooling", [nn.AvgPool2d(2), nn.Conv2d(8, 8, 2, stride=2)])
def test_deep_lift_shap_sums_up_where_captum_knows_the_layers(pooling):
    torch.manual_seed(1)
    assert error_of(convolutions(nn.ReLU(), pooling)) < 1e-3


@pytest.mark.parametrize(
    "build",
    [
        lambda: convolutions(nn.ReLU(), nn.MaxPool2d(2)),
        lambda: convolutions(nn.GELU(), nn.AvgPool2d(2)),
        Functional,
        Recurring,
    ],
)
def test_deep_lift_shap_is_caught_where_captum_is_silently_wrong(build, config):
    torch.manual_seed(1)
    assert error_of(build()) > config.explain.max_completeness_error


def test_deep_lift_shap_refuses_an_activation_that_is_used_twice():
    with pytest.raises((RuntimeError, AssertionError), match="ReLU"):
        attribute(METHODS["deep_lift_shap"], subject_of(frozen(Twice())))


def test_integrated_gradients_of_embedded_tokens_are_layer_integrated_gradients():
    torch.manual_seed(0)
    embedding, head = nn.Embedding(20, 6), nn.Sequential(nn.Flatten(), nn.Linear(30, 16), nn.Tanh(), nn.Linear(16, 2))
    ids_NT, targets_N = torch.randint(1, 20, (4, 5)), torch.tensor([0, 1, 1, 0])
    whole = nn.Sequential(embedding, head)
    layer_NTD = LayerIntegratedGradients(whole, embedding).attribute(
        ids_NT, baselines=torch.zeros_like(ids_NT), target=targets_N, n_steps=32
    )
    start_DT = embedding(torch.zeros(5, dtype=torch.long)).T.detach()
    x_NDT = embedding(ids_NT).transpose(1, 2).detach()
    turned, against = frozen(nn.Sequential(Turned(), head)), Reference(start_DT, start_DT[None], 32, 0)
    found_NDT = METHODS["integrated_gradients"].attribute(turned, x_NDT, targets_N, against, ())
    torch.testing.assert_close(found_NDT.sum(1), layer_NTD.sum(2), atol=1e-4, rtol=1e-3)


class Turned(nn.Module):
    """(N, D, T) to (N, T, D)."""

    def forward(self, x_NDT):
        return x_NDT.transpose(1, 2)
