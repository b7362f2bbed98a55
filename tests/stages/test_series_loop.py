"""The stages on a small series, with gaps, quantiles and a season taken out."""

import shutil
import subprocess

import numpy as np
import pytest
from series_world import REPOSITORY, config_with, small, wave, write

from lightloop.config.compose import write_params
from lightloop.data.splits import read_splits
from lightloop.evaluation.evidence import matrix, read_predictions
from lightloop.files import read_json, write_json
from lightloop.project import Project
from lightloop.quality.modality import read_metadata, suite_for
from lightloop.release.champion import write_champion
from lightloop.serving.predictor import Predictor

QUANTILES = {"name": "quantile", "levels": [0.1, 0.5, 0.9]}


@pytest.mark.slow
def test_a_forecast_goes_through_the_whole_loop(tmp_path):
    from lightloop.stages.calibrate import calibrate
    from lightloop.stages.compress import compress
    from lightloop.stages.evaluate import evaluate
    from lightloop.stages.explain import explain
    from lightloop.stages.export import export
    from lightloop.stages.gate import gate
    from lightloop.stages.report import report
    from lightloop.stages.train import train
    from lightloop.stages.validate import validate

    values = wave(600, noise=0.3)
    values[[100, 101, 102, 550]] = np.nan
    write(tmp_path, values)
    shutil.copytree(REPOSITORY / "configs", tmp_path / "configs")
    for name in ("dvc.yaml", "pyproject.toml", ".gto"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    project = Project(tmp_path)
    config = config_with(
        data=small(expectations="mine").model_dump(mode="json")["data"],
        preprocess={"name": "series", "missing": "seasonal", "decompose": "stl", "detrend": "linear"},
        network={"name": "mlp", "hidden": [16]},
        loss=QUANTILES,
        trainer={"max_epochs": 40, "patience": 40},
        explain={"records": 10, "samples": 8},
    )
    write_json(project.expectations / "mine.json", suite_for(config.data, read_metadata(config.data, tmp_path)))
    for command in (["git", "init", "-q"], ["git", "add", "-A"], ["git", "commit", "-qm", "start"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    write_params(project, config)
    write_champion(project)
    for stage in (validate, train, calibrate, evaluate, explain, export, compress):
        stage(config, project)
    gate(config, project, fail=False)
    report(config, project)

    checks = {check["name"]: check["passed"] for check in read_json(project.gate)["checks"]}
    assert checks["data"]
    assert checks["parity"]
    metrics = read_json(project.metrics)
    # Noise of 0.3 is what no forecast can know; the seasonal naive one has it twice.
    assert 0.25 < metrics["metrics"]["rmse"]["value"] < metrics["baseline"]["rmse"]["value"]
    assert 0.5 < metrics["metrics"]["coverage"]["value"] < 1.0
    assert "of the targets lie between the 0.1 and 0.9 quantiles" in (project.reports / "index.html").read_text()

    predictor = Predictor.load(project.bundle)
    test = read_splits(config.data, tmp_path, config.seed)["test"]
    answers = predictor.answers(test)
    predictions = read_predictions(project.predictions)
    np.testing.assert_allclose(answers["prediction"], matrix(predictions, "prediction"), atol=1e-3)
    assert answers["quantiles"].shape == (len(test), 3, 3)
    assert (np.diff(answers["quantiles"], axis=2) >= 0).all()
