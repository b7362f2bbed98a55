"""`lightloop sync`: what lies on disk gets to the server once, and what does not stays."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from judged import make_judged
from wandb_server import Wandb
from wandb_world import assert_key_is_nowhere, environment, lightloop, python

from lightloop.config.compose import compose_config, write_params
from lightloop.config.schema import Config
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project
from lightloop.tracking.sending import sync_runs, unsent

OFFLINE = """
import sys
from pathlib import Path
from lightloop.config.compose import read_params
from lightloop.project import Project
from lightloop.report.evidence_log import log_evidence
from lightloop.tracking import close_run, open_run
project = Project(Path(sys.argv[1]))
config = read_params(project)
run = open_run(config, project, job="train")
# W&B writes whole blocks of 32 KiB: of a killed run the last one is lost.
for step in range(2000 if len(sys.argv) > 2 else 3):
    run.log({"train/loss": 1 / (step + 1)})
if len(sys.argv) > 2:
    import os, time
    Path(sys.argv[2]).touch()
    time.sleep(60)
close_run(run)
log_evidence(config, project)
"""


def write_offline(config: Config, project: Project, home: Path) -> None:
    make_judged(config, project)
    write_params(project, config)
    done = python(project, OFFLINE, environment("http://127.0.0.1:9", home, WANDB_MODE="offline"))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_offline_runs_are_sent_once_and_one_that_fails_is_kept(
    config: Config, project: Project, tmp_path: Path
) -> None:
    write_offline(config, project, tmp_path)
    first, *_ = folders = unsent(project)
    assert len(folders) == 3
    broken = first.with_name("offline-run-19990101_000000-broken00")
    broken.mkdir()
    (broken / "run-broken00.wandb").write_bytes(b"no run at all")

    with Wandb() as server:
        # Sending is said here, whatever the mode of runs is.
        given = environment(server.url, tmp_path, WANDB_MODE="offline")
        done = lightloop(project, given, "sync")
        assert done.returncode == 1
        said = done.stdout.splitlines()
        assert [line for line in said if line.endswith(": sent")] == [
            f"wandb/{folder.name}: sent" for folder in folders
        ]
        assert any(line.startswith(f"wandb/{broken.name}: not taken (") for line in said)
        assert "1 of 4 runs were not sent; they are kept" in done.stderr
        assert unsent(project) == [broken]

        runs = {run.about["jobType"]: run for run in server.state.runs.values()}
        assert [row["train/loss"] for row in runs["train"].rows] == [1, 1 / 2, 1 / 3]
        assert runs["evidence"].summary["gate/verdict"] == "refused"
        [model] = server.state.committed("model")
        assert len(model.logged_by) == len(model.used_by) == 1
        assert server.state.unknown == []

        shutil.rmtree(broken)
        asked = len(server.state.asked)
        again = lightloop(project, given, "sync")
        assert (again.returncode, again.stdout, again.stderr) == (0, "W&B has every run\n", "")
        assert len(server.state.asked) == asked
    assert_key_is_nowhere(tmp_path)


@pytest.mark.slow
def test_a_run_that_is_being_written_is_left_alone_and_a_killed_one_is_sent(
    config: Config, project: Project, tmp_path: Path
) -> None:
    write_params(project, config)
    begun = tmp_path / "begun"
    command = [sys.executable, "-c", OFFLINE, str(project.root), str(begun)]
    given = environment("http://127.0.0.1:9", tmp_path, WANDB_MODE="offline")
    process = subprocess.Popen(command, env=given, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < end:
        time.sleep(0.05)
    try:
        with Wandb() as server:
            given = environment(server.url, tmp_path)
            [folder] = unsent(project)
            done = lightloop(project, given, "sync")
            assert done.returncode == 0
            assert f"wandb/{folder.name} is still being written: it was left alone" in done.stderr
            assert server.state.runs == {}
            process.kill()
            process.wait()
            done = lightloop(project, given, "sync")
            assert (done.returncode, done.stdout) == (0, f"wandb/{folder.name}: sent\n"), done.stdout + done.stderr
            [run] = server.state.runs.values()
            assert len(run.rows) > 200
            assert [row["train/loss"] for row in run.rows] == [1 / (step + 1) for step in range(len(run.rows))]
    finally:
        process.kill()
        process.wait()


def test_without_a_key_or_a_server_it_says_so(
    config: Config, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_ERROR_REPORTING", "WANDB_SILENT", "WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, "")
    folder = project.root / "wandb" / "offline-run-20260101_000000-abcdefgh"
    folder.mkdir(parents=True)
    file = folder / "run-abcdefgh.wandb"
    file.write_bytes(b":W&B\xe1\xbe\x00")
    assert unsent(project) == []
    file.write_bytes(b":W&B\xe1\xbe\x00 and more")
    with pytest.raises(UsageError, match="W&B wants a key: set WANDB_API_KEY"):
        sync_runs(project, config)
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(LightloopError, match=r"W&B is not reachable at .*: nothing was sent, try again later"):
        sync_runs(project, config)
    with pytest.raises(UsageError, match=r"tracking is none in params\.yaml"):
        sync_runs(project, compose_config(project, ["tracking=none"]))
    assert unsent(project) == [folder]
