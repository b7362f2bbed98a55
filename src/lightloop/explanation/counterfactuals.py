"""counterfactuals.json: what would have to be otherwise in a row of a table for the decision to be another one.

Shapes: N records, S states, M training rows, F columns, K classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import binomtest

from lightloop.config.schema import Config
from lightloop.data.splits import SplitName
from lightloop.data.tabular.input import TabularInput, as_categories
from lightloop.explanation.evidence import DIGITS
from lightloop.explanation.sample import Sample
from lightloop.explanation.search import (
    Codes,
    Column,
    Direction,
    Floats,
    Found,
    column_of,
    distances,
    neighbours,
    search,
    table_of,
)
from lightloop.tasks.checkpoint import Model

METHOD = (
    "NICE: values of the nearest training rows that are decided otherwise are copied one by one, each time that which "
    "gains most for its distance, until the decision turns; beside it a greedy search along coordinates; then what is "
    "not needed is taken back, and numbers are brought as near to the record's as training values allow"
)
SOURCE = "arXiv:2104.07411"
DISTANCE = (
    "sum over the changed columns: of numbers and of the ranks of ordered values in median absolute deviations of the "
    "training rows, 1 for another category"
)
NOTE = (
    "Columns are changed one by one: those that follow from each other in life do not follow here. It is what the "
    "model would answer to another row, not what would come of doing so."
)
RECORDS = 40  # that are tried
DONORS = 20  # training rows from which values are copied, for each record
CONFIDENCE = 0.95


def counterfactuals_content(
    config: Config, model: Model, tables: Mapping[SplitName, pa.Table], drawn: Sample
) -> dict[str, Any]:
    """The content of counterfactuals.json.

    `n` records were tried, for `found` of them there is one, `share` with Wilson's interval. `records`: `id`, `label`,
    `kind`, the `decision` about it and its `probability`, the `wanted` decision, how far the nearest training row is
    that is decided so, by all columns (`neighbour`), and `counterfactuals`, the nearest first:
    `distance`, the `probability` of the wanted class after it, and `changes`: `name`, `from`, `to`, `distance`.
    `columns`: for each that may change, `name`, `kind`, `direction`, `unit` (what a distance of 1 is, null for
    categories), and in how many of the nearest counterfactuals it is changed, `n` and `share`. `fixed` are the others.
    `checks.valid` is the share of all written counterfactuals whose rows, made anew from this file and answered as a
    raw record is, are decided as wanted.

    Args:
        config: of the run; `data` says what may change.
        model: as it is released, with its calibration.
        tables: of `data.splits.read_splits`.
        drawn: the explained test records.
    """
    why = refusal(config)
    if why:
        return {"applies": False, "why": why}
    schema = model.preprocessor.input
    assert isinstance(schema, TabularInput)
    places = np.unique(np.linspace(0, len(drawn.rows) - 1, min(RECORDS, len(drawn.rows))).round().astype(int))
    records = as_text(tables["test"].take(drawn.rows[places]), schema)
    train = as_text(tables["train"], schema)
    made = [column_of(one, direction_of(config, one.name), train, records) for one in schema.features]
    columns = [column for column, _, _ in made]
    train_MF, start_NF = np.stack([own for _, own, _ in made], axis=1), np.stack([own for _, _, own in made], axis=1)

    p_NK = _answer(model, records)
    decided_N, classes = model.calibration.decision.decide(p_NK), list(config.data.classes)
    goal_N = goals(p_NK, decided_N, classes, config.data.favourable)
    decided_M = model.calibration.decision.decide(_answer(model, train))
    others = [train_MF[decided_M == goal] for goal in goal_N]
    donors = [own_MF[neighbours(columns, start_NF[row], own_MF, DONORS)] for row, own_MF in enumerate(others)]

    def ask(states_SF: Codes, goal_S: Codes) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        p_SK = _answer(model, table_of(columns, states_SF))
        return p_SK[np.arange(len(goal_S)), goal_S], model.calibration.decision.decide(p_SK) == goal_S

    found = search(columns, start_NF, goal_N, donors, ask, each=config.explain.counterfactuals)
    p_SK = _answer(model, table_of(columns, found.states_SF))
    written = _written(columns, start_NF, found, p_SK[np.arange(len(p_SK)), goal_N[found.record_S]])
    rows: list[dict[str, Any]] = [
        {
            "id": one["id"],
            "label": one["label"],
            "kind": drawn.kinds[places[row]],
            "decision": classes[decided_N[row]],
            "probability": _short(p_NK[row, decided_N[row]]),
            "wanted": classes[goal_N[row]],
            "neighbour": _nearest(columns, start_NF[row], others[row]),
            "counterfactuals": written[row],
        }
        for row, one in enumerate(records.select(["id", "label"]).to_pylist())
    ]
    turned = sum(bool(row["counterfactuals"]) for row in rows)
    bounds = binomtest(turned, len(rows)).proportion_ci(CONFIDENCE, "wilson")
    nearest = [row["counterfactuals"][0] for row in rows if row["counterfactuals"]]
    return {
        "applies": True,
        "method": METHOD,
        "source": SOURCE,
        "distance": DISTANCE,
        "note": NOTE,
        "rule": model.calibration.decision.model_dump(mode="json"),
        "n": len(rows),
        "found": turned,
        "share": {"value": turned / len(rows), "low": float(bounds.low), "high": float(bounds.high)},
        "changed": _median([len(one["changes"]) for one in nearest]),
        "nearest": _median([one["distance"] for one in nearest]),
        "neighbour": _median([row["neighbour"] for row in rows if row["counterfactuals"]]),
        "columns": [_told(one, schema, nearest) for one in columns if one.direction != "none"],
        "fixed": [one.name for one in columns if one.direction == "none"],
        "records": rows,
        "checks": {"valid": valid(model, records, rows, goal_N)},
    }


def refusal(config: Config) -> str | None:
    """Why there are no counterfactuals, in a sentence; None where there are."""
    if config.data.modality != "tabular":
        return f"Counterfactuals are for rows of tables: of {config.data.modality} data no column can be changed."
    if config.data.problem != "classification":
        return "Numbers are answered, so there is no decision to turn."
    return None


def direction_of(config: Config, name: str) -> Direction:
    """In which direction a column may change, as the data spec says; sensitive columns are no features."""
    said = config.data.columns[name].changeable
    if isinstance(said, str):
        return said
    return "none" if said is False else "any"


def as_text(table: pa.Table, schema: TabularInput) -> pa.Table:
    """Rows with categories as text, as the model reads them: dates and such are no JSON."""
    for feature in schema.features:
        if feature.kind != "number":
            place = table.column_names.index(feature.name)
            table = table.set_column(place, feature.name, as_categories(table.column(place), feature.name))
    return table


def goals(p_NK: NDArray[np.floating[Any]], decided_N: Codes, classes: Sequence[str], favourable: str | None) -> Codes:
    """The decision (N,) that is wanted: the favourable one where there is one; else the most probable of the others.

    Examples:
        >>> p_NK = np.array([[0.5, 0.2, 0.3], [0.1, 0.7, 0.2]])
        >>> goals(p_NK, np.array([0, 1]), ["a", "b", "c"], "b").tolist()
        [1, 2]
    """
    others_NK = np.where(np.arange(p_NK.shape[1]) == decided_N[:, None], -np.inf, p_NK)
    goal_N = np.asarray(others_NK.argmax(1), dtype=np.int64)
    if favourable is None:
        return goal_N
    wanted = list(classes).index(favourable)
    return np.where(decided_N == wanted, goal_N, wanted)


def valid(model: Model, records: pa.Table, rows: Sequence[Mapping[str, Any]], goal_N: Codes) -> dict[str, Any]:
    """Whether what is written turns the decisions: rows made from the file, answered as raw records are."""
    given = {row["id"]: row for row in records.to_pylist()}
    changed, wanted = [], []
    for row, goal in zip(rows, goal_N.tolist(), strict=True):
        for one in row["counterfactuals"]:
            changed.append(given[row["id"]] | {change["name"]: change["to"] for change in one["changes"]})
            wanted.append(goal)
    if not changed:
        return {"value": None, "threshold": 1.0, "passed": False, "n": 0}
    table = pa.Table.from_pylist(changed, schema=records.schema)
    share = float((model.calibration.decision.decide(_answer(model, table)) == np.array(wanted)).mean())
    return {"value": share, "threshold": 1.0, "passed": share == 1, "n": len(changed)}


def _answer(model: Model, table: pa.Table) -> NDArray[np.float64]:
    if not len(table):
        return np.zeros((0, len(model.config.data.classes)))
    return np.asarray(model.answers(table, batch_size=4096)["probabilities"], dtype=np.float64)


def _written(columns: Sequence[Column], start_NF: Codes, found: Found, chance_S: Floats) -> list[list[dict[str, Any]]]:
    """For each record its counterfactuals; `chance_S` is that of the wanted class."""
    written: list[list[dict[str, Any]]] = [[] for _ in start_NF]
    before_SF = start_NF[found.record_S]
    cost_SF = distances(columns, before_SF, found.states_SF)
    for state, record in enumerate(found.record_S.tolist()):
        changed = np.flatnonzero(before_SF[state] != found.states_SF[state])
        changes = [
            {
                "name": columns[place].name,
                "from": _plain(columns[place].values[int(before_SF[state, place])].as_py()),
                "to": _plain(columns[place].values[int(found.states_SF[state, place])].as_py()),
                "distance": _short(cost_SF[state, place]),
            }
            for place in changed[np.argsort(-cost_SF[state, changed], kind="stable")]
        ]
        written[record].append(
            {"distance": _short(found.distance_S[state]), "probability": _short(chance_S[state]), "changes": changes}
        )
    return written


def _plain(value: Any) -> Any:
    """As short as a number can be that the graph reads as the same: it takes float32."""
    return float(str(np.float32(value))) if isinstance(value, float) else value


def _nearest(columns: Sequence[Column], start_F: Codes, others_MF: Codes) -> float | None:
    """How far the nearest of some training rows is, by all columns."""
    if not len(others_MF):
        return None
    return _short(distances(columns, np.broadcast_to(start_F, others_MF.shape), others_MF).sum(1).min())


def _told(column: Column, schema: TabularInput, nearest: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    kind = next(one.kind for one in schema.features if one.name == column.name)
    count = sum(any(change["name"] == column.name for change in one["changes"]) for one in nearest)
    return {
        "name": column.name,
        "kind": kind,
        "direction": column.direction,
        "unit": None if column.scale is None else _short(column.scale),
        "n": count,
        "share": count / len(nearest) if nearest else None,
    }


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return _short(np.median(known)) if known else None


def _short(value: Any) -> float:
    return float(f"{float(value):.{DIGITS}g}")
