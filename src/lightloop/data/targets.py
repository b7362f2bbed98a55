"""Targets of records as tensors.

Shapes: N records, H numbers a record, B batch, K classes.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from lightloop.config.schema import AnySpec
from lightloop.data.records import label_codes
from lightloop.errors import RefusedError

MISSING = -100  # what torch's cross-entropy passes over


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


def check_classes(train: pa.Table) -> None:
    """Check that training records are of two classes at least.

    Raises:
        RefusedError: they are of one, or there is none.
    """
    found = train.column("label").unique().drop_null().to_pylist()
    if len(found) < 2:
        what = f"all {found[0]!r}" if found else "none"
        raise RefusedError(
            f"the training records are {what}: at least two classes are needed to learn to tell them apart"
        )


def encode_auxiliary(table: pa.Table, spec: AnySpec, train: pa.Table) -> tuple[Tensor, ...]:
    """The targets of further heads, one for each column with the role auxiliary, in the order of the spec.

    Classes are (N,) int64, MISSING where there is none; numbers are (N,) float32, standardised by mean and deviation of
    the training records, NaN where there is none.

    Raises:
        RefusedError: the column is missing, a class is not one of the column's, or a number is none.
    """
    parts = []
    for name in spec.with_role("auxiliary"):
        if name not in table.column_names:
            raise RefusedError(f"column {name} has the role auxiliary, but the records of {spec.path} do not carry it")
        classes = spec.columns[name].classes
        values = table.column(name).to_pylist()
        if classes:
            known = [row for row, value in enumerate(values) if value is not None]
            codes = torch.full((len(values),), MISSING, dtype=torch.int64)
            codes[known] = torch.from_numpy(label_codes([str(values[row]) for row in known], classes))
            parts.append(codes)
            continue
        mean, deviation = _moments(_numbers(train, name))
        parts.append(torch.from_numpy(((_numbers(table, name) - mean) / deviation).astype(np.float32)))
    return tuple(parts)


class Mix(NamedTuple):
    """How records of a batch were mixed.

    Attributes:
        partner_B: the row that each record was mixed with, int64.
        own_B: how much of the record is its own, 0 to 1.
    """

    partner_B: Tensor
    own_B: Tensor


def mix_targets(targets: Tensor, mix: Mix, classes: int) -> Tensor:
    """Targets mixed as their records were: shares of the classes (B, K) that sum to 1, or numbers.

    Where one of two targets is missing, that of their mixture is: a row of NaN.

    Args:
        targets: (B,) int64 classes or MISSING, or float32 numbers (B,) or (B, H), NaN where one is missing.
        mix: what was mixed with what.
        classes: K; not read where targets are numbers.

    Examples:
        >>> mix = Mix(torch.tensor([1, 0]), torch.tensor([0.75, 1.0]))
        >>> mix_targets(torch.tensor([0, 2]), mix, 3).tolist()
        [[0.75, 0.0, 0.25], [0.0, 0.0, 1.0]]
    """
    if not targets.is_floating_point():
        shares_BK = one_hot(targets.clamp_min(0), classes).float()
        targets = torch.where((targets == MISSING)[:, None], torch.nan, shares_BK)
    own = mix.own_B.reshape(-1, *[1] * (targets.ndim - 1))
    # What has no share does not count, though it be missing.
    mine = torch.where(own > 0, own * targets, 0.0)
    return mine + torch.where(own < 1, (1 - own) * targets[mix.partner_B], 0.0)


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    try:
        return np.array([np.nan if value is None else float(value) for value in table.column(name).to_pylist()])
    except (TypeError, ValueError) as error:
        raise RefusedError(
            f"column {name} has the role auxiliary and no classes, so it must hold numbers ({error}): name its classes"
        ) from None


def _moments(values_N: NDArray[np.float64]) -> tuple[float, float]:
    known = values_N[np.isfinite(values_N)]
    deviation = float(known.std()) if len(known) else 0.0
    return float(known.mean()) if len(known) else 0.0, deviation if deviation > 0 else 1.0
