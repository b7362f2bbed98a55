"""Noise as a record: what is encoded, what is refused."""

import numpy as np
import pyarrow as pa
import pytest

from lightloop.data.noise import NoiseInput
from lightloop.errors import RefusedError


def table(*rows):
    return pa.table({"noise": pa.array(rows, pa.list_(pa.float64()))})


def test_the_first_numbers_are_taken():
    encoded = NoiseInput(size=2).encode(table([1, 2], [3, 4, 5]), {})["noise"]
    assert encoded.dtype == np.float32
    assert encoded.tolist() == [[1, 2], [3, 4]]
    assert NoiseInput(size=2).feeds == {"noise": ("float32", (None, 2))}


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (table([1.0]), "record 0 has 1 numbers of noise: expected 2"),
        (table([1, 2], None), "record 1 has none"),
        (table([1, 2], [1, float("nan")]), "record 1 has noise that is no finite number"),
        (table([1, None]), "record 0 has noise that is no finite number"),
        (pa.table({"image": [b""]}), "no column noise"),
    ],
)
def test_other_records_are_refused(records, message):
    with pytest.raises(RefusedError, match=message):
        NoiseInput(size=2).encode(records, {})


def test_no_record_is_an_empty_batch():
    assert NoiseInput(size=3).encode(table(), {})["noise"].shape == (0, 3)
