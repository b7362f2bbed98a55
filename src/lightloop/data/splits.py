"""Dividing records: which are trained on, which choose the checkpoint, which are tested on."""

import warnings
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.schema import AnySpec
from lightloop.config.series import SeriesSpec
from lightloop.data.collected import read_since
from lightloop.data.records import group_codes, label_codes, read_collected, read_records
from lightloop.data.unlabelled import split_labelled
from lightloop.errors import RefusedError

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
Rows = NDArray[np.int64]
MOST_PARTS = (10, 100)  # of which a share is so many
CLOSE = 0.01  # to the share that is asked for


def read_splits(spec: AnySpec, root: Path, seed: int, *, whole: bool = False) -> dict[SplitName, pa.Table]:
    """The records of each split that hold (`data.collected`), as tables of `data.records.read_records`.

    The same spec, files and seed give the same splits, in every stage and process.

    Args:
        spec: the data set, with its split policy.
        root: the project's folder.
        seed: of the draws.
        whole: with the records that no longer hold.

    Raises:
        LightloopError: a file is missing or not readable.
        RefusedError: a column, label or class is not as the spec says.
    """
    if isinstance(spec, SeriesSpec) and spec.problem == "forecasting":
        # One long series: its windows are the records, and time divides them.
        from lightloop.data.series.windows import read_windows

        return read_windows(spec, root)
    # Drawn without the collected ones, whose side is fixed: more of them must move no other record.
    since = None if whole else read_since(spec, root)
    collected = read_collected(spec, root, since)
    own = {part: read_records(spec, root, part, collected=False) for part in spec.files}
    own["train"], _ = split_labelled(own["train"], spec)
    if since is not None:
        own = {part: table.slice(0, 0) for part, table in own.items()}
    rest = _joined(own["train"], collected["time"]) if "time" in collected else own["train"]
    nothing = since is not None and not len(rest)  # to divide: what was collected has its sides
    if spec.split.test == "predefined":
        test = own["test"]
    else:
        rest, test = (rest, rest) if nothing else divide(rest, spec, spec.split.test, seed)
    if spec.split.validation == "predefined":
        train, validation = rest, own["validation"]
    else:
        train, validation = (rest, rest) if nothing else divide(rest, spec, spec.split.validation, seed)
    splits: dict[SplitName, pa.Table] = {"train": train, "validation": validation, "test": test}
    return {name: _joined(table, collected[name]) if name in collected else table for name, table in splits.items()}


def _joined(table: pa.Table, more: pa.Table) -> pa.Table:
    """Records and collected ones, which lack the type of columns that the log does not hold."""
    return pa.concat_tables([table, more], promote_options="permissive")


def divide(table: pa.Table, spec: AnySpec, share: float, seed: int) -> tuple[pa.Table, pa.Table]:
    """Two parts of a table by the spec's policy, the second with `share` of the records.

    Raises:
        RefusedError: a class, or the groups, can't be in both parts.
    """
    first, second = divided_rows(table, spec, share, seed)
    return table.take(first), table.take(second)


def divided_rows(table: pa.Table, spec: AnySpec, share: float, seed: int) -> tuple[Rows, Rows]:
    """Row numbers of the two parts of `divide`, each sorted."""
    match spec.split.policy:
        case "stratified" if spec.classes:
            codes = class_codes(table, spec)
            absent = sorted(set(range(len(spec.classes))) - set(codes.tolist()))
            if absent:
                raise RefusedError(f"class {spec.classes[absent[0]]!r} has no record in {spec.files['train']}")
            return stratified_rows(codes, share, seed)
        case "group":
            codes = class_codes(table, spec)
            return group_rows(group_codes(table.column(spec.with_role("group")[0]).to_pylist()), share, seed, codes)
        case "time":
            order = np.asarray(table.column(spec.with_role("time")[0]).to_pandas().argsort(kind="stable"))
            cut = len(order) - max(1, round(share * len(order)))
            return np.sort(order[:cut]), np.sort(order[cut:])
        case _:
            order = np.random.default_rng(seed).permutation(len(table))
            cut = len(order) - max(1, round(share * len(order)))
            return np.sort(order[:cut]), np.sort(order[cut:])


def class_codes(table: pa.Table, spec: AnySpec) -> Rows:
    """The class (N,) of each record, int64; all 0 where there are no classes."""
    if not spec.classes:
        return np.zeros(len(table), dtype=np.int64)
    return label_codes(table.column("label").to_pylist(), spec.classes)


def group_folds(groups: Rows, folds: int, seed: int, codes: Rows) -> list[tuple[Rows, Rows]]:
    """Divide rows into `folds` of whole groups, in which classes are as alike as whole groups allow.

    Args:
        groups: of each row, (N,), int64; at least as many different ones as `folds`.
        folds: how many, 2 or more.
        seed: of the draws.
        codes: class of each row, (N,), int64.

    Returns:
        For each fold the rows outside of it and in it, each sorted.
    """
    together_N = np.bincount(groups)[groups] > 1
    if (~together_N).sum() < folds:
        together_N[:] = True
    number_N = np.empty(len(groups), dtype=np.int64)
    # Groups of one record need no care for groups, which takes seconds for thousands of them.
    for chosen_N, whole in ((together_N, True), (~together_N, False)):
        rows = np.flatnonzero(chosen_N)
        if len(rows):
            number_N[rows] = _fold_numbers(folds, seed, groups[rows], codes[rows], whole=whole)
    rows = np.arange(len(groups))
    return [(rows[number_N != fold], rows[number_N == fold]) for fold in range(folds)]


def _fold_numbers(folds: int, seed: int, groups: Rows, codes: Rows, *, whole: bool) -> Rows:
    """The fold (N,) of each row; `whole` keeps groups together."""
    distinct, places = np.unique(groups, return_inverse=True)
    if len(distinct) < folds:
        return np.random.default_rng(seed).permutation(folds)[: len(distinct)][places]
    # Late: nearly everything imports this file, and few data sets have groups.
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    splitter = (StratifiedGroupKFold if whole else StratifiedKFold)(folds, shuffle=True, random_state=seed)
    number_N = np.empty(len(groups), dtype=np.int64)
    # The splitters refuse more folds than records of the largest class, though rows could be divided.
    balanced = codes if np.bincount(codes).max() >= folds else np.zeros_like(codes)
    with warnings.catch_warnings():
        # A class with fewer records than folds can't be in each of them: that is no fault of the division.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        for fold, (_, rows) in enumerate(splitter.split(groups, balanced, groups if whole else None)):
            number_N[rows] = fold
    return number_N


def group_rows(groups: Rows, share: float, seed: int, codes: Rows) -> tuple[Rows, Rows]:
    """Divide rows so that all of a group fall into one part, the second with about `share` of the rows of each class.

    Args:
        groups: of each row, (N,), int64.
        share: of the second part, between 0 and 1, to about a hundredth.
        seed: of the draws.
        codes: class of each row, (N,), int64.

    Raises:
        RefusedError: there is one group alone.

    Examples:
        >>> groups, classes = np.array([0, 0, 1, 1, 2, 2, 3, 3]), np.array([0, 0, 1, 1, 0, 0, 1, 1])
        >>> first, second = group_rows(groups, 0.5, 0, classes)
        >>> sorted(classes[second].tolist())
        [0, 0, 1, 1]
    """
    distinct = len(np.unique(groups))
    if distinct < 2:
        raise RefusedError("all records are of one group: at least 2 groups are needed to divide them")
    # Few parts, since each is divided anew: 0.15 is one of seven.
    wanted = next(
        (
            near
            for near in (Fraction(share).limit_denominator(most) for most in MOST_PARTS)
            if 0 < near < 1 and abs(near - share) <= CLOSE
        ),
        None,
    )
    parts = min(wanted.denominator if wanted else MOST_PARTS[-1], distinct)
    taken = min(max(1, round(share * parts)), parts - 1)
    folds = [fold for _, fold in group_folds(groups, parts, seed, codes)]
    second = np.sort(np.concatenate(folds[:taken]))
    if not 0 < len(second) < len(groups):  # the largest group is larger than a part
        second = folds[int(np.argmax([0 < len(fold) < len(groups) for fold in folds]))]
    return np.setdiff1d(np.arange(len(groups)), second), second


def stratified_rows(codes: NDArray[np.int64], share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide rows so that each class gives `share` of its records (at least one) to the second part.

    Args:
        codes: class of each row, (N,), int64.
        share: of the second part, between 0 and 1.
        seed: the same seed and codes give the same parts.

    Returns:
        Row numbers of the first and of the second part, each sorted; together all rows, once.

    Raises:
        RefusedError: a class has fewer than two records, so that it can't be in both parts.

    Examples:
        >>> first, second = stratified_rows(np.array([0, 0, 0, 1, 1]), 0.4, seed=0)
        >>> len(first), len(second)
        (3, 2)
    """
    generator = np.random.default_rng(seed)
    chosen: list[NDArray[np.int64]] = []
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        if len(rows) < 2:
            raise RefusedError(f"class number {code} has {len(rows)} record: at least 2 are needed to divide it")
        count = min(max(1, round(share * len(rows))), len(rows) - 1)
        chosen.append(generator.permutation(rows)[:count])
    second = np.sort(np.concatenate(chosen))
    return np.setdiff1d(np.arange(len(codes)), second), second
