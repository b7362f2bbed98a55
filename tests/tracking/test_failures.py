"""A server that refuses, hangs, fails or goes away costs a training a line and a bounded time, and nothing is lost."""

import sys
import time
from pathlib import Path

import pytest
from wandb_reader import read_run
from wandb_server import Wandb
from wandb_world import KEY, assert_key_is_nowhere, environment, python

from lightloop.config.compose import compose_config, write_params
from lightloop.project import Project

INIT, FINISH = 2, 3
# Python and W&B themselves, on a machine that is busy with other tests.
START = 25
TRAIN = f"""
import sys, time, urllib.request
from pathlib import Path
from lightloop.config.compose import read_params
from lightloop.project import Project
from lightloop.tracking import close_run, open_run, runs
runs.FINISH_TIMEOUT = {FINISH:.1f}
project = Project(Path(sys.argv[1]))
run = open_run(read_params(project), project, job="train")
began = time.monotonic()
for step in range(200):
    run.log({{"train/loss": 1 / (step + 1)}})
print("logged in", time.monotonic() - began)
if len(sys.argv) > 2:
    Path(sys.argv[2]).touch()
    time.sleep(0.5)
close_run(run)
"""


def rows_on_disk(project: Project) -> int:
    files = list((project.root / "wandb").glob("*run-*/*.wandb"))
    return max(sum("train/loss" in row for row in read_run(file).history) for file in files)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("failing", "silent", "bound"),
    [
        ({"*"}, set(), INIT),
        (set(), {"*"}, INIT),
        ({"file_stream"}, set(), FINISH),
        (set(), {"file_stream"}, FINISH),
    ],
    ids=["500 on everything", "no answer at all", "500 on history", "no answer to history"],
)
def test_a_training_ends_well_and_in_time(
    project: Project, tmp_path: Path, failing: set[str], silent: set[str], bound: int
) -> None:
    write_params(project, compose_config(project, [f"tracking.init_timeout={INIT}"]))
    with Wandb(failing=frozenset(failing), silent=frozenset(silent)) as server:
        began = time.monotonic()
        done = python(project, TRAIN, environment(server.url, tmp_path))
        spent = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    assert spent < bound + START
    # Logging itself never waits for the server.
    assert float(done.stdout.split()[-1]) < 2
    assert done.stderr.startswith("W&B is not reachable (" if bound == INIT else "W&B did not take everything within 3")
    assert done.stderr.count("\n") == 1
    assert "`lightloop sync` sends wandb/" in done.stderr
    assert rows_on_disk(project) == 200
    assert_key_is_nowhere(tmp_path)


@pytest.mark.slow
def test_a_server_that_goes_away_in_the_middle(project: Project, tmp_path: Path) -> None:
    import subprocess

    write_params(project, compose_config(project, [f"tracking.init_timeout={INIT}"]))
    logged = tmp_path / "logged"
    with Wandb() as server:
        command = [sys.executable, "-c", TRAIN, str(project.root), str(logged)]
        process = subprocess.Popen(
            command, env=environment(server.url, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        end = time.monotonic() + 60
        while not logged.exists() and time.monotonic() < end:
            time.sleep(0.02)
        server.close()
        began = time.monotonic()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert time.monotonic() - began < FINISH + START
    assert KEY not in said
    assert said.startswith("W&B did not take everything within 3 seconds: `lightloop sync` sends wandb/run-")
    assert rows_on_disk(project) == 200
    # What was not sent is remembered as such, though the run was online.
    [folder] = (project.root / "wandb").glob("run-*")
    assert (folder / "unsent").exists()


@pytest.mark.slow
def test_a_slow_server_does_not_slow_logging(project: Project, tmp_path: Path) -> None:
    write_params(project, compose_config(project))
    with Wandb(delay=0.5) as server:
        done = python(project, TRAIN, environment(server.url, tmp_path))
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < 2
    [run] = server.state.runs.values()
    assert done.stderr == ""
    assert len(run.rows) == 200
