"""Sweeps on real trainings: resumed, shared, the best setting an experiment that runs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from optuna.trial import TrialState

from lightloop.config.compose import compose_config
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project
from lightloop.search.best import write_best
from lightloop.search.study import SharedStudy, quiet_optuna
from lightloop.search.sweep import Sweep, importances, open_sweep, run_sweep, validation_value
from lightloop.training.ensemble import single
from lightloop.training.member import train_member

TINY = ["network=mlp", "explain=gradients", "trainer.max_epochs=1", "trainer.batch_size=50", "tracking=none"]
SPACE = {
    "optimizer.lr": {"low": 1e-4, "high": 1e-1, "log": True},
    "network.hidden": {"depth": {"low": 1, "high": 2}, "width": {"low": 8, "high": 16}},
}


@pytest.fixture
def here(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project to stand in, with a small search."""
    write(project, {"sampler": "random", "pruner": "none", "trials": 3, "space": SPACE})
    monkeypatch.chdir(project.root)
    return project


def write(project: Project, content: dict) -> None:
    (project.configs / "sweep" / "fashion.yaml").write_text(yaml.safe_dump(content))


def study_of(sweep: Sweep) -> SharedStudy:
    return SharedStudy(sweep.folder, sweep.settings, sweep.directions, seed=sweep.config.seed, epochs=1)


@pytest.mark.slow
def test_the_best_setting_composes_and_reaches_its_value(here: Project, capsys: pytest.CaptureFixture):
    run_sweep(TINY)
    output = capsys.readouterr()
    assert sum("accuracy" in line and line.startswith("trial ") for line in output.out.splitlines()) >= 3
    assert "lightloop run experiment=fashion-best" in output.out
    assert output.err == "", "Optuna says nothing"
    sweep = open_sweep(here, TINY)
    done = study_of(sweep).finished()
    assert [trial.number for trial in done] == [0, 1, 2]
    best = max(done, key=lambda trial: trial.value)
    config = compose_config(here, ["experiment=fashion-best"])
    assert config.name == "fashion-best"
    assert config.optimizer.lr == best.params["optimizer.lr"]
    assert list(config.network.hidden) == [best.params["network.hidden.width"]] * best.params["network.hidden.depth"]
    text = (here.configs / "experiment" / "fashion-best.yaml").read_text()
    assert f"in trial {best.number}" in text
    scratch = here.scratch / "again"
    member = train_member(single(config, config.seed), here, scratch=scratch, lines=False)
    assert validation_value(config, here, member.checkpoint) == best.value
    # The same command goes on: nothing is left to do, and with more trials only the new ones are run.
    run_sweep(TINY)
    assert len(study_of(sweep).finished()) == 3
    run_sweep([*TINY, "trials=4"])
    assert [trial.number for trial in study_of(sweep).finished()] == [0, 1, 2, 3]


@pytest.mark.slow
def test_what_failed_is_an_answer_and_the_search_goes_on(here: Project, capsys: pytest.CaptureFixture):
    write(here, {"sampler": "grid", "pruner": "none", "trials": 2, "space": {"optimizer.lr": [0.01, 1e30]}})
    run_sweep([*TINY, "optimizer=sgd"])
    output = capsys.readouterr().out
    assert "failed: the training loss became" in output
    assert "optimizer.lr=0.01" in output
    write(here, {"sampler": "grid", "pruner": "none", "trials": 1, "space": {"optimizer.lr": [1e30]}})
    with pytest.raises(LightloopError, match="none of 1 trials came to a value; the last one: the training loss"):
        run_sweep([*TINY, "optimizer=sgd"])


@pytest.mark.slow
def test_folds_are_what_is_sought_where_the_config_has_them(here: Project, capsys: pytest.CaptureFixture):
    run_sweep([*TINY, "folds=2", "trials=1"])
    sweep = open_sweep(here, [*TINY, "folds=2", "trials=1"])
    (trial,) = study_of(sweep).finished()
    from lightloop.training.folds import train_folds

    config = compose_config(here, ["experiment=fashion-best"])
    expected = train_folds(config, here, scratch=here.scratch / "x", quiet=True).content["metrics"]["accuracy"]["mean"]
    assert trial.value == pytest.approx(expected)


@pytest.mark.slow
def test_another_data_set_or_space_is_another_study(here: Project):
    name = open_sweep(here, TINY).name
    assert name == open_sweep(here, [*TINY, "trials=99"]).name
    assert name != open_sweep(here, [*TINY, "seed=1"]).name
    assert name != open_sweep(here, [*TINY, "sampler=tpe"]).name


def test_importances_name_what_matters(tmp_path: Path, here: Project):
    sweep = open_sweep(here, TINY)
    study = study_of(sweep)
    with quiet_optuna():
        assert importances(sweep, study) == {}
        for _ in range(20):
            with study.next_trial(20) as trial:
                assert trial is not None
                lr = trial.suggest_float("optimizer.lr", 1e-4, 1e-1, log=True)
                width = trial.suggest_int("network.hidden.width", 8, 16)
                study.study.tell(trial, lr * 10 + width * 1e-6)
        found = importances(sweep, study)
    assert next(iter(found)) == "optimizer.lr"
    assert found["optimizer.lr"] > 0.9


def test_groups_and_values_of_the_command_line_are_part_of_the_best(here: Project):
    overrides = ["experiment=fashion", "network=mlp", "explain=gradients", "scheduler=cosine", "trainer.patience=3"]
    values = {"optimizer": "sgd", "optimizer.lr": 0.01, "network.hidden": [8]}
    assert write_best(here, overrides, values, ["one line"]) == "fashion-best"
    config = compose_config(here, ["experiment=fashion-best"])
    assert (config.optimizer.name, config.optimizer.lr, config.scheduler.name) == ("sgd", 0.01, "cosine")
    assert (config.trainer.patience, list(config.network.hidden)) == (3, [8])
    again = write_best(here, ["experiment=fashion-best"], {"optimizer.lr": 0.02}, ["another"])
    config = compose_config(here, [f"experiment={again}"])
    assert (config.optimizer.name, config.optimizer.lr, list(config.network.hidden)) == ("sgd", 0.02, [8])


def test_a_search_without_a_file_is_one_sentence(here: Project):
    with pytest.raises(UsageError, match=r"configs/sweep/else\.yaml is missing"):
        run_sweep([*TINY, "sweep=else"])


def start(project: Project, *words: str) -> subprocess.Popen[str]:
    program = Path(sys.executable).parent / "lightloop"
    return subprocess.Popen(
        [program, "sweep", *TINY, *words], cwd=project.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.slow
def test_two_processes_share_a_sweep_and_a_killed_one_loses_nothing(here: Project):
    words = ["trials=14", "trainer.max_epochs=3"]
    sweep = open_sweep(here, [*TINY, *words])
    killed, other = start(here, *words), start(here, *words)
    journal = sweep.folder / "journal.log"
    until = time.monotonic() + 120
    while not journal.exists() or not [t for t in study_of(sweep).finished() if t.number >= 2]:
        assert time.monotonic() < until
        time.sleep(0.2)
    os.kill(killed.pid, signal.SIGKILL)
    output, _ = other.communicate(timeout=300)
    killed.communicate(timeout=60)
    assert other.returncode == 0, output
    # Whatever the killed one held is drawn again, by the other or by the same command later.
    run_sweep([*TINY, *words])
    study = study_of(sweep)
    done = study.finished()
    assert len(done) == 14
    assert all(trial.state is TrialState.COMPLETE for trial in done)
    assert len({str(trial.params) for trial in done}) == 14, "no setting was trained twice"
    trials = study.study.get_trials()
    assert not [trial for trial in trials if trial.state in (TrialState.RUNNING, TrialState.WAITING)]


@pytest.mark.slow
def test_metric_and_milliseconds(here: Project, capsys: pytest.CaptureFixture):
    words = [*TINY, "sampler=nsga2", "trials=3"]
    run_sweep(words)
    sweep = open_sweep(here, words)
    for trial in study_of(sweep).finished():
        assert len(trial.values) == 2
        assert 0 < trial.values[1] < 1000
    assert "ms a record" in capsys.readouterr().out
