"""Small data sets that can be learned, one a kind, each with a config whose training takes a second or two."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pictures import encode
from series_world import small, wave, write
from small_project import REPOSITORY, shrink
from small_training import changed, tiny
from tables import ORDERS, SMALL_COLUMNS, config_of, small_frame, spec_of
from texts import make_rows, make_spec, write_rows

from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.project import Project

FOOTWEAR = {"ankle-boot", "sandal", "sneaker"}
TRAINER = {"batch_size": 20, "patience": 100, "precision": "32", "max_epochs": 30}
PLAIN: dict[str, dict[str, Any]] = {
    "optimizer": {"name": "adamw", "lr": 0.01},
    "scheduler": {"name": "constant"},
    "augment": {"name": "none"},
    "trainer": TRAINER,
}


@cache
def composed(*overrides: str) -> Config:
    return compose_config(Project(REPOSITORY), ["tracking=none", *overrides])


def images(root: Path) -> Config:
    """30 + 10 real images of each of ten classes."""
    for part, per_class in (("train", 30), ("test", 10)):
        shrink(REPOSITORY / f"data/fashion/{part}.parquet", root / f"data/fashion/{part}.parquet", per_class)
    network = {"name": "cnn", "channels": (12, 24), "dropout": 0.0}
    # Nothing that asks for feature maps: networks without them are trained too.
    plain = changed(composed("experiment=fashion"), explain={"methods": ("integrated_gradients",)})
    return tiny(plain, **PLAIN | {"network": network, "trainer": TRAINER | {"max_epochs": 50}})


def several_heads(root: Path) -> Config:
    """The same with two further columns: the size of the file (a number), and whether it is footwear; some missing."""
    config = images(root)
    for part in ("train", "test"):
        path = root / f"data/fashion/{part}.parquet"
        table = pq.read_table(path)
        sizes = [len(image["bytes"]) if isinstance(image, dict) else len(image) for image in table["image"].to_pylist()]
        bytes_ = [None if row % 7 == 0 else float(size) for row, size in enumerate(sizes)]
        kinds = ["footwear" if label in FOOTWEAR else "other" for label in table["label"].to_pylist()]
        kinds = [None if row % 11 == 0 else kind for row, kind in enumerate(kinds)]
        table = table.append_column("bytes", pa.array(bytes_, pa.float64())).append_column("kind", pa.array(kinds))
        pq.write_table(table, path)
    return with_heads(config)


def with_heads(config: Config) -> Config:
    """A config of images with both columns as further heads."""
    spec = config.data.model_dump(mode="json")
    spec["columns"] |= {
        "bytes": {"role": "auxiliary"},
        "kind": {"role": "auxiliary", "classes": ["footwear", "other"]},
    }
    return changed(config, data=spec, task={"name": "multi_task", "weight": 0.5})


def colours(root: Path) -> Config:
    """Noise in two colours."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(120):
        pixels = random.integers(0, 120, (12, 12, 3))
        pixels[:, :, number % 2] += 100
        rows.append({"image": encode(pixels), "label": ("red", "green")[number % 2], "id": str(number)})
    (root / "data/fashion").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), root / "data/fashion/train.parquet")
    base = composed("experiment=fashion")
    spec = base.data.model_dump(mode="json") | {
        "size": [12, 12],
        "channels": 3,
        "classes": ["red", "green"],
        "files": {"train": "train.parquet"},
        "split": {"policy": "stratified", "test": 0.2, "validation": 0.2},
    }
    return tiny(changed(base, data=spec), **PLAIN | {"network": {"name": "cnn", "channels": (8, 8)}})


def table(root: Path, **values: Any) -> Config:
    """Numbers, a category and an ordered column, with gaps, copies and an outlier; of two classes one is rarer."""
    frame = small_frame(240)
    frame["kind"] = np.where(frame["price"] > frame["price"].quantile(0.75), "dear", "cheap")
    frame = pd.concat([frame, frame.iloc[:6]], ignore_index=True)
    frame.loc[7, "age"] = 5000.0
    columns: dict[str, Any] = {**SMALL_COLUMNS}
    if values.get("problem") == "regression":
        columns = {**SMALL_COLUMNS, "price": "target", "kind": {"role": "ignored", "why": "it says the price"}}
    groups = PLAIN | {"network": {"name": "mlp", "hidden": [16], "dropout": 0.0}}
    if values.get("problem") == "regression":
        groups |= {"task": {"name": "regression"}, "loss": {"name": "mse"}}
    raw = composed("experiment=loans").model_dump(mode="json")
    groups["trainer"] = raw["trainer"] | TRAINER
    return config_of(Project(REPOSITORY), spec_of(root, frame, columns, orders=ORDERS, **values), **groups)


def prices(root: Path) -> Config:
    """The same with a number to be predicted."""
    return table(root, problem="regression")


def texts(root: Path) -> Config:
    """Texts of which one or two words tell the class."""
    write_rows(root, make_rows(200))
    raw = composed("experiment=spam")
    spec = make_spec().model_dump(mode="json")
    preprocess = {"max_length": 24, "min_count": 1, "size": 400}
    network = {"name": "embedding_bag", "width": 8, "buckets": 64, "hidden": [8], "dropout": 0.0}
    return changed(raw, **PLAIN | {"data": spec, "preprocess": preprocess, "network": network})


def series(root: Path) -> Config:
    """A line, a season and a little noise, with gaps: three steps from twelve."""
    values = wave(160, noise=0.05)
    values[[31, 32, 77]] = np.nan
    write(root, values)
    network = {"name": "mlp", "hidden": [32], "dropout": 0.0, "normalisation": "none"}
    preprocess = {"detrend": "last_value"}
    return changed(small(), **PLAIN | {"network": network, "preprocess": preprocess, "loss": {"name": "huber"}})


WORLDS = {
    "images": images,
    "several_heads": several_heads,
    "colours": colours,
    "table": table,
    "prices": prices,
    "texts": texts,
    "series": series,
}
