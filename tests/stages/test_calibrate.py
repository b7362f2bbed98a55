"""calibrate and what follows it: the same probabilities, decision and doubt in evidence, bundle and gate."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from series_world import small, wave, write
from small_project import make_project
from standing import stand, with_data

from lightloop.config.compose import validate_config
from lightloop.config.schema import Config
from lightloop.data.preprocessor import build_preprocessor
from lightloop.data.records import label_codes
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError
from lightloop.evaluation.evidence import decision_of, matrix, read_predictions
from lightloop.evaluation.problem import problem_of
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.serving.manifest import FORMAT
from lightloop.serving.predictor import Predictor
from lightloop.stages.calibrate import calibrate
from lightloop.stages.compress import compress
from lightloop.stages.evaluate import evaluate
from lightloop.stages.export import export
from lightloop.tasks.checkpoint import build_network, checkpoint_extras, load_model

MORE = ("data.split.validation=0.4", "explain.records=10")


def ran(root: Path, name: str, *overrides: str) -> tuple[Config, Project]:
    project = make_project(root)
    config = with_data(project, name, *MORE, *overrides)
    stand(config, project)
    calibrate(config, project)
    evaluate(config, project)
    export(config, project)
    compress(config, project)
    return config, project


@pytest.mark.slow
def test_a_threshold_is_the_answer_everywhere(tmp_path: Path):
    config, project = ran(
        tmp_path, "loans", "decision=threshold", "decision.metric=balanced_accuracy", "calibration=isotonic"
    )
    content = read_json(project.calibration)
    assert content["applies"]
    assert content["released"]["scaling"]["name"] == "isotonic"
    assert content["decision"]["positive"] == "approved"
    rule = content["released"]["decision"]

    predictions = read_predictions(project.predictions)
    p_NK = matrix(predictions, "probabilities")
    expected = np.where(p_NK[:, 1] >= rule["threshold"], "approved", "rejected").tolist()
    assert predictions["prediction"].to_pylist() == expected
    assert expected != [config.data.classes[k] for k in p_NK.argmax(1)], "a rule that changes nothing shows nothing"
    assert decision_of(predictions).threshold == rule["threshold"]

    right = np.mean([a == b for a, b in zip(expected, predictions["label"].to_pylist(), strict=True)])
    metrics = read_json(project.metrics)["metrics"]
    assert metrics["accuracy"]["value"] == pytest.approx(right)
    labels_N = label_codes(predictions["label"].to_pylist(), config.data.classes)
    loss = -np.log(np.maximum(p_NK[np.arange(len(labels_N)), labels_N], 1e-7)).mean()
    assert metrics["log_loss"]["value"] == pytest.approx(loss)
    # Whoever scores the table later takes the same answers.
    scorer = problem_of(config.data).scorer(predictions, p_NK)
    assert scorer.scores(np.ones((1, len(labels_N)), np.int32))["accuracy"][0] == pytest.approx(right)
    assert project.confusion.read_text().splitlines()[1:] == [
        f"{label},{answer}" for label, answer in zip(predictions["label"].to_pylist(), expected, strict=True)
    ]

    parity = read_json(project.parity)
    assert parity["different_predictions"] == 0
    assert parity["max_difference"] < 1e-4
    test = read_splits(config.data, project.root, config.seed)["test"]
    served = Predictor.load(project.bundle)
    found = served.classify(test)
    assert [one.label for one in found] == expected
    assert [one.probability for one in found] == pytest.approx(
        [p_NK[row, config.data.classes.index(label)] for row, label in enumerate(expected)], abs=1e-5
    )
    assert found[0].level == 0.9
    for one in found:
        assert one.abstains == (len(one.possible) != 1)
    uncertainty = read_json(project.uncertainty)
    coverage = np.mean(
        [label in one.possible for label, one in zip(predictions["label"].to_pylist(), found, strict=True)]
    )
    assert uncertainty["conformal"]["levels"][0]["coverage"]["value"] == pytest.approx(coverage)
    answered = np.mean([not one.abstains for one in found])
    assert uncertainty["abstention"]["answered"]["value"] == pytest.approx(answered)
    evidence = read_json(project.calibration_evidence)
    assert evidence["decision"]["changed"] == sum(
        a != config.data.classes[k] for a, k in zip(expected, p_NK.argmax(1), strict=True)
    )
    raw_NK = matrix(predictions, "raw_probabilities")
    logits = load_model(project.checkpoint).answers(test)["probabilities"]
    np.testing.assert_allclose(raw_NK, logits, atol=1e-6)
    with pytest.raises(LightloopError, match="this bundle answers probabilities, not prediction: ask it by `answers`"):
        served.forecast(test)


@pytest.mark.slow
def test_the_default_keeps_the_most_probable_class_and_the_same_bytes(tmp_path: Path):
    config, project = ran(tmp_path, "loans")
    released = read_json(project.calibration)["released"]
    assert released["decision"]["name"] == "argmax"
    predictions = read_predictions(project.predictions)
    p_NK = matrix(predictions, "probabilities")
    assert predictions["prediction"].to_pylist() == [config.data.classes[k] for k in p_NK.argmax(1)]
    files = [project.calibration, *project.evaluation.iterdir(), project.bundle / "hashes.json"]
    before = {path: path.read_bytes() for path in files}
    calibrate(config, project)
    evaluate(config, project)
    export(config, project)
    compress(config, project)
    assert before == {path: path.read_bytes() for path in files}
    parts = read_json(project.uncertainty)["disagreement"]
    assert (parts["source"], parts["answers"]) == ("dropout", 10)
    assert set(parts["auroc"]) == {"mutual_information", "entropy", "doubt"}


@pytest.mark.slow
def test_temperature_changes_no_answer_and_the_logits_stay_raw(tmp_path: Path):
    config, project = ran(tmp_path, "loans", "calibration=temperature")
    scaling = read_json(project.calibration)["released"]["scaling"]
    test = read_splits(config.data, project.root, config.seed)["test"]
    plain = load_model(project.checkpoint).answers(test)
    ours = load_model(project.checkpoint, project.calibration).answers(test)
    np.testing.assert_array_equal(plain["logits"], ours["logits"])
    np.testing.assert_array_equal(plain["probabilities"].argmax(1), ours["probabilities"].argmax(1))
    expected = torch.from_numpy(plain["logits"] / np.float32(scaling["temperature"])).softmax(1).numpy()
    np.testing.assert_allclose(ours["probabilities"], expected, atol=1e-6)
    served = Predictor.load(project.bundle).answers(test)
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-5)
    np.testing.assert_allclose(served["logits"], plain["logits"], atol=1e-4)


def series(root: Path, loss: dict) -> tuple[Config, Project]:
    write(root, wave(600, slope=0.0, noise=0.3))
    raw = small(split={"policy": "time", "test": 0.3, "validation": 0.3}).model_dump(mode="json")
    config = validate_config(raw | {"loss": loss, "uncertainty": {"levels": [0.8], "samples": 4}})
    project = Project(root)
    tables = read_splits(config.data, root, config.seed)
    preprocessor = build_preprocessor(config)
    preprocessor.fit(tables["train"])
    torch.manual_seed(0)
    network = build_network(config, preprocessor.inputs)
    state = {f"preprocessor.{key}": value for key, value in preprocessor.state_dict().items()}
    state |= {f"network.{key}": value for key, value in network.state_dict().items()}
    project.training.mkdir(parents=True)
    torch.save({**checkpoint_extras(config, preprocessor), "state_dict": state}, project.checkpoint)
    calibrate(config, project)
    evaluate(config, project)
    export(config, project)
    compress(config, project)
    return config, project


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "score"),
    [({"name": "huber"}, "residual"), ({"name": "quantile", "levels": [0.1, 0.5, 0.9]}, "cqr")],
)
def test_forecasts_have_intervals(tmp_path: Path, loss: dict, score: str):
    config, project = series(tmp_path, loss)
    content = read_json(project.calibration)
    assert content["released"]["conformal"]["score"] == score
    assert "windows overlap" in content["notes"][0]
    predictions = read_predictions(project.predictions)
    labels_NH = matrix(predictions, "label")
    test = read_splits(config.data, project.root, config.seed)["test"]
    found = Predictor.load(project.bundle).forecast(test)
    inside = np.array([[low <= y <= high for y, (low, high) in zip(row, one.intervals, strict=True)]
                       for row, one in zip(labels_NH, found, strict=True)])  # fmt: skip
    level = read_json(project.uncertainty)["conformal"]["levels"][0]
    assert level["coverage"]["value"] == pytest.approx(inside.mean(), abs=0.01)
    assert len(level["steps"]) == 3
    assert inside.mean() > 0.7
    evidence = read_json(project.calibration_evidence)
    assert [row["level"] for row in evidence["curve"]] == [0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
    shares = [row["coverage"]["value"] for row in evidence["curve"]]
    assert shares == sorted(shares)
    assert sum(evidence["places"]) == pytest.approx(1)
    assert [row["level"] for row in evidence["quantiles"]] == loss.get("levels", [])


@pytest.mark.slow
def test_generation_says_why(project: Project):
    from gan_world import tiny_config

    calibrate(tiny_config(project), project)
    assert read_json(project.calibration) == {
        "applies": False,
        "why": "images that were generated have no probability, threshold or interval",
    }


@pytest.mark.slow
def test_too_few_records_say_why(project: Project):
    config = with_data(project, "loans", "data.split.validation=0.03")
    stand(config, project)
    calibrate(config, project)
    content = read_json(project.calibration)
    assert not content["applies"]
    assert content["why"].startswith(
        "10 validation records are too few: two halves for a conformal level of 0.9 need 18"
    )
    evaluate(config, project)
    evidence = read_json(project.calibration_evidence)
    assert (evidence["applies"], evidence["fitted"], evidence["why"]) == (True, False, content["why"])
    assert not read_json(project.uncertainty)["conformal"]["applies"]


@pytest.mark.slow
def test_a_network_that_answers_no_numbers_is_refused(tmp_path: Path):
    project = make_project(tmp_path)
    config = with_data(project, "loans")
    stand(config, project)
    content = torch.load(project.checkpoint, weights_only=True)
    last = next(key for key in reversed(content["state_dict"]) if key.startswith("network."))
    content["state_dict"][last].fill_(torch.nan)
    torch.save(content, project.checkpoint)
    with pytest.raises(LightloopError, match="the model answers logits that are NaN or infinite on validation records"):
        calibrate(config, project)
    assert not project.calibration.exists()


def test_the_bundle_of_the_finished_project_says_how_sure_it_is(finished: Project):
    manifest = json.loads((finished.bundle / "bundle.json").read_text())
    assert manifest["format"] == FORMAT
    assert manifest["calibration"] == read_json(finished.calibration)["released"]
    images = pq.read_table(finished.root / "data/fashion/test.parquet")["image"].to_pylist()
    found = Predictor.load(finished.bundle).predict([image["bytes"] for image in images])
    told = read_predictions(finished.predictions)
    assert [one.label for one in found] == told["prediction"].to_pylist()
    assert {one.level for one in found} == {0.9}
