"""Forecasts of carbon dioxide at Mauna Loa, 1998-01 to 2001-12, beside seasonal naive with drift and SARIMA.

    python benchmarks/co2.py [seeds=42,43,44,45,46] [split=validation] [only=monthly] [OVERRIDES...]

One step ahead, and all 48 months (208 weeks) from what was known at the end of 1997. Published for monthly means, by
SARIMA(1,1,1)(1,1,1,12): 0.26 ppm and 1.0 ppm (its fit had seen the test years; here it is shown both ways). Networks
are chosen by the years 1990 to 1997 alone (`split=validation` shows those), and trained anew for each seed; in
brackets a 95 % t interval over seeds.
"""

import math
import sys
import warnings

import numpy as np
import pandas as pd
from _common import Trained, find_project, interval, read_words, train
from numpy.typing import NDArray
from statsmodels.tsa.statespace.sarimax import SARIMAX

from lightloop.config.series import SeriesSpec
from lightloop.data.series.windows import Steps, read_steps
from lightloop.data.splits import SplitName
from lightloop.evaluation.baseline import baseline_answers
from lightloop.evaluation.evidence import matrix

DATES = ("data.validation_from=1990-01-01", "data.test_from=1998-01-01")
# A validation loss of few windows wanders: the schedule decides when training ends.
COMMON = (*DATES, "trainer.max_epochs=40", "trainer.patience=40", "trainer.batch_size=32", "trainer.precision='32'")
SETTINGS = {
    "monthly, one step": ("data.resample=MS", "data.season=12", "data.window=36", "data.horizon=1"),
    "monthly, 48 months": ("data.resample=MS", "data.season=12", "data.window=36", "data.horizon=48"),
    "weekly, one step": ("data.window=104", "data.horizon=1"),
    "weekly, 208 weeks": ("data.window=104", "data.horizon=208"),
}


def rmse(answers: NDArray[np.floating], labels: NDArray[np.floating]) -> float:
    return math.sqrt(float(np.square(answers - labels).mean()))


def network_and_baseline(trained: Trained, split: SplitName) -> tuple[float, float]:
    """RMSE of a network and of the simpler model on a split."""
    asked = trained.splits[split]
    labels_NH = matrix(asked, "label")
    simpler = baseline_answers(trained.config, trained.splits, asked)["prediction"]
    return rmse(trained.model.answers(asked)["prediction"], labels_NH), rmse(simpler, labels_NH)


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


def main() -> None:
    words, project = read_words(sys.argv[1:], "only"), find_project()
    for name, settings in SETTINGS.items():
        if not name.startswith(words.own.get("only", "")):
            continue
        found: list[float] = []
        for seed in words.seeds:
            trained = train(project, seed, ("experiment=co2", *COMMON, *settings, *words.overrides))
            own, simpler = network_and_baseline(trained, words.split)
            found.append(own)
            print(f"  seed {seed}, {name}: {own:.3f} ppm ({trained.seconds:.0f} s)", flush=True)
        print(
            f"{name}: network {interval(found)} ppm over seeds {words.seeds}, {words.split} split, "
            f"seasonal naive with drift {simpler:.3f} ppm",
            flush=True,
        )
        spec = trained.config.data
        assert isinstance(spec, SeriesSpec)
        if words.split == "test" and spec.resample:
            steps = read_steps(spec, project.root)
            for seen, said in ((False, "fitted on what was before"), (True, "fitted on all, as published")):
                print(f"  SARIMA(1,1,1)(1,1,1,12), {said}: {sarima(steps, horizon=spec.horizon, seen=seen):.3f} ppm")


if __name__ == "__main__":
    main()
