"""The checks of one attribution method, as the evidence holds them, and what follows: whether to trust it.

Shapes: N records, H height, W width, F fractions of pixels.
"""

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightloop.config.schema import ExplainConfig
from lightloop.explanation.curves import area_check, curve, random_maps
from lightloop.explanation.methods import Method
from lightloop.explanation.sanity import foreground, randomised, rank_correlation
from lightloop.explanation.subject import Subject

Checks = dict[str, dict[str, Any]]
Curves = dict[Literal["deletion", "insertion"], NDArray[np.float64]]

RANDOM_ORDERS = 3  # averaged for each record, so that the peer's luck weighs little
# The sanity check attributes anew for every layer, so it does with fewer records, and fewer draws of baselines.
SANITY_RECORDS = 20
SANITY_DRAWS = 32


def attribute(method: Method, subject: Subject) -> Tensor:
    """Attributions (N, H, W), float32, of the predicted classes."""
    return method.attribute(subject.network, subject.x_NCHW, subject.targets_N, subject.reference)


@torch.no_grad()
def completeness_error(method: Method, subject: Subject, maps_NHW: Tensor) -> float | None:
    """|sum of attributions - (f(x) - f(baseline))| / |f(x) - f(baseline)|, median over records; f is a logit.

    For GradientSHAP f(baseline) is the mean over the drawn baselines; its error is mostly that of sampling.

    Returns:
        0 for a method that keeps its promise exactly; None where the method promises no sum.
    """
    if method.sums_to is None:
        return None
    reference = subject.reference
    baselines = reference.baseline_CHW[None] if method.sums_to == "baseline" else reference.baselines_SCHW
    reached_N = subject.network(subject.x_NCHW).gather(1, subject.targets_N[:, None])[:, 0]
    promised_N = (reached_N - subject.network(baselines).mean(0)[subject.targets_N]).double()
    error_N = (maps_NHW.double().sum((1, 2)) - promised_N).abs() / promised_N.abs()
    defined_N = error_N[promised_N != 0]
    return float(defined_N.median()) if len(defined_N) else None


def sanity_check(method: Method, subject: Subject, threshold: float) -> dict[str, Any]:
    """Model randomisation: the highest rank correlation with the trained network's attributions at any layer.

    The highest, not that of the wholly random network: what Adebayo et al. found is that guided backpropagation hardly
    changes while the upper layers lose all that they learned. Once the lowest layer is random too, its maps differ as
    everybody's do, and a check of that end alone would let it pass.

    Returns:
        `value`, `threshold`, `passed` (false where nothing could be measured) and `by_layer`, top first.
    """
    part = subject.part(SANITY_RECORDS, SANITY_DRAWS)
    where_NHW = foreground(part.pixels_NCHW)
    trained_NHW = attribute(method, part)
    by_layer: list[dict[str, Any]] = []
    for layer, network in randomised(part.network, part.fresh, part.x_NCHW):
        # The same draws of baselines for both, so that no noise of sampling makes them look unrelated.
        changed_NHW = method.attribute(network, part.x_NCHW, part.targets_N, part.reference)
        by_layer.append({"layer": layer, "correlation": rank_correlation(trained_NHW, changed_NHW, where_NHW)})
    found = [row["correlation"] for row in by_layer if row["correlation"] is not None]
    value = max(found) if found else None
    passed = value is not None and value <= threshold
    return {"value": value, "threshold": threshold, "passed": passed, "by_layer": by_layer}


def order_curves(subject: Subject, maps_NHW: Tensor) -> Curves:
    """Deletion and insertion curves (N, F) of attributions."""
    reference = subject.reference
    about = (subject.network, subject.x_NCHW, subject.targets_N, maps_NHW, reference.baseline_CHW)
    return {
        "deletion": curve(*about, insertion=False, seed=reference.seed),
        "insertion": curve(*about, insertion=True, seed=reference.seed),
    }


def random_curves(subject: Subject, grid: tuple[int, int]) -> Curves:
    """The same of random orders drawn on a grid, each record's mean over several."""
    seeds = range(subject.reference.seed, subject.reference.seed + RANDOM_ORDERS)
    drawn = [order_curves(subject, random_maps(len(subject.x_NCHW), subject.size, grid, seed=seed)) for seed in seeds]
    return {
        "deletion": np.mean([one["deletion"] for one in drawn], axis=0),
        "insertion": np.mean([one["insertion"] for one in drawn], axis=0),
    }


def peers(subject: Subject, methods: Iterable[Method]) -> dict[tuple[int, int], Curves]:
    """Curves of random orders for each resolution at which one of the methods sees, finest first."""
    return {grid: random_curves(subject, grid) for grid in sorted({subject.grid(one) for one in methods}, reverse=True)}


def method_checks(
    method: Method, subject: Subject, maps_NHW: Tensor, *, own: Curves, peer: Curves, limits: ExplainConfig
) -> Checks:
    """All checks of one method, by name; `passed` is None where a check does not apply.

    Args:
        method: whose attributions are checked.
        subject: what they are about.
        maps_NHW: the attributions.
        own: their curves.
        peer: the curves of random orders as coarse as the method.
        limits: from when on a check fails.
    """
    error, most = completeness_error(method, subject, maps_NHW), limits.max_completeness_error
    seed = subject.reference.seed
    return {
        "completeness_error": {
            "value": error,
            "threshold": None if method.sums_to is None else most,
            "passed": None if method.sums_to is None else error is not None and error <= most,
        },
        "deletion_auc": area_check(own["deletion"], peer["deletion"], insertion=False, seed=seed),
        "insertion_auc": area_check(own["insertion"], peer["insertion"], insertion=True, seed=seed),
        "randomised_correlation": sanity_check(method, subject, limits.max_randomised_correlation),
    }


def control_checks(method: Method, subject: Subject, limits: ExplainConfig) -> dict[str, Any]:
    """The sanity check on a method that is known to fail it: a check that lets it pass proves nothing here."""
    check = sanity_check(method, subject, limits.max_randomised_correlation)
    return {
        "checks": {"randomised_correlation": check},
        "fails_as_expected": check["value"] is not None and not check["passed"],
    }


def doubts(checks: Checks) -> list[str]:
    """Why a method is not to be trusted, a sentence for each check that it failed; empty when it passed all."""
    return [_DOUBTS[name](check) for name, check in checks.items() if check["passed"] is False]


def _figure(value: float | None) -> str:
    return "not measurable" if value is None else f"{value:.2f}"


_DOUBTS = {
    "completeness_error": lambda check: (
        f"Its attributions miss what they promise to sum to by {_figure(check['value'])} of it "
        f"(at most {check['threshold']:.2f} is allowed)."
    ),
    "deletion_auc": lambda check: (
        "Deleting the pixels that it ranks first does not lower the probability faster than a random order does "
        f"(area {_figure(check['value'])}, random {_figure(check['random'])})."
    ),
    "insertion_auc": lambda check: (
        "Inserting the pixels that it ranks first does not raise the probability faster than a random order does "
        f"(area {_figure(check['value'])}, random {_figure(check['random'])})."
    ),
    "randomised_correlation": lambda check: (
        "Its maps stay alike when layers are given random weights "
        f"(rank correlation {_figure(check['value'])}, at most {check['threshold']:.2f} is allowed)."
    ),
}
