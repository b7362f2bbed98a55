"""The whole loop on adopted data of every kind, with a short training; the service answers for what came of it."""

import shutil
from pathlib import Path

import pytest
from adoption_world import REPOSITORY, customers, empty_project, picture_folder, sales, text_folder
from loop_world import command
from registry_world import git

from lightloop.adoption.adopt import Wish, adopt
from lightloop.adoption.shown import console
from lightloop.config.compose import compose_config
from lightloop.data.splits import read_splits
from lightloop.files import read_json
from lightloop.serving.predictor import Predictor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

# Enough that every stage does its work.
SHORT = (
    "tracking=none",
    "trainer.max_epochs=12",
    "audit=none",
    "explain.methods=[integrated_gradients]",
    "explain.records=8",
    "explain.steps=16",
    "explain.global_records=20",
    "explain.influential=1",
)


def make(kind: str, folder: Path) -> tuple[Path, str | None]:
    match kind:
        case "table":
            path = folder / "kunden.csv"
            frame = customers(400).assign(immer=1)
            frame.to_csv(path, index=False, sep=";", decimal=",")
            return path, "bleibt"
        case "numbers":
            path = folder / "months.parquet"
            customers(400).to_parquet(path, index=False)
            return path, "Einkommen netto"
        case "pictures":
            return picture_folder(folder / "bands", 60), None
        case "texts":
            return text_folder(folder / "reviews", 80), None
        case _:
            path = folder / "sales.csv"
            sales().to_csv(path, index=False)
            return path, "sales"


@pytest.mark.parametrize("kind", ["table", "numbers", "pictures", "texts", "series"])
def test_the_loop_passes(tmp_path: Path, kind: str):
    project = empty_project(tmp_path / "project")
    shutil.copytree(
        REPOSITORY / "src", project.root / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
    )
    path, target = make(kind, tmp_path)
    adopt(project, Wish([str(path)], target=target, name="mine", yes=True, fit=False), console(), terminal=False)
    git(project.root, "add", "--all")
    git(project.root, "commit", "--quiet", "--message", "adopted")
    done = command(project.root, "lightloop", "run", "experiment=mine", *SHORT)
    # So short a training need not beat the simpler model, which is exit code 3; every stage has run.
    assert done.returncode in {0, 3}, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert read_json(project.validation_result)["success"], done.stdout
    checks = {check["name"]: check for check in read_json(project.gate)["checks"]}
    assert checks["data"]["passed"]
    assert checks["parity"]["passed"]
    assert (project.reports / "index.html").exists()
    predictor = Predictor.load(project.bundle)
    spec = compose_config(project, ["experiment=mine"]).data
    asked = read_splits(spec, project.root, 42)["test"].slice(0, 5)
    assert len(predictor.score(asked).answers[predictor.manifest.answer]) == 5
