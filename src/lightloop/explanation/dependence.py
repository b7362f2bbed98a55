"""How attributions of a table's columns depend on their values, and which columns act together.

Shapes: N records, D components, P positions, Q columns, m records of a grid, R resamples.
"""

import math
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from lightloop.data.tabular.input import TabularInput
from lightloop.explanation.curves import CONFIDENCE
from lightloop.explanation.population import Population, attribute_all
from lightloop.explanation.tally import Floats, names_of, rounded, sizes_by_name

TOP, TOP_PAIRED = 6, 5  # columns whose dependence is shown, and whose pairs are looked at
MOST_POINTS = 200
# Records of the grid for Friedman's H: the network is asked about each column and pair as often as their square.
GRID = 40
RESAMPLES = 500
NO_TABLE = {"applies": False, "why": "Pixels, tokens and steps have no values that mean the same in all records."}


def dependence(population: Population) -> dict[str, Any]:
    """The values of the most important columns beside their attributions.

    Returns:
        `applies`; `answer`: the class whose logit is explained in all records, null of numbers; `columns`: `name`,
        `kind` (number, ordered or category), `n`, `points` (value or category, attribution), at most 200, missing
        values left out; `missing`: how many those are; `values`: the categories, in their order, null of numbers;
        `correlation` of value and attribution by Spearman, null of categories.
    """
    if population.subject.noun != "columns":
        return dict(NO_TABLE)
    told, answer = _of_one_class(population)
    maps_NQ = population.maps_NQ if told is population else attribute_all(told.method, told.subject)
    names = names_of(population)
    return {
        "applies": True,
        "answer": answer,
        "columns": [
            _points(population, name, maps_NQ[:, names.index(name)].double().numpy())
            for name in top_columns(population, TOP)
            if name in population.records.column_names
        ],
    }


def interactions(population: Population) -> dict[str, Any]:
    """Friedman's H of the pairs of the most important columns, by partial dependence of the raw score.

    H is the share of the joint effect's deviation that is no sum of two effects: 0 for columns that add up, 1 for
    those that say something only together. Where the joint effect is small, H may be large by little: `strength` is
    that part's deviation in the unit of the score.

    Source: Friedman & Popescu 2008, doi:10.1214/07-AOAS148, equation 44.

    Returns:
        `applies`; `measure`, `source`; `answer`, see `dependence`; `n` records; `pairs`, strongest first: `first`,
        `second`, and `h` and `strength` with `low` and `high` of a bootstrap over records; null where nothing varies.
    """
    if population.subject.noun != "columns":
        return dict(NO_TABLE)
    names = top_columns(population, TOP_PAIRED)
    if len(names) < 2:
        return {"applies": False, "why": "The table has a single column."}
    told, answer = _of_one_class(population)
    rows = told.subject.spread(GRID)
    told = replace(told, subject=told.subject.take(rows))
    places = {name: names_of(population).index(name) for name in names}
    weights_Rm = _draws(len(rows), population.seed)
    alone = {name: _effects(partial(told, (place,)), weights_Rm) for name, place in places.items()}
    pairs = []
    for first, second in combinations(names, 2):
        both = _effects(partial(told, (places[first], places[second])), weights_Rm)
        pairs.append({"first": first, "second": second, **_strength(both, alone[first], alone[second], weights_Rm)})
    return {
        "applies": True,
        "measure": "Friedman's H",
        "source": "doi:10.1214/07-AOAS148",
        "answer": answer,
        "n": len(rows),
        "pairs": sorted(pairs, key=lambda pair: -(pair["strength"]["value"] or 0.0)),
    }


def top_columns(population: Population, count: int) -> list[str]:
    """The most important columns, most important first."""
    sizes = sizes_by_name(population)
    return sorted(sizes, key=lambda name: -sizes[name])[:count]


@torch.no_grad()
def partial(population: Population, columns: tuple[int, ...]) -> Floats:
    """The scores (m, m) of records that have the columns of other records: a row each whose columns are taken."""
    subject = population.subject
    x_NDP, count = subject.x_NDP, len(subject.x_NDP)
    assert subject.columns_P is not None
    taken_P = torch.isin(subject.columns_P, torch.tensor(columns))
    parts = []
    for pairs in torch.arange(count * count).split(subject.reference.rows):
        given, records = pairs // count, pairs % count
        mixed = torch.where(taken_P, x_NDP[given], x_NDP[records])
        outputs_NO = subject.network(mixed, *(part[records] for part in subject.extras))
        parts.append(outputs_NO.gather(1, subject.targets_N[records, None])[:, 0])
    return np.asarray(torch.cat(parts).view(count, count).double().numpy())


def _effects(scores_mm: Floats, weights_Rm: Floats) -> Floats:
    """The partial dependence (R, m) at each record's values, less its mean; a row a resample, the first is all."""
    effects_Rm = weights_Rm @ scores_mm.T
    return np.asarray(effects_Rm - (effects_Rm * weights_Rm).sum(1, keepdims=True))


def _strength(both_Rm: Floats, first_Rm: Floats, second_Rm: Floats, weights_Rm: Floats) -> dict[str, Any]:
    rest_R = (weights_Rm * (both_Rm - first_Rm - second_Rm) ** 2).sum(1)
    whole_R = (weights_Rm * both_Rm**2).sum(1)
    # Scores are float32: what is smaller than their rounding is nothing.
    flat = whole_R <= 1e-12
    h_R = np.sqrt(np.divide(rest_R, whole_R, out=np.full_like(rest_R, np.nan), where=~flat))
    return {"h": _interval(h_R), "strength": _interval(np.sqrt(rest_R))}


def _interval(values_R: Floats) -> dict[str, float | None]:
    """Of the first value, by the others."""
    if not np.isfinite(values_R).all():
        return {"value": None, "low": None, "high": None}
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values_R[1:], [tail, 1 - tail])
    return {"value": rounded(values_R[0]), "low": rounded(low), "high": rounded(high)}


def _draws(count: int, seed: int) -> Floats:
    """Weights (R, m) of records, each row summing to 1: the first one even, the others of resamples."""
    drawn_Rm = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    return np.vstack([np.ones((1, count)), drawn_Rm]) / count


def _of_one_class(population: Population) -> tuple[Population, str | None]:
    """The population with one class explained in all records, and that class: of several the most frequent answer."""
    if population.answer is not None or not population.subject.probability:
        return population, population.answer
    targets_N: Tensor = population.subject.targets_N
    place = int(targets_N.bincount().argmax())
    subject = replace(population.subject, targets_N=torch.full_like(targets_N, place))
    return replace(population, subject=subject), population.config.data.classes[place]


def _points(population: Population, name: str, attribution_N: Floats) -> dict[str, Any]:
    column = population.records.column(name).to_pylist()
    schema = population.model.preprocessor.input
    assert isinstance(schema, TabularInput)
    feature = next(one for one in schema.features if one.name == name)
    known = [row for row, value in enumerate(column) if value is not None and value != "" and not _is_nan(value)]
    shown = known[:MOST_POINTS]
    correlation, values = None, [column[row] for row in known]
    if feature.kind != "number":
        values = [feature.values.index(one) for one in values] if feature.kind == "ordered" else []
    if len(set(values)) > 1 and len(set(attribution_N[known])) > 1:
        correlation = rounded(float(spearmanr(values, attribution_N[known]).statistic))
    return {
        "name": name,
        "kind": feature.kind,
        "n": len(known),
        "missing": len(column) - len(known),
        "values": None if feature.kind == "number" else list(feature.values),
        "correlation": correlation,
        "points": [[column[row], rounded(attribution_N[row])] for row in shown],
    }


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
