"""How good the answers are in groups of records: those of the bundle's profile, and those of the same answer.

Columns of role sensitive or slice never reach the service, so that groups by them are judged before a release alone.

Shapes: N labelled answers, M held-out ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import stats

from lightloop.data.tabular.input import TabularInput
from lightloop.errors import LightloopError
from lightloop.monitoring.against import MOST, Against
from lightloop.monitoring.answered import Answered
from lightloop.monitoring.answers import drifted
from lightloop.monitoring.comparing import Compared, share_differs
from lightloop.monitoring.findings import Finding
from lightloop.serving.described import described

PARTS = 3  # of the answers, where they are numbers


@dataclass(frozen=True)
class _Errors:
    """Errors of a group's records: how many, their mean and deviation."""

    n: int
    mean: float
    std: float

    @classmethod
    def of(cls, errors: NDArray[np.float64]) -> "_Errors":
        return cls(len(errors), float(errors.mean()), float(errors.std())) if len(errors) else cls(0, 0.0, 0.0)


def look(now: Answered, against: Against) -> list[Finding]:
    """The mean error of every group that is large enough in the window and in the held-out records.

    The error is 1 for a wrong class, the absolute error of numbers; shares by Fisher's exact test, means by Welch's.

    Returns:
        Findings of the kind `performance` with names such as `state=CA` and `answer=good`, uncorrected.
    """
    known = now.labelled
    smallest = int(against.manifest.config.get("gate", {}).get("smallest_group", 30))
    if len(known) < max(against.fewest, smallest) or not against.size or against.manifest.problem == "forecasting":
        return []
    some = known.drawn(MOST, against.seed)
    pairs = [*_by_answer(some, against), *_by_column(some, against)]
    return [_finding(name, own, held, against) for name, own, held in pairs if min(own.n, held.n) >= smallest]


def _errors(known: Answered) -> NDArray[np.float64]:
    """The error (N,) of each answer."""
    if known.classes:
        return (known.codes != known.labels).astype(np.float64)
    return np.asarray(np.abs(known.values - known.truths).mean(1))


def _by_answer(known: Answered, against: Against) -> Iterator[tuple[str, _Errors, _Errors]]:
    """By the class that was answered, or by thirds of the held-out answers."""
    held, errors_N = against.held, _errors(known)
    if known.classes:
        errors_M = (against.held_codes != held.labels).astype(np.float64)
        places_N, places_M, names = known.codes, against.held_codes, known.manifest.classes
    else:
        errors_M = np.abs(held.values.astype(np.float64) - held.truths).mean(1)
        means_M = held.values.astype(np.float64).mean(1)
        edges = np.quantile(means_M, np.linspace(0, 1, PARTS + 1)[1:-1])
        places_N, places_M = np.searchsorted(edges, known.values.mean(1)), np.searchsorted(edges, means_M)
        names = (f"up to {edges[0]:.4g}", f"{edges[0]:.4g} to {edges[1]:.4g}", f"above {edges[1]:.4g}")
    for place, name in enumerate(names):
        yield f"answer={name}", _Errors.of(errors_N[places_N == place]), _Errors.of(errors_M[places_M == place])


def _by_column(known: Answered, against: Against) -> Iterator[tuple[str, _Errors, _Errors]]:
    """By the categories of the profile's slices."""
    schema, slices = known.manifest.input, against.profile.slices
    wanted = [name for name in dict.fromkeys(one.column for one in slices) if name in known.records.column_names]
    if not wanted or not isinstance(schema, TabularInput):
        return
    try:
        columns: dict[str, Any] = dict(described(schema, known.records.select(wanted), {}))
    except LightloopError:  # a column that another release had as another kind
        return
    errors_N = _errors(known)
    texts = {name: column for name, column in columns.items() if not isinstance(column, np.ndarray)}
    for one in slices:
        if one.column in texts:
            named = pc.equal(texts[one.column].fill_null(""), one.value)
            inside_N = np.asarray(named.to_numpy(), dtype=np.bool_)
            yield f"{one.column}={one.value}", _Errors.of(errors_N[inside_N]), _Errors(one.n, one.error, one.std)


def _finding(name: str, own: _Errors, held: _Errors, against: Against) -> Finding:
    limit = against.config.answers.slice
    if against.manifest.answer == "probabilities":
        wrong, before = round(own.mean * own.n), round(held.mean * held.n)
        compared = share_differs(wrong, own.n, before, held.n, "greater")
        words = f"{own.mean:.1%} of {own.n} answers are wrong where {_said(name)}, of held-out ones {held.mean:.1%}"
    else:
        limit *= held.mean
        p = 1.0
        if own.std > 0 or held.std > 0:
            found = stats.ttest_ind_from_stats(
                own.mean, _sample(own), own.n, held.mean, _sample(held), held.n, equal_var=False, alternative="greater"
            )
            p = float(found.pvalue)
        compared = Compared(own.mean - held.mean, p, {})
        words = (
            f"the mean error of {own.n} labelled answers is {own.mean:.4g} where {_said(name)}, of held-out ones "
            f"{held.mean:.4g}"
        )
    figures = {"now": own.mean, "then": held.mean, "n": float(own.n)}
    return drifted("performance", name, Compared(compared.size, compared.p, figures), limit, words)


def _sample(errors: _Errors) -> float:
    """The deviation as one of a sample."""
    return float(errors.std * np.sqrt(errors.n / max(errors.n - 1, 1)))


def _said(name: str) -> str:
    column, _, value = name.partition("=")
    return f"{column} is {value or 'missing'}" if column != "answer" else f"the answer is {value}"
