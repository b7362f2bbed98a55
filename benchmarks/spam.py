"""F1 of spam and false positives on hard-ham: the network of `experiment=spam` against tf-idf with a linear SVM.

    python benchmarks/spam.py [seeds=42,43,44,45,46] [validation] [OVERRIDES...]

Each seed is a split of its own (copies and near-copies of a message stay on one side) and an initialisation. With the
word `validation` the validation split answers instead of the test split: for choices. Published F1, mean over four spam
corpora, this one among them (arXiv:2304.01238): 0.956 for the SVM, 0.967 for RoBERTa, 0.974 for Spam-T5.
"""

import math
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from numpy.typing import NDArray
from scipy.stats import t as student

from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.config.signature import components
from lightloop.data.module import build_data
from lightloop.data.records import label_codes
from lightloop.evaluation.baseline import baseline_answers
from lightloop.evaluation.metrics import WeightedMetrics
from lightloop.project import Project
from lightloop.tasks.checkpoint import Model, build_network, load_model
from lightloop.training.fit import fit, store
from lightloop.training.speed import choose_speed, tune_allocator

SEEDS = "42,43,44,45,46"
Figures = dict[str, float]


def trained(config: Config, project: Project) -> tuple[Model, dict[Any, pa.Table]]:
    """A network trained as the train stage does, and the splits."""
    data = build_data(config, project.root)
    data.setup()
    speed = choose_speed(config.trainer)
    torch.manual_seed(config.seed)
    network = build_network(config, data.preprocessor.inputs)
    build = components("tasks")[config.task.name].load()
    task = build(config, network, data.preprocessor, speed.channels_last, **config.task.arguments())
    with tempfile.TemporaryDirectory() as scratch:
        fitted = fit(config, task, data, speed, scratch=Path(scratch), logger=False)
        store(fitted.best, Path(scratch) / "model.ckpt", config)
        return load_model(Path(scratch) / "model.ckpt"), dict(data.tables)


def figures(config: Config, asked: pa.Table, probabilities_NK: NDArray[Any]) -> Figures:
    """F1 of spam, its log loss, and the shares of ham that is called spam, of all ham and of hard-ham."""
    spam = config.data.classes.index("spam")
    labels_N = label_codes(asked["label"].to_pylist(), config.data.classes)
    metrics = WeightedMetrics(labels_N, probabilities_NK)
    ones = torch.ones(1, len(labels_N), dtype=torch.int32).numpy()
    called_N = probabilities_NK.argmax(1) == spam
    hard = [row for row, source in enumerate(asked["source"].to_pylist()) if source == "hard-ham"]
    return {
        "F1": float(metrics.class_scores(ones)["f1"][0, spam]),
        "log loss": float(metrics.scores(ones)["log_loss"][0]),
        "ham called spam": float(called_N[labels_N != spam].mean()),
        "hard-ham called spam": float(called_N[hard].mean()),
        "hard-ham records": float(len(hard)),
    }


def summary(values: Sequence[float]) -> str:
    """Mean and 95 % interval by Student's t."""
    if len(values) < 2:
        return f"{values[0]:.4f}"
    half = student.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return f"{statistics.mean(values):.4f} +- {half:.4f}"


def main() -> None:
    words = sys.argv[1:]
    seeds = next((word.removeprefix("seeds=") for word in words if word.startswith("seeds=")), SEEDS)
    part = "validation" if "validation" in words else "test"
    overrides = [word for word in words if word != "validation" and not word.startswith("seeds=")]
    project = Project.find(Path(__file__).parent)
    tune_allocator()
    found: dict[str, list[Figures]] = {"network": [], "tf-idf + linear SVM": []}
    for seed in seeds.split(","):
        config = compose_config(project, ["experiment=spam", "tracking=none", f"seed={seed}", *overrides])
        started = time.perf_counter()
        model, splits = trained(config, project)
        seconds = time.perf_counter() - started
        asked = splits[part]
        found["network"].append(figures(config, asked, model.answers(asked)["probabilities"]))
        answers = baseline_answers(config, splits, asked)["probabilities"]
        found["tf-idf + linear SVM"].append(figures(config, asked, answers))
        for name, rows in found.items():
            said = ", ".join(f"{key} {value:.4f}" for key, value in rows[-1].items())
            print(f"seed {seed}, {name}: {said}" + f" ({seconds:.0f} s)" * (name == "network"), flush=True)
    for name, rows in found.items():
        for key in rows[0]:
            print(f"{name}: {key} {summary([row[key] for row in rows])}")


if __name__ == "__main__":
    main()
