"""Attribution methods by name: how much each position of a record speaks for the answer that is explained.

A record is a tensor with its components first: an image (C, H, W), an embedded table (D, columns), text (D, tokens) or
series (C, steps). All methods take prepared records and answer one signed number a position, or one for each component
of it, in the unit of the score. Networks must be frozen and in evaluation mode (`reference.frozen`).

Shapes: N records, D components, P positions (height and width of images, one axis of all others).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lightloop.config import explain as traits
from lightloop.explanation.attention import attention, has_attention
from lightloop.explanation.gradients import (
    DEEP_BASELINES,
    deep_lift_shap,
    gradient_shap,
    guided_backpropagation,
    input_x_gradient,
    integrated_gradients,
    saliency,
)
from lightloop.explanation.maps import grad_cam, grad_cam_plus_plus, guided_grad_cam
from lightloop.explanation.perturbation import feature_ablation, feature_permutation, occlusion, shapley_sampling
from lightloop.explanation.reference import Attribute, Extras, Reference
from lightloop.explanation.surrogates import kernel_shap, lime
from lightloop.networks._ensemble import Ensemble


@dataclass(frozen=True)
class Method:
    """An attribution method and what it promises.

    Attributes:
        attribute: network, prepared records (N, D, P), outputs to explain (N,), reference, extras to attributions,
            float32: (N, P), or (N, 1 or D, P), which sum over components to the same.
        sums_to: attributions of a record sum to f(x) minus f of the baseline, or minus its mean over the drawn
            baselines; None where nothing is promised.
        grain: what the method sees no finer than: a position, feature maps (`feature_maps` are the network's, `layer`
            those of `reference.layer`), or `reference.units_P`.
        draws: whether something is drawn, so that another seed gives other attributions.
        baselines: how many of the drawn baselines it takes at most; None takes all.
    """

    attribute: Attribute
    sums_to: Literal["baseline", "expectation"] | None
    grain: Literal["position", "feature_maps", "layer", "unit"] = "position"
    draws: bool = False
    baselines: int | None = None


def blind(_: nn.Module, x_NDP: Tensor, __: Tensor, reference: Reference, ___: Extras = ()) -> Tensor:
    """Random numbers (N, P), the same for every network: the control where guided backpropagation says nothing."""
    generator = torch.Generator().manual_seed(reference.seed)
    return torch.rand((len(x_NDP), *x_NDP.shape[2:]), generator=generator) - 0.5


METHODS: dict[str, Method] = {
    "grad_cam": Method(grad_cam, sums_to=None, grain="feature_maps"),
    "grad_cam_plus_plus": Method(grad_cam_plus_plus, sums_to=None, grain="layer"),
    "guided_grad_cam": Method(guided_grad_cam, sums_to=None),
    "saliency": Method(saliency, sums_to=None),
    "input_x_gradient": Method(input_x_gradient, sums_to=None),
    "integrated_gradients": Method(integrated_gradients, sums_to="baseline"),
    "gradient_shap": Method(gradient_shap, sums_to="expectation", draws=True),
    "deep_lift_shap": Method(deep_lift_shap, sums_to="expectation", draws=True, baselines=DEEP_BASELINES),
    "occlusion": Method(occlusion, sums_to=None),
    "feature_ablation": Method(feature_ablation, sums_to=None, grain="unit"),
    "feature_permutation": Method(feature_permutation, sums_to=None, grain="unit", draws=True),
    "shapley_sampling": Method(shapley_sampling, sums_to="baseline", grain="unit", draws=True),
    "kernel_shap": Method(kernel_shap, sums_to="baseline", grain="unit", draws=True),
    "lime": Method(lime, sums_to=None, grain="unit", draws=True),
    "attention": Method(attention, sums_to=None),
}
CONTROLS: dict[str, Method] = {
    # of feature: image
    "guided_backpropagation": Method(guided_backpropagation, sums_to=None),
    # end
    "blind": Method(blind, sums_to=None),
}


def unfit(name: str, network: nn.Module) -> str | None:
    """Why a method says nothing of a trained network, in a sentence; None where it can be used.

    What the config can tell was refused before (`config.explain.check_explain`).
    """
    whole = any(isinstance(module, Ensemble) for module in network.modules())
    # of feature: image
    if traits.METHODS[name].needs == "feature_maps" and whole:
        return "An ensemble has no feature maps: those of its members differ."
    if name == "guided_grad_cam" and not has_relu(network):
        return "The network has no ReLUs, without which guided backpropagation is the gradient."
    # end
    if name == "attention":
        if whole:
            return "An ensemble attends in each member apart."
        return None if has_attention(network) else "The network weighs nothing by attention."
    return None


def controls_of(network: nn.Module, *, images: bool) -> dict[str, Method]:
    """The methods that must fail on a network: guided backpropagation is for images and networks with ReLUs."""
    name = "blind"
    # of feature: image
    if images and has_relu(network):
        name = "guided_backpropagation"
    # end
    return {name: CONTROLS[name]}


def has_relu(network: nn.Module) -> bool:
    """Whether a network has ReLUs as modules, which guided backpropagation changes."""
    return any(isinstance(module, nn.ReLU) for module in network.modules())
