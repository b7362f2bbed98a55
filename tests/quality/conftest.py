"""A small data set of random images, written anew for each kind of damage."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pictures import encode

from lightloop.config.image import ImageSpec

Rows = list[dict[str, Any]]
CLASSES = ("cat", "dog", "owl")
SCHEMA = pa.schema([("image", pa.binary()), ("label", pa.string())])


@pytest.fixture(scope="session")
def spec() -> ImageSpec:
    return ImageSpec(
        name="pets",
        modality="image",
        problem="classification",
        path="data/pets",
        files={"train": "train.parquet", "test": "test.parquet"},
        columns={"image": "feature", "label": "target"},
        classes=CLASSES,
        size=(6, 8),
        channels=1,
        expectations="pets",
    )


@pytest.fixture
def parts() -> dict[str, Rows]:
    """Good records: 12 a class for training, 4 a class for the test; grey, 6 high and 8 wide."""
    generator = np.random.default_rng(7)

    def rows(per_class: int) -> Rows:
        return [
            {"image": encode(generator.integers(0, 256, (6, 8))), "label": label}
            for _ in range(per_class)
            for label in CLASSES
        ]

    return {"train": rows(12), "test": rows(4)}


def write_parts(root: Path, spec: ImageSpec, parts: dict[str, Rows]) -> Path:
    (root / spec.path).mkdir(parents=True, exist_ok=True)
    for part, rows in parts.items():
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), root / spec.path / f"{part}.parquet")
    return root


@pytest.fixture
def write(tmp_path: Path, spec: ImageSpec) -> Callable[[dict[str, Rows]], Path]:
    """Write parts as Parquet files below a project's folder, and return that folder."""
    return lambda parts: write_parts(tmp_path, spec, parts)
