"""Online, with the real client: what a server receives of a training and of its evidence."""

import getpass
import json
import platform
from pathlib import Path

import pytest
from judged import DATA_DVC, DIGEST, INTERVAL, make_judged
from wandb_server import Wandb
from wandb_world import assert_key_is_nowhere, environment, python

from lightloop.config.compose import write_params
from lightloop.config.schema import Config
from lightloop.files import write_json
from lightloop.project import Project
from lightloop.tracking import fingerprint
from lightloop.tracking.sending import unsent

LOOP = """
import sys
from pathlib import Path
from lightloop.config.compose import read_params
from lightloop.project import Project
from lightloop.report.evidence_log import log_evidence
from lightloop.tracking import close_run, open_run
project = Project(Path(sys.argv[1]))
config = read_params(project)
run = open_run(config, project, job="train")
for step in range(3):
    run.log({"train/loss": 1 / (step + 1), "trainer/global_step": step})
close_run(run)
log_evidence(config, project)
"""


@pytest.mark.slow
def test_a_loop_with_a_key_is_whole_in_wandb(config: Config, project: Project, tmp_path: Path) -> None:
    make_judged(config, project)
    write_params(project, config)
    (project.root / "data.dvc").write_text(DATA_DVC)
    slices = [{"column": "sex", "value": "f", "n": 40, "accuracy": INTERVAL}]
    write_json(project.evaluation / "slices.json", {"rows": slices})
    write_json(project.evaluation / "fairness.json", {"applies": False, "why": "no sensitive column"})
    with Wandb() as server:
        done = python(project, LOOP, environment(server.url, tmp_path))
    state, group = server.state, fingerprint(config, project)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert state.unknown == []
    assert unsent(project) == []
    assert_key_is_nowhere(tmp_path)

    runs = {run.about["jobType"]: run for run in state.runs.values()}
    assert set(runs) == {"train", "export", "evidence"}
    assert {run.about["groupName"] for run in runs.values()} == {group}
    assert {run.exit_code for run in runs.values()} == {0}
    assert [row["train/loss"] for row in runs["train"].rows] == [1, 1 / 2, 1 / 3]
    assert runs["train"].config["seed"] == config.seed
    assert runs["train"].config["data_version"] == "0123456789abcdef.dir"

    summary = runs["evidence"].summary
    assert (summary["metrics/accuracy"], summary["metrics/accuracy/low"]) == (0.875, 0.81)
    assert summary["gate/verdict"] == "refused"
    assert summary["gate/checks"]["nrows"] == 2
    assert summary["slices"]["nrows"] == 1
    assert summary["explanations/checks"]["nrows"] == 2
    assert not any(name.startswith("fairness") for name in summary)
    [alert] = runs["evidence"].alerts
    assert alert["title"] == "The gate refused fashion"
    assert alert["text"] == "1 of 2 checks failed: explanations"

    [data], [model], [report] = (state.committed(kind) for kind in ("dataset", "model", "report"))
    ids = {job: next(key for key, run in state.runs.items() if run.about["jobType"] == job) for job in runs}
    assert (data.logged_by, data.used_by) == (set(), {ids["export"], ids["evidence"]})
    assert (model.logged_by, model.used_by) == ({ids["export"]}, {ids["evidence"]})
    assert (report.logged_by, report.used_by) == ({ids["evidence"]}, set())
    assert model.aliases == {"latest", "candidate", f"bundle-{DIGEST[:12]}"}
    assert model.metadata["metrics"]["accuracy"] == INTERVAL
    assert model.files["model.onnx"] == b"graph"
    assert data.files == {}
    assert data.manifest["contents"]["data"]["ref"] == "dvc://data@0123456789abcdef.dir"
    assert json.loads(report.files["evidence/gate.json"])["bundle_digest"] == DIGEST
    pictures = [name for name in state.files if "explanations/grad_cam" in name]
    assert len(pictures) == 3

    # The machine is nobody's business. (W&B's client itself writes the path of staged files into a version's manifest.)
    assert {run.about.get("host", "lightloop") for run in runs.values()} == {"lightloop"}
    assert {run.about["program"] for run in runs.values()} == {"lightloop"}
    told = json.dumps([[run.about, run.summary] for run in runs.values()])
    for word in (str(project.root), platform.node(), getpass.getuser()):
        place = told.find(word)
        assert len(word) < 4 or place < 0, told[max(0, place - 200) : place + 100]
