"""Attribution methods by name: how much each position of a record speaks for the answer that is explained.

A record is a tensor with its components first: an image (C, H, W), an embedded table (D, columns), text (D, tokens) or
series (C, steps). All methods take prepared records and answer one signed number a position, in the unit of the score,
summed over components (which keeps completeness). Networks must be frozen and in evaluation mode (`frozen`).

Shapes: N records, S drawn baselines, D components, P positions (height and width of images, one axis of all others).
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from captum.attr import (
    FeatureAblation,
    GradientShap,
    GuidedBackprop,
    IntegratedGradients,
    KernelShap,
    LayerAttribution,
    LayerGradCam,
)
from torch import Tensor, nn

# Rows of one forward pass. On a processor larger batches are up to twice slower: their activations are returned to
# the system and fetched again at each pass.
ROWS = 64

# What a network takes beside the record that is explained, (N, ...) each: the mask of a text, raw windows of a series.
Extras = tuple[Tensor, ...]


@dataclass(frozen=True)
class Reference:
    """What records are compared with, and how finely.

    Attributes:
        baseline_DP: "nothing special to see", prepared: the mean training record. A black image would hide all that
            speaks by being dark, since black pixels would differ by nothing from it.
        baselines_SDP: training records, prepared: what GradientSHAP takes the expectation over.
        steps: points on the path of integrated gradients.
        seed: of all that is drawn.
        units_P: int64, which unit each position belongs to, where several are ablated together: blocks of pixels, the
            positions of one column. None ablates each position by itself.
        perturbations: coalitions that KernelSHAP asks about a record.
    """

    baseline_DP: Tensor
    baselines_SDP: Tensor
    steps: int
    seed: int
    units_P: Tensor | None = None
    perturbations: int = 256


Attribute = Callable[[nn.Module, Tensor, Tensor, Reference, Extras], Tensor]


@dataclass(frozen=True)
class Method:
    """An attribution method and what it promises.

    Attributes:
        attribute: network, prepared records (N, D, P), outputs to explain (N,), reference, extras to attributions
            (N, P), float32.
        sums_to: attributions of a record sum to f(x) minus f of the baseline, or minus its mean over the drawn
            baselines; None where nothing is promised.
        grain: what the method sees no finer than: a position, `network.feature_maps`, or `reference.units_P`.
    """

    attribute: Attribute
    sums_to: Literal["baseline", "expectation"] | None
    grain: Literal["position", "feature_maps", "unit"] = "position"


def frozen(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode whose parameters want no gradients: attributions need those of the input alone.

    It is laid out channels last, where convolutions are up to a third faster.
    """
    copy: nn.Module = deepcopy(network).eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return copy


def grad_cam(network: nn.Module, x_NCHW: Tensor, targets_N: Tensor, _: Reference, extras: Extras = ()) -> Tensor:
    """Grad-CAM on `network.feature_maps`, scaled up to the input: (N, H, W), at least 0, in no unit.

    Source: arXiv:1610.02391. It says where, coarsely; its sum promises nothing.
    """
    assert isinstance(network.feature_maps, nn.Module)
    maps_N1hw = LayerGradCam(network, network.feature_maps).attribute(
        x_NCHW, target=targets_N, additional_forward_args=extras or None, relu_attributions=True
    )
    assert isinstance(maps_N1hw, Tensor)
    return LayerAttribution.interpolate(maps_N1hw, x_NCHW.shape[2:], "bilinear")[:, 0].detach()


def integrated_gradients(
    network: nn.Module, x_NDP: Tensor, targets_N: Tensor, reference: Reference, extras: Extras = ()
) -> Tensor:
    """Integrated gradients from the baseline: (N, P); sums to f(x) - f(baseline). Source: arXiv:1703.01365."""
    method = IntegratedGradients(network)
    return _by_chunks(
        x_NDP,
        targets_N,
        extras,
        reference.steps,
        lambda x, targets, more: method.attribute(
            x,
            baselines=reference.baseline_DP[None],
            target=targets,
            additional_forward_args=more,
            n_steps=reference.steps,
        ).sum(1),
    )


def gradient_shap(
    network: nn.Module, x_NDP: Tensor, targets_N: Tensor, reference: Reference, extras: Extras = ()
) -> Tensor:
    """GradientSHAP over drawn training records: (N, P); sums to f(x) - mean f(baselines), but for sampling.

    Source: arXiv:1705.07874 (SHAP), arXiv:1906.10670 (expected gradients).
    """
    method = GradientShap(network)
    samples = len(reference.baselines_SDP)
    with _seeded(reference.seed):
        return _by_chunks(
            x_NDP,
            targets_N,
            extras,
            samples,
            lambda x, targets, more: method.attribute(
                x,
                baselines=reference.baselines_SDP,
                target=targets,
                additional_forward_args=more,
                n_samples=samples,
                stdevs=0.0,
            ).sum(1),
        )


def feature_ablation(
    network: nn.Module, x_NDP: Tensor, targets_N: Tensor, reference: Reference, extras: Extras = ()
) -> Tensor:
    """How much the score falls when a unit is replaced by the baseline: (N, P), spread over the unit's positions.

    A unit is a column of a table, a token, a step of a series, a block of pixels. Its sum promises nothing: units that
    say the same twice are missed. Source: Zeiler & Fergus, arXiv:1311.2901 (occlusion).
    """
    method = FeatureAblation(network)
    units_P, share_P = _units(x_NDP, reference)

    def ablate(x: Tensor, targets: Tensor, more: Extras | None) -> Tensor:
        with torch.no_grad():
            found_NDP = method.attribute(
                x,
                baselines=reference.baseline_DP[None],
                target=targets,
                additional_forward_args=more,
                feature_mask=units_P[None, None],
                perturbations_per_eval=max(1, ROWS // len(x)),
            )
        return found_NDP[:, 0] * share_P

    return _by_chunks(x_NDP, targets_N, extras, 1, ablate)


def kernel_shap(
    network: nn.Module, x_NDP: Tensor, targets_N: Tensor, reference: Reference, extras: Extras = ()
) -> Tensor:
    """KernelSHAP over units: (N, P), spread over the unit's positions; sums to f(x) - f(baseline).

    Each record is explained by itself, since Captum fits one linear model a record. Source: arXiv:1705.07874.
    """
    method = KernelShap(network)
    units_P, share_P = _units(x_NDP, reference)
    parts = []
    with _seeded(reference.seed), torch.no_grad(), warnings.catch_warnings():
        # Captum says where scikit-learn's linear model stands.
        warnings.simplefilter("ignore", UserWarning)
        for row in range(len(x_NDP)):
            found_1DP = method.attribute(
                x_NDP[row : row + 1],
                baselines=reference.baseline_DP[None],
                target=targets_N[row : row + 1],
                additional_forward_args=tuple(part[row : row + 1] for part in extras) or None,
                feature_mask=units_P[None, None].expand(1, *x_NDP.shape[1:]),
                n_samples=reference.perturbations,
                perturbations_per_eval=ROWS,
            )
            parts.append(found_1DP[:, 0] * share_P)
    return torch.cat(parts).float()


def guided_backpropagation(
    network: nn.Module, x_NDP: Tensor, targets_N: Tensor, _: Reference, extras: Extras = ()
) -> Tensor:
    """Guided backpropagation, (N, P): the control. Source: arXiv:1412.6806; why not to trust it: arXiv:1810.03292.

    It restores edges of the input whatever the upper layers have learned.
    """
    method = GuidedBackprop(network)
    with warnings.catch_warnings():
        # Captum announces its hooks, and that it asks the input for gradients.
        warnings.simplefilter("ignore", UserWarning)
        return _by_chunks(
            x_NDP,
            targets_N,
            extras,
            1,
            lambda x, targets, more: method.attribute(x, target=targets, additional_forward_args=more).sum(1),
        )


METHODS: dict[str, Method] = {
    "grad_cam": Method(grad_cam, sums_to=None, grain="feature_maps"),
    "gradient_shap": Method(gradient_shap, sums_to="expectation"),
    "integrated_gradients": Method(integrated_gradients, sums_to="baseline"),
    "feature_ablation": Method(feature_ablation, sums_to=None, grain="unit"),
    "kernel_shap": Method(kernel_shap, sums_to="baseline", grain="unit"),
}
CONTROLS: dict[str, Method] = {"guided_backpropagation": Method(guided_backpropagation, sums_to=None)}


def _by_chunks(
    x_NDP: Tensor,
    targets_N: Tensor,
    extras: Extras,
    rows_a_record: int,
    attribute: Callable[[Tensor, Tensor, Extras | None], Tensor],
) -> Tensor:
    chunk = max(1, ROWS // rows_a_record)
    parts = [
        attribute(x_NDP[rows].clone(), targets_N[rows], tuple(part[rows] for part in extras) or None).detach()
        for rows in torch.arange(len(x_NDP)).split(chunk)
    ]
    return torch.cat(parts).float()


def _units(x_NDP: Tensor, reference: Reference) -> tuple[Tensor, Tensor]:
    """The unit of each position, int64, and the share of it that one position gets, float32."""
    units_P = reference.units_P
    if units_P is None:
        units_P = torch.arange(x_NDP[0, 0].numel()).view(x_NDP.shape[2:])
    return units_P, 1 / torch.bincount(units_P.flatten())[units_P].float()


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
