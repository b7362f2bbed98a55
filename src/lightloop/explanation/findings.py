"""All chosen methods on one subject, each with its checks: what the explain stage writes down.

Shapes: N records, Q positions, channels of positions or columns (see `explanation.subject`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lightloop.config.explain import ExplainConfig
from lightloop.explanation.attributing import attribute
from lightloop.explanation.checks import (
    Curves,
    Peers,
    control_checks,
    doubts,
    method_checks,
    order_curves,
    peers,
)
from lightloop.explanation.methods import METHODS, Method, controls_of, unfit
from lightloop.explanation.stability import method_agreement
from lightloop.explanation.subject import Subject

Track = Callable[[Iterable[str]], Iterable[str]]


@dataclass(frozen=True)
class Findings:
    """What was found.

    Attributes:
        maps: attributions (N, Q) by method.
        curves: deletion and insertion curves by method, and of random orders by resolution.
        methods: by method `trusted`, `reasons` and `checks`; also of one that failed, which has neither map nor checks.
        skipped: by method why it says nothing of this network.
        agreement: see `stability.method_agreement`.
        control: by control its checks.
    """

    maps: dict[str, Tensor]
    curves: dict[str, Curves]
    methods: dict[str, dict[str, Any]]
    skipped: dict[str, str]
    agreement: dict[str, Any]
    control: dict[str, Any]


def find(subject: Subject, names: Iterable[str], limits: ExplainConfig, track: Track = iter) -> Findings:
    """Attribute by each method and check it.

    Args:
        subject: what is explained.
        names: of `METHODS`.
        limits: from when on a check fails.
        track: shows how far it is.
    """
    reasons = {name: unfit(name, subject.network) for name in names}
    chosen = {name: METHODS[name] for name, reason in reasons.items() if reason is None}
    chance = peers(subject, chosen.values())
    maps: dict[str, Tensor] = {}
    curves: dict[str, Curves] = {}
    methods: dict[str, dict[str, Any]] = {}
    for name in track(chosen):
        try:
            maps[name] = attribute(chosen[name], subject)
        except (RuntimeError, AssertionError) as error:
            # Captum refuses some networks half-way, each in words of its own.
            methods[name] = _failed(error)
            continue
        curves[name] = order_curves(subject, maps[name])
        methods[name] = _checked(chosen[name], subject, maps[name], own=curves[name], chance=chance, limits=limits)
    for place, curve in enumerate(chance.curves.values(), start=int(subject.size not in chance.curves)):
        curves[random_name(place)] = curve
    controls = controls_of(subject.network, images=subject.noun == "pixels")
    return Findings(
        maps=maps,
        curves=curves,
        methods=methods,
        skipped={name: reason for name, reason in reasons.items() if reason is not None},
        agreement=method_agreement(maps, subject),
        control={name: control_checks(method, subject, limits) for name, method in controls.items()},
    )


def _checked(
    method: Method, subject: Subject, maps_NQ: Tensor, *, own: Curves, chance: Peers, limits: ExplainConfig
) -> dict[str, Any]:
    checks = method_checks(method, subject, maps_NQ, own=own, peer=chance, limits=limits)
    reasons = doubts(checks, subject)
    found: dict[str, Any] = {"trusted": not reasons, "reasons": reasons, "checks": checks}
    if method.grain == "layer":
        found["layers"] = list(subject.layers)
        found["layer"] = subject.reference.layer
    return found


def _failed(error: Exception) -> dict[str, Any]:
    said = " ".join(str(error).split())[:200]
    return {"trusted": False, "reasons": [f"It could not be computed for this network: {said}"], "checks": {}}


def random_name(place: int) -> str:
    """The name of the random orders of one resolution: 0 is that of single positions, then from fine to coarse.

    Examples:
        >>> random_name(0), random_name(1), random_name(2)
        ('random', 'random_blocks', 'random_blocks_2')
    """
    if place == 0:
        return "random"
    return "random_blocks" if place == 1 else f"random_blocks_{place}"
