"""Dividing records: which are trained on, which choose the checkpoint, which are tested on."""

from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.schema import AnySpec
from lightloop.config.series import SeriesSpec
from lightloop.data.records import label_codes, read_records
from lightloop.data.unlabelled import split_labelled
from lightloop.errors import RefusedError

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
Rows = NDArray[np.int64]


def read_splits(spec: AnySpec, root: Path, seed: int) -> dict[SplitName, pa.Table]:
    """The records of each split, as tables of `data.records.read_records`.

    The same spec, files and seed give the same splits, in every stage and process.

    Args:
        spec: the data set, with its split policy.
        root: the project's folder.
        seed: of the draws.

    Raises:
        LightloopError: a file is missing or not readable.
        RefusedError: a column, label or class is not as the spec says.
    """
    if isinstance(spec, SeriesSpec) and spec.problem == "forecasting":
        # One long series: its windows are the records, and time divides them.
        from lightloop.data.series.windows import read_windows

        return read_windows(spec, root)
    rest, _ = split_labelled(read_records(spec, root, "train"), spec)
    if spec.split.test == "predefined":
        test = read_records(spec, root, "test")
    else:
        rest, test = divide(rest, spec, spec.split.test, seed)
    if spec.split.validation == "predefined":
        return {"train": rest, "validation": read_records(spec, root, "validation"), "test": test}
    train, validation = divide(rest, spec, spec.split.validation, seed)
    return {"train": train, "validation": validation, "test": test}


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
            codes = label_codes(table.column("label").to_pylist(), spec.classes)
            absent = sorted(set(range(len(spec.classes))) - set(codes.tolist()))
            if absent:
                raise RefusedError(f"class {spec.classes[absent[0]]!r} has no record in {spec.files['train']}")
            return stratified_rows(codes, share, seed)
        case "group":
            return group_rows(table.column(spec.with_role("group")[0]).to_pylist(), share, seed)
        case "time":
            order = np.asarray(table.column(spec.with_role("time")[0]).to_pandas().argsort(kind="stable"))
            cut = len(order) - max(1, round(share * len(order)))
            return np.sort(order[:cut]), np.sort(order[cut:])
        case _:
            order = np.random.default_rng(seed).permutation(len(table))
            cut = len(order) - max(1, round(share * len(order)))
            return np.sort(order[:cut]), np.sort(order[cut:])


def group_rows(groups: list[object], share: float, seed: int) -> tuple[Rows, Rows]:
    """Divide rows so that all records of a group fall into one part, the second with about `share` of the records.

    Records without a group are groups of their own.

    Raises:
        RefusedError: there is one group alone.

    Examples:
        >>> first, second = group_rows(["a", "a", "b", "b", "c", "c"], 0.3, seed=0)
        >>> len(first), len(second)
        (4, 2)
    """
    names = [("row", row) if group is None else ("group", group) for row, group in enumerate(groups)]
    distinct = list(dict.fromkeys(names))
    if len(distinct) < 2:
        raise RefusedError("all records are of one group: at least 2 groups are needed to divide them")
    number = {name: place for place, name in enumerate(distinct)}
    codes = np.array([number[name] for name in names], dtype=np.int64)
    sizes = np.bincount(codes)
    order = np.random.default_rng(seed).permutation(len(distinct))
    # Groups in random order until the share is reached, but never all of them.
    taken = np.cumsum(sizes[order]) <= max(1, round(share * len(codes)))
    taken[0], taken[-1] = True, False
    in_second = np.isin(codes, order[taken])
    return np.flatnonzero(~in_second), np.flatnonzero(in_second)


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
