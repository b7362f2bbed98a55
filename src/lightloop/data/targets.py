"""Targets of records as tensors.

Shapes: N records, H numbers a record.
"""

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from lightloop.config.schema import AnySpec
from lightloop.data.records import label_codes
from lightloop.errors import RefusedError


def encode_targets(table: pa.Table, spec: AnySpec) -> Tensor:
    """The targets of records: classes (N,) int64, places in `spec.classes`; numbers (N, H) float32.

    Where nothing is predicted (generation) they are zeros (N,), or the classes where the data have some.

    Raises:
        RefusedError: a label is not one of the classes, or missing, or no number.
    """
    if spec.problem == "generation" and not spec.classes:
        return torch.zeros(len(table), dtype=torch.int64)
    labels = table.column("label").to_pylist()
    if spec.problem in ("classification", "generation"):
        return torch.from_numpy(label_codes(labels, spec.classes))
    values = np.array([label if isinstance(label, list) else [label] for label in labels], dtype=np.float64)
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(1))[0])
        raise RefusedError(f"record {table.column('id')[row].as_py()} has no target that is a number: leave it out")
    return torch.from_numpy(values.astype(np.float32))
