"""Milliseconds of an explained answer beside those of a plain one, by modality, in one run: the service's own path.

    python benchmarks/served_explanations.py [REQUESTS]

For each experiment a network with fresh weights (time depends on its shape, not on what it learned) is exported as
`lightloop export` does, opened with ONNX Runtime on one thread, and asked for one raw record at a time: plain, by
occlusion, and by Shapley values. The median of REQUESTS records counts; all three take turns.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pyarrow as pa
import torch
from _common import find_project, those_there

from lightloop.config.compose import compose_config
from lightloop.data.preprocessor import build_preprocessor
from lightloop.data.splits import read_splits
from lightloop.evaluation.problem import problem_of
from lightloop.project import Project
from lightloop.release.bundle import write_bundle
from lightloop.serving.explainer import explain
from lightloop.serving.manifest import EXPLANATION
from lightloop.serving.predictor import Predictor
from lightloop.tasks.checkpoint import Model, build_network

EXPERIMENTS = ("loans", "fashion", "spam", "co2")
WARM = 2


def main() -> None:
    """Print a row an experiment."""
    torch.set_num_threads(1)
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    project = find_project()
    print("experiment  plain ms  occlusion ms (asked)  shapley ms (asked)  times plain  completeness  bytes more")
    for name in those_there(project, EXPERIMENTS):
        report(project, name, requests)


def report(project: Project, name: str, requests: int) -> None:
    """Export one experiment's model, ask it, print its row."""
    config = compose_config(project, [f"experiment={name}", "tracking=none"])
    splits = read_splits(config.data, project.root, config.seed)
    preprocessor = build_preprocessor(config)
    preprocessor.fit(splits["train"])
    torch.manual_seed(config.seed)
    network = build_network(config, preprocessor.inputs)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "bundle"
        model = Model(config, preprocessor.eval(), network.eval())
        write_bundle(model, folder, data_version=None, train=splits["train"])
        size = (folder / EXPLANATION).stat().st_size if (folder / EXPLANATION).exists() else 0
        predictor = Predictor.load(folder)
    questions = problem_of(config.data).questions(config, splits["test"])
    last: dict[str, tuple[int, float]] = {}

    def by(method: str) -> Callable[[pa.Table], object]:
        def run(one: pa.Table) -> None:
            found = explain(predictor, one, method=method)  # type: ignore[arg-type]
            last[method] = found.evaluations, found.completeness_error or 0.0

        return run

    runs: dict[str, Callable[[pa.Table], object]] = {
        "plain": predictor.answers,
        "occlusion": by("occlusion"),
        "shapley": by("shapley"),
    }
    spent: dict[str, list[float]] = {kind: [] for kind in runs}
    for number in range(WARM + requests):
        one = questions.slice(number % len(questions), 1)
        for kind, run in runs.items():
            start = time.perf_counter()
            run(one)
            spent[kind].append(1000 * (time.perf_counter() - start))
    plain, occluded, drawn = (median(spent[kind][WARM:]) for kind in runs)
    print(
        f"{name:10s}  {plain:8.2f}  {occluded:12.2f} ({last['occlusion'][0]:4d})  {drawn:10.1f} "
        f"({last['shapley'][0]:4d})  {drawn / plain:11.0f}  {last['shapley'][1]:12.1e}  {size:10,d}"
    )


if __name__ == "__main__":
    main()
