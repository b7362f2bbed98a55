"""Attribution by changing parts of a record and asking the network again; no gradient is needed.

A unit is a column of a table, a token, a step of a series, a block of pixels (`Reference.units`); what is changed comes
from the baseline or from training records. Shapes: see `explanation.reference`.
"""

import warnings

import torch
from captum.attr import FeatureAblation, FeaturePermutation, Occlusion, ShapleyValueSampling
from torch import Tensor, nn

from lightloop.explanation.reference import Extras, Reference, by_chunks, seeded

# Training records from which a permuted column takes its values: at most so many, and one of so many baselines.
PERMUTATIONS, BASELINES_EACH = 16, 8


def feature_ablation(
    network: nn.Module, x_NDP: Tensor, targets_N: Tensor, reference: Reference, extras: Extras = ()
) -> Tensor:
    """How much the score falls when a unit is replaced by the baseline: (N, 1 or D, P), spread over its positions.

    Its sum promises nothing: units that say the same twice are missed. Source: arXiv:1311.2901 (occlusion).
    """
    method, (units, share) = FeatureAblation(network), reference.units(x_NDP)

    def ablate(x: Tensor, targets: Tensor, more: Extras | None) -> Tensor:
        found_NDP = method.attribute(
            x,
            baselines=reference.baseline_DP[None],
            target=targets,
            additional_forward_args=more,
            feature_mask=units[None],
            perturbations_per_eval=max(1, reference.rows // len(x)),
        )
        return found_NDP[:, : len(units)] * share

    with torch.no_grad():
        return by_chunks(x_NDP, targets_N, extras, reference.rows, ablate)


def feature_permutation(
    network: nn.Module, x_NDP: Tensor, targets_N: Tensor, reference: Reference, extras: Extras = ()
) -> Tensor:
    """How much the score falls when a unit has the value of another record: (N, 1 or D, P), spread over its positions.

    The values come from training records, each in turn, and not from the few records that are explained, whose classes
    were chosen. Source: Breiman 2001, doi:10.1023/A:1010933404324.
    """
    units, share = reference.units(x_NDP)
    order = torch.randperm(len(reference.baselines_SDP), generator=torch.Generator().manual_seed(reference.seed))
    rows = order[: max(1, min(PERMUTATIONS, len(order) // BASELINES_EACH))]
    total = torch.zeros(1)
    for row in rows:
        other_DP = reference.baselines_SDP[row]
        method = FeaturePermutation(network, perm_func=lambda x, mask, other=other_DP: torch.where(mask, other, x))

        def permute(x: Tensor, targets: Tensor, more: Extras | None, method: FeaturePermutation = method) -> Tensor:
            found_NDP = method.attribute(
                x,
                target=targets,
                additional_forward_args=more,
                feature_mask=units[None],
                perturbations_per_eval=max(1, reference.rows // len(x)),
            )
            return found_NDP[:, : len(units)] * share

        with torch.no_grad():
            total = total + by_chunks(x_NDP, targets_N, extras, reference.rows, permute)
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
    method, (units, share) = ShapleyValueSampling(network), reference.units(x_NDP)
    orders = max(1, reference.perturbations // (int(units.max()) + 1))

    def sample(x: Tensor, targets: Tensor, more: Extras | None) -> Tensor:
        # The same orders for all records, so that they can be compared.
        with seeded(reference.seed), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            found_NDP = method.attribute(
                x,
                baselines=reference.baseline_DP[None],
                target=targets,
                additional_forward_args=more,
                feature_mask=units[None],
                n_samples=orders,
                perturbations_per_eval=max(1, reference.rows // len(x)),
            )
        return found_NDP[:, : len(units)] * share

    with torch.no_grad():
        return by_chunks(x_NDP, targets_N, extras, reference.rows, sample)
