"""Attribution methods by name: how much each pixel speaks for the predicted class.

All take preprocessed records and answer one signed number a pixel, in logits, summed over channels (which keeps
completeness: the sum over pixels is what it was). Networks must be frozen and in evaluation mode (`frozen`).

Shapes: N records, S drawn baselines, C channels, H height, W width.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from captum.attr import GradientShap, GuidedBackprop, IntegratedGradients, LayerAttribution, LayerGradCam
from torch import Tensor, nn

# Rows of one forward pass. On a processor larger batches are up to twice slower: their activations are returned to
# the system and fetched again at each pass.
ROWS = 64


@dataclass(frozen=True)
class Reference:
    """What records are compared with, and how finely.

    Attributes:
        baseline_CHW: "nothing special to see", preprocessed: the mean training image. A black image would hide all
            that speaks by being dark, since black pixels would differ by nothing from it.
        baselines_SCHW: training images, preprocessed: what GradientSHAP takes the expectation over.
        steps: points on the path of integrated gradients.
        seed: of the draws of GradientSHAP.
    """

    baseline_CHW: Tensor
    baselines_SCHW: Tensor
    steps: int
    seed: int


Attribute = Callable[[nn.Module, Tensor, Tensor, Reference], Tensor]


@dataclass(frozen=True)
class Method:
    """An attribution method and what it promises.

    Attributes:
        attribute: network, preprocessed records (N, C, H, W), classes (N,) to attributions (N, H, W), float32.
        sums_to: attributions of a record sum to f(x) minus f of the baseline, or minus its mean over the drawn
            baselines; None where nothing is promised.
        coarse: whether it sees no finer than `network.feature_maps`.
    """

    attribute: Attribute
    sums_to: Literal["baseline", "expectation"] | None
    coarse: bool = False


def frozen(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode whose parameters want no gradients: attributions need those of the input alone.

    It is laid out channels last, where convolutions are up to a third faster.
    """
    copy: nn.Module = deepcopy(network).eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return copy


def grad_cam(network: nn.Module, x_NCHW: Tensor, targets_N: Tensor, _: Reference) -> Tensor:
    """Grad-CAM on `network.feature_maps`, scaled up to the input: (N, H, W), at least 0, in no unit.

    Source: arXiv:1610.02391. It says where, coarsely; its sum promises nothing.
    """
    assert isinstance(network.feature_maps, nn.Module)
    maps_N1hw = LayerGradCam(network, network.feature_maps).attribute(x_NCHW, target=targets_N, relu_attributions=True)
    assert isinstance(maps_N1hw, Tensor)
    return LayerAttribution.interpolate(maps_N1hw, x_NCHW.shape[2:], "bilinear")[:, 0].detach()


def integrated_gradients(network: nn.Module, x_NCHW: Tensor, targets_N: Tensor, reference: Reference) -> Tensor:
    """Integrated gradients from the mean image: (N, H, W); sums to f(x) - f(baseline). Source: arXiv:1703.01365."""
    method = IntegratedGradients(network)
    return _by_chunks(
        x_NCHW,
        targets_N,
        reference.steps,
        lambda x, targets: method.attribute(
            x, baselines=reference.baseline_CHW[None], target=targets, n_steps=reference.steps
        ),
    )


def gradient_shap(network: nn.Module, x_NCHW: Tensor, targets_N: Tensor, reference: Reference) -> Tensor:
    """GradientSHAP over drawn training images: (N, H, W); sums to f(x) - mean f(baselines), but for sampling.

    Source: arXiv:1705.07874 (SHAP), arXiv:1906.10670 (expected gradients).
    """
    method = GradientShap(network)
    samples = len(reference.baselines_SCHW)
    with _seeded(reference.seed):
        return _by_chunks(
            x_NCHW,
            targets_N,
            samples,
            lambda x, targets: method.attribute(
                x, baselines=reference.baselines_SCHW, target=targets, n_samples=samples, stdevs=0.0
            ),
        )


def guided_backpropagation(network: nn.Module, x_NCHW: Tensor, targets_N: Tensor, _: Reference) -> Tensor:
    """Guided backpropagation, (N, H, W): the control. Source: arXiv:1412.6806; why not to trust it: arXiv:1810.03292.

    It restores edges of the input whatever the upper layers have learned.
    """
    method = GuidedBackprop(network)
    with warnings.catch_warnings():
        # Captum announces its hooks, and that it asks the input for gradients.
        warnings.simplefilter("ignore", UserWarning)
        return _by_chunks(x_NCHW, targets_N, 1, lambda x, targets: method.attribute(x, target=targets))


METHODS: dict[str, Method] = {
    "grad_cam": Method(grad_cam, sums_to=None, coarse=True),
    "gradient_shap": Method(gradient_shap, sums_to="expectation"),
    "integrated_gradients": Method(integrated_gradients, sums_to="baseline"),
}
CONTROLS: dict[str, Method] = {"guided_backpropagation": Method(guided_backpropagation, sums_to=None)}


def _by_chunks(
    x_NCHW: Tensor, targets_N: Tensor, rows_a_record: int, attribute: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    chunk = max(1, ROWS // rows_a_record)
    parts = [
        attribute(x.clone(), targets).detach().sum(1)
        for x, targets in zip(x_NCHW.split(chunk), targets_N.split(chunk), strict=True)
    ]
    return torch.cat(parts).float()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Captum draws from the global generators of torch and NumPy: set them, and put back what was there."""
    state = np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(state)
