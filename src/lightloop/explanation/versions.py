"""versions.json: what the new model looks at that the champion did not, on the same records.

Shapes: N records, M features that both tell of.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from scipy.stats import rankdata, wilcoxon

from lightloop.config.schema import Config
from lightloop.data.splits import SplitName
from lightloop.errors import LightloopError
from lightloop.evaluation.comparison import corrected
from lightloop.explanation.curves import mean_interval
from lightloop.explanation.evidence import over_channels
from lightloop.explanation.methods import METHODS, unfit
from lightloop.explanation.population import Population, attribute_all
from lightloop.explanation.rebuilt import model_of_bundle
from lightloop.explanation.subject import build_subject
from lightloop.explanation.tally import Floats, cell_shares, mean_intervals, names_of, rounded, shares
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.tasks.checkpoint import Model

LEVEL = 0.05  # of all tests together, by Holm
COVERED = 0.8  # of a model's attention is what it looks at
ROUNDING = 5  # decimal places of a share
MOST_RECORDS = 100  # that both models explain
MOST_FEATURES = 60  # that are compared: those with the most attention
# Attention by record: the share of each feature that the record has.
Attention = list[dict[str, float]]


def versions_content(
    config: Config, project: Project, population: Population, tables: Mapping[SplitName, pa.Table]
) -> dict[str, Any]:
    """What versions.json holds.

    Both models explain the same output of each record. Attention is the size of a feature's attributions as a share of
    the record's; the features are columns, steps, tokens, or the cells of a coarse grid of images.

    Args:
        config: of the run.
        project: where the champion lies, as `lightloop run` fetched it.
        population: of the new model.
        tables: the splits.

    Returns:
        `applies`; `champion` (version), `n`, `noun`, `method`; `same_answer`: share of the records to which both give
        the same class (null of numbers); `correlation`: rank correlation of both models' attention, mean over records;
        `noise`: the same of the new model with itself by other draws, null where the method draws nothing: what
        `correlation` can reach at most; each with `low` and `high`;
        `features`, largest change first: `name`, attention as `new`, `old`, `difference`, each with `low` and `high`,
        `p` (Wilcoxon's signed ranks) and `holm`, `change` (rose, fell, or null where nothing is shown);
        `gained`: what rose and is among the features with `covered` of the new model's attention, but not of the
        old one's; `lost`: the reverse; `only_new`, `only_old`: features that one model alone is given.
    """
    if not project.champion.exists():
        return _not("The registry was not asked for a champion: `lightloop run` does that.")
    champion = read_json(project.champion)
    if champion["version"] is None:
        return _not("There is no champion yet to compare with.")
    try:
        old_model = model_of_bundle(project.champion_bundle)
    except LightloopError as error:
        return _not(f"The champion {champion['version']} can't be compared: {error}.")
    reason = _unlike(population.model, old_model) or unfit(population.method, old_model.network)
    if reason:
        return _not(f"The champion {champion['version']} can't be compared: {reason}")
    population = _fewer(population)
    try:
        old = attributed(config, old_model, population, tables)
    except (LightloopError, pa.ArrowException, KeyError, ValueError, RuntimeError) as error:
        said = str(error).strip().splitlines()[0].rstrip(".")
        return _not(f"The champion {champion['version']} does not take today's records ({said}).")
    return {
        "applies": True,
        "champion": champion["version"],
        "n": len(population.records),
        "noun": population.subject.noun,
        "method": population.method,
        "same_answer": _same_answer(population, old_model),
        **compare(population, old),
    }


def attributed(config: Config, model: Model, like: Population, tables: Mapping[SplitName, pa.Table]) -> Population:
    """The records of a population, and what is explained of them, attributed by another model.

    Raises:
        ValueError: it does not know a class.
    """
    asked = config.model_copy(update={"explain": config.explain.model_copy(update={"methods": (like.method,)})})
    subject = build_subject(asked, model, like.records, like.predictions, tables["train"])
    subject = subject.part(len(like.records), len(subject.reference.baselines_SDP))
    if like.answer is not None:
        place = model.config.data.classes.index(like.answer)
        subject = replace(subject, targets_N=torch.full_like(subject.targets_N, place))
    return replace(like, model=model, subject=subject, maps_NQ=attribute_all(like.method, subject))


def _fewer(population: Population) -> Population:
    rows = population.subject.spread(MOST_RECORDS)
    records, predictions = (table.take(rows.numpy()) for table in (population.records, population.predictions))
    subject = population.subject.take(rows)
    fewer = replace(population, subject=subject, records=records, predictions=predictions)
    # Anew, so that both models are asked about the same records with the same baselines.
    return replace(fewer, maps_NQ=attribute_all(population.method, subject))


def compare(new: Population, old: Population) -> dict[str, Any]:
    """The figures of versions.json, of two models on the same records."""
    seed = new.seed
    ours, theirs = attention(new), attention(old)
    noise = None
    if METHODS[new.method].draws:
        again = replace(new.subject, reference=new.subject.reference.reseeded())
        other = attention(replace(new, subject=again, maps_NQ=attribute_all(new.method, again)))
        noise = _mean(_correlations(ours, other), seed)
    # Tokens are there or not; of all others a feature that one model lacks can't have risen or fallen.
    both = None if new.subject.noun == "tokens" else [name for name in ours[0] if name in theirs[0]]
    rows = _rows(ours, theirs, both, seed)
    gained, lost = _gained_and_lost(rows, ours, theirs)
    return {
        "correlation": _mean(_correlations(ours, theirs), seed),
        "noise": noise,
        "level": LEVEL,
        "covered": COVERED,
        "features": rows,
        "gained": gained,
        "lost": lost,
        "only_new": [] if both is None else sorted(set(ours[0]) - set(both)),
        "only_old": [] if both is None else sorted(set(theirs[0]) - set(both)),
    }


def attention(population: Population) -> Attention:
    """By record the share of the attributions' sizes that each feature has."""
    subject = population.subject
    if subject.noun == "tokens":
        return _of_tokens(population)
    if subject.noun == "pixels":
        shares_NHW = cell_shares(population.maps_NQ)
        names = [cell_name(row, column) for row in range(shares_NHW.shape[1]) for column in range(shares_NHW.shape[2])]
        shares_NQ = shares_NHW.reshape(len(shares_NHW), -1)
    else:
        names = names_of(population)
        shares_NQ = shares(over_channels(population.maps_NQ, subject).double().abs().numpy())
    return [dict(zip(names, row, strict=True)) for row in shares_NQ.tolist()]


def cell_name(row: int, column: int) -> str:
    """A cell of the grid of an image, counted from the upper left.

    Examples:
        >>> cell_name(0, 3)
        'row 1, column 4'
    """
    return f"row {row + 1}, column {column + 1}"


def _of_tokens(population: Population) -> Attention:
    preprocessor: Any = population.model.preprocessor
    (ids_NT,) = preprocessor.encode(population.records)
    found = []
    for ids_T, map_T, present_T in zip(ids_NT, population.maps_NQ, population.subject.present_NQ, strict=True):
        length = int(present_T.sum())
        sums: dict[str, float] = {}
        for name, size in zip(preprocessor.tokens(ids_T[:length].tolist()), map_T[:length].abs().tolist(), strict=True):
            sums[name] = sums.get(name, 0.0) + size
        whole = sum(sums.values())
        found.append({name: size / whole if whole else 0.0 for name, size in sums.items()})
    return found


def _rows(ours: Attention, theirs: Attention, names: Sequence[str] | None, seed: int) -> list[dict[str, Any]]:
    named = list(names if names is not None else dict.fromkeys(name for row in [*ours, *theirs] for name in row))
    new_NM, old_NM = (np.array([[row.get(name, 0.0) for name in named] for row in one]) for one in (ours, theirs))
    most = np.argsort(-(new_NM + old_NM).mean(0), kind="stable")[:MOST_FEATURES]
    new_NM, old_NM, named = new_NM[:, most], old_NM[:, most], [named[place] for place in most]
    columns = {"new": _means(new_NM, seed), "old": _means(old_NM, seed), "difference": _means(new_NM - old_NM, seed)}
    rows = [
        {
            "name": name,
            **{key: found[place] for key, found in columns.items()},
            "p": _signed_ranks(new_NM[:, place] - old_NM[:, place]),
        }
        for place, name in enumerate(named)
    ]
    for row in (rows := corrected(rows, {"p": "holm"})):
        shown = row["holm"] is not None and row["holm"] < LEVEL and row["difference"]["value"] != 0
        row["holm"] = None if row["holm"] is None else rounded(row["holm"])
        row["change"] = ("rose" if row["difference"]["value"] > 0 else "fell") if shown else None
    return sorted(rows, key=lambda row: -abs(row["difference"]["value"]))


def _gained_and_lost(
    rows: Sequence[Mapping[str, Any]], ours: Attention, theirs: Attention
) -> tuple[list[str], list[str]]:
    new, old = _looked_at(ours), _looked_at(theirs)
    return (
        [row["name"] for row in rows if row["change"] == "rose" and row["name"] in new - old],
        [row["name"] for row in rows if row["change"] == "fell" and row["name"] in old - new],
    )


def _looked_at(found: Attention) -> set[str]:
    """The features with the most attention that together have `COVERED` of it."""
    sums: dict[str, float] = {}
    for row in found:
        for name, share in row.items():
            sums[name] = sums.get(name, 0.0) + share
    names, reached, whole = set[str](), 0.0, sum(sums.values())
    for name in sorted(sums, key=lambda name: -sums[name]):
        if reached >= COVERED * whole:
            break
        names.add(name)
        reached += sums[name]
    return names


def _correlations(ours: Attention, theirs: Attention) -> Floats:
    """Spearman's correlation over the features that a record has in both, of the records where there is one."""
    found = []
    for one, other in zip(ours, theirs, strict=True):
        both = [name for name in one if name in other]
        first, second = (rankdata([row[name] for name in both]) if both else np.zeros(0) for row in (one, other))
        if len(both) > 1 and first.std() > 0 and second.std() > 0:
            found.append(float(np.corrcoef(first, second)[0, 1]))
    return np.array(found)


def _signed_ranks(difference_N: Floats) -> float | None:
    """Differences below the rounding of float32 are none: two runs of one model may differ by that."""
    difference_N = difference_N.round(ROUNDING)
    return rounded(float(wilcoxon(difference_N).pvalue)) if len(difference_N) > 1 and difference_N.any() else None


def _means(values_NM: Floats, seed: int) -> list[dict[str, float]]:
    low_M, high_M = mean_intervals(values_NM, seed)
    return [
        {"value": rounded(value), "low": rounded(low), "high": rounded(high)}
        for value, low, high in zip(values_NM.mean(0), low_M, high_M, strict=True)
    ]


def _mean(values_N: Floats, seed: int) -> dict[str, Any]:
    if not len(values_N):
        return {"n": 0, "value": None, "low": None, "high": None}
    low, high = mean_interval(values_N, seed)
    return {"n": len(values_N), "value": rounded(values_N.mean()), "low": rounded(low), "high": rounded(high)}


def _same_answer(population: Population, old_model: Model) -> dict[str, Any] | None:
    if population.config.data.problem != "classification":
        return None
    classes = np.array(old_model.config.data.classes, dtype=object)
    theirs = classes[old_model.calibration.decision.decide(old_model.answers(population.records)["probabilities"])]
    ours = np.array(population.predictions.column("prediction").to_pylist(), dtype=object)
    return _mean((ours == theirs).astype(float), population.seed)


def _unlike(new: Model, old: Model) -> str | None:
    """Why the two can't be compared, in a sentence."""
    for what in ("modality", "problem"):
        ours, theirs = getattr(new.config.data, what), getattr(old.config.data, what)
        if ours != theirs:
            return f"its {what} is {theirs}, that of the new model {ours}."
    missing = [name for name in new.config.data.classes if name not in old.config.data.classes]
    return f"it does not know the class {missing[0]}." if missing else None


def _not(why: str) -> dict[str, Any]:
    return {"applies": False, "why": why}
