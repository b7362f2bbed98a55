"""On which side of the split a collected record is, for good.

Shapes: N records.
"""

import hashlib
from collections.abc import Mapping

import pyarrow as pa

from lightloop.config.schema import AnySpec
from lightloop.data.collected import Side
from lightloop.monitoring.content import Keys

# Of collected training records, where the data set has a file for validation and so no share.
VALIDATION = 0.1


def side_of(prediction: str, test_share: float, validation_share: float) -> Side:
    """The side that the hash of a prediction's id chooses.

    Args:
        prediction: its id.
        test_share: of all.
        validation_share: of the rest.

    Examples:
        >>> sides = [side_of(f"id-{n}", 0.2, 0.1) for n in range(1000)]
        >>> {side: sides.count(side) for side in ("train", "validation", "test")}
        {'train': 736, 'validation': 80, 'test': 184}
    """
    place = int.from_bytes(hashlib.sha256(prediction.encode()).digest()[:8]) / 2**64
    if place < test_share:
        return "test"
    return "validation" if place < test_share + (1 - test_share) * validation_share else "train"


def chosen_sides(
    table: pa.Table, spec: AnySpec, test_share: float, keys_N: Keys, known: Mapping[int, Side]
) -> list[Side]:
    """The side of each record: that of a record with the same content, else what the hash of its id chooses.

    Args:
        table: with the ids of the predictions in `collected_id`.
        spec: the data set.
        test_share: of the collected records.
        keys_N: of their content, as `content_keys`.
        known: the side of each content that the data set holds.
    """
    if by_time(spec):
        return ["time"] * len(table)
    share = spec.split.validation if isinstance(spec.split.validation, float) else VALIDATION
    ids = table.column("collected_id").to_pylist()
    return [known.get(key) or side_of(one, test_share, share) for one, key in zip(ids, keys_N.tolist(), strict=True)]


def by_time(spec: AnySpec) -> bool:
    """Whether shares of the data set are divided by time, so that later records move the border."""
    return spec.split.policy == "time" and spec.split.test != "predefined"
