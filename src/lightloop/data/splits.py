"""Dividing records: which are trained on, which choose the checkpoint, which are tested on."""

from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.schema import DataSpec
from lightloop.data.records import label_codes, read_records
from lightloop.errors import RefusedError

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


def read_splits(spec: DataSpec, root: Path, seed: int) -> dict[SplitName, pa.Table]:
    """The records of each split, as tables of `id`, `image` (encoded bytes) and `label`.

    The same spec, files and seed give the same splits, in every stage and process.

    Args:
        spec: the data set, with its split policy.
        root: the project's folder.
        seed: of the stratified draws.

    Raises:
        LightloopError: a file is missing or not readable.
        RefusedError: a column, label or class is not as the spec says.
    """
    rest = read_records(spec, root, "train")
    if spec.split.test == "predefined":
        test = read_records(spec, root, "test")
    else:
        rest, test = _divide(rest, spec, spec.split.test, seed)
    train, validation = _divide(rest, spec, spec.split.validation, seed)
    return {"train": train, "validation": validation, "test": test}


def _divide(table: pa.Table, spec: DataSpec, share: float, seed: int) -> tuple[pa.Table, pa.Table]:
    codes = label_codes(table.column("label").to_pylist(), spec.classes)
    absent = sorted(set(range(len(spec.classes))) - set(codes.tolist()))
    if absent:
        raise RefusedError(f"class {spec.classes[absent[0]]!r} has no record in {spec.files['train']}")
    first, second = stratified_rows(codes, share, seed)
    return table.take(first), table.take(second)


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
