"""The stage on a project that was really trained: what is tried, what is released, and what the gate then judges."""

import copy
import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from lightloop.config.compose import validate_config
from lightloop.errors import LightloopError, RefusedError
from lightloop.evaluation.evidence import matrix, read_predictions
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.serving.golden import check_golden
from lightloop.serving.manifest import verify_bundle
from lightloop.serving.predictor import Predictor
from lightloop.stages.compress import compress
from lightloop.stages.gate import gate
from lightloop.stages.report import report

METHODS = {
    "static_int8": "static_int8",
    "float16": "float16",
    "dynamic_int8": "dynamic_int8",
    "narrow": [{"name": "narrow", "keep": 0.5, "epochs": 1}],
    "student_int8": [{"name": "distil", "epochs": 1}, "static_int8"],
}


def with_compress(config, **settings):
    content = {"name": "quick", "methods": METHODS, "rounds": 5, **settings}
    return validate_config(config.model_dump(mode="json") | {"compress": content})


def copied(finished: Project, root) -> Project:
    shutil.copytree(finished.root, root)
    project = Project(root)
    for path in (project.bundle, project.released().evaluation):
        shutil.rmtree(path)
    return project


@pytest.fixture(scope="module")
def compressed(finished, small_config, tmp_path_factory) -> tuple[Project, object]:
    """The project after every way was tried, none of which is too much worse."""
    project = copied(finished, tmp_path_factory.mktemp("compressed") / "project")
    config = with_compress(small_config, max_loss=1.0)
    compress(config, project)
    return project, config


def rows_of(project: Project) -> dict:
    return {row["name"]: row for row in read_json(project.compression)["candidates"]}


def test_without_methods_the_export_is_released(finished):
    assert verify_bundle(finished.bundle) == verify_bundle(finished.exported)
    assert read_json(finished.compression) == {"applies": False, "why": "compress=none releases what was exported"}
    assert list(finished.released().evaluation.iterdir()) == []


def test_nothing_to_compress_is_one_sentence(finished, small_config, tmp_path):
    with pytest.raises(LightloopError, match="artifacts/exported is missing: run `lightloop run`"):
        compress(small_config, Project(tmp_path))


@pytest.mark.slow
def test_every_way_is_weighed_beside_the_network(compressed):
    project, _ = compressed
    rows = rows_of(project)
    assert list(rows) == ["float", *METHODS]
    # Convolutions stay as they are: the layer at the end alone became smaller.
    assert 0.97 < rows["dynamic_int8"]["bytes"]["graph"] / rows["float"]["bytes"]["graph"] < 1
    network = rows["float"]
    assert (network["test"]["difference"]["value"], network["test"]["agreement"], network["test"]["moved"]) == (0, 1, 0)
    # The same figures as the evaluate stage's, which knows nothing of bundles.
    metrics = read_json(project.metrics)["metrics"]
    assert network["test"]["metric"] == pytest.approx(metrics["accuracy"], abs=1e-9)
    assert network["test"]["calibration"] == pytest.approx(metrics["ece"], abs=1e-4)
    for name in ("static_int8", "float16", "narrow", "student_int8"):
        assert rows[name]["bytes"]["graph"] < 0.6 * network["bytes"]["graph"]
    assert rows["narrow"]["parameters"] < 0.5 * network["parameters"]
    assert rows["float16"]["test"]["agreement"] > 0.97


@pytest.mark.slow
def test_the_smallest_that_passes_is_released_and_answers_for_itself(compressed):
    project, _ = compressed
    content = read_json(project.compression)
    chosen = min((row for row in content["candidates"] if row["passes"]), key=lambda row: row["bytes"]["graph"])
    assert content["chosen"] == chosen["name"] == "student_int8"
    predictor = Predictor.load(project.bundle)
    assert [step["name"] for step in predictor.manifest.compression] == ["distil", "static_int8"]
    assert check_golden(predictor) == 8
    assert not (project.bundle / "model.safetensors").exists()
    assert (project.bundle / "model.onnx").stat().st_size == chosen["bytes"]["graph"]
    # What the gate reads are this bundle's answers.
    images = pq.read_table(project.root / "data/fashion/test.parquet")["image"].to_pylist()
    answered = predictor.predict([image["bytes"] for image in images])
    told = read_predictions(project.released().predictions)
    assert [one.label for one in answered] == told["prediction"].to_pylist()
    np.testing.assert_allclose(matrix(told, "probabilities"), [one.probabilities for one in answered], atol=1e-6)
    right = np.mean([label == one.label for label, one in zip(told["label"].to_pylist(), answered, strict=True)])
    assert read_json(project.released().metrics)["metrics"]["accuracy"]["value"] == pytest.approx(right)
    assert chosen["test"]["metric"]["value"] == pytest.approx(right)


@pytest.mark.slow
def test_the_gate_judges_that_very_bundle_and_the_report_tells(compressed, tmp_path):
    project, config = compressed
    gate(config, project, fail=False)
    verdict = read_json(project.gate)
    assert verdict["bundle_digest"] == verify_bundle(project.bundle)
    checks = {check["name"]: check for check in verdict["checks"]}
    assert checks["compression"]["passed"]
    assert checks["compression"]["figures"]["way"] == "student_int8"
    assert checks["compression"]["source"] == "config compress.max_loss"
    right = read_json(project.released().metrics)["metrics"]["accuracy"]["value"]
    assert checks["bounds.accuracy"]["figures"]["value"] == right
    # What the registry shows of a release is what the released bundle reached.
    assert verdict["metrics"] == read_json(project.released().metrics)["metrics"]
    assert verdict["metrics"]["accuracy"]["value"] != read_json(project.metrics)["metrics"]["accuracy"]["value"]
    # A bound that the network keeps and the bundle does not.
    strict = copy.deepcopy(read_json(project.compression)) | {"max_loss": 0.0}
    row = next(row for row in strict["candidates"] if row["chosen"])
    assert row["test"]["difference"]["low"] < 0
    kept = project.compression.read_text()
    project.compression.write_text(json.dumps(strict))
    with pytest.raises(RefusedError, match="the gate refuses the challenger"):
        gate(config, project)
    failed = [check["name"] for check in read_json(project.gate)["checks"] if not check["passed"]]
    assert "compression" in failed
    project.compression.write_text(kept)
    report(config, project)
    page = (project.reports / "index.html").read_text()
    assert '<section id="compression"' in page
    assert "a smaller network that a teacher taught (shrink 0.5), int8 weights and activations" in page
    assert "Made smaller after training" in (project.reports / "model-card.md").read_text()


@pytest.mark.slow
def test_doubt_keeps_the_network_and_the_same_run_writes_the_same_bytes(finished, small_config, tmp_path, capsys):
    config = with_compress(small_config, max_loss=0.0, methods={"narrow": METHODS["narrow"]})
    project = copied(finished, tmp_path / "project")
    written = []
    for _ in range(2):
        compress(config, project)
        written.append((project.compression.read_bytes(), verify_bundle(project.bundle)))
    assert written[0] == written[1]
    assert read_json(project.compression)["chosen"] == "float"
    assert verify_bundle(project.bundle) == verify_bundle(project.exported)
    assert list(project.released().evaluation.iterdir()) == []
    assert "loses too much" in capsys.readouterr().out
    gate(config, project, fail=False)
    assert "compression" not in [check["name"] for check in read_json(project.gate)["checks"]]
    assert "metrics" not in read_json(project.gate)
    speed = read_json(project.compression_speed)
    assert set(speed["milliseconds"]) == {"float", "narrow"}
    assert sorted(speed["processor"]) == ["architecture", "features"]
    assert str(tmp_path) not in project.compression.read_text() + project.compression_speed.read_text()
