"""Test accuracy of the default network on the full 60,000/10,000 split of Fashion-MNIST, several seeds.

    python benchmarks/full_accuracy.py FOLDER [OVERRIDES...]

FOLDER holds fashion-train.parquet and fashion-test.parquet (docs/data.md says where they come from). Published for
comparison: 0.925 for a two-convolution CNN under 100 K parameters, 0.842 for logistic regression.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from lightloop.config.compose import compose_config
from lightloop.config.signature import components
from lightloop.data.module import build_data
from lightloop.project import Project
from lightloop.tasks.checkpoint import build_network, load_model
from lightloop.training.fit import fit, store
from lightloop.training.speed import choose_speed, tune_allocator

SEEDS = (42, 43, 44)


def accuracy_of_seed(folder: Path, seed: int, overrides: list[str]) -> tuple[float, int, float]:
    """Test accuracy, parameters and training seconds of one seed."""
    project = Project.find(Path(__file__).parent)
    config = compose_config(
        project,
        [
            f"data.path={folder.resolve()}",
            "data.files.train=fashion-train.parquet",
            "data.files.test=fashion-test.parquet",
            "trainer.batch_size=256",
            "trainer.max_epochs=30",
            "trainer.patience=30",
            f"seed={seed}",
            *overrides,
        ],
    )
    data = build_data(config, project.root)
    data.setup()
    speed = choose_speed(config.trainer)
    torch.manual_seed(seed)
    network = build_network(config, data.preprocessor.inputs)
    build = components("tasks")[config.task.name].load()
    task = build(config, network, data.preprocessor, speed.channels_last, **config.task.arguments())
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        fitted = fit(config, task, data, speed, scratch=Path(scratch), logger=False)
        seconds = time.perf_counter() - started
        store(fitted.best, Path(scratch) / "model.ckpt", config)
        model = load_model(Path(scratch) / "model.ckpt")
    predicted = model.answers(data.tables["test"])["probabilities"].argmax(1)
    right = float((predicted == data.splits["test"].targets.numpy()).mean())
    return right, sum(p.numel() for p in network.parameters()), seconds


def main() -> None:
    folder, overrides = Path(sys.argv[1]), sys.argv[2:]
    seeds = [int(text.split("=")[1].strip("[]")) for text in overrides if text.startswith("seeds=")] or list(SEEDS)
    overrides = [text for text in overrides if not text.startswith("seeds=")]
    tune_allocator()
    results = []
    for seed in seeds:
        accuracy, parameters, seconds = accuracy_of_seed(folder, seed, overrides)
        results.append(accuracy)
        print(
            f"seed {seed}: accuracy {accuracy:.4f}, {parameters:,} parameters, {seconds:.0f} s of training", flush=True
        )
    if len(results) > 1:
        spread = statistics.stdev(results)
        print(f"mean {statistics.mean(results):.4f}, standard deviation over {len(results)} seeds {spread:.4f}")


if __name__ == "__main__":
    main()
