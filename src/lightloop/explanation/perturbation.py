"""Attribution by changing parts of a record and asking the network again; no gradient is needed.

A unit is a column of a table, a token, a step of a series, a block of pixels (`Reference.units`); what is changed comes
from the baseline or from training records. Shapes: see `explanation.reference`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from captum.attr import (
    FeatureAblation,
    FeaturePermutation,
    Occlusion,
    PerturbationAttribution,
    ShapleyValueSampling,
)
from torch import Tensor, nn

from lightloop.explanation.gradients import quiet
from lightloop.explanation.reference import Extras, Reference, by_chunks, seeded

# Training records from which a permuted column takes its values: at most so many, and one of so many baselines.
PERMUTATIONS, BASELINES_EACH = 16, 8


def feature_ablation(
    network: nn.Module, x_NDP: Tensor, targets_N: Tensor, reference: Reference, extras: Extras = ()
) -> Tensor:
    """How much the score falls when a unit is replaced by the baseline: (N, 1 or D, P), spread over its positions.

    Its sum promises nothing: units that say the same twice are missed. Source: arXiv:1311.2901 (occlusion).
    """
    method = FeatureAblation(network)
    return _by_unit(method, x_NDP, targets_N, reference, extras, baselines=reference.baseline_DP[None])


def feature_permutation(
    network: nn.Module, x_NDP: Tensor, targets_N: Tensor, reference: Reference, extras: Extras = ()
) -> Tensor:
    """How much the score falls when a unit has the value of another record: (N, 1 or D, P), spread over its positions.

    The values come from training records, each in turn, and not from the few records that are explained, whose classes
    were chosen. Source: Breiman 2001, doi:10.1023/A:1010933404324.
    """
    order = torch.randperm(len(reference.baselines_SDP), generator=torch.Generator().manual_seed(reference.seed))
    rows = order[: max(1, min(PERMUTATIONS, len(order) // BASELINES_EACH))]
    total = torch.zeros(1)
    for row in rows:
        other_DP = reference.baselines_SDP[row]
        method = FeaturePermutation(network, perm_func=lambda x, mask, other=other_DP: torch.where(mask, other, x))
        total = total + _by_unit(method, x_NDP, targets_N, reference, extras)
    return total / len(rows)


def occlusion(
    network: nn.Module, x_NDP: Tensor, targets_N: Tensor, reference: Reference, extras: Extras = ()
) -> Tensor:
    """How much the score falls on average under the windows that cover a position: (N, 1 or D, P).

    A window slides over the positions, and over channels that are told apart, one at a time; it is replaced by the
    baseline. Source: arXiv:1311.2901.
    """
    method = Occlusion(network)
    assert reference.window is not None
    whole = reference.window[0] == x_NDP.shape[1]

    def occlude(x: Tensor, targets: Tensor, more: Extras | None) -> Tensor:
        found_NDP = method.attribute(
            x,
            sliding_window_shapes=reference.window,
            strides=reference.stride,
            baselines=reference.baseline_DP[None],
            target=targets,
            additional_forward_args=more,
            perturbations_per_eval=max(1, reference.rows // len(x)),
        )
        return found_NDP[:, :1] if whole else found_NDP

    with torch.no_grad():
        return by_chunks(x_NDP, targets_N, extras, reference.rows, occlude)


def shapley_sampling(
    network: nn.Module, x_NDP: Tensor, targets_N: Tensor, reference: Reference, extras: Extras = ()
) -> Tensor:
    """Shapley values over units by drawn orders: (N, 1 or D, P), spread over positions; sums to f(x) - f(baseline).

    As many orders as `perturbations` allow, each asking once a unit. Source: Castro et al. 2009,
    doi:10.1016/j.cor.2008.04.004.
    """
    units, _ = reference.units(x_NDP)
    orders = max(1, reference.perturbations // (int(units.max()) + 1))
    options = {"baselines": reference.baseline_DP[None], "n_samples": orders}
    return _by_unit(
        ShapleyValueSampling(network),
        x_NDP,
        targets_N,
        reference,
        extras,
        around=lambda: _same_orders(reference.seed),
        **options,
    )


@contextmanager
def _same_orders(seed: int) -> Iterator[None]:
    """The same orders for all chunks of records, so that they can be compared."""
    with seeded(seed), quiet():
        yield


def _by_unit(
    method: PerturbationAttribution,
    x_NDP: Tensor,
    targets_N: Tensor,
    reference: Reference,
    extras: Extras,
    *,
    around: Callable[[], AbstractContextManager[None]] = nullcontext,
    **options: Any,
) -> Tensor:
    """What a method of Captum finds for each unit, spread over the unit's positions: (N, 1 or D, P)."""
    units, share = reference.units(x_NDP)

    def attribute(x: Tensor, targets: Tensor, more: Extras | None) -> Tensor:
        with around():
            found_NDP: Tensor = method.attribute(
                x,
                target=targets,
                additional_forward_args=more,
                feature_mask=units[None],
                perturbations_per_eval=max(1, reference.rows // len(x)),
                **options,
            )
        return found_NDP[:, : len(units)] * share

    with torch.no_grad():
        return by_chunks(x_NDP, targets_N, extras, reference.rows, attribute)
