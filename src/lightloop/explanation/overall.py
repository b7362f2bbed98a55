"""global.json: what the predictions rest on overall, by attributions of records drawn at random.

Shapes: N records, Q columns, steps, cells or tokens; H height and W width of images.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lightloop.data.splits import SplitName
from lightloop.explanation.dependence import dependence, interactions
from lightloop.explanation.evidence import channels_of, over_channels
from lightloop.explanation.findings import Findings
from lightloop.explanation.methods import METHODS
from lightloop.explanation.outside import agreement, outside
from lightloop.explanation.population import Population
from lightloop.explanation.tally import (
    FEWEST_RECORDS,
    Floats,
    cell_shares,
    mean_intervals,
    names_of,
    rounded,
    shares,
    sizes_by_name,
    tokens_of,
)

MOST_TOKENS = 60  # that are listed


def global_content(population: Population, tables: Mapping[SplitName, pa.Table], found: Findings) -> dict[str, Any]:
    """What global.json holds.

    Args:
        population: records drawn at random, and their attributions.
        tables: the splits.
        found: attributions of the records of result.json, by method.

    Returns:
        `applies`; `n` records, `noun`, `method`, `trusted`; `draws`, baselines drawn for all records together,
        null where nothing is drawn; `answer`, the class whose logit is explained in all records, null where it is the
        predicted one, or a number; `scaling` of the calibration: with a temperature the logit over it is explained,
        with isotonic curves the logit before them; null of numbers;
        `features`: most important first, `name`, `n` records, `share` of the attributions' sizes (mean over records),
        the mean size as `value` with `low` and `high`, and `signed`, the mean attribution (null without `answer`, or
        where the score is no class); of images none;
        `channels`: the same of the channels of a series, in their order; else none;
        `maps`: of images the share of each cell of a grid, `height`, `width`, `value`, `low`, `high`, and `classes`,
        the same by predicted class; null of others;
        `dependence`, `interactions`, `outside`, `agreement`: see `dependence` and `outside`; each has `applies`.
    """
    subject = population.subject
    return {
        "applies": True,
        "n": len(subject.x_NDP),
        "noun": subject.noun,
        "method": population.method,
        "trusted": population.trusted,
        "draws": len(subject.reference.baselines_SDP) if METHODS[population.method].draws else None,
        "answer": population.answer,
        "scaling": population.model.calibration.scaling.name if subject.probability else None,
        "features": features(population),
        # of feature: series
        "channels": channels(population),
        # end
        "maps": maps(population),
        "dependence": dependence(population),
        "interactions": interactions(population),
        **_compared(population, tables, found),
    }


def _compared(population: Population, tables: Mapping[SplitName, pa.Table], found: Findings) -> dict[str, Any]:
    beside = outside(population, tables, sizes_by_name(population))
    return {"outside": beside, "agreement": agreement(beside, sizes_by_name(population), population, found)}


def features(population: Population) -> list[dict[str, Any]]:
    """Rows of columns, steps or tokens, see `global_content`; none of pixels."""
    subject, seed = population.subject, population.seed
    if subject.noun == "pixels":
        return []
    signs = population.answer is not None or not subject.probability
    if subject.noun == "tokens":
        rows = _token_rows(population, signs=signs)
    else:
        map_NQ = over_channels(population.maps_NQ, subject).double().numpy()
        rows = _rows(names_of(population), map_NQ, seed, signs=signs)
    return sorted(rows, key=lambda row: -row["value"])[: MOST_TOKENS if subject.noun == "tokens" else None]


def channels(population: Population) -> list[dict[str, Any]]:
    """Rows of the channels of a series, sizes summed over steps; none of what has no channels."""
    subject = population.subject
    if not subject.reference.by_channel:
        return []
    sizes_ND = population.maps_NQ.double().abs().sum(2).numpy()
    return _rows(channels_of(population.model, subject), sizes_ND, population.seed, signs=False)


def maps(population: Population) -> dict[str, Any] | None:
    """Of images the share of each cell, over all records and by predicted class; None of others."""
    subject, seed = population.subject, population.seed
    if subject.noun != "pixels":
        return None
    shares_NHW = cell_shares(population.maps_NQ)
    answers = np.array(population.predictions.column("prediction").to_pylist(), dtype=object)
    classes = [name for name in population.config.data.classes if (answers == name).sum() >= FEWEST_RECORDS]
    return {
        **_grid(shares_NHW, seed),
        "classes": [
            {"class": name, "n": int((answers == name).sum()), **_grid(shares_NHW[answers == name], seed)}
            for name in classes
        ],
    }


def _rows(names: Sequence[str], map_NQ: Floats, seed: int, *, signs: bool) -> list[dict[str, Any]]:
    sizes_NQ = np.abs(map_NQ)
    low_Q, high_Q = mean_intervals(sizes_NQ, seed)
    share_Q = shares(sizes_NQ).mean(0)
    return [
        {
            "name": name,
            "n": len(map_NQ),
            "value": rounded(sizes_NQ[:, place].mean()),
            "low": rounded(low_Q[place]),
            "high": rounded(high_Q[place]),
            "share": rounded(share_Q[place]),
            "signed": rounded(map_NQ[:, place].mean()) if signs else None,
        }
        for place, name in enumerate(names)
    ]


def _token_rows(population: Population, *, signs: bool) -> list[dict[str, Any]]:
    """A token's figures are of the records that have it; its share of all that was attributed in any."""
    everything = float(population.maps_NQ.double().abs().sum())
    rows = []
    for name, found_N in tokens_of(population).items():
        (row,) = _rows([name], found_N[:, None], population.seed, signs=signs)
        rows.append({**row, "share": rounded(np.abs(found_N).sum() / everything) if everything else 0.0})
    return rows


def _grid(shares_NHW: Floats, seed: int) -> dict[str, Any]:
    count, height, width = shares_NHW.shape
    low, high = (found.reshape(height, width) for found in mean_intervals(shares_NHW.reshape(count, -1), seed))
    grids = {"value": shares_NHW.mean(0), "low": low, "high": high}
    return {
        "height": height,
        "width": width,
        **{name: [[rounded(cell) for cell in row] for row in grid] for name, grid in grids.items()},
    }
