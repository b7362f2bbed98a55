"""labels.json: training records whose label is probably wrong, by confident learning on answers of models that never
saw them.

Shapes: N records, K classes.
Sources: Northcutt et al. 2021, Confident Learning, arXiv:1911.00068; for numbers Zhou et al. 2023, arXiv:2305.16583.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.stats import binomtest

from lightloop.audit.scoring import Ruler, described, not_applicable, sample
from lightloop.config.schema import Config
from lightloop.data.folds import draw_folds
from lightloop.data.records import label_codes
from lightloop.data.splits import SplitName
from lightloop.errors import RefusedError
from lightloop.evaluation.baseline import baseline_answers, baseline_title
from lightloop.evaluation.evidence import matrix
from lightloop.project import Project
from lightloop.training.ensemble import HELD_OUT

FEWEST = 50  # of fewer records no noise can be estimated


@dataclass(frozen=True)
class HeldOut:
    """Answers to training records by models that were not trained on them.

    Attributes:
        records: those that were answered, with `id` and `label`.
        answers_NM: probabilities (N, K), or numbers (N, 1).
        source: whose answers they are, for people.
        network: whether it is the network itself.
        folds: of the division.
    """

    records: pa.Table
    answers_NM: NDArray[np.float64]
    source: str
    network: bool
    folds: int


def labels(project: Project, splits: Mapping[SplitName, pa.Table], ruler: Ruler) -> dict[str, Any]:
    """The content of labels.json.

    `source` says who answered, `folds` in how many parts, `network` whether it was the network. `found` records are
    suspected of `n`, a share of which `estimated_share` is the estimate (with Wilson's interval; null for numbers,
    where there is none). `suspects`: `id`, `label`, `suggestion`, `score` (0 is worst), the worst first.
    """
    spec = ruler.config.data
    if spec.problem not in ("classification", "regression"):
        return not_applicable(f"in {spec.problem} no person gave the records labels that could be wrong")
    held_out = of_network(project, splits["train"], ruler.config) or of_simpler(splits, ruler)
    if held_out is None or len(held_out.records) < FEWEST:
        return not_applicable(f"there are too few training records to hold some out: {len(splits['train'])}")
    shown = {"n": len(held_out.records), "source": held_out.source, "network": held_out.network}
    shown |= {"folds": held_out.folds, "confidence": ruler.config.gate.confidence}
    if spec.problem == "classification":
        return described(shown | _of_classes(held_out, ruler))
    return described(shown | _of_numbers(held_out, ruler))


def of_network(project: Project, train: pa.Table, config: Config) -> HeldOut | None:
    """What the network's own folds answered, where the folds stage left it; seeds are averaged."""
    file = project.members / HELD_OUT
    if config.data.problem != "classification" or not file.exists():
        return None
    table = pq.read_table(file)
    p_NK, ids = matrix(table, "probabilities"), table.column("id").to_pylist()
    place = {name: number for number, name in enumerate(dict.fromkeys(ids))}
    rows = np.array([place[name] for name in ids])
    sums_NK = np.zeros((len(place), p_NK.shape[1]))
    np.add.at(sums_NK, rows, p_NK)
    counts_N = np.bincount(rows)
    first = table.take(np.unique(rows, return_index=True)[1])
    known = np.isin(np.array(list(place)), train.column("id").to_pylist())
    records = first.select(["id", "label"]).filter(pa.array(known))
    title = f"the network of {config.folds} folds and {config.seeds} seeds"
    return HeldOut(records, (sums_NK / counts_N[:, None])[known], title, True, config.folds)


def of_simpler(splits: Mapping[SplitName, pa.Table], ruler: Ruler) -> HeldOut | None:
    """What the problem's simpler model answers in cross-validation over the training split, divided by its policy."""
    config, settings = ruler.config, ruler.settings
    train = splits["train"]
    train = train if settings.label_records is None else sample(train, config, settings.label_records)
    try:
        folds = draw_folds(train, config.data, settings.label_folds, config.seed)
    except RefusedError:
        return None
    parts = []
    for fold in folds:
        given: dict[SplitName, pa.Table] = {
            "train": train.take(fold.train),
            "validation": train.take(fold.validation),
            "test": train.take(fold.held_out),
        }
        parts.append(ruler.values(baseline_answers(config, given, given["test"])))
    order = np.concatenate([fold.held_out for fold in folds])
    answers_NM = np.concatenate(parts).astype(np.float64)
    back = np.argsort(order, kind="stable")
    source = f"{baseline_title(config.data)}, the simpler model"
    return HeldOut(train.take(order[back]), answers_NM[back], source, False, settings.label_folds)


def find_issues(
    labels_N: NDArray[np.int64], p_NK: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which labels confident learning doubts (N,), and how good each label is (N,), 0 to 1.

    Args:
        labels_N: the given classes.
        p_NK: probabilities by models that were not trained on the record.
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    p_NK = p_NK / p_NK.sum(1, keepdims=True)
    # One process: two on two cores are not faster, and start anew for each call.
    issues_N = find_label_issues(labels_N, p_NK, n_jobs=1)
    return np.asarray(issues_N, dtype=bool), np.asarray(get_label_quality_scores(labels_N, p_NK), dtype=np.float64)


def _of_classes(held_out: HeldOut, ruler: Ruler) -> dict[str, Any]:
    classes, n = ruler.config.data.classes, len(held_out.records)
    labels_N = label_codes(held_out.records.column("label").to_pylist(), classes)
    if len(np.unique(labels_N)) < 2:
        return {"found": 0, "estimated_share": None, "suspects": []}
    issues_N, score_N = find_issues(labels_N, held_out.answers_NM)
    found = int(issues_N.sum())
    bounds = binomtest(found, n).proportion_ci(ruler.config.gate.confidence, "wilson")
    suspected = np.flatnonzero(issues_N)
    worst = suspected[np.argsort(score_N[suspected], kind="stable")][: ruler.settings.suspects]
    ids = held_out.records.column("id").to_pylist()
    return {
        "found": found,
        "estimated_share": {"value": found / n, "low": float(bounds.low), "high": float(bounds.high)},
        "suspects": [
            {
                "id": ids[row],
                "label": classes[labels_N[row]],
                "suggestion": classes[int(held_out.answers_NM[row].argmax())],
                "score": float(score_N[row]),
            }
            for row in worst
        ],
    }


def _of_numbers(held_out: HeldOut, ruler: Ruler) -> dict[str, Any]:
    from cleanlab.regression.rank import get_label_quality_scores

    labels_N = np.asarray(held_out.records.column("label").to_pylist(), dtype=np.float64)
    answers_N = held_out.answers_NM[:, 0]
    score_N = np.asarray(get_label_quality_scores(labels_N, answers_N))
    worst = np.argsort(score_N, kind="stable")[: ruler.settings.suspects]
    ids = held_out.records.column("id").to_pylist()
    rows = [
        {
            "id": ids[row],
            "label": float(labels_N[row]),
            "suggestion": float(answers_N[row]),
            "score": float(score_N[row]),
        }
        for row in worst
    ]
    return {"found": None, "estimated_share": None, "suspects": rows}
