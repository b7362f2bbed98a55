"""The server that stages of a run are forked from: it hands over words, streams, exit codes and deaths."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightloop.journal import JOURNAL
from lightloop.warm import WARM, warm_server

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="stages are forked on Linux alone")]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Of a stage whose run has a server that has imported everything."""
    with warm_server(soon=True) as told:
        yield os.environ | told | {JOURNAL: str(tmp_path_factory.mktemp("run") / "journal")}


def started(environment: dict[str, str], folder: Path, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "lightloop", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_fault_of_the_user_is_its_sentence_and_its_exit_code(environment: dict[str, str], tmp_path: Path):
    process = started(environment, tmp_path, "gate")
    printed, said = process.communicate(timeout=120)
    assert process.returncode == 2
    assert printed == "gate ...\n"
    assert said.startswith("lightloop: ")
    assert "is not inside a Lightloop project" in said
    assert Path(environment[JOURNAL]).read_text().splitlines()[-1] == "failed gate 2"


def test_two_stages_have_their_own_folders_and_streams(environment: dict[str, str], tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        _, said = started(environment, tmp_path / name, "report").communicate(timeout=120)
        assert f"{name} is not inside" in said


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_stage_that_is_ended_takes_its_fork_along(environment: dict[str, str], tmp_path: Path, number: int):
    # A stage that reads its config from a pipe waits until somebody writes into it.
    (tmp_path / "configs").mkdir()
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    os.mkfifo(tmp_path / "params.yaml")
    process = started(environment, tmp_path, "gate")
    assert process.stdout is not None
    assert process.stdout.readline() == "gate ...\n"
    forks = forks_in(tmp_path)
    assert len(forks) == 1
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == -number
    deadline = time.monotonic() + 20
    while forks_in(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert forks_in(tmp_path) == []


def forks_in(folder: Path) -> list[int]:
    """Processes of the server that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            if b"lightloop.warm" in words and (process / "cwd").resolve() == folder:
                found.append(int(process.name))
        except OSError:  # it has ended
            continue
    return found


def test_without_a_server_a_stage_does_its_work_itself(tmp_path: Path):
    alone = {key: value for key, value in os.environ.items() if key != WARM} | {WARM: "gone"}
    process = started(alone | {JOURNAL: str(tmp_path / "journal")}, tmp_path, "gate")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "is not inside a Lightloop project" in said


def test_the_server_ends_with_its_run():
    with warm_server(soon=True) as told:
        name = told[WARM]
        assert f"@{name}" in Path("/proc/net/unix").read_text()
    assert f"@{name}" not in Path("/proc/net/unix").read_text()
