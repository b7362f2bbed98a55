"""Answers with their truth, drawn from a world that is known, and the reference that they are held against."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.monitoring import MonitorConfig
from lightloop.data.tabular.input import Feature, TabularInput
from lightloop.monitoring.against import Against
from lightloop.monitoring.answered import Answered, answered
from lightloop.monitoring.window import Window
from lightloop.serving.log import HEAD, REQUEST, TAIL
from lightloop.serving.manifest import Detecting, Manifest
from lightloop.serving.profile import HeldOut, Profile, Slice

START = datetime(2026, 1, 5, tzinfo=UTC)
CLASSES = ("bad", "good")
CONFIG = MonitorConfig()


def manifest(problem: str = "classification", *, classes: tuple[str, ...] = CLASSES, **changes: Any) -> Manifest:
    """Of a bundle that no file is read of."""
    kinds = {"classification": ("probabilities", len(classes)), "regression": ("prediction", 1)}
    answer, width = kinds.get(problem, ("prediction", 4))
    gate = {"metric": "accuracy", "margin": 0.01, "further": {"log_loss": 0.02}, "smallest_group": 30}
    if problem != "classification":
        gate = {"metric": "rmse", "margin": 0.0, "further": {}, "smallest_group": 30}
    content: dict[str, Any] = {
        "format": 3,
        "name": "world",
        "modality": "tabular",
        "problem": problem,
        "classes": classes if problem == "classification" else (),
        "answer": answer,
        "input": TabularInput(features=(Feature(name="town", kind="category"),)).model_dump(),
        "novelty": Detecting(level=0.05, n=500).model_dump(),
        "outputs": [{"name": answer, "dtype": "float32", "shape": [None, width]}],
        "parameters": 1,
        "data_version": None,
        "opset": 20,
        "libraries": {},
        "config": {"gate": gate},
    }
    return Manifest.model_validate({**content, **changes})


def probabilities(
    count: int, generator: np.random.Generator, *, classes: int = 2, mean: float = 1.0, spread: float = 1.5
) -> NDArray[Any]:
    """Calibrated by construction (N, K): labels are drawn from them. A smaller spread makes harder records."""
    logits = generator.normal(size=(count, classes)) * spread
    logits[:, -1] += mean
    p_NK = np.exp(logits - logits.max(1, keepdims=True))
    return p_NK / p_NK.sum(1, keepdims=True)


def labels_of(p_NK: NDArray[Any], generator: np.random.Generator) -> NDArray[np.int64]:
    """A label (N,) for each, drawn with its probabilities."""
    return np.asarray((p_NK.cumsum(1) < generator.random(len(p_NK))[:, None]).sum(1), dtype=np.int64)


def held_classes(count: int, seed: int = 100, **options: Any) -> HeldOut:
    generator = np.random.default_rng(seed)
    p_NK = probabilities(count, generator, **options)
    return HeldOut(p_NK.astype(np.float32), labels_of(p_NK, generator))


def held_numbers(count: int, seed: int = 100, *, width: int = 1) -> HeldOut:
    """Answers that are off by a normal error of deviation 1; novelty p-values are uniform."""
    generator = np.random.default_rng(seed)
    values = generator.normal(10, 3, size=(count, width))
    truths = values + generator.normal(size=(count, width))
    return HeldOut(values=values.astype(np.float32), truths=truths, novelty=generator.random(count))


def against(held: HeldOut, of: Manifest | None = None, **settings: Any) -> Against:
    found = of or manifest()
    metrics = {}
    if found.answer == "probabilities" and len(held.labels):
        codes = held.probabilities.argmax(1)
        metrics = {"accuracy": float((codes == held.labels).mean()), "log_loss": log_loss(held)}
    slices = tuple(Slice(column="town", value=town, n=200, error=0.2, std=0.4) for town in ("Bergen", "Oslo"))
    profile = Profile(n=1000, held_out=len(held.labels), metrics=metrics, slices=slices)
    return Against(found, profile, held, CONFIG.model_copy(update=settings))


def log_loss(held: HeldOut) -> float:
    return float(-np.log(held.probabilities[np.arange(len(held.labels)), held.labels]).mean())


def window(rows: list[dict[str, Any]], records: pa.Table | None = None, requests: pa.Table | None = None) -> Window:
    """A window as it is read of a log: what a row leaves out is null."""
    truth = [pa.field("truth", pa.string()), pa.field("truth_values", pa.list_(pa.float64()))]
    whole = [{"time": START + timedelta(minutes=place), "page": False, **row} for place, row in enumerate(rows)]
    table = pa.Table.from_pylist(whole, pa.schema([*HEAD, *TAIL, *truth]))
    return Window(table, records or pa.table({}), requests or REQUEST.empty_table(), START, START + timedelta(days=7))


def class_rows(
    p_NK: NDArray[Any], labels_N: NDArray[np.int64] | None = None, classes: tuple[str, ...] = CLASSES
) -> list[dict[str, Any]]:
    """Rows of the log; without labels nothing is known of the truth, -1 stands for one that is not known."""
    codes_N = p_NK.argmax(1)
    known = labels_N if labels_N is not None else np.full(len(p_NK), -1)
    return [
        {
            "label": classes[code],
            "probability": float(p_K[code]),
            "probabilities": p_K.tolist(),
            "abstains": False,
            "truth": classes[label] if label >= 0 else None,
        }
        for p_K, code, label in zip(p_NK, codes_N.tolist(), known.tolist(), strict=True)
    ]


def number_rows(values_NH: NDArray[Any], truths_NH: NDArray[Any] | None = None) -> list[dict[str, Any]]:
    known = [None] * len(values_NH) if truths_NH is None else truths_NH.tolist()
    return [{"values": values, "truth_values": truth} for values, truth in zip(values_NH.tolist(), known, strict=True)]


def asked(
    count: int, seed: int, *, labelled: float = 1.0, of: Manifest | None = None, flip: float = 0.0, **options: Any
) -> Answered:
    """A window of the same world as `held_classes`; of some the label is known, and of some it is another one."""
    generator = np.random.default_rng(seed)
    found = of or manifest()
    p_NK = probabilities(count, generator, classes=len(found.classes), **options)
    labels_N = labels_of(p_NK, generator)
    turned = generator.random(count) < flip
    labels_N = np.where(turned, (labels_N + 1) % len(found.classes), labels_N)
    labels_N[generator.random(count) >= labelled] = -1
    return answered(window(class_rows(p_NK.astype(np.float32), labels_N, found.classes)), found)
