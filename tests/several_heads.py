"""A small project of images with further columns to predict, and the config of a network with a head for each."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from small_project import make_project
from small_training import changed, tiny

from lightloop.config.schema import Config
from lightloop.project import Project


def make_described(root: Path) -> Project:
    """Images with two further columns: how bright one is (a number, some missing), and whether it is footwear."""
    project = make_project(root)
    footwear = {"ankle-boot", "sandal", "sneaker"}
    for part in ("train", "test"):
        path = project.root / f"data/fashion/{part}.parquet"
        table = pq.read_table(path)
        sizes = [len(image["bytes"]) if isinstance(image, dict) else len(image) for image in table["image"].to_pylist()]
        bytes_ = [None if row % 7 == 0 else float(size) for row, size in enumerate(sizes)]
        kinds = ["footwear" if label in footwear else "other" for label in table["label"].to_pylist()]
        table = table.append_column("bytes", pa.array(bytes_, pa.float64())).append_column("kind", pa.array(kinds))
        pq.write_table(table, path)
    return project


def several(config: Config, **groups: dict[str, Any]) -> Config:
    spec = config.data.model_dump(mode="json")
    spec["columns"] |= {
        "bytes": {"role": "auxiliary"},
        "kind": {"role": "auxiliary", "classes": ["footwear", "other"]},
    }
    return tiny(changed(config, data=spec), task={"name": "multi_task", "weight": 0.5}, **groups)
