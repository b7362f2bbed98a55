"""Attribution by gradients of the input.

Shapes: N records, S drawn baselines, D components, P positions (see `explanation.reference`); n of N, s of S.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from captum._utils.gradient import compute_gradients
from captum.attr import DeepLiftShap, GuidedBackprop, InputXGradient, IntegratedGradients, Saliency
from torch import Tensor, nn

from lightloop.explanation.reference import Attribute, Extras, Reference, by_chunks

# DeepLIFT compares with so many training records at most: each costs two passes.
DEEP_BASELINES = 32


def integrated_gradients(
    network: nn.Module, x_NDP: Tensor, targets_N: Tensor, reference: Reference, extras: Extras = ()
) -> Tensor:
    """Integrated gradients from the baseline: (N, D, P); sums to f(x) - f(baseline). Source: arXiv:1703.01365.

    Of texts and of the codes of tables this is layer integrated gradients at the embedding, since that is what x is.
    """
    method = IntegratedGradients(network)
    return by_chunks(
        x_NDP,
        targets_N,
        extras,
        reference.rows // reference.steps,
        lambda x, targets, more: method.attribute(
            x,
            baselines=reference.baseline_DP[None],
            target=targets,
            additional_forward_args=more,
            n_steps=reference.steps,
        ),
    )


def gradient_shap(
    network: nn.Module, x_NDP: Tensor, targets_N: Tensor, reference: Reference, extras: Extras = ()
) -> Tensor:
    """GradientSHAP over drawn training records: (N, D, P); sums to f(x) - mean f(baselines), but for sampling.

    Each baseline is taken once, at a point of the way from it to the record. The points are spread over the way: one is
    drawn from each of S equal parts of it. Captum's own class draws both independently for each record, fills up
    batches by repeating its arguments, and wants parameters in full precision: with the same number of samples this is
    faster and nearer to the expectation. All records get the same draws, so that they can be compared.

    Source: arXiv:1705.07874 (SHAP), arXiv:1906.10670 (expected gradients).
    """
    baselines_SDP = reference.baselines_SDP
    samples = len(baselines_SDP)
    generator = torch.Generator().manual_seed(reference.seed)
    places_S = torch.randperm(samples, generator=generator) + torch.rand(samples, generator=generator)
    places_S = (places_S / samples).view(-1, *(1,) * (x_NDP.ndim - 1))
    slices = torch.arange(samples).split(max(1, reference.rows))

    def attribute(x_nDP: Tensor, targets_n: Tensor, more: Extras | None) -> Tensor:
        total_nDP = torch.zeros_like(x_nDP)
        for part in slices:
            way_nsDP = x_nDP[:, None] - baselines_SDP[part]
            points = (baselines_SDP[part] + places_S[part] * way_nsDP).flatten(0, 1).requires_grad_()
            with torch.autocast("cpu", torch.bfloat16, enabled=reference.bf16):
                (gradients,) = compute_gradients(
                    network,
                    (points,),
                    targets_n.repeat_interleave(len(part)),
                    tuple(one.repeat_interleave(len(part), 0) for one in more or ()),
                )
            total_nDP += (gradients.view_as(way_nsDP) * way_nsDP).sum(1)
        return total_nDP / samples

    return by_chunks(x_NDP, targets_N, extras, reference.rows // samples, attribute)


def deep_lift_shap(
    network: nn.Module, x_NDP: Tensor, targets_N: Tensor, reference: Reference, extras: Extras = ()
) -> Tensor:
    """DeepLIFT with SHAP's rules, mean over drawn training records: (N, D, P); sums to f(x) - mean f(baselines).

    Captum 0.9 is silently wrong on max pooling after ReLU (captum #1104, #1276), on activations called as functions, on
    those that it does not know (GELU, SiLU), and on recurrent layers: its sum tells. Source: arXiv:1705.07874.

    Raises:
        RuntimeError: an activation module is used twice in one pass.
    """
    method, baselines_SDP = DeepLiftShap(network), reference.baselines_SDP[:DEEP_BASELINES]
    with quiet():
        return by_chunks(
            x_NDP,
            targets_N,
            extras,
            reference.rows // (2 * len(baselines_SDP)),
            lambda x, targets, more: method.attribute(
                x, baselines=baselines_SDP, target=targets, additional_forward_args=more
            ),
        )


def by_captum(kind: Callable[[nn.Module], Any], **options: Any) -> Attribute:
    """The attribution (N, D, P) by a class of Captum that needs no more than records and targets."""

    def attribute(
        network: nn.Module, x_NDP: Tensor, targets_N: Tensor, reference: Reference, extras: Extras = ()
    ) -> Tensor:
        method = kind(network)
        with quiet():
            return by_chunks(
                x_NDP,
                targets_N,
                extras,
                reference.rows,
                lambda x, targets, more: method.attribute(x, target=targets, additional_forward_args=more, **options),
            )

    return attribute


# The size of the gradient, at least 0. Source: arXiv:1312.6034.
saliency = by_captum(Saliency, abs=True)
# The gradient times the record: what differs from 0, not from the baseline. Source: arXiv:1605.01713.
input_x_gradient = by_captum(InputXGradient)
# The control: it restores edges of the input whatever the upper layers have learned. Source: arXiv:1412.6806; why not
# to trust it: arXiv:1810.03292.
guided_backpropagation = by_captum(GuidedBackprop)


@contextmanager
def quiet() -> Iterator[None]:
    """Captum announces its hooks, and that it asks the input for gradients."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield
