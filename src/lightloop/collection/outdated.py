"""Which records no longer hold: whether a simpler model errs less on the newest records without the older ones.

Shapes: N records of training and validation, E of them that are judged by.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.stats import ttest_rel
from threadpoolctl import threadpool_limits

from lightloop.collection.candidates import OUR_NAMES
from lightloop.collection.sides import by_time
from lightloop.config.schema import AnySpec, Config
from lightloop.data.collected import ID, PREFIX, TIME, collected_path, read_keys, read_since
from lightloop.data.records import label_codes
from lightloop.data.splits import SplitName, read_splits
from lightloop.evaluation.baseline import baseline_answers, baseline_title
from lightloop.monitoring.content import content_keys

FEWEST = 100  # records to judge by
FOLDS = 4
# Of the paired differences, of all choices together. Where nothing changed, fewer records are worse in the mean, so
# that false alarms are much rarer than that (docs/benchmarks.md).
LEVEL = 0.01
MOST = 5000  # records that the simpler model learns from: more take time, and hardly change which choice is better
LEAST = 0.01  # a lower probability counts as this one: what is sure and wrong must not decide alone
OF_CLASS: dict[SplitName, int] = {"train": 10, "validation": 2, "test": 2}  # records that each class must keep
OWN, ALWAYS = -np.inf, np.inf  # times of the data set's own records, and of those that a person added
Floats = NDArray[np.float64]


class Judgement(BaseModel):
    """What came of it.

    Attributes:
        since: when records hold, UTC; null where all do.
        before: the same as it was until now.
        left_out: records of training and validation that no longer hold.
        judged: newest records that it was judged by.
        error: of the simpler model on these, taught as `since` says: logarithmic loss, or mean absolute error.
        error_before: the same, taught as `before` says.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: datetime | None
    before: datetime | None
    left_out: int
    judged: int
    error: float
    error_before: float


def judge(config: Config, root: Path, newest: int) -> Judgement | None:
    """Whether records of the data set no longer hold, by the newest ones of training and validation.

    Windows of the newest records, each twice as long as the last, are held against what holds until now: the simpler
    model of the data set learns from each, without a fold of the newest, and is asked that fold. Another window is
    taken where it errs less beyond chance; of several the longest that is as good as the best.

    Args:
        config: of the run; read are `data` and `seed`.
        root: the project's folder, or one that reads as it.
        newest: records to judge by at most.

    Returns:
        None where fewer than FEWEST different records came, and of forecasts and generation, which have no simpler
        model that learns.
    """
    spec = config.data
    if spec.problem not in ("classification", "regression") or not collected_path(spec, root).exists():
        return None
    recorded = read_since(spec, root)
    now = OWN if recorded is None else recorded.timestamp()
    # What time divides stays left out: with the older records the border of the test would move back.
    splits = read_splits(spec, root, config.seed, whole=not by_time(spec))
    pool = pa.concat_tables([splits["train"], splits["validation"]], promote_options="permissive")
    times = {split: _times(table, spec, root) for split, table in splits.items()}
    times_N = np.concatenate([times["train"], times["validation"]])
    rows_E = _newest(pool, times_N, spec, newest)
    if len(rows_E) < FEWEST:
        return None
    labels = {split: table.column("label").to_pylist() for split, table in splits.items()}
    choices = [one for one in _choices(times_N, len(rows_E)) if one > now or (one < now and not by_time(spec))]
    choices = [one for one in choices if _keeps_all(labels, times, spec, one)]
    taught_N = _sampled(len(pool), rows_E, config.seed)
    baseline_title(spec)  # which loads its libraries: only the threads of what is loaded can be limited
    # Boosting of few records with a thread a core mostly waits: 14 times the processor time on two busy ones.
    with threadpool_limits(1):
        losses = {since: _losses(config, pool, rows_E, taught_N & (times_N >= since)) for since in [now, *choices]}
    since = _chosen(losses, now)
    return Judgement(
        since=_date(since),
        before=recorded,
        left_out=int((times_N < since).sum()),
        judged=len(rows_E),
        error=float(losses[since].mean()),
        error_before=float(losses[now].mean()),
    )


def _times(table: pa.Table, spec: AnySpec, root: Path) -> Floats:
    """When each record came, (N,), in seconds since 1970; OWN and ALWAYS where that is not known."""
    keys = read_keys(spec, root)
    seconds = (None if one is None else one.timestamp() for one in keys.column(TIME).to_pylist())
    known = dict(zip(keys.column(ID).to_pylist(), seconds, strict=True))
    found = []
    for name in table.column("id").to_pylist():
        collected = name.startswith(PREFIX)
        time = known.get(name.removeprefix(PREFIX).partition("/")[2]) if collected else OWN
        found.append(ALWAYS if time is None else time)
    return np.array(found, np.float64)


def _newest(pool: pa.Table, times_N: Floats, spec: AnySpec, count: int) -> NDArray[np.int64]:
    """The rows (E,) to judge by, oldest first: those with a content of their own. Of what came again, only those under
    another label are collected, so that they would speak against the older ones whatever is true.
    """
    keys_N = content_keys(pool, [OUR_NAMES.get(spec.modality, name) for name in spec.features])
    _, places_N, counts = np.unique(keys_N, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(np.isfinite(times_N) & (counts[places_N] == 1))
    return rows[np.argsort(times_N[rows], kind="stable")][-count:]


def _choices(times_N: Floats, count: int) -> list[float]:
    """Since when records could hold: all, all that were collected, and the newest `count`, twice as many, and so on.

    Examples:
        >>> _choices(np.array([OWN, OWN, 1.0, 2.0, 3.0, 4.0, 5.0, ALWAYS]), 2)
        [-inf, 1.0, 2.0, 4.0]
    """
    known = np.sort(times_N[np.isfinite(times_N)])
    found = {OWN, float(known[0])}
    while count < len(known):
        found.add(float(known[-count]))
        count *= 2
    return sorted(found)


def _keeps_all(
    labels: Mapping[SplitName, list[object]], times: Mapping[SplitName, Floats], spec: AnySpec, since: float
) -> bool:
    """Whether each split keeps enough records of each of its classes, or at all."""
    for split, fewest in OF_CLASS.items():
        if split == "test" and by_time(spec):
            continue  # the test is always the newest share
        names = labels[split] if spec.classes else ["any"] * len(labels[split])
        kept = Counter(name for name, time in zip(names, times[split], strict=True) if time >= since)
        if any(kept[name] < min(fewest, count) for name, count in Counter(names).items()):
            return False
    return True


def _sampled(count: int, rows_E: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """Which records (N,) the simpler model may learn from: the newest, and others by chance."""
    order = np.random.default_rng(seed).permutation(count)
    mask_N = np.zeros(count, bool)
    mask_N[order[:MOST]] = True
    mask_N[rows_E] = True
    return mask_N


def _losses(config: Config, pool: pa.Table, rows_E: NDArray[np.int64], taught_N: NDArray[np.bool_]) -> Floats:
    """The error (E,) of the simpler model on each of the newest records, which learned from others of `taught_N`."""
    random = np.random.default_rng(config.seed)
    fold_E = random.permutation(len(rows_E)) % FOLDS
    losses_E = np.empty(len(rows_E))
    for fold in range(FOLDS):
        asked = rows_E[fold_E == fold]
        mask_N = taught_N.copy()
        mask_N[asked] = False
        rows = random.permutation(np.flatnonzero(mask_N))
        chosen_by = max(1, len(rows) // 10)
        splits: dict[SplitName, pa.Table] = {
            "train": pool.take(pa.array(np.sort(rows[chosen_by:]))),
            "validation": pool.take(pa.array(np.sort(rows[:chosen_by]))),
        }
        questions = pool.take(pa.array(asked))
        losses_E[fold_E == fold] = _errors(config, baseline_answers(config, splits, questions), questions)
    return losses_E


def _errors(config: Config, answers: Mapping[str, NDArray[np.float32]], asked: pa.Table) -> Floats:
    labels = asked.column("label").to_pylist()
    if not config.data.classes:
        return np.abs(np.asarray(answers["prediction"], np.float64)[:, 0] - np.array(labels, np.float64))
    codes_E = label_codes(labels, config.data.classes)
    return -np.log(np.clip(answers["probabilities"][np.arange(len(codes_E)), codes_E].astype(np.float64), LEAST, 1))


def _chosen(losses: Mapping[float, Floats], now: float) -> float:
    """The choice that is taken: what holds now, where none errs less beyond chance.

    Args:
        losses: by choice the errors (E,) of the same records.
        now: one of the choices.

    Examples:
        >>> better, worse = np.linspace(0, 1, 200), np.linspace(0.5, 1.6, 200)
        >>> _chosen({OWN: worse, 1.0: better, 2.0: better + 0.001}, OWN)
        1.0
        >>> _chosen({OWN: better, 1.0: worse}, OWN)
        -inf
    """
    others = [one for one in losses if one != now]
    sure = [
        one for one in others if ttest_rel(losses[now], losses[one], alternative="greater").pvalue * len(others) < LEVEL
    ]
    if not sure:
        return now
    best = min(sure, key=lambda one: float(losses[one].mean()))
    for one in sorted(sure):
        difference_E = losses[one] - losses[best]
        if difference_E.mean() <= difference_E.std() / np.sqrt(len(difference_E)):
            return one
    return best


def _date(time: float) -> datetime | None:
    return None if time == OWN else datetime.fromtimestamp(time, UTC)
