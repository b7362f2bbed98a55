"""The whole loop on problems that no shipped experiment has: numbers of a table, classes and numbers of series."""

import importlib
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from small_project import REPOSITORY

from lightloop.config.compose import compose_config, write_params
from lightloop.config.schema import Config
from lightloop.data.splits import read_splits
from lightloop.evaluation.evidence import read_predictions
from lightloop.files import read_json, write_json
from lightloop.project import Project
from lightloop.quality.modality import read_metadata, suite_for
from lightloop.release.champion import write_champion
from lightloop.serving.predictor import Predictor

QUARTER = 13  # weeks
SEASONS = ("winter", "spring", "summer", "autumn")
QUICK = ("tracking=none", "explain.records=10", "explain.samples=8", "gate.resamples=200", "augment=none")
WHOLE = {
    "modality": "series",
    "path": "data/quarters",
    "files": {"train": "quarters.parquet"},
    "window": QUARTER,
    "split": {"policy": "random", "test": 0.25, "validation": 0.2},
    "expectations": "quarters",
}


def make(root: Path, spec: dict, *overrides: str) -> tuple[Config, Project]:
    """The repository's configs in a folder, with one data set more, and its suite."""
    shutil.copytree(REPOSITORY / "configs", root / "configs")
    for name in ("dvc.yaml", "pyproject.toml", ".gto"):
        shutil.copy(REPOSITORY / name, root / name)
    project = Project(root)
    (project.configs / f"data/{spec['name']}.yaml").write_text(yaml.safe_dump(spec))
    config = compose_config(project, [f"data={spec['name']}", f"name={spec['name']}", *QUICK, *overrides])
    suite = suite_for(config.data, read_metadata(config.data, root))
    write_json(project.expectations / f"{config.data.expectations}.json", suite)
    return config, project


def run(config: Config, project: Project) -> str:
    """Every stage of the pipeline in its order; the text of the report's first page."""
    for command in (["git", "init", "-q"], ["git", "add", "-A"], ["git", "commit", "-qm", "start"]):
        subprocess.run(command, cwd=project.root, check=True)
    write_params(project, config)
    write_champion(project)
    for name in yaml.safe_load((project.root / "dvc.yaml").read_text())["stages"]:
        stage = getattr(importlib.import_module(f"lightloop.stages.{name}"), name)
        stage(config, project, **({"fail": False} if name == "gate" else {}))
    return (project.reports / "index.html").read_text()


def check_evidence(config: Config, project: Project, page: str, answer: str) -> None:
    """What holds whatever the problem: the gate's checks, parity, the service's answers, the report's pages."""
    checks = {check["name"]: check["passed"] for check in read_json(project.gate)["checks"]}
    assert checks["data"]
    assert checks["parity"]
    assert config.data.name in page
    assert (project.reports / "index.html").exists()
    for path in project.reports.rglob("*.html"):
        assert "Undefined" not in path.read_text()
    test = read_splits(config.data, project.root, config.seed)["test"]
    answers = Predictor.load(project.bundle).answers(test)
    column = {"prediction": "prediction", "probabilities": "probabilities"}[answer]
    written = np.array(read_predictions(project.predictions)[column].to_pylist())
    assert np.allclose(answers[answer].reshape(len(test), -1), written.reshape(len(test), -1), atol=1e-3)


def quarters() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whole quarters of the weekly CO2 that do not overlap, (N, 13); where each begins; the mean of the next one."""
    table = pq.read_table(REPOSITORY / "data/co2/co2.parquet")
    values = table["co2"].to_numpy(zero_copy_only=False)
    weeks = table["week"].to_numpy().astype("datetime64[D]")
    count = len(values) // QUARTER - 1
    windows = values[: count * QUARTER].reshape(count, QUARTER)
    following = values[QUARTER : (count + 1) * QUARTER].reshape(count, QUARTER)
    known = ~np.isnan(windows).all(1) & (~np.isnan(following)).any(1)
    return windows[known], weeks[: count * QUARTER : QUARTER][known], np.nanmean(following[known], axis=1)


def write_quarters(root: Path, windows: np.ndarray, labels: pa.Array) -> None:
    rows = [[None if value != value else value for value in row] for row in windows.tolist()]
    (root / WHOLE["path"]).mkdir(parents=True)
    table = pa.table({"co2": pa.array(rows, pa.list_(pa.float64())), "target": labels})
    pq.write_table(table, root / WHOLE["path"] / "quarters.parquet")


@pytest.mark.slow
def test_numbers_of_a_table(tmp_path: Path):
    """The price of the house, of the mortgage applications."""
    raw = yaml.safe_load((REPOSITORY / "configs/data/loans.yaml").read_text())
    for name in ("favourable", "metamorphic", "classes"):
        raw.pop(name, None)
    known = {"approve": "slice", "price": "target"}
    too_near = {name: {"role": "ignored", "why": "price in another coding"} for name in ("apr", "loanprc")}
    spec = raw | {
        "name": "prices",
        "problem": "regression",
        "columns": raw["columns"] | known | too_near,
        "split": {"policy": "random", "test": 0.2, "validation": 0.15},
        "expectations": "prices",
    }
    shutil.copytree(REPOSITORY / "data/loans", tmp_path / "data/loans")
    config, project = make(
        tmp_path, spec, "preprocess=tabular", "network=mlp", "network.hidden=[32]", "task=regression", "loss=huber",
        "explain=tabular", "gate=regression", "trainer.max_epochs=15", "trainer.batch_size=64", "optimizer.lr=0.005",
    )  # fmt: skip
    page = run(config, project)
    check_evidence(config, project, page, "prediction")
    metrics = read_json(project.metrics)["metrics"]
    assert metrics["r2"]["value"] > 0.5
    assert metrics["rmse"]["low"] < metrics["rmse"]["value"] < metrics["rmse"]["high"]


@pytest.mark.slow
def test_the_appraised_value_gives_the_price_away(tmp_path: Path):
    """What the test above leaves out, and why: the data check finds it."""
    from lightloop.quality.leakage import leakage_checks

    raw = yaml.safe_load((REPOSITORY / "configs/data/loans.yaml").read_text())
    columns = {"approve": "ignored", "price": "target", "apr": "feature", "loanamt": "feature"}
    frame = pd.read_parquet(REPOSITORY / "data/loans/loans.parquet")
    frame = frame[(frame["apr"] < 500) & (frame["price"] < 500)]
    (tmp_path / "data/loans").mkdir(parents=True)
    frame.to_parquet(tmp_path / "data/loans/loans.parquet")
    spec = {key: raw[key] for key in ("modality", "path", "files", "id")} | {
        "name": "prices", "problem": "regression", "columns": columns, "expectations": "prices",
        "split": {"policy": "random", "test": 0.2},
    }  # fmt: skip
    from lightloop.config.tabular import TabularSpec

    said = TabularSpec.model_validate(spec | {"leakage_limit": 0.8})
    (check,) = leakage_checks(said, read_metadata(said, tmp_path), tmp_path)
    assert check["column"] == "apr"


@pytest.mark.slow
def test_classes_of_whole_series(tmp_path: Path):
    """The season, of a quarter of carbon dioxide in the air."""
    windows, begins, _ = quarters()
    months = begins.astype("datetime64[M]").astype(int) % 12
    write_quarters(tmp_path, windows, pa.array([SEASONS[month // 3] for month in months]))
    spec = WHOLE | {
        "name": "quarters",
        "problem": "classification",
        "columns": {"co2": "feature", "target": "target"},
        "classes": list(SEASONS),
        "split": {"policy": "stratified", "test": 0.25, "validation": 0.2},
    }
    config, project = make(
        tmp_path, spec, "preprocess=series_plain", "network=inception_time", "task=classification",
        "explain=series", "trainer.max_epochs=40", "trainer.batch_size=16", "trainer.patience=40",
    )  # fmt: skip
    page = run(config, project)
    check_evidence(config, project, page, "probabilities")
    assert read_json(project.metrics)["metrics"]["accuracy"]["value"] > 0.7, "four classes: chance is a quarter"


@pytest.mark.slow
def test_numbers_of_whole_series(tmp_path: Path):
    """The mean of the next quarter, of a quarter of carbon dioxide in the air."""
    windows, _, following = quarters()
    write_quarters(tmp_path, windows, pa.array(following))
    spec = WHOLE | {
        "name": "quarters",
        "problem": "regression",
        "columns": {"co2": "feature", "target": "target"},
    }
    config, project = make(
        tmp_path, spec, "preprocess=series_plain", "preprocess.scale_by=training", "network=mlp",
        "network.hidden=[32]", "network.normalisation=none", "network.dropout=0.0", "task=regression", "loss=mse",
        "explain=series", "gate=regression", "trainer.max_epochs=60", "trainer.batch_size=16", "trainer.patience=60",
        "optimizer.lr=0.01",
    )  # fmt: skip
    page = run(config, project)
    check_evidence(config, project, page, "prediction")
    metrics = read_json(project.metrics)
    assert metrics["metrics"]["r2"]["value"] > 0.9
