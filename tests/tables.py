"""Tables to test with: the repository's loans, with gaps and unseen categories, and small ones made up."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml
from gates import gate_of

from lightloop.config.compose import compose_config, validate_config
from lightloop.config.schema import Config
from lightloop.config.tabular import TabularSpec
from lightloop.data.splits import SplitName, read_splits
from lightloop.project import Project

RUN = ("experiment=loans", "tracking=none")


def loans_config(project: Project, *overrides: str) -> Config:
    return compose_config(project, (*RUN, *overrides))


def loans(project: Project, config: Config) -> dict[SplitName, pa.Table]:
    return read_splits(config.data, project.root, config.seed)


def with_gaps(table: pa.Table, spec: TabularSpec, seed: int = 0) -> pa.Table:
    """The same records with gaps in every feature, and with categories that no record has."""
    random = np.random.default_rng(seed)
    columns = {}
    for field in table.schema:
        values = table.column(field.name).to_pylist()
        if field.name in spec.features:
            unseen = "never seen" if pa.types.is_string(field.type) else None
            draws = random.random(len(values))
            values = [
                None if d < 0.1 else unseen if unseen and d < 0.15 else v for v, d in zip(values, draws, strict=True)
            ]
        columns[field.name] = pa.array(values, field.type)
    return pa.table(columns)


def spec_of(root: Path, frame: pd.DataFrame, columns: dict[str, Any], **values: Any) -> dict[str, Any]:
    """Write a data set of one file below `root`; its spec as plain data, of classes unless said otherwise."""
    (root / "data/small").mkdir(parents=True, exist_ok=True)
    frame.to_parquet(root / "data/small/small.parquet", index=False)
    target = next(name for name, role in columns.items() if role == "target")
    classes = {"classes": sorted(frame[target].dropna().unique())} if values.get("problem") != "regression" else {}
    return {
        "name": "small",
        "modality": "tabular",
        "problem": "classification",
        "path": "data/small",
        "files": {"train": "small.parquet"},
        "columns": columns,
        "split": {"policy": "stratified" if classes else "random", "test": 0.2, "validation": 0.2},
        "expectations": "small",
        **classes,
        **values,
    }


def config_of(project: Project, spec: dict[str, Any], *overrides: str, **groups: Any) -> Config:
    """The config of loans with another data set, and other groups."""
    raw = yaml.safe_load(loans_config(project, *overrides).model_dump_json())
    raw["gate"] |= gate_of(spec["problem"])
    return validate_config({**raw, "data": spec, **groups})


def small_frame(records: int = 60, seed: int = 0) -> pd.DataFrame:
    """Numbers, a category, an ordered one, and a target that follows from them: `kind` (classes) and `price`."""
    random = np.random.default_rng(seed)
    size, age = random.normal(100, 30, records), random.integers(0, 50, records).astype(float)
    town = random.choice(["Rome", "Oslo", "Bonn"], records)
    grade = random.choice(["low", "mid", "high"], records)
    price = 3 * size - age + 40 * (town == "Rome") + random.normal(0, 5, records)
    return pd.DataFrame(
        {
            "size": np.where(random.random(records) < 0.1, np.nan, size),
            "age": age,
            "town": town,
            "grade": grade,
            "kind": np.where(price > np.median(price), "dear", "cheap"),
            "price": price,
        }
    )


SMALL_COLUMNS = {
    "size": "feature",
    "age": "feature",
    "town": "feature",
    "grade": {"role": "feature", "kind": "ordered"},
    "kind": "target",
}
ORDERS = {"grade": ["low", "mid", "high"]}
