"""An alert of W&B, with the real client and a server on loopback."""

from pathlib import Path

import pytest
from wandb_server import Wandb
from wandb_world import assert_key_is_nowhere, environment, python

from lightloop.config.compose import compose_config, write_params
from lightloop.project import Project

REPOSITORY = Path(__file__).parents[3]
TELL = f"""
import sys
sys.path.insert(0, {str(REPOSITORY / "tests")!r})
from pathlib import Path
from alerting import found
from lightloop.config.compose import read_params
from lightloop.monitoring.alerts import send
from lightloop.errors import LightloopError
from lightloop.project import Project
project = Project(Path(sys.argv[1]))
for monitoring in (found("retrain", "obrat"), found("retrain", "obrat"), found("nothing")):
    try:
        print([one.done for one in send(project, read_params(project), monitoring, say=lambda line: None)][-1])
    except LightloopError as error:
        sys.exit(str(error))
"""


@pytest.mark.slow
def test_it_is_told_once_and_told_when_all_is_well(project: Project, tmp_path: Path):
    write_params(project, compose_config(Project(REPOSITORY), ["experiment=loans"]))
    with Wandb() as server:
        done = python(project, TELL, environment(server.url, tmp_path))
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["sent", "same", "well"], "")
    assert server.state.unknown == []
    alerts = [alert for run in server.state.runs.values() for alert in run.alerts]
    assert [alert["severity"] for alert in alerts] == ["WARN", "INFO"]
    assert alerts[0]["title"].startswith("loans v0.2.0: feature drift (obrat); the model is to be trained")
    assert "obrat differs from training" in alerts[0]["text"]
    assert {run.about["jobType"] for run in server.state.runs.values()} == {"monitoring"}
    assert_key_is_nowhere(tmp_path)


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_a_failed_channel(project: Project, tmp_path: Path):
    config = compose_config(Project(REPOSITORY), ["experiment=loans", "tracking.init_timeout=5"])
    write_params(project, config)
    with Wandb(failing=frozenset({"*"})) as server:
        done = python(project, TELL, environment(server.url, tmp_path))
    assert done.returncode == 1
    assert "no alert could be sent by wandb, as is said above" in done.stderr
