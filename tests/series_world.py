"""Series with known parts, written as data sets, and configs for them."""

import copy
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from gates import gate_of

from lightloop.config.compose import compose_config, validate_config
from lightloop.config.schema import Config
from lightloop.project import Project

REPOSITORY = Path(__file__).parent.parent
WEEK = np.timedelta64(7, "D")


@cache
def _plain() -> dict:
    plain = compose_config(Project(REPOSITORY), ["experiment=co2"]).model_dump(mode="json")
    plain["data"].pop("metamorphic")  # about parts per million
    return plain


def config_with(**changes) -> Config:
    """The config of co2 with changes such as `data={"window": 8}`; a group with a new name is replaced."""
    raw = copy.deepcopy(_plain())
    for group, values in changes.items():
        if isinstance(values, dict) and (group == "data" or "name" not in values):
            raw[group] = raw[group] | values
        else:
            raw[group] = values
    if raw["data"]["problem"] != "forecasting":
        raw["gate"] |= gate_of(raw["data"]["problem"])
    return validate_config(raw)


def small(**data) -> Config:
    """Forecasts of 3 steps from 12, with a season of 4, of `data/mine/train.parquet`; not prepared in any way."""
    spec = {
        "name": "mine",
        "path": "data/mine",
        "files": {"train": "train.parquet"},
        "columns": {"time": "time", "value": "target"},
        "window": 12,
        "horizon": 3,
        "season": 4,
    }
    return config_with(data=spec | data, preprocess={"name": "series"}, network={"name": "mlp", "hidden": [16]})


def whole(problem: str = "classification", **data) -> Config:
    """Whole series of `data/mine/train.parquet`, with a class `a` or `b` or a number each; not prepared in any way."""
    spec = {
        "name": "mine",
        "path": "data/mine",
        "files": {"train": "train.parquet"},
        "problem": problem,
        "season": 1,
        "columns": {"series": "feature", "label": "target"},
        "window": 8,
        "split": {"policy": "random", "test": 0.2, "validation": 0.2},
        "classes": ["a", "b"] if problem == "classification" else [],
    }
    return config_with(
        data=spec | data,
        preprocess={"name": "series"},
        task={"name": problem},
        loss={"name": "mse" if problem == "regression" else "cross_entropy"},
    )


def wave(steps: int = 120, season: int = 4, slope: float = 0.05, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """A line, a season and noise."""
    time = np.arange(steps)
    profile = np.sin(2 * np.pi * time / season) + 0.3 * np.cos(4 * np.pi * time / season)
    return 300 + slope * time + profile + noise * np.random.default_rng(seed).normal(size=steps)


def stamps(steps: int, start: str = "2000-01-01", step: np.timedelta64 = WEEK) -> np.ndarray:
    return (np.datetime64(start) + np.arange(steps) * step).astype("datetime64[s]")


def write(root: Path, values, times=None, name: str = "train.parquet") -> Path:
    """A series as `data/mine/NAME` below `root`."""
    path = root / "data/mine" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    times = stamps(len(values)) if times is None else times
    column = values if isinstance(values, pa.Array) else pa.array([None if v is None or v != v else v for v in values])
    pq.write_table(pa.table({"time": times, "value": column}), path)
    return root
