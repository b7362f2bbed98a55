"""Leaving out training records: gaps, outliers, duplicates.

Shapes: N records, M number columns.
"""

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.balance import Clean
from lightloop.config.schema import AnySpec
from lightloop.data.near import near_copies
from lightloop.errors import RefusedError

Mask = NDArray[np.bool_]


def clean_records(train: pa.Table, spec: AnySpec, clean: Clean) -> pa.Table:
    """The training records that stay, in their order; what is looked for is looked for in these records alone.

    Args:
        train: of `data.splits.read_splits`.
        spec: the data set.
        clean: what to leave out; gaps first, then duplicates, then outliers among the rest.

    Raises:
        RefusedError: no record of some class stays, or none at all.

    Examples:
        >>> from lightloop.config.tabular import TabularSpec
        >>> spec = TabularSpec(name="x", modality="tabular", problem="regression", path="x", expectations="x",
        ...     files={"train": "x.csv"}, columns={"a": "feature", "y": "target"}, split={"test": 0.5})
        >>> table = pa.table({"a": [1.0, 1.0, None], "label": [1.0, 2.0, 3.0]})
        >>> clean_records(table, spec, Clean(missing="drop", duplicates="exact"))["label"].to_pylist()
        [1.0]
    """
    if not clean.active:
        return train
    # An image or a text is one column with a name of its own.
    features = train.select([spec.modality] if spec.modality in ("image", "text") else spec.features).to_pandas()
    kept_N = np.ones(len(train), bool)
    if clean.missing == "drop":
        kept_N &= features.notna().all(axis=1).to_numpy()
    # Lists of numbers, as whole series are, can't be looked up as other features can.
    exact = clean.duplicates == "exact"
    if (clean.duplicates == "near" and spec.modality != "tabular") or spec.modality == "series":
        alike_N = near_copies(train.filter(pa.array(kept_N)), spec, exact=exact)
        kept_N[kept_N] = ~alike_N
    elif clean.duplicates != "keep":
        compared = rounded(features, clean.digits) if clean.duplicates == "near" else features
        kept_N[kept_N] = ~compared[kept_N].duplicated().to_numpy()
    numbers = features.select_dtypes("number")
    if clean.outliers != "keep" and numbers.shape[1] and kept_N.any():
        kept_N[kept_N] = ~outliers(numbers[kept_N].to_numpy(np.float64), clean)
    stays = train.filter(pa.array(kept_N))
    _check_left(train, stays, spec)
    return stays


def rounded(features: pd.DataFrame, digits: int) -> pd.DataFrame:
    """The numbers rounded to significant digits; other columns as they are.

    Examples:
        >>> rounded(pd.DataFrame({"a": [1234.0, 0.0]}), 2)["a"].tolist()
        [1200.0, 0.0]
    """
    numbers = features.select_dtypes("number")
    values = numbers.to_numpy(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        # The size of the last digit that counts.
        unit = 10.0 ** (np.floor(np.log10(np.abs(values))) - digits + 1)
        near = np.where(values == 0, 0.0, np.round(np.round(values / unit) * unit, 12))
    return features.assign(**dict(zip(numbers.columns, near.T, strict=True)))


def outliers(numbers_NM: NDArray[np.float64], clean: Clean) -> Mask:
    """Which records have a number beyond the limits, or are outliers as a whole. A missing number is none."""
    from lightloop.data.tabular import methods

    if clean.outliers in methods.LIMITS:
        low_M, high_M = methods.LIMITS[clean.outliers](numbers_NM, clean.outlier_limit)
        beyond_N: Mask = np.any((numbers_NM < low_M) | (numbers_NM > high_M), axis=1)
        return beyond_N
    filled_NM = np.where(np.isnan(numbers_NM), np.nanmedian(numbers_NM, axis=0), numbers_NM)
    found_N: Mask = methods.isolation_forest().fit_predict(filled_NM) == -1
    return found_N


def _check_left(train: pa.Table, stays: pa.Table, spec: AnySpec) -> None:
    if not len(stays):
        raise RefusedError(f"clean leaves out all {len(train)} training records: say clean=none or a wider limit")
    if spec.problem == "classification":
        gone = sorted(set(train["label"].to_pylist()) - set(stays["label"].to_pylist()), key=str)
        if gone:
            raise RefusedError(
                f"clean leaves out every training record of the class {gone[0]!r}: say clean=none or a wider limit"
            )
