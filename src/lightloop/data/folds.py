"""Folds: each record is held out once, and who is held out together is decided by the spec's split policy. No torch.

Shapes: N records.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from sklearn.model_selection import KFold, StratifiedKFold, TimeSeriesSplit

from lightloop.config.data import DataSpec
from lightloop.config.schema import AnySpec
from lightloop.config.series import SeriesSpec
from lightloop.data.records import group_codes
from lightloop.data.splits import Rows, class_codes, divided_rows, group_folds
from lightloop.errors import RefusedError


@dataclass(frozen=True)
class Fold:
    """Row numbers of one division, each sorted.

    Attributes:
        train: to train on.
        validation: to choose the checkpoint by; never what is held out, or the score would be of the luckiest epoch.
        held_out: to score on.
        drawn: whether another seed draws other rows; the order of time leaves nothing to draw.
    """

    train: Rows
    validation: Rows
    held_out: Rows
    drawn: bool


def draw_folds(pool: pa.Table, spec: AnySpec, folds: int, seed: int) -> list[Fold]:
    """Divide records into `folds`; with one fold, hold out the validation share once.

    By policy: `stratified` holds out the same share of each class, `group` whole groups with about the same share of
    each class, `random` just so. `time` is an expanding window: fold f is trained on all that lies before the f-th part
    of the time line and scored on that part.
    Windows of a series leave a gap of `horizon` - 1, so that no step that is forecast was a target in training.
    Of a predefined validation split nothing is drawn: the training file alone is divided, by the policy.

    Args:
        pool: the records that are not tested on, in the order of time where the policy is `time`.
        spec: the data set.
        folds: how many, 1 or more.
        seed: of the draws.

    Raises:
        RefusedError: a class has fewer records, or there are fewer groups or records, than folds.

    Examples:
        >>> from lightloop.config.compose import compose_config
        >>> from lightloop.project import Project
        >>> spec = compose_config(Project.find()).data
        >>> pool = pa.table({"label": [name for name in spec.classes for _ in range(8)]})
        >>> [4 * len(fold.held_out) == len(pool) for fold in draw_folds(pool, spec, 4, seed=0)]
        [True, True, True, True]
    """
    policy = split_policy(spec)
    if folds > 1:
        parts = _parts(pool, spec, folds, seed)
    else:
        parts = [_last(len(pool), spec) if policy == "windows" else divided_rows(pool, spec, _share(spec), seed)]
    return [_fold(pool, spec, rest, held_out, seed) for rest, held_out in parts]


def split_policy(spec: AnySpec) -> str:
    """The spec's policy; `windows` where the records are windows of one series."""
    windows = isinstance(spec, SeriesSpec) and spec.problem == "forecasting"
    return "windows" if windows else spec.split.policy


def _fold(pool: pa.Table, spec: AnySpec, rest: Rows, held_out: Rows, seed: int) -> Fold:
    if split_policy(spec) == "windows":
        train, validation = _last(len(rest), spec)
    else:
        train, validation = divided_rows(pool.take(rest), spec, _share(spec), seed)
    return Fold(rest[train], rest[validation], held_out, drawn=split_policy(spec) not in ("time", "windows"))


def _parts(pool: pa.Table, spec: AnySpec, folds: int, seed: int) -> list[tuple[Rows, Rows]]:
    policy = split_policy(spec)
    _refuse_few(len(pool), "records", folds + (policy in ("time", "windows")), folds, spec)
    rows = np.arange(len(pool))
    match policy:
        case "stratified" if spec.classes:
            codes = class_codes(pool, spec)
            rarest = np.bincount(codes, minlength=len(spec.classes)).argmin()
            count = int((codes == rarest).sum())
            _refuse_few(count, f"records of class {spec.classes[rarest]!r}", folds, folds, spec)
            splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
            found = splitter.split(rows, codes)
        case "group":
            groups = group_codes(pool.column(spec.with_role("group")[0]).to_pylist())
            _refuse_few(len(np.unique(groups)), "groups", folds, folds, spec)
            return group_folds(groups, folds, seed, class_codes(pool, spec))
        case "time" | "windows":
            order = rows if policy == "windows" else _by_time(pool, spec)
            try:
                parts = list(TimeSeriesSplit(folds, gap=_gap(spec)).split(rows))
            except ValueError:
                raise RefusedError(
                    f"{len(pool)} records of {spec.name} are too few for {folds} folds in the order of time: "
                    "say fewer folds"
                ) from None
            return [(np.sort(order[rest]), np.sort(order[held_out])) for rest, held_out in parts]
        case _:
            found = KFold(folds, shuffle=True, random_state=seed).split(rows)
    return [(np.sort(rest), np.sort(held_out)) for rest, held_out in found]


def _by_time(pool: pa.Table, spec: DataSpec) -> Rows:
    return np.asarray(pool.column(spec.with_role("time")[0]).to_pandas().argsort(kind="stable"))


def _last(records: int, spec: AnySpec) -> tuple[Rows, Rows]:
    """The last windows of a series as the second part, with the gap before them."""
    cut = records - max(1, round(_share(spec) * records))
    return np.arange(max(1, cut - _gap(spec))), np.arange(cut, records)


def _gap(spec: AnySpec) -> int:
    return spec.horizon - 1 if split_policy(spec) == "windows" and isinstance(spec, SeriesSpec) else 0


def _share(spec: DataSpec) -> float:
    share = spec.split.validation
    return 0.1 if share == "predefined" else share


def _refuse_few(count: int, what: str, least: int, folds: int, spec: DataSpec) -> None:
    if count < least:
        raise RefusedError(f"{spec.name} has {count} {what} to train on, but folds={folds} needs at least {least}")
