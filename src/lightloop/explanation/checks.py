"""The checks of one attribution method, as the evidence holds them, and what follows: whether to trust it.

Shapes: N records, D components, P positions, Q positions or columns (see `Subject`), F fractions of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightloop.config.explain import ExplainConfig
from lightloop.explanation.attributing import attribute
from lightloop.explanation.curves import area_check, beats_random, random_maps
from lightloop.explanation.fidelity import Removals, draw_removals
from lightloop.explanation.methods import Method
from lightloop.explanation.sanity import randomised, rank_correlation
from lightloop.explanation.stability import member_agreement, seed_agreement, sensitivity
from lightloop.explanation.subject import Subject

Checks = dict[str, dict[str, Any]]
Curves = dict[Literal["deletion", "insertion"], NDArray[np.float64]]

RANDOM_ORDERS = 3  # averaged for each record, so that the peer's luck weighs little
# The sanity check attributes anew for every layer, so it does with fewer records, and fewer draws of baselines.
SANITY_RECORDS = 20
SANITY_DRAWS = 32


@torch.no_grad()
def completeness_error(method: Method, subject: Subject, maps_NQ: Tensor) -> float | None:
    """|sum of attributions - (f(x) - f(baseline))| / |f(x) - f(baseline)|, median over records; f is the raw score.

    For GradientSHAP f(baseline) is the mean over the drawn baselines; its error is mostly that of sampling.

    Returns:
        0 for a method that keeps its promise exactly; None where the method promises no sum.
    """
    if method.sums_to is None:
        return None
    reference = subject.reference
    drawn = reference.baselines_SDP[: method.baselines]
    raw = replace(subject.replacing(), probability=False)
    rows_N = torch.arange(len(subject.x_NDP))
    reached_N = raw.scores(subject.x_NDP, rows_N)
    if method.sums_to == "baseline":
        start_N = raw.start()
    elif subject.extras:
        start_N = torch.stack([raw.scores(drawn, row.expand(len(drawn))).mean() for row in rows_N])
    else:
        start_N = subject.network(drawn).mean(0)[subject.targets_N]
    promised_N = (reached_N - start_N).double()
    error_N = (maps_NQ.double().flatten(1).sum(1) - promised_N).abs() / promised_N.abs()
    defined_N = error_N[promised_N != 0]
    return float(defined_N.median()) if len(defined_N) else None


def sanity_check(method: Method, subject: Subject, threshold: float) -> dict[str, Any]:
    """Model randomisation: the highest rank correlation with the trained network's attributions at any layer.

    The highest, not that of the wholly random network: what Adebayo et al. found is that guided backpropagation hardly
    changes while the upper layers lose all that they learned. Once the lowest layer is random too, its maps differ as
    everybody's do, and a check of that end alone would let it pass.

    Of records that are no images it is the partial correlation, given how far each position lies from the baseline: a
    column with an outlier weighs much in every network, and without that two random networks would correlate by 0.7.

    Returns:
        `value`, `threshold`, `passed` (false where nothing could be measured) and `by_layer`, top first.
    """
    part = subject.part(SANITY_RECORDS, SANITY_DRAWS)
    trained_NQ = attribute(method, part)
    by_layer: list[dict[str, Any]] = []
    for layer, network in randomised(part.network, part.fresh, part.x_NDP, part.extras):
        # The same draws of baselines for both, so that no noise of sampling makes them look unrelated.
        changed_NQ = attribute(method, part, network)
        by_layer.append(
            {"layer": layer, "correlation": rank_correlation(trained_NQ, changed_NQ, part.where_NQ, part.distance_NQ)}
        )
    found = [row["correlation"] for row in by_layer if row["correlation"] is not None]
    value = max(found) if found else None
    passed = value is not None and value <= threshold
    return {"value": value, "threshold": threshold, "passed": passed, "by_layer": by_layer}


def order_curves(subject: Subject, maps_NQ: Tensor) -> Curves:
    """Deletion and insertion curves (N, F) of attributions."""
    records, seed = subject.replacing(), subject.reference.seed
    return {
        "deletion": records.curve(maps_NQ, insertion=False, seed=seed),
        "insertion": records.curve(maps_NQ, insertion=True, seed=seed),
    }


def random_curves(subject: Subject, grid: tuple[int, ...]) -> Curves:
    """The same of random orders drawn on a grid, each record's mean over several."""
    seeds = range(subject.reference.seed, subject.reference.seed + RANDOM_ORDERS)
    drawn = [order_curves(subject, random_maps(len(subject.x_NDP), subject.size, grid, seed=seed)) for seed in seeds]
    return {
        "deletion": np.mean([one["deletion"] for one in drawn], axis=0),
        "insertion": np.mean([one["insertion"] for one in drawn], axis=0),
    }


@dataclass(frozen=True)
class Peers:
    """What methods are measured by.

    Attributes:
        curves: of random orders, for each resolution at which one of the methods sees, finest first.
        removals: what all methods are asked to foretell.
    """

    curves: dict[tuple[int, ...], Curves]
    removals: Removals


def peers(subject: Subject, methods: Iterable[Method]) -> Peers:
    """Random orders at the resolutions of the methods, and removals that all of them have to foretell."""
    grids = sorted({subject.grid(one) for one in methods}, reverse=True)
    return Peers({grid: random_curves(subject, grid) for grid in grids}, draw_removals(subject))


def method_checks(
    method: Method, subject: Subject, maps_NQ: Tensor, *, own: Curves, peer: Peers, limits: ExplainConfig
) -> Checks:
    """All checks of one method, by name; `passed` is None where a check does not apply.

    Args:
        method: whose attributions are checked.
        subject: what they are about.
        maps_NQ: the attributions.
        own: their curves.
        peer: what it is measured by.
        limits: from when on a check fails.
    """
    error, most = completeness_error(method, subject, maps_NQ), limits.max_completeness_error
    seed, grid = subject.reference.seed, subject.grid(method)
    unexplained, shuffled = peer.removals.infidelity(maps_NQ), peer.removals.shuffled(maps_NQ, seed)
    checks: Checks = {
        "completeness_error": {
            "value": error,
            "threshold": None if method.sums_to is None else most,
            "passed": None if method.sums_to is None else error is not None and error <= most,
        },
        "deletion_auc": area_check(own["deletion"], peer.curves[grid]["deletion"], insertion=False, seed=seed),
        "insertion_auc": area_check(own["insertion"], peer.curves[grid]["insertion"], insertion=True, seed=seed),
        "infidelity": beats_random(unexplained, shuffled, higher=False, seed=seed),
        "sensitivity": sensitivity(method, subject, limits.max_sensitivity),
        "seed_agreement": seed_agreement(method, subject, maps_NQ, limits.min_seed_agreement),
        "randomised_correlation": sanity_check(method, subject, limits.max_randomised_correlation),
    }
    members = member_agreement(method, subject)
    return checks if members is None else {**checks, "member_agreement": members}


def control_checks(method: Method, subject: Subject, limits: ExplainConfig) -> dict[str, Any]:
    """The sanity check on a method that is known to fail it: a check that lets it pass proves nothing here."""
    check = sanity_check(method, subject, limits.max_randomised_correlation)
    return {
        "checks": {"randomised_correlation": check},
        "fails_as_expected": check["value"] is not None and not check["passed"],
    }


def doubts(checks: Checks, subject: Subject) -> list[str]:
    """Why a method is not to be trusted, a sentence for each check that it failed; empty when it passed all."""
    words = {"noun": subject.noun, "score": "probability" if subject.probability else "answer"}
    return [_DOUBTS[name](check).format_map(words) for name, check in checks.items() if check["passed"] is False]


def _figure(value: float | None) -> str:
    return "not measurable" if value is None else f"{value:.2f}"


_DOUBTS = {
    "completeness_error": lambda check: (
        f"Its attributions miss what they promise to sum to by {_figure(check['value'])} of it "
        f"(at most {check['threshold']:.2f} is allowed)."
    ),
    "deletion_auc": lambda check: (
        "Deleting the {noun} that it ranks first does not lower the {score} faster than a random order does "
        f"(area {_figure(check['value'])}, random {_figure(check['random'])})."
    ),
    "insertion_auc": lambda check: (
        "Inserting the {noun} that it ranks first does not raise the {score} faster than a random order does "
        f"(area {_figure(check['value'])}, random {_figure(check['random'])})."
    ),
    "infidelity": lambda check: (
        "How much the score falls when {noun} are removed it foretells no better than its own numbers at random places "
        f"(unexplained {_figure(check['value'])}, at random {_figure(check['random'])})."
    ),
    "sensitivity": lambda check: (
        "Its attributions change too much when a record is changed unnoticeably "
        f"(by {_figure(check['value'])} of their size, at most {check['threshold']:.2f} is allowed)."
    ),
    "seed_agreement": lambda check: (
        "With other draws it gives other attributions "
        f"(rank correlation {_figure(check['value'])}, at least {check['threshold']:.2f} is wanted)."
    ),
    "randomised_correlation": lambda check: (
        "Its attributions stay alike when layers are given random weights "
        f"(rank correlation {_figure(check['value'])}, at most {check['threshold']:.2f} is allowed)."
    ),
}
