"""A wide table for the benchmark of monitoring: a bundle over it, and a log of many rows."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from _common import find_project

from lightloop.config.compose import compose_config, validate_config
from lightloop.data.preprocessor import build_preprocessor
from lightloop.monitoring.standing import Standing
from lightloop.monitoring.suite import Expected
from lightloop.quality.modality import describe_part
from lightloop.quality.relations import relate
from lightloop.quality.tabular.suite import suite_for
from lightloop.release.bundle import write_bundle
from lightloop.serving.log import HEAD, TAIL, by_day
from lightloop.serving.logfiles import PREDICTIONS, LogFiles, Part
from lightloop.serving.predictor import Predictor
from lightloop.serving.profile import read_held_out, read_profile
from lightloop.tasks.checkpoint import Model, build_network

ROWS = {"train": 10_000, "validation": 1_000, "test": 2_000}
EVERY = 4  # so many columns are one category and else numbers


def wide_table(generator: np.random.Generator, rows: int, columns: int) -> pa.Table:
    """Numbers, some of them with gaps, and categories; none depends on another."""
    found: dict[str, pa.Array] = {}
    towns = pa.array([f"town {place}" for place in range(12)])
    for place in range(columns):
        if place % EVERY == EVERY - 1:
            shares = 1.0 / np.arange(1, 13)
            found[f"c{place}"] = towns.take(pa.array(generator.choice(12, rows, p=shares / shares.sum())))
        else:
            values = generator.standard_normal(rows) * (1 + place)
            found[f"c{place}"] = pa.array(values, mask=generator.random(rows) < 0.02)
    return pa.table(found)


def wide_bundle(folder: Path, columns: int) -> Standing:
    """A bundle of a fresh network over so many columns, exported as any other."""
    base = compose_config(find_project(), ["experiment=loans", "tracking=none"]).model_dump(mode="json")
    roles = {f"c{place}": {"role": "feature"} for place in range(columns)}
    target = next(name for name, one in base["data"]["columns"].items() if one["role"] == "target")
    base["data"]["columns"] = {target: base["data"]["columns"][target], **roles}
    base["data"] |= {"metamorphic": [], "slices": []} if "slices" in base["data"] else {"metamorphic": []}
    config = validate_config(base)
    generator = np.random.default_rng(0)
    splits = {}
    for name, rows in ROWS.items():
        table = wide_table(generator, rows, columns)
        labels = pa.array(config.data.classes).take(pa.array(generator.integers(0, 2, rows)))
        ids = pa.array([f"{name}-{row}" for row in range(rows)])
        splits[name] = table.append_column("label", labels).append_column("id", ids)
    preprocessor = build_preprocessor(config)
    preprocessor.fit(splits["train"])
    torch.manual_seed(0)
    model = Model(config, preprocessor.eval(), build_network(config, preprocessor.inputs).eval())
    write_bundle(model, folder, data_version=None, **splits)
    predictor = Predictor.load(folder)
    metadata = relate(describe_part(config.data, "train", splits["train"]))
    expected = Expected(config.data, suite_for(config.data, metadata), ROWS["train"])
    return Standing(predictor, read_profile(folder, predictor.manifest), read_held_out(folder), None, expected)


def write_wide(folder: Path, standing: Standing, rows: int, columns: int, *, days: int, end: object) -> None:
    """A log of so many rows, evenly over some days until `end`; answers are those of the first thousand records."""
    generator, predictor = np.random.default_rng(1), standing.predictor
    records = wide_table(generator, rows, columns)
    answers = predictor.answers(records.slice(0, 1000))["probabilities"]
    p_NK = answers[np.arange(rows) % len(answers)]
    codes = predictor.decide(p_NK)
    began = np.datetime64(end.replace(tzinfo=None), "ms") - np.timedelta64(days * 86_400_000, "ms")  # type: ignore[attr-defined]
    times = began + (np.arange(rows) * (days * 86_400_000 // (rows + 1))).astype("timedelta64[ms]")
    told = {field.name: pa.nulls(rows, field.type) for field in (*HEAD, *TAIL)} | {
        "prediction_id": pa.array([f"{row:09d}" for row in range(rows)]),
        "time": pa.array(times).cast(pa.timestamp("ms", "UTC")),
        "slot": pa.array(["current"]).take(pa.array(np.zeros(rows, dtype=np.int64))),
        "digest": pa.array([predictor.digest]).take(pa.array(np.zeros(rows, dtype=np.int64))),
        "label": pa.array(predictor.classes).take(pa.array(codes)),
        "probability": pa.array(p_NK[np.arange(rows), codes], pa.float32()),
        "probabilities": pa.array(list(p_NK), pa.list_(pa.float32())),
        "abstains": pa.array(predictor.manifest.rules.abstains(p_NK)),
        "novelty": pa.array(generator.random(rows), pa.float32()),
    }
    struct = pa.StructArray.from_arrays(
        [records.column(name).combine_chunks() for name in records.column_names], records.column_names
    )
    table = pa.table(
        {
            **{field.name: told[field.name] for field in HEAD},
            "input": struct,
            **{field.name: told[field.name] for field in TAIL},
        }
    )
    for day, part in by_day(table):
        LogFiles(folder).write(PREDICTIONS, day, Part("wide", 1, 1), part)
