"""Studies in a file: shared, resumed, and drawn alike whoever asks."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from optuna.trial import TrialState

from lightloop.config.sweeps import SweepConfig
from lightloop.search.space import suggest
from lightloop.search.study import SharedStudy, quiet_optuna

SPACE = {"x": {"low": -5.0, "high": 5.0}, "y": {"low": -5, "high": 5}, "z": ["a", "b"]}


def study_in(folder: Path, sampler: str = "random", pruner: str = "none", **more) -> SharedStudy:
    content = {"sampler": {"name": sampler, **more}, "pruner": pruner, "space": SPACE}
    if sampler == "grid":
        content["space"] = {"y": SPACE["y"], "z": SPACE["z"]}
    sweep = SweepConfig.model_validate(content)
    directions = ["minimize", "minimize"] if sampler == "nsga2" else ["minimize"]
    return SharedStudy(folder, sweep, directions, seed=7, epochs=9)


def value_of(values: dict) -> float:
    return (values.get("x", 0) - 1) ** 2 + (values["y"] - 2) ** 2 + (values["z"] == "b")


def search(study: SharedStudy, most: int) -> list[dict]:
    drawn = []
    with quiet_optuna():
        while True:
            with study.next_trial(most) as trial:
                if trial is None:
                    return drawn
                values = suggest(trial, study.sweep.space)
                drawn.append(values)
                found = [value_of(values)] * len(study.study.directions)
                study.study.tell(trial, found)


SAMPLERS = ["random", "tpe", "gp", "cmaes", "nsga2", "grid"]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_searches_and_draws_alike_with_a_seed(tmp_path: Path, sampler: str):
    most = 15 if sampler == "gp" else 24
    drawn = search(study_in(tmp_path / "a", sampler), most)
    assert len(drawn) == most if sampler != "grid" else 22
    assert len({str(values) for values in drawn}) > most / 2
    # Interrupted after 9 and opened anew: the same draws.
    assert search(study_in(tmp_path / "b", sampler), 9) + search(study_in(tmp_path / "b", sampler), most) == drawn


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes"])
def test_samplers_that_learn_come_nearer_than_chance(tmp_path: Path, sampler: str):
    learned = sorted(value_of(values) for values in search(study_in(tmp_path / "a", sampler, startup=5), 25))[:10]
    chance = sorted(value_of(values) for values in search(study_in(tmp_path / "b", "random"), 25))[:10]
    assert sum(learned) < sum(chance)


def test_the_grid_ends_when_every_point_was_tried(tmp_path: Path):
    drawn = search(study_in(tmp_path / "a", "grid"), 9) + search(study_in(tmp_path / "a", "grid"), 100)
    assert len(drawn) == 22
    assert len({str(values) for values in drawn}) == 22


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_pruners_stop_what_is_worse(tmp_path: Path, pruner: str):
    study = study_in(tmp_path / "a", "random", pruner)
    stopped = []
    with quiet_optuna():
        for number in range(24):
            with study.next_trial(24) as trial:
                assert trial is not None
                for epoch in range(9):
                    trial.report(float(number % 12), epoch)
                    if trial.should_prune():
                        stopped.append(number)
                        study.study.tell(trial, state=TrialState.PRUNED)
                        break
                else:
                    study.study.tell(trial, float(number % 12))
    assert stopped
    assert all(number % 12 > 0 for number in stopped), "the best is never stopped"


HOLD = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_study import study_in
from lightloop.search.space import suggest
study = study_in(Path({folder!r}))
with study.next_trial(5) as trial:
    suggest(trial, study.sweep.space)
    print("held", trial.params, flush=True)
    time.sleep(60)
"""


def test_a_trial_whose_process_was_killed_is_drawn_again(tmp_path: Path):
    folder = tmp_path / "a"
    program = HOLD.format(tests=str(Path(__file__).parent), folder=str(folder))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        held = holder.stdout.readline()
        assert held.startswith("held")
        study = study_in(folder)
        others = search(study, 5)
        assert len(others) == 4, "one of five is under way in another process"
        os.kill(holder.pid, signal.SIGKILL)
    with (folder / "journal.log").open("a") as journal:
        journal.write('{"op_code": 4, "half a li')
    again = search(study_in(folder), 5)
    assert len(again) == 1
    assert str(again[0]["x"]) in held, "the values of the trial that was lost"
    assert len(study_in(folder).finished()) == 5
