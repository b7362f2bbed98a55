"""Attribution by the feature maps of a convolutional network, and which layer's maps to take.

Shapes: N records, C channels, H height, W width of images; c channels, h height, w width of feature maps; F fractions.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from captum._utils.gradient import compute_layer_gradients_and_eval
from captum.attr import GuidedGradCam, LayerAttribution, LayerGradCam
from torch import Tensor, nn

from lightloop.explanation.curves import Replacing, area
from lightloop.explanation.gradients import quiet
from lightloop.explanation.reference import Extras, Reference, by_chunks


def grad_cam(
    network: nn.Module, x_NCHW: Tensor, targets_N: Tensor, reference: Reference, extras: Extras = ()
) -> Tensor:
    """Grad-CAM on `network.feature_maps`, scaled up to the input: (N, H, W), at least 0, in no unit.

    Source: arXiv:1610.02391. It says where, coarsely; its sum promises nothing.
    """
    layer = feature_maps(network)
    method = LayerGradCam(network, layer)

    def attribute(x: Tensor, targets: Tensor, more: Extras | None) -> Tensor:
        maps_N1hw = method.attribute(x, target=targets, additional_forward_args=more, relu_attributions=True)
        return _enlarged(maps_N1hw, x)

    with _cut(layer):
        return by_chunks(x_NCHW, targets_N, extras, reference.rows, attribute)


def grad_cam_plus_plus(
    network: nn.Module, x_NCHW: Tensor, targets_N: Tensor, reference: Reference, extras: Extras = ()
) -> Tensor:
    """Grad-CAM++ on the layer that `choose_layer` found, scaled up to the input: (N, H, W), at least 0, in no unit.

    A channel's weight is the sum of its positive gradients, each weighed by how much of the class's score hangs on that
    position alone, so that several small objects count as much as one large. Source: arXiv:1710.11063, equation 19.
    """
    layer = layer_of(network, reference)

    def attribute(x: Tensor, targets: Tensor, more: Extras | None) -> Tensor:
        (gradients,), (maps,) = compute_layer_gradients_and_eval(network, layer, (x,), targets, more)
        squares_Nchw = gradients.square()
        below_Nchw = 2 * squares_Nchw + maps.sum((2, 3), keepdim=True) * squares_Nchw * gradients
        share_Nchw = torch.where(below_Nchw != 0, squares_Nchw / below_Nchw, 0.0)
        weight_Nc11 = (share_Nchw * gradients.relu()).sum((2, 3), keepdim=True)
        return _enlarged((weight_Nc11 * maps).sum(1, keepdim=True).relu(), x)

    with _cut(layer):
        return by_chunks(x_NCHW, targets_N, extras, reference.rows, attribute)


def guided_grad_cam(
    network: nn.Module, x_NCHW: Tensor, targets_N: Tensor, reference: Reference, extras: Extras = ()
) -> Tensor:
    """Guided backpropagation times Grad-CAM: (N, C, H, W). Source: arXiv:1610.02391, section 3.2.

    It is as sharp as guided backpropagation, and inherits what that one gets wrong: see its checks.
    """
    method = GuidedGradCam(network, feature_maps(network))
    with quiet():
        return by_chunks(
            x_NCHW,
            targets_N,
            extras,
            reference.rows,
            lambda x, targets, more: method.attribute(
                x, target=targets, additional_forward_args=more, interpolate_mode="bilinear"
            ),
        )


def feature_maps(network: nn.Module) -> nn.Module:
    """The layer that a network names for Grad-CAM."""
    layer = network.feature_maps
    assert isinstance(layer, nn.Module)
    return layer


@contextmanager
def _cut(layer: nn.Module) -> Iterator[None]:
    """Let gradients end at a layer's output: what runs before it keeps nothing for a way back, which costs half."""
    hook = layer.register_forward_hook(lambda _, __, out: out.detach().requires_grad_())
    try:
        yield
    finally:
        hook.remove()


def _enlarged(maps_N1hw: Tensor, x_NCHW: Tensor) -> Tensor:
    return LayerAttribution.interpolate(maps_N1hw.detach(), tuple(x_NCHW.shape[2:]), "bilinear")[:, 0]


@torch.no_grad()
def feature_size(network: nn.Module, layer: nn.Module, x_NCHW: Tensor, extras: Extras = ()) -> tuple[int, int]:
    """Height and width of what a layer puts out."""
    seen: list[tuple[int, int]] = []
    hook = layer.register_forward_hook(lambda _, __, out: seen.append((out.shape[2], out.shape[3])))
    try:
        network(x_NCHW[:1], *(part[:1] for part in extras))
    finally:
        hook.remove()
    return seen[0]


def layer_of(network: nn.Module, reference: Reference) -> nn.Module:
    """The layer that Grad-CAM++ takes its maps from."""
    return feature_maps(network) if reference.layer is None else network.get_submodule(reference.layer)


@torch.no_grad()
def map_sizes(network: nn.Module, x_NCHW: Tensor, extras: Extras = ()) -> dict[str, tuple[int, int]]:
    """By name of a layer the height and width of its maps: for each resolution the last layer, up to `feature_maps`."""
    ran: list[tuple[str, nn.Module, tuple[int, ...]]] = []

    def note(name: str, module: nn.Module, out: object) -> None:
        if isinstance(out, Tensor) and out.ndim == 4 and out.shape[2] * out.shape[3] > 1:
            ran.append((name, module, (out.shape[2], out.shape[3])))

    hooks = [
        module.register_forward_hook(lambda own, _, out, name=name: note(name, own, out))
        for name, module in network.named_modules()
    ]
    try:
        network(x_NCHW[:1], *(part[:1] for part in extras))
    finally:
        for hook in hooks:
            hook.remove()
    last = feature_maps(network)
    end = max(place for place, (_, module, _) in enumerate(ran) if module is last)
    by_size = {size: name for name, _, size in ran[: end + 1]}
    return {name: (size[0], size[1]) for size, name in by_size.items()}


def choose_layer(
    network: nn.Module,
    x_NCHW: Tensor,
    targets_N: Tensor,
    reference: Reference,
    extras: Extras = (),
    *,
    probability: bool = True,
) -> tuple[str, list[dict[str, Any]]]:
    """The layer whose Grad-CAM++ maps say best what the network looks at, and the figures by which it was chosen.

    Of each resolution the last layer up to `feature_maps` is tried: coarse maps know classes, fine ones places, and
    which matters more depends on the data. The best is the one with the largest area under the insertion curve less
    that under the deletion curve.

    Args:
        network: trained and frozen.
        x_NCHW: prepared records, other than those that are explained: the choice must not be made on these.
        targets_N: the outputs to look at.
        reference: what positions are replaced by.
        extras: what else the network takes.
        probability: see `curves.Replacing`.

    Returns:
        Its name, and by layer `layer`, `height`, `width` and `value`, the difference of the areas.
    """
    everywhere = torch.ones_like(x_NCHW[:, 0], dtype=torch.bool)
    records = Replacing(
        network, x_NCHW, targets_N, reference.baseline_DP, everywhere, probability, extras, rows=reference.rows
    )
    rows: list[dict[str, Any]] = []
    for name, (height, width) in map_sizes(network, x_NCHW, extras).items():
        maps_NHW = grad_cam_plus_plus(network, x_NCHW, targets_N, replace(reference, layer=name), extras)
        inserted, deleted = (
            area(records.curve(maps_NHW, insertion=insertion, seed=reference.seed)) for insertion in (True, False)
        )
        value = float(inserted.mean() - deleted.mean())
        rows.append({"layer": name, "height": height, "width": width, "value": value})
    return max(rows, key=lambda row: row["value"])["layer"], rows
