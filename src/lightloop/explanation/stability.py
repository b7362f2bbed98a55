"""Would attributions be the same for nearly the same record, for other draws, for another member, by another method?

Shapes: N records, D components, P positions, Q positions, channels of positions or columns (see `Subject`), n rows.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import torch
from captum.metrics import sensitivity_max
from torch import Tensor

from lightloop.explanation.attributing import attribute
from lightloop.explanation.curves import mean_interval
from lightloop.explanation.methods import Method
from lightloop.explanation.reference import seeded
from lightloop.explanation.sanity import rank_correlation
from lightloop.explanation.subject import Subject

# Each nudge attributes anew, so few records, nudges and draws do.
NUDGED_RECORDS, NUDGES, NUDGE_DRAWS = 10, 4, 32
NUDGE = 0.02  # of the deviation of all that is explained
# Records that other draws and other members attribute anew.
AGREEMENT_RECORDS = 20


def sensitivity(method: Method, subject: Subject, threshold: float) -> dict[str, Any]:
    """How much attributions change at most, as a share of their size, when a record is nudged (max-sensitivity).

    Noise of at most 2 % of the records' deviation, which no reader would notice. Mean over records.

    Source: arXiv:1901.09392.
    """
    part = subject.part(NUDGED_RECORDS, NUDGE_DRAWS)
    records = len(part.x_NDP)

    def explain(given: tuple[Tensor]) -> tuple[Tensor]:
        (x_nDP,) = given
        rows = torch.arange(records).repeat_interleave(len(x_nDP) // records)
        return (attribute(method, replace(part.take(rows), x_NDP=x_nDP)),)

    with seeded(subject.reference.seed):
        found_N = sensitivity_max(
            explain, part.x_NDP, perturb_radius=NUDGE * float(part.x_NDP.std()), n_perturb_samples=NUDGES
        )
    values = found_N.double().numpy()
    low, high = mean_interval(values, subject.reference.seed)
    value = float(values.mean())
    return {"value": value, "low": low, "high": high, "threshold": threshold, "passed": bool(value <= threshold)}


def seed_agreement(method: Method, subject: Subject, maps_NQ: Tensor, threshold: float) -> dict[str, Any]:
    """The rank correlation of attributions with those by other draws; nothing where nothing is drawn."""
    if not method.draws:
        return {"value": None, "threshold": None, "passed": None}
    rows = subject.spread(AGREEMENT_RECORDS)
    part = subject.take(rows)
    other_NQ = attribute(method, replace(part, reference=subject.reference.reseeded()))
    value = rank_correlation(maps_NQ[rows], other_NQ, part.where_NQ)
    return {"value": value, "threshold": threshold, "passed": value is not None and value >= threshold}


def member_agreement(method: Method, subject: Subject) -> dict[str, Any] | None:
    """The mean rank correlation of the attributions of an ensemble's members, pair by pair; None of one network.

    It has no threshold: where members disagree, what one of them looks at is chance, whatever the method.
    """
    part = subject.take(subject.spread(AGREEMENT_RECORDS))
    maps = [attribute(method, member) for member in part.members()]
    found = [rank_correlation(first, second, part.where_NQ) for first, second in combinations(maps, 2)]
    known = [value for value in found if value is not None]
    if not maps:
        return None
    return {"value": float(np.mean(known)) if known else None, "threshold": None, "passed": None, "members": len(maps)}


def method_agreement(maps: Mapping[str, Tensor], subject: Subject) -> dict[str, Any]:
    """The rank correlation of every two methods, mean over records: `methods`, and `correlation` by row and column."""
    names = list(maps)
    rows: list[list[float | None]] = [[1.0 if one == other else None for other in names] for one in names]
    for first, second in combinations(range(len(names)), 2):
        value = rank_correlation(maps[names[first]], maps[names[second]], subject.where_NQ)
        rows[first][second] = rows[second][first] = value
    return {"n": len(subject.x_NDP), "methods": names, "correlation": rows}
