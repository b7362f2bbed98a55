import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import wandb
from judged import INTERVAL, make_judged
from PIL import Image
from wandb_reader import RunFile, read_runs

from lightloop.config.compose import compose_config, write_params
from lightloop.config.schema import Config
from lightloop.data.image.records import decode_image
from lightloop.data.splits import read_splits
from lightloop.project import Project
from lightloop.report.evidence_log import Prediction, choose_predictions, log_evidence
from lightloop.tracking import fingerprint

KEY = "0123456789" * 4
# In a process of its own: W&B reads its environment once a process.
LOG = """
import sys
from pathlib import Path
from lightloop.config.compose import read_params
from lightloop.project import Project
from lightloop.report.evidence_log import log_evidence
from lightloop.tracking import runs
runs.FINISH_TIMEOUT = 3.0
project = Project(Path(sys.argv[1]))
log_evidence(read_params(project), project)
assert "torch" not in sys.modules
"""


class Hanging(http.server.BaseHTTPRequestHandler):
    """A server that greets, and never answers a question."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        self.rfile.read()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_ERROR_REPORTING", "WANDB_SILENT", "WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("WANDB_MODE", "offline")


@pytest.fixture
def judged(config: Config, project: Project) -> Project:
    return make_judged(config, project)


def logged(config: Config, project: Project) -> RunFile:
    log_evidence(config, project)
    [run] = [run for run in read_runs(project.root) if run.about["job"] == "evidence"]
    return run


def table(run: RunFile, name: str) -> tuple[list[dict[str, Any]], dict[str, Path]]:
    """The rows of a logged table, and the files that its cells point to: W&B keeps both in an artifact."""
    assert run.history[0][name]["_type"] == "table-file"
    [files] = [artifact["files"] for artifact in run.artifacts if artifact["name"].endswith(f"-{name}")]
    content = json.loads(files[f"{name}.table.json"].read_text())
    return [dict(zip(content["columns"], row, strict=True)) for row in content["data"]], files


@pytest.mark.usefixtures("offline")
def test_run_holds_all_the_evidence(config: Config, judged: Project, capfd: pytest.CaptureFixture[str]) -> None:
    run = logged(config, judged)
    assert capfd.readouterr() == ("", "")
    group = fingerprint(config, judged)
    assert run.about == {"project": "lightloop", "name": f"{group}-evidence", "group": group, "job": "evidence"}
    assert run.exit_code == 0
    assert {"data_version", "git_commit", "git_dirty", *config.model_dump()} <= set(run.config)

    numbers = {name: value for name, value in run.summary.items() if not isinstance(value, dict)}
    expected = {
        "n": 100,
        "confidence": 0.95,
        "metrics/accuracy": 0.875,
        "metrics/accuracy/low": 0.81,
        "metrics/accuracy/high": 0.93,
        "metrics/auroc": None,
        "baseline/accuracy": 0.75,
        "gate/verdict": "refused",
        "gate/champion": None,
        "gate/parity": True,
        "gate/explanations": False,
    }
    assert {name: numbers[name] for name in expected} == expected

    labels, predictions = (
        pq.read_table(judged.predictions).column(name).to_pylist() for name in ("label", "prediction")
    )
    pairs = list(zip(labels, predictions, strict=True))
    confusion, _ = table(run, "confusion_table")
    assert len(confusion) == len(config.data.classes) ** 2
    for cell in confusion:
        assert cell["nPredictions"] == pairs.count((cell["Actual"], cell["Predicted"]))

    for method, note in (("input", ""), ("grad_cam", ""), ("gradient_shap", ", not trusted")):
        pictures = run.history[0][f"explanations/{method}"]
        ids = pq.read_table(judged.predictions).column("id").to_pylist()[:3]
        assert pictures["captions"] == [f"{name}: bag, predicted coat (0.75){note}" for name in ids]
        for row, name in enumerate(pictures["filenames"]):
            shown = Image.open(run.folder / "files" / name)
            source = Image.open(judged.explanation_images / f"{row:03}-{method}.png")
            assert shown.tobytes() == source.tobytes()


@pytest.mark.usefixtures("offline")
def test_bundle_and_report_are_versions_with_what_they_were_made_from(config: Config, judged: Project) -> None:
    (judged.root / "data.dvc").write_text("outs:\n- md5: 0123456789abcdef.dir\n  path: data\n")
    judged.reports.mkdir()
    (judged.reports / "index.html").write_text("<p>site</p>")
    log_evidence(config, judged)
    by_job = {run.about["job"]: run for run in read_runs(judged.root)}
    # W&B adds an artifact for each logged table.
    made = {
        (job, artifact["name"]): artifact
        for job, run in by_job.items()
        for artifact in run.artifacts
        if artifact["type"] != "run_table"
    }
    assert {key: artifact["used"] for key, artifact in made.items()} == {
        ("export", f"{config.name}-data"): True,
        ("export", f"{config.name}-model"): False,
        ("evidence", f"{config.name}-model"): True,
        ("evidence", f"{config.name}-data"): True,
        ("evidence", f"{config.name}-report"): False,
    }
    data, report = made["export", f"{config.name}-data"], made["evidence", f"{config.name}-report"]
    assert data["references"] == {"data": "dvc://data@0123456789abcdef.dir"}
    assert data["metadata"]["data_version"] == "0123456789abcdef.dir"
    assert report["files"]["site/index.html"].read_text() == "<p>site</p>"
    assert report["files"]["evidence/gate.json"].read_bytes() == judged.gate.read_bytes()
    assert not any(name.startswith("evidence/bundle") for name in report["files"])

    bundle = made["export", f"{config.name}-model"]
    assert {"candidate", "bundle-abababababab"} <= set(bundle["aliases"])
    assert bundle["metadata"]["digest"] == "ab" * 32
    assert bundle["metadata"]["verdict"] == "refused"
    assert bundle["metadata"]["metrics"]["accuracy"] == INTERVAL
    assert set(bundle["files"]) == {"model.onnx", "hashes.json"}
    for name, copy in bundle["files"].items():
        assert copy.read_bytes() == (judged.bundle / name).read_bytes()
        assert copy.is_relative_to(judged.root / "wandb")


@pytest.mark.usefixtures("offline")
def test_predictions_come_with_the_image_that_the_model_saw(config: Config, judged: Project) -> None:
    run = logged(config, judged)
    rows, files = table(run, "predictions")
    test = read_splits(config.data, judged.root, config.seed)["test"]
    encoded = dict(zip(test.column("id").to_pylist(), test.column("image").to_pylist(), strict=True))
    assert {row["id"] for row in rows if not row["correct"]} == {f"test/{row}" for row in range(0, 100, 8)}
    assert {row["label"] for row in rows if row["correct"]} == set(config.data.classes)
    for row in rows:
        number = int(row["id"].removeprefix("test/"))
        assert row["probability"] == pytest.approx(0.5 + number / 400)
        assert row["correct"] == (row["label"] == row["prediction"])
        pixels = decode_image(encoded[row["id"]], config.data.size, config.data.channels)
        np.testing.assert_array_equal(np.asarray(Image.open(files[row["image"]["path"]])), pixels[0])


@pytest.mark.usefixtures("offline")
def test_name_that_wandb_would_refuse_becomes_one_that_it_takes(judged: Project) -> None:
    run = logged(compose_config(judged, ["name='shoes & bags/ü'"]), judged)
    names = {artifact["name"] for artifact in run.artifacts if artifact["type"] in {"model", "report"}}
    assert names == {"shoes---bags---model", "shoes---bags---report"}


@pytest.mark.usefixtures("offline")
def test_missing_evidence_costs_a_line(config: Config, judged: Project, capfd: pytest.CaptureFixture[str]) -> None:
    judged.gate.unlink()
    log_evidence(config, judged)
    shown = capfd.readouterr().err
    assert shown.startswith("W&B got no evidence: ")
    assert "gate.json is missing" in shown
    assert shown.count("\n") == 1
    assert read_runs(judged.root) == []


@pytest.mark.usefixtures("offline")
def test_fault_of_wandb_costs_a_line(
    config: Config, judged: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise wandb.errors.CommError("the server fell over\nwith details")

    monkeypatch.setattr(wandb.plot, "confusion_matrix", broken)
    run = logged(config, judged)
    assert capfd.readouterr().err == "W&B got no evidence: CommError: the server fell over\n"
    assert run.summary["gate/verdict"] == "refused"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answers", "said"), [(False, "W&B is not reachable ("), (True, "W&B did not take everything")]
)
def test_server_that_refuses_or_hangs_costs_a_line_and_a_bounded_time(
    config: Config, judged: Project, tmp_path: Path, answers: bool, said: str
) -> None:
    write_params(judged, config)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hanging)
    address = f"http://127.0.0.1:{server.server_port}"
    if answers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    else:
        server.server_close()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    environment = kept | {"HOME": str(tmp_path), "WANDB_API_KEY": KEY, "WANDB_BASE_URL": address}
    command = [sys.executable, "-c", LOG, str(judged.root)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    if answers:
        server.shutdown()
        server.server_close()

    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
    [run] = [run for run in read_runs(judged.root) if run.about["job"] == "evidence"]
    assert f"`lightloop sync` sends wandb/{run.folder.name} later" in done.stderr
    assert run.summary["gate/verdict"] == "refused"
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert [file for file in written if KEY.encode() in file.read_bytes()] == []
    assert KEY not in done.stdout + done.stderr


def test_wrong_mode_costs_a_line(
    config: Config, judged: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "sometimes")
    log_evidence(config, judged)
    shown = capfd.readouterr().err
    assert shown == "W&B got no evidence: WANDB_MODE is 'sometimes': it must be online, offline or disabled\n"


def test_without_tracking_nothing_is_read_or_written(config: Config, project: Project) -> None:
    before = sorted(project.root.rglob("*"))
    log_evidence(config, project)
    assert sorted(project.root.rglob("*")) == before


@pytest.mark.parametrize(("wrong", "right"), [(0, 0), (0, 3), (3, 0), (250, 1000), (1, 6)])
def test_choice_is_bounded_and_starts_with_the_most_confident_mistakes(wrong: int, right: int) -> None:
    generator = np.random.default_rng(wrong + right)
    mistakes = [Prediction(f"w{n}", "a", "b", float(generator.random())) for n in range(wrong)]
    correct = [Prediction(f"r{n}", f"c{n % 40}", f"c{n % 40}", float(generator.random())) for n in range(right)]
    chosen = choose_predictions([*correct, *mistakes])
    shown = [p for p in chosen if not p.correct]
    assert [p.probability for p in shown] == sorted((p.probability for p in mistakes), reverse=True)[:100]
    assert chosen[: len(shown)] == shown
    assert len(chosen) - len(shown) == min(right, 100)
    assert len({p.id for p in chosen}) == len(chosen)
    if right:
        assert len({p.label for p in chosen if p.correct}) == min(20, len({p.label for p in correct}))
