"""When two records hold the same.

Shapes: N records.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

Keys = NDArray[np.uint64]


def content_keys(table: pa.Table, columns: Sequence[str]) -> Keys:
    """The same number for records that are the same in these columns, (N,), uint64; numbers count as float32.

    Examples:
        >>> keys = content_keys(pa.table({"a": [1.5, 1.5, None], "b": ["x", "x", "x"]}), ["a", "b"])
        >>> bool(keys[0] == keys[1]), bool(keys[0] == keys[2])
        (True, False)
    """
    frame = pd.DataFrame({str(place): _plain(table.column(name)) for place, name in enumerate(columns)})
    return np.asarray(pd.util.hash_pandas_object(frame, index=False).to_numpy(), dtype=np.uint64)


def _plain(column: pa.ChunkedArray) -> "pd.Series[float] | pd.Series[str]":
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return pd.Series(column.cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False) + np.float32(0))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pd.Series([hashlib.sha256(np.float32(one).tobytes()).hexdigest() for one in column.to_pylist()])
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pd.Series([hashlib.sha256(one or b"").hexdigest() for one in column.to_pylist()])
    return pd.Series(column.to_pylist(), dtype="object").fillna("")
