"""`lightloop label-next`: which unlabelled records a person should label next. No torch.

Shapes: N records, K classes, P picked.
Source: Settles 2009, Active Learning Literature Survey, section 3.1; diversity: Zhdanov 2019 (arXiv:1901.05954).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lightloop.calibration.rules import decided_probability
from lightloop.config.compose import read_params
from lightloop.data.unlabelled import read_unlabelled
from lightloop.errors import LightloopError, UsageError
from lightloop.files import replacing
from lightloop.project import Project
from lightloop.serving.predictor import Predictor

Floats = NDArray[np.floating[Any]]
# Of how many times as many uncertain records the different ones are chosen.
POOL = 10


def entropy(p_NK: Floats) -> Floats:
    """Entropy in nats: 0 where one class is sure, log K where all are alike.

    Examples:
        >>> entropy(np.array([[1.0, 0.0], [0.5, 0.5]])).round(3).tolist()
        [0.0, 0.693]
    """
    return -(p_NK * np.log(np.clip(p_NK, 1e-12, 1))).sum(1) + 0.0


def margin(p_NK: Floats) -> Floats:
    """1 minus the distance between the two most probable classes.

    Examples:
        >>> margin(np.array([[0.7, 0.2, 0.1]])).round(3).tolist()
        [0.5]
    """
    top_N2 = np.sort(p_NK, axis=1)[:, -2:]
    return 1 - (top_N2[:, 1] - top_N2[:, 0])


def least_confidence(p_NK: Floats) -> Floats:
    """1 minus the probability of the most probable class.

    Examples:
        >>> least_confidence(np.array([[0.7, 0.2, 0.1]])).round(3).tolist()
        [0.3]
    """
    return 1 - p_NK.max(1)


METHODS: Mapping[str, Callable[[Floats], Floats]] = {
    "entropy": entropy,
    "margin": margin,
    "least_confidence": least_confidence,
}


def pick(p_NK: Floats, count: int, method: str, *, diverse: bool = False, seed: int = 0) -> NDArray[np.int64]:
    """Rows (P,) of the most uncertain records, the most uncertain first; of equal ones the first.

    With `diverse`, the uncertain ones are clustered by their probabilities, each weighted by its uncertainty, and of
    each cluster the one nearest to the centre is taken, so that they do not all ask the same question.

    Examples:
        >>> pick(np.array([[0.9, 0.1], [0.5, 0.5], [0.6, 0.4]]), 2, "margin").tolist()
        [1, 2]
    """
    uncertainty_N = METHODS[method](p_NK)
    order = np.argsort(-uncertainty_N, kind="stable")
    if not diverse or count >= len(order):
        return order[:count]
    from sklearn.cluster import KMeans

    pool = order[: POOL * count]
    points = p_NK[pool].astype(np.float64)
    distinct = min(count, len(np.unique(points, axis=0)))
    weights = np.maximum(uncertainty_N[pool], 1e-9)
    clusters = KMeans(distinct, n_init=3, random_state=seed).fit(points, sample_weight=weights)
    nearest = clusters.transform(points).argmin(0)
    chosen = list(dict.fromkeys(nearest.tolist()))
    # Centres can share their nearest record: then the most uncertain of the others follow.
    chosen += [place for place in range(len(pool)) if place not in set(chosen)][: count - len(chosen)]
    return pool[np.sort(np.array(chosen))]


def label_next(
    *,
    count: int = 20,
    method: str = "margin",
    diverse: bool = False,
    released: bool = False,
    out: Path | None = None,
) -> Path:
    """Write the most uncertain unlabelled records for a person to label, and return where.

    Args:
        count: how many.
        method: `entropy`, `margin` or `least_confidence`.
        diverse: different ones among the uncertain, see `pick`.
        released: ask the model that stands in production, instead of the one that was trained last.
        out: a `.csv` or `.parquet` file; by default `label-next.csv`, or `label-next.parquet` where records are bytes.
            Its columns are `id`, those of the record, `label` (empty), `prediction`, `probability`, `uncertainty`.

    Raises:
        UsageError: the data set is not for classification, an unknown method, or a file that can't hold the records.
        LightloopError: there is no unlabelled record, or no model.
    """
    project = Project.find()
    config = read_params(project)
    spec = config.data
    if spec.problem != "classification":
        raise UsageError(f"label-next is for classification, but data={spec.name} is {spec.problem}")
    if method not in METHODS:
        raise UsageError(f"--method is {method!r}: it must be one of {', '.join(METHODS)}")
    if count < 1:
        raise UsageError(f"--count is {count}: it must be 1 or more")
    bundle = project.champion_bundle if released else project.bundle
    if not bundle.is_dir():
        todo = "promote one first" if released else "run `lightloop run` first"
        raise LightloopError(f"{project.relative(bundle)} is missing, so no model can be asked: {todo}")
    records = read_unlabelled(spec, project.root)
    if not len(records):
        raise LightloopError(
            f"{spec.path} has no unlabelled record: leave the label of some training records empty, or name a file "
            "of them as data.unlabelled, or try it with data.hide_labels=0.9"
        )
    predictor = Predictor.load(bundle)
    if not predictor.classes:
        raise UsageError(f"the bundle {project.relative(bundle)} answers no classes: run `lightloop run`")
    p_NK = predictor.answers(records)["probabilities"]
    rows = pick(p_NK, count, method, diverse=diverse, seed=config.seed)
    path = out or project.root / ("label-next.parquet" if _has_bytes(records) else "label-next.csv")
    _write(_table(records, rows, p_NK, predictor.classes, method, decided_N=predictor.decide(p_NK)), path)
    return path


def _table(
    records: pa.Table,
    rows: NDArray[np.int64],
    p_NK: Floats,
    classes: tuple[str, ...],
    method: str,
    *,
    decided_N: NDArray[np.int64] | None = None,
) -> pa.Table:
    chosen = records.take(rows)
    best = (p_NK.argmax(1) if decided_N is None else decided_N)[rows]
    found = {
        "prediction": pa.array([classes[code] for code in best], pa.string()),
        "probability": pa.array(decided_probability(p_NK[rows], best)),
        "uncertainty": pa.array(METHODS[method](p_NK[rows]).astype(np.float64)),
    }
    names = ["id", *(name for name in chosen.column_names if name not in ("id", "label")), "label"]
    table = chosen.select(names)
    for name, column in found.items():
        table = table.append_column(name, column)
    return table


def _has_bytes(table: pa.Table) -> bool:
    return any(not _plain(field.type) for field in table.schema)


def _plain(kind: pa.DataType) -> bool:
    """Whether a CSV file can hold a column of this type."""
    return not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_nested(kind))


def _write(table: pa.Table, path: Path) -> None:
    match path.suffix.lower():
        case ".csv":
            if _has_bytes(table):
                raise UsageError(f"{path.name} can't hold images or series: say --out {path.stem}.parquet")
            with replacing(path) as temporary:
                pc.write_csv(table, temporary)
        case ".parquet":
            with replacing(path) as temporary:
                pq.write_table(table, temporary)
        case _:
            raise UsageError(f"--out is {path.name}: it must end in .csv or .parquet")
