"""Generation through the stages, on a tiny project: evidence, explanation, bundle, gate, report."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from gan_world import tiny_config, tiny_project

from lightloop.config.compose import write_params
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError
from lightloop.evaluation.evidence import read_predictions
from lightloop.evaluation.problem import problem_of
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.release.champion import write_champion
from lightloop.serving.predictor import Predictor
from lightloop.stages.calibrate import calibrate
from lightloop.stages.compress import compress
from lightloop.stages.evaluate import evaluate
from lightloop.stages.explain import explain
from lightloop.stages.export import export
from lightloop.stages.gate import gate
from lightloop.stages.report import report
from lightloop.stages.train import train
from lightloop.stages.validate import validate
from lightloop.tasks.checkpoint import load_model

# Long enough for images that differ from each other.
LONGER = ("trainer.max_epochs=10", "task.decay=0.9")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project on which every stage ran; to be read only."""
    project = tiny_project(tmp_path_factory.mktemp("generation") / "project")
    for command in (["git", "init", "-q"], ["git", "add", "-A"], ["git", "commit", "-qm", "start"]):
        subprocess.run(command, cwd=project.root, check=True)
    config = tiny_config(project, *LONGER)
    write_params(project, config)
    write_champion(project)
    for stage in (validate, train, calibrate, evaluate, explain, export, compress):
        stage(config, project)
    gate(config, project, fail=False)
    report(config, project)
    return project


@pytest.fixture(scope="module")
def config(made: Project):
    return tiny_config(made, *LONGER)


def test_every_record_has_an_image_of_its_own_noise(made: Project, config):
    predictions = read_predictions(made.predictions)
    test = read_splits(config.data, made.root, config.seed)["test"]
    assert predictions["id"].to_pylist() == test["id"].to_pylist()
    questions = problem_of(config.data).questions(config, test)
    images = problem_of(config.data).written(predictions, "model")
    np.testing.assert_array_equal(images, load_model(made.checkpoint).answers(questions)["image"])
    assert len(np.unique(images, axis=0)) > 90  # of 100
    assert set(predictions["prediction"].to_pylist()) <= set(config.data.classes)


def test_metrics_and_their_intervals_are_written(made: Project):
    content = read_json(made.metrics)
    assert content["n"] == 100
    for part in ("metrics", "baseline"):
        assert list(content[part]) == ["frechet", "sample_precision", "sample_recall"]
        for interval in content[part].values():
            assert interval["low"] <= interval["value"] <= interval["high"]
    assert read_json(made.classes) == read_json(made.horizons) == []
    assert made.confusion.read_text() == "actual,predicted\n"


def test_the_bundle_makes_the_same_images_from_noise_alone(made: Project, config):
    parity = read_json(made.parity)
    assert parity["n"] == 100
    assert parity["different_predictions"] == 0
    assert parity["max_difference"] <= config.gate.max_parity_difference
    predictor = Predictor.load(made.bundle)
    assert predictor.manifest.input.model_dump() == {"kind": "noise", "size": 8}
    assert predictor.manifest.classes == ()
    assert predictor.answers(pa.table({"noise": [[0.1] * 8]}))["image"].shape == (1, 1, 8, 8)


def test_a_champion_is_judged_by_the_challengers_classifier(made: Project, config):
    """The champion here is the challenger itself: it scores the same, whatever its latent space is called."""
    problem = problem_of(config.data)
    predictions = read_predictions(made.predictions)
    test = read_splits(config.data, made.root, config.seed)["test"]
    predictor = Predictor.load(made.bundle)
    answers = predictor.answers(problem.questions(config, test))["image"]
    comparable = problem.comparable(predictor.manifest.model_dump(), answers)
    assert not isinstance(comparable, str)
    ones = np.ones((1, 100), dtype=np.int32)
    champion = problem.scorer(predictions, comparable).scores(ones)
    expected = read_json(made.metrics)["metrics"]
    for name, interval in expected.items():
        # A pixel may be one level off.
        assert champion[name][0] == pytest.approx(interval["value"], rel=1e-2, abs=0.02), name
    assert "makes images of 1 x 4 x 4, not 1 x 8 x 8" in problem.comparable({}, np.zeros((2, 1, 4, 4)))


def test_the_gate_judges_by_the_distance(made: Project):
    checks = {check["name"]: check for check in read_json(made.gate)["checks"]}
    assert {"data", "parity", "bounds.frechet", "baseline", "explanation"} <= checks.keys()
    assert checks["parity"]["passed"]
    assert checks["baseline"]["figures"]["metric"] == "frechet"
    found = read_json(made.metrics)["better_than_baseline"]
    assert checks["baseline"]["passed"] == (found["low"] > 0)


def test_the_explanation_finds_the_control(made: Project, config):
    content = read_json(made.explanation_result)
    assert content["n"] == 100
    assert len(content["records"]) == config.explain.records
    for record in content["records"]:
        assert (made.explanation / record["input"]).exists()
        assert (made.explanation / record["nearest_image"]).exists()
        assert record["nearest"].startswith("train/")
    for picture in (*content["pictures"].values(), content["interpolation"]["image"]):
        assert (made.explanation / picture).exists()
    assert content["control"]["copies"]["fails_as_expected"]
    check = content["methods"]["memorisation"]["checks"]["close_share"]
    assert content["methods"]["memorisation"]["trusted"] == check["passed"]
    arrays = np.load(made.attributions)
    order = np.sort(arrays["distances"])[: config.explain.records]
    np.testing.assert_allclose([record["distance"] for record in content["records"]], order)


def test_the_same_run_leaves_the_same_evidence(made: Project, config):
    before = {path: path.read_bytes() for path in (made.predictions, made.metrics, made.mistakes)}
    evaluate(config, made)
    assert {path: path.read_bytes() for path in before} == before


def test_the_report_shows_samples_and_the_check(made: Project):
    page = (made.reports / "index.html").read_text()
    for words in ("Made by the model", "Are the images copies?", "From one image to another", "Negative control"):
        assert words in page, words


def test_predictions_without_a_classifier_are_refused(made: Project, config):
    predictions = read_predictions(made.predictions).drop_columns(["judge"])
    with pytest.raises(LightloopError, match="holds no classifier to judge images by"):
        problem_of(config.data).scorer(predictions, np.zeros((100, 1, 8, 8), dtype=np.uint8))


def test_the_gates_side_of_the_evaluation_needs_no_torch():
    code = "import sys, lightloop.evaluation.samples; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
