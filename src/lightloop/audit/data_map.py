"""data_map.json: easy, ambiguous and hard training records, by how the network learned them.

Shapes: N records.
Source: Swayamdipta et al. 2020, Dataset Cartography, arXiv:2009.10795.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lightloop.audit.scoring import Ruler, described, not_applicable
from lightloop.project import Project

# A record is hard where its label had a lower probability than this on average, and ambiguous where that went up and
# down by more than this from epoch to epoch; the rest is easy.
HARD, AMBIGUOUS = 0.5, 0.25
REGIONS = ("easy", "ambiguous", "hard")
POINTS = 300  # of a chart
HARDEST = 0.05  # of the records, among which suspected labels should be found


def data_map(project: Project, train: pa.Table, ruler: Ruler, suspects: Mapping[str, Any]) -> dict[str, Any]:
    """The content of data_map.json.

    `n` records and their `epochs` (of those, the most frequent number); `regions`: `limits`, and for each of easy,
    ambiguous and hard the `share` of records with interval, and `by_class`; `hardest` and `most_ambiguous`: `id`,
    `label`, `mean`, `deviation`, `right`; `points`: mean and deviation of a sample, for a chart; `suspects`: of the
    labels that labels.json doubts, how many lie among the hardest twentieth (`among_hardest` of `n`; null where it
    doubts none).
    """
    if not project.dynamics.exists():
        return not_applicable("the training left no record of how records were learned: train again")
    table = pq.read_table(project.dynamics)
    table = table.filter(table.column("mean").is_valid())
    if not len(table):
        why = "an ensemble has no training of its own that could be followed"
        if ruler.config.data.problem != "classification":
            why = f"in {ruler.config.data.problem} there is no class whose probability could be followed"
        elif ruler.config.debug.name != "none":
            why = f"debug={ruler.config.debug.name} trains on other records"
        return not_applicable(why)
    mean_N, deviation_N = (table.column(name).to_numpy() for name in ("mean", "deviation"))
    region_N = regions(mean_N, deviation_N)
    labels = np.asarray(table.column("label").to_pylist(), dtype=object)
    place = {name: row for row, name in enumerate(train.column("id").to_pylist())}
    rows = [place.get(name) for name in table.column("id").to_pylist()]
    # With the columns that say what is drawn together; records that were labelled by the model are in no split.
    records = table.select(["id"]) if None in rows else train.take(rows)
    drawn = np.sort(np.random.default_rng(ruler.config.seed).permutation(len(table))[:POINTS])
    shown = ruler.settings.suspects
    return described(
        {
            "n": len(table),
            "epochs": int(np.bincount(table.column("times").to_numpy()).argmax()),
            "regions": {
                "limits": {"hard": HARD, "ambiguous": AMBIGUOUS},
                **{
                    name: {
                        "share": ruler.mean(region_N == place, records),
                        "by_class": _by_class(region_N == place, labels, ruler.config.data.classes),
                    }
                    for place, name in enumerate(REGIONS)
                },
            },
            "hardest": _rows(table, np.argsort(mean_N, kind="stable")[:shown]),
            "most_ambiguous": _rows(table, np.argsort(-deviation_N, kind="stable")[:shown]),
            "points": [[round(float(mean_N[row]), 4), round(float(deviation_N[row]), 4)] for row in drawn],
            "suspects": _among_hardest(table, mean_N, suspects.get("suspects") or []),
        }
    )


def regions(mean_N: NDArray[np.float64], deviation_N: NDArray[np.float64]) -> NDArray[np.int64]:
    """The place (N,) in REGIONS of each record.

    Examples:
        >>> regions(np.array([0.9, 0.9, 0.2]), np.array([0.1, 0.3, 0.3])).tolist()
        [0, 1, 2]
    """
    return np.where(mean_N < HARD, 2, np.where(deviation_N > AMBIGUOUS, 1, 0)).astype(np.int64)


def _by_class(inside_N: NDArray[np.bool_], labels: NDArray[Any], classes: Sequence[str]) -> dict[str, float | None]:
    found = {name: inside_N[labels == name] for name in classes}
    return {name: float(part.mean()) if len(part) else None for name, part in found.items()}


def _rows(table: pa.Table, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table.select(["id", "label", "mean", "deviation", "right"]).take(rows).to_pylist()
    return found


def _among_hardest(
    table: pa.Table, mean_N: NDArray[np.float64], suspects: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    place = {name: row for row, name in enumerate(table.column("id").to_pylist())}
    rows = [place[suspect["id"]] for suspect in suspects if suspect["id"] in place]
    if not rows:
        return None
    limit = float(np.quantile(mean_N, HARDEST))
    return {"n": len(rows), "among_hardest": int((mean_N[rows] <= limit).sum()), "share": HARDEST}
