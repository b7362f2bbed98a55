"""Every way to a smaller bundle on fashion and loans: size, speed and accuracy beside the network, in one run each.

    python benchmarks/compress.py [EXPERIMENT ...] [seeds=42,43] [OVERRIDE ...]
    python benchmarks/compress.py PROJECT [...] [OVERRIDE ...]

For each experiment and seed a network is trained, calibrated, evaluated and exported as `lightloop run` does, then all
of configs/compress/full.yaml is tried. A folder in which the loop has run is taken as it is; nothing in it is changed.
Of several seeds a row is the mean.
"""

import contextlib
import io
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from _common import find_project, those_there

from lightloop.compression.speed import told
from lightloop.config.compose import compose_config, validate_config
from lightloop.config.metrics import METRICS
from lightloop.config.schema import Config
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.stages.calibrate import calibrate
from lightloop.stages.compress import compress
from lightloop.stages.evaluate import evaluate
from lightloop.stages.export import export
from lightloop.stages.train import train

EXPERIMENTS = ("fashion", "loans")
Made = tuple[str, dict[str, Any], dict[str, Any]]  # name, compression.json, compression_speed.json


def main() -> None:
    """Print a table an experiment."""
    torch.set_num_threads(1)
    words = sys.argv[1:]
    overrides = [word for word in words if "=" in word and not word.startswith("seeds=")]
    seeds = [int(seed) for word in words if word.startswith("seeds=") for seed in word[6:].split(",")] or [42]
    names = [word for word in words if "=" not in word] or those_there(find_project(), EXPERIMENTS)
    for name in names:
        runs = [made(name, seed, overrides) for seed in (seeds if not Path(name).is_dir() else seeds[:1])]
        print_runs(runs)


def made(name: str, seed: int, overrides: Sequence[str]) -> Made:
    """All ways of one network."""
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(io.StringIO()):
        config, project = prepared(name, seed, overrides, Path(scratch) / "project")
        compress(config, project)
        return config.name, read_json(project.compression), read_json(project.compression_speed)


def prepared(name: str, seed: int, overrides: Sequence[str], root: Path) -> tuple[Config, Project]:
    """A project that was exported: one that lies there, or one that is trained now."""
    repository = find_project()
    project = Project(root)
    shutil.copytree(repository.configs, project.configs)
    if not Path(name).is_dir():
        (root / "data").symlink_to(repository.root / "data")
        config = compose_config(
            project, [f"experiment={name}", f"seed={seed}", "compress=full", "tracking=none", *overrides]
        )
        train(config, project)
        calibrate(config, project)
        evaluate(config, project)
    else:
        given = Project(Path(name).resolve())
        (root / "data").symlink_to(given.root / "data")
        for part in ("training", "evaluation", "folds"):
            shutil.copytree(given.root / "artifacts" / part, root / "artifacts" / part)
        shutil.copy(given.calibration, project.calibration)
        ways = compose_config(project, ["compress=full", *overrides]).compress.model_dump(mode="json")
        config = validate_config(yaml.safe_load(given.params.read_text()) | {"compress": ways})
    export(config, project)
    return config, project


def print_runs(runs: Sequence[Made]) -> None:
    """A row a way: means over the runs."""
    name, first, speed = runs[0]
    metric, calibration = METRICS[first["metric"]].title, "ECE" if first["calibration"] == "ece" else "coverage"
    print(
        f"\n{name}: {len(runs)} training(s), {first['n']['test']:,} test records; the processor has "
        f"{told(speed['processor']['features'])}\n"
        f"{'way':<14}{'graph kB':>9}{'packed':>8}{'1, ms':>8}{'64, ms':>8}{metric:>10}{'change':>9} "
        f"{'bounds':^20}{calibration:>9}{'same':>8}"
    )
    for place, row in enumerate(first["candidates"]):
        rows = [content["candidates"][place] for _, content, _ in runs]
        if any(one["why"] for one in rows):
            print(f"{row['name']:<14}does not apply: {next(one['why'] for one in rows if one['why'])}")
            continue
        spent = [found["milliseconds"][row["name"]] for _, _, found in runs]
        tests = [one["test"] for one in rows]
        low, high = (mean(test["difference"][end] for test in tests) for end in ("low", "high"))
        times = "".join(f"{mean(one[batch] for one in spent):>8.3f}" for batch in ("1", "64"))
        print(
            f"{row['name']:<14}{mean(one['bytes']['graph'] for one in rows) / 1e3:>9.1f}"
            f"{mean(one['bytes']['packed'] for one in rows) / 1e3:>8.1f}{times}"
            f"{mean(test['metric']['value'] for test in tests):>10.4f}"
            f"{mean(test['difference']['value'] for test in tests):>+9.4f} [{low:+.4f}, {high:+.4f}]"
            f"{mean(test['calibration']['value'] for test in tests):>9.4f}"
            f"{mean(test['agreement'] for test in tests):>8.1%}  {released(rows)}",
            flush=True,
        )


def released(rows: Sequence[dict[str, Any]]) -> str:
    """How often a way passed the bound, and was the smallest."""
    chosen, passed = sum(row["chosen"] for row in rows), sum(row["passes"] for row in rows)
    if len(rows) == 1:
        return "released" if chosen else "" if passed else "loses too much"
    return f"passed {passed}, released {chosen}"


def mean(values: Iterator[float]) -> float:
    return float(np.mean(list(values)))


if __name__ == "__main__":
    main()
