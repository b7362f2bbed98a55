"""The gate stage on real files: a challenger, a champion in a real registry, and what is wrong with either."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pictures import probabilities
from registry_world import clone, git, write_linear_bundle
from small_project import shrink

from lightloop.config.schema import Config
from lightloop.data.image.records import decode_images
from lightloop.data.records import label_codes
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError, RefusedError, UsageError
from lightloop.files import read_json, write_json
from lightloop.project import Project
from lightloop.serving.manifest import HASHES, MANIFEST, hash_files, verify_bundle
from lightloop.serving.predictor import Predictor
from lightloop.stages.gate import gate


@pytest.fixture(scope="module")
def settings(config: Config) -> Config:
    """Bounds that the small models here meet."""
    bounds = {"accuracy": 0.5, "log_loss": 5.0}
    return config.model_copy(update={"gate": config.gate.model_copy(update={"bounds": bounds, "resamples": 200})})


def write_model(
    folder: Path, config: Config, root: Path, *, sharpness: float, classes: list[str] | None = None
) -> None:
    """Nearest mean of the training images, as a bundle: right on about 7 of 10 records; at sharpness 0 it guesses."""
    train = read_splits(config.data, root, config.seed)["train"]
    pixels_ND = decode_images(train["image"].to_pylist(), (28, 28), 1).reshape(len(train), -1) / 255
    codes_N = label_codes(train["label"].to_pylist(), config.data.classes)
    means_KD = np.stack([pixels_ND[codes_N == code].mean(0) for code in range(len(config.data.classes))])
    bias_K = -sharpness * np.square(means_KD).sum(1) / 2
    write_linear_bundle(folder, sharpness * means_KD.T, bias_K, classes or list(config.data.classes))


def write_evidence(project: Project, config: Config) -> None:
    """What the stages before the gate leave, from the bundle that lies there."""
    test = read_splits(config.data, project.root, config.seed)["test"]
    pixels_NCHW = decode_images(test["image"].to_pylist(), (28, 28), 1)
    probabilities_NK = probabilities(Predictor.load(project.bundle), pixels_NCHW)
    baseline_NK = np.full_like(probabilities_NK, 1 / probabilities_NK.shape[1])
    columns = {
        "id": test["id"],
        "label": test["label"],
        "prediction": [config.data.classes[code] for code in probabilities_NK.argmax(1)],
        "probabilities": probabilities_NK.tolist(),
        "baseline_probabilities": baseline_NK.tolist(),
    }
    project.predictions.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), project.predictions)
    labels_N = label_codes(test["label"].to_pylist(), config.data.classes)
    accuracy = float((probabilities_NK.argmax(1) == labels_N).mean())
    estimates = {name: {"value": value, "low": value, "high": value} for name, value in _metrics(accuracy).items()}
    write_json(project.metrics, {"n": len(test), "metrics": estimates})
    write_json(project.slices, {"applies": True, "rows": []})
    write_json(project.compression, {"applies": False, "why": "compress=none"})
    write_json(project.parity, {"n": len(test), "max_difference": 0.0, "different_predictions": 0})
    write_json(project.validation_result, {"success": True, "suite": "fashion", "checks": []})
    write_json(project.explanation_result, {"methods": {"grad_cam": {"trusted": True}}})


def _metrics(accuracy: float) -> dict[str, float]:
    return {"accuracy": accuracy, "log_loss": 1.0, "ece": 0.05}


@pytest.fixture(scope="module")
def prepared(repository: Project, tmp_path_factory: pytest.TempPathFactory, settings: Config) -> Project:
    """A project with everything that the gate reads, in git, nothing in production. Copied by each test."""
    project = Project(tmp_path_factory.mktemp("prepared") / "project")
    for part, per_class in (("train", 30), ("test", 10)):
        file = f"data/fashion/{part}.parquet"
        shrink(repository.root / file, project.root / file, per_class)
    write_model(project.bundle, settings, project.root, sharpness=0.3)
    write_evidence(project, settings)
    write_json(project.champion, {"version": None})
    (project.root / ".gitignore").write_text("/data\n/artifacts/bundle\n/artifacts/champion\n")
    git(project.root, "init", "-q")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "start")
    return project


@pytest.fixture
def ready(prepared: Project, tmp_path: Path) -> Project:
    shutil.copytree(prepared.root, tmp_path / "ready")
    return Project(tmp_path / "ready")


def put_into_production(project: Project, version: str = "v0.1.0") -> None:
    """Tags as GTO writes them; the bundle in artifacts/champion/bundle is the caller's."""
    from gto import api

    api.register(project.root, "model", "HEAD", version=version, message=version)
    api.assign(project.root, "model", "production", version=version, message=version)
    commit = git(project.root, "rev-parse", "HEAD").strip()
    write_json(project.champion, {"version": version, "tag": f"model@{version}", "commit": commit})


def test_without_a_champion_the_baseline_decides(ready: Project, settings: Config) -> None:
    gate(settings, ready)
    written = read_json(ready.gate)
    assert list(written) == ["verdict", "champion", "bundle_digest", "checks"]
    assert (written["verdict"], written["champion"]) == ("accepted", None)
    assert written["bundle_digest"] == verify_bundle(ready.bundle)
    assert [check["name"] for check in written["checks"]][-4:] == [
        "baseline",
        "latency",
        "size",
        "explanation",
    ]
    assert read_json(ready.comparison) == {"applies": False, "why": "Nothing stands in production."}


@pytest.mark.slow
def test_the_same_inputs_give_the_same_bytes(ready: Project, settings: Config) -> None:
    write_model(ready.champion_bundle, settings, ready.root, sharpness=0.1)
    put_into_production(ready)
    gate(settings, ready)
    first, compared = ready.gate.read_bytes(), ready.comparison.read_bytes()
    ready.gate.unlink()
    gate(settings, ready)
    assert (ready.gate.read_bytes(), ready.comparison.read_bytes()) == (first, compared)
    assert str(ready.root) not in first.decode()


def test_better_than_the_champion_is_accepted(ready: Project, settings: Config) -> None:
    write_model(ready.champion_bundle, settings, ready.root, sharpness=0.0)
    put_into_production(ready)
    gate(settings, ready)
    written = read_json(ready.gate)
    assert written["verdict"] == "accepted"
    assert written["champion"] == read_json(ready.champion)
    against = next(check for check in written["checks"] if check["name"] == "champion")
    accuracy = read_json(ready.metrics)["metrics"]["accuracy"]["value"]
    assert against["figures"]["value"] == pytest.approx(accuracy - 0.1)  # a guess is right on a tenth of ten classes
    comparison = read_json(ready.comparison)
    assert (comparison["champion"], comparison["n"]) == ("v0.1.0", 100)
    assert [row["metric"] for row in comparison["metrics"]] == ["accuracy", *settings.gate.further]
    assert comparison["metrics"][0]["value"] == pytest.approx(accuracy - 0.1)
    mcnemar = comparison["mcnemar"]
    assert (mcnemar["challenger_only"] - mcnemar["champion_only"]) / 100 == pytest.approx(accuracy - 0.1)
    assert mcnemar["p"] < 0.001
    assert comparison["folds"] == {"applies": False, "why": "Not both of the two were trained on folds."}


def test_worse_than_the_champion_is_refused_with_exit_code_3(ready: Project, settings: Config) -> None:
    ready.bundle.rename(ready.champion_bundle)
    write_model(ready.bundle, settings, ready.root, sharpness=0.0)
    write_evidence(ready, settings)
    put_into_production(ready)
    with pytest.raises(
        RefusedError, match=r"the gate refuses the challenger \([23] of \d+ checks failed\): Accuracy is 0.1"
    ):
        gate(settings, ready)
    written = read_json(ready.gate)
    assert written["verdict"] == "refused"
    assert [check["name"] for check in written["checks"] if not check["passed"]] == [
        "bounds.accuracy",
        "champion",
        "further",
    ]


def test_no_fail_records_the_refusal_only(ready: Project, settings: Config) -> None:
    write_json(ready.parity, {"n": 100, "max_difference": 0.5, "different_predictions": 3})
    gate(settings, ready, fail=False)
    assert read_json(ready.gate)["verdict"] == "refused"


def test_a_champion_of_other_classes_is_a_refusal_not_a_crash(ready: Project, settings: Config) -> None:
    classes = [*settings.data.classes[:-1], "hat"]
    write_model(ready.champion_bundle, settings, ready.root, sharpness=0.3, classes=classes)
    put_into_production(ready)
    with pytest.raises(RefusedError, match=r"v0\.1\.0 can't be compared with: it knows hat, .* does not know trouser"):
        gate(settings, ready)
    assert read_json(ready.gate)["verdict"] == "refused"


def test_champion_that_changed_since_the_run_started_is_refused(ready: Project, settings: Config) -> None:
    put_into_production(ready)
    write_json(ready.champion, {"version": None})
    with pytest.raises(UsageError, match=r"v0\.1\.0 stands in production, but .* says nothing: run `lightloop run`"):
        gate(settings, ready)
    assert not ready.gate.exists()


def test_champion_that_was_taken_away_is_refused(ready: Project, settings: Config) -> None:
    write_json(ready.champion, {"version": "v0.1.0", "tag": "model@v0.1.0", "commit": "0" * 40})
    with pytest.raises(UsageError, match=r"nothing stands in production, but .* says v0\.1\.0: run `lightloop run`"):
        gate(settings, ready)


def test_a_shallow_clone_is_refused_not_passed(ready: Project, settings: Config, tmp_path: Path) -> None:
    put_into_production(ready)
    git(ready.root, "commit", "-qm", "later", "--allow-empty")
    shallow = clone(ready, tmp_path / "shallow", "--depth", "1")
    write_json(shallow.champion, {"version": None})
    with pytest.raises(UsageError, match="shallow clone, which lacks the registry's tags: run `git fetch --unshallow"):
        gate(settings, shallow)
    subprocess.run(["git", "fetch", "-q", "--unshallow", "--tags"], cwd=shallow.root, check=True)
    with pytest.raises(UsageError, match=r"v0\.1\.0 stands in production"):
        gate(settings, shallow)


def test_predictions_of_other_records_are_refused(ready: Project, settings: Config) -> None:
    shutil.copytree(ready.bundle, ready.champion_bundle)
    put_into_production(ready)
    pq.write_table(pq.read_table(ready.predictions).slice(1), ready.predictions)
    with pytest.raises(LightloopError, match=r"predictions\.parquet is not of the present test records"):
        gate(settings, ready)


def test_a_damaged_champion_is_no_pass(ready: Project, settings: Config) -> None:
    shutil.copytree(ready.bundle, ready.champion_bundle)
    put_into_production(ready)
    graph = ready.champion_bundle / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])
    with pytest.raises(LightloopError, match=r"model\.onnx is changed in the bundle"):
        gate(settings, ready)


@pytest.mark.slow
def test_a_champion_of_another_input_size_is_compared_on_the_same_records(ready: Project, settings: Config) -> None:
    """Its own manifest says how it wants the images."""
    shutil.copytree(ready.bundle, ready.champion_bundle)
    put_into_production(ready)
    larger = settings.model_copy(update={"data": settings.data.model_copy(update={"size": (32, 32)})})
    gate(larger, ready)
    against = next(check for check in read_json(ready.gate)["checks"] if check["name"] == "champion")
    assert against["figures"]["value"] == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("lost", "sentence"),
    [
        ("validation/result.json", "result.json is missing: run `lightloop run`"),
        ("parity.json", "parity.json is missing: run `lightloop run`"),
        ("evaluation/predictions.parquet", "predictions.parquet is missing: run `lightloop run`"),
        ("champion/champion.json", "champion.json is missing: run `lightloop run`"),
        ("bundle/model.onnx", "model.onnx is missing from the bundle"),
    ],
)
def test_missing_evidence_says_who_makes_it(ready: Project, settings: Config, lost: str, sentence: str) -> None:
    (ready.root / "artifacts" / lost).unlink()
    with pytest.raises(LightloopError, match=sentence):
        gate(settings, ready)


def test_truncated_predictions_are_one_sentence(ready: Project, settings: Config) -> None:
    ready.predictions.write_bytes(ready.predictions.read_bytes()[:-20])
    with pytest.raises(LightloopError, match=r"predictions\.parquet is not a whole table of predictions"):
        gate(settings, ready)


def test_a_bundle_of_another_format_is_refused(ready: Project, settings: Config) -> None:
    manifest = read_json(ready.bundle / MANIFEST) | {"format": 99}
    (ready.bundle / MANIFEST).write_text(json.dumps(manifest))
    (ready.bundle / HASHES).write_text(json.dumps(hash_files(ready.bundle)))
    with pytest.raises(LightloopError, match="format 99"):
        gate(settings, ready)


@pytest.mark.slow
def test_folds_of_both_are_compared(ready: Project, settings: Config) -> None:
    write_model(ready.champion_bundle, settings, ready.root, sharpness=0.3)
    put_into_production(ready)
    members = [{"fold": k, "seed": 0, "held_out": f"h{k}", "metrics": {"accuracy": 0.7 + 0.01 * k}} for k in range(5)]
    folds = {"drawn": True, "ratio": 0.25, "metrics": {"accuracy": {}}, "members": members}
    write_json(ready.champion_folds, folds)
    better = [{**row, "metrics": {"accuracy": 0.75 + 0.011 * row["fold"]}} for row in members]
    write_json(ready.folds_result, {**folds, "members": better})
    gate(settings, ready)
    found = read_json(ready.comparison)["folds"]
    assert found["value"] == pytest.approx(0.052)
    assert found["low"] < found["value"] < found["high"]
    assert found["p"] < 0.001
    write_json(ready.folds_result, {**folds, "members": better[1:]})
    gate(settings, ready)
    assert read_json(ready.comparison)["folds"]["why"] == "The two did not hold out the same records."


def test_a_further_metric_of_another_problem_is_refused(ready: Project, settings: Config) -> None:
    write_model(ready.champion_bundle, settings, ready.root, sharpness=0.3)
    put_into_production(ready)
    other = settings.model_copy(update={"gate": settings.gate.model_copy(update={"further": {"rmse": 0.1}})})
    with pytest.raises(UsageError, match=r"gate\.further names rmse, which is no metric of classification"):
        gate(other, ready)
