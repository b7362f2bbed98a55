"""Forecasts of carbon dioxide at Mauna Loa, 1998-01 to 2001-12, beside seasonal naive with drift and SARIMA.

    python benchmarks/co2.py [seeds=42,43] [split=validation] [only=monthly] [OVERRIDES...]

One step ahead, and all 48 months (208 weeks) from what was known at the end of 1997. Published for monthly means, by
SARIMA(1,1,1)(1,1,1,12): 0.26 ppm and 1.0 ppm (its fit had seen the test years; here it is shown both ways). Networks
are chosen by the years 1990 to 1997 alone (`split=validation` shows those), and trained anew for each seed; in
brackets a 95 % t interval over seeds.
"""

import math
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import t as student
from statsmodels.tsa.statespace.sarimax import SARIMAX

from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.config.series import SeriesSpec
from lightloop.config.signature import components
from lightloop.data.module import build_data
from lightloop.data.series.windows import Steps, read_steps
from lightloop.data.splits import SplitName
from lightloop.evaluation.baseline import baseline_answers
from lightloop.evaluation.evidence import matrix
from lightloop.project import Project
from lightloop.tasks.checkpoint import build_network, load_model
from lightloop.training.fit import fit, store
from lightloop.training.speed import choose_speed, tune_allocator

DATES = ("data.validation_from=1990-01-01", "data.test_from=1998-01-01", "tracking=none")
# A validation loss of few windows wanders: the schedule decides when training ends.
COMMON = (*DATES, "trainer.max_epochs=40", "trainer.patience=40", "trainer.batch_size=32", "trainer.precision='32'")
SETTINGS = {
    "monthly, one step": ("data.resample=MS", "data.season=12", "data.window=36", "data.horizon=1"),
    "monthly, 48 months": ("data.resample=MS", "data.season=12", "data.window=36", "data.horizon=48"),
    "weekly, one step": ("data.window=104", "data.horizon=1"),
    "weekly, 208 weeks": ("data.window=104", "data.horizon=208"),
}
SEEDS = (42, 43)


def rmse(answers: NDArray[np.floating], labels: NDArray[np.floating]) -> float:
    return math.sqrt(float(np.square(answers - labels).mean()))


def network_and_baseline(config: Config, root: Path, split: SplitName) -> tuple[float, float, float]:
    """RMSE of one training and of the simpler model on a split, and seconds of training."""
    data = build_data(config, root)
    data.setup()
    speed = choose_speed(config.trainer)
    torch.manual_seed(config.seed)
    network = build_network(config, data.preprocessor.inputs)
    build = components("tasks")[config.task.name].load()
    task = build(config, network, data.preprocessor, speed.channels_last, **config.task.arguments())
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        fitted = fit(config, task, data, speed, scratch=Path(scratch), logger=False)
        seconds = time.perf_counter() - started
        store(fitted.best, Path(scratch) / "model.ckpt", config)
        model = load_model(Path(scratch) / "model.ckpt")
    asked = data.tables[split]
    labels_NH = matrix(asked, "label")
    simpler = baseline_answers(config, data.tables, asked)["prediction"]
    return rmse(model.answers(asked)["prediction"], labels_NH), rmse(simpler, labels_NH), seconds


def sarima(steps: Steps, *, horizon: int, seen: bool) -> float:
    """RMSE of SARIMA(1,1,1)(1,1,1,12) on the test months, gaps filled as in the published example.

    Args:
        steps: the series.
        horizon: 1, or all test months.
        seen: whether the fit sees the test months too, as the published one did.
    """
    values = pd.Series(steps.values, index=pd.DatetimeIndex(steps.times, freq=steps.clock.step)).bfill()
    first = steps.starts[1]
    options = {
        "order": (1, 1, 1),
        "seasonal_order": (1, 1, 1, steps.clock.season),
        "enforce_stationarity": False,
        "enforce_invertibility": False,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = SARIMAX(values if seen else values[:first], **options).fit(disp=False)
        fitted = fitted if seen else fitted.append(values[first:])
        forecast = fitted.get_prediction(start=first, dynamic=horizon > 1).predicted_mean
    return rmse(forecast.to_numpy(), values[first:].to_numpy())


def summary(values: Sequence[float]) -> str:
    """Mean with its interval over seeds."""
    mean = statistics.mean(values)
    if len(values) < 2:
        return f"{mean:.3f}"
    half = float(student.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean:.3f} [{mean - half:.3f}, {mean + half:.3f}]"


def main() -> None:
    named = dict(text.split("=", 1) for text in sys.argv[1:] if text.split("=")[0] in ("seeds", "split", "only"))
    overrides = [text for text in sys.argv[1:] if text.split("=")[0] not in ("seeds", "split", "only")]
    seeds = [int(text) for text in named.get("seeds", ",".join(map(str, SEEDS))).split(",")]
    split: SplitName = "validation" if named.get("split") == "validation" else "test"
    project = Project.find(Path(__file__).parent)
    tune_allocator()
    for name, settings in SETTINGS.items():
        if not name.startswith(named.get("only", "")):
            continue
        found, simpler, seconds = [], 0.0, 0.0
        for seed in seeds:
            config = compose_config(project, ["experiment=co2", *COMMON, *settings, *overrides, f"seed={seed}"])
            own, simpler, seconds = network_and_baseline(config, project.root, split)
            found.append(own)
        print(
            f"{name}: network {summary(found)} ppm over seeds {seeds}, seasonal naive with drift {simpler:.3f} ppm, "
            f"{seconds:.0f} s of training",
            flush=True,
        )
        spec = config.data
        assert isinstance(spec, SeriesSpec)
        if split == "test" and spec.resample:
            steps = read_steps(spec, project.root)
            for seen, words in ((False, "fitted on what was before"), (True, "fitted on all, as published")):
                print(f"  SARIMA(1,1,1)(1,1,1,12), {words}: {sarima(steps, horizon=spec.horizon, seen=seen):.3f} ppm")


if __name__ == "__main__":
    main()
