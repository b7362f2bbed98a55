"""Trainings in processes of their own, killed as by the kernel and started again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from small_project import REPOSITORY

from lightloop.config.compose import to_yaml
from lightloop.config.schema import Config
from lightloop.project import Project

# Of a whole member: state and history end up in a file.
MEMBER = """
import sys, yaml
from pathlib import Path
import torch
from lightloop.config.compose import validate_config
from lightloop.project import Project
from lightloop.training.member import train_member
config = validate_config(yaml.safe_load(Path(sys.argv[2]).read_text()))
torch.set_num_threads(1)
member = train_member(config, Project(Path(sys.argv[3])), scratch=Path(sys.argv[4]), lines=False)
state = torch.load(member.checkpoint, weights_only=True)["state_dict"]
torch.save({"state": state, "history": member.history}, sys.argv[5])
"""


def killed_and_whole(script: str, config: Config, project: Project, folder: Path) -> tuple[dict[str, Any], ...]:
    """What came of a training that was never stopped, and of one that was killed up to four times, at drawn moments.

    Args:
        script: is given the tests' folder, params.yaml, the project's folder, the scratch folder, and where to save
            `state` and `history`.
        config: that is trained, with a state saved every few steps.
        project: with the data.
        folder: where to work.
    """
    params = folder / "params.yaml"
    params.write_text(to_yaml(config))

    def start(scratch: str) -> "subprocess.Popen[bytes]":
        places = [REPOSITORY / "tests", params, project.root, folder / scratch, folder / f"{scratch}.pt"]
        words = [sys.executable, "-c", script, *map(str, places)]
        return subprocess.Popen(words, cwd=folder, env=os.environ)

    assert start("whole").wait(timeout=300) == 0
    last = folder / "killed" / "last.ckpt"
    random = torch.Generator().manual_seed(7)
    kills = 0
    for _ in range(4):
        before = last.stat().st_mtime_ns if last.exists() else 0
        process = start("killed")
        # As soon as a state of its own is there, after a moment that is drawn.
        while process.poll() is None and (not last.exists() or last.stat().st_mtime_ns == before):
            time.sleep(0.002)
        time.sleep(torch.rand(1, generator=random).item() * 0.25)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 2, "it was killed while it trained"
    assert start("killed").wait(timeout=300) == 0
    whole, resumed = (torch.load(folder / f"{scratch}.pt", weights_only=True) for scratch in ("whole", "killed"))
    return whole, resumed


def assert_equal(whole: dict[str, Any], resumed: dict[str, Any]) -> None:
    """The same history, and the same bits of every tensor."""
    assert resumed["history"] == whole["history"]
    assert resumed["state"].keys() == whole["state"].keys()
    assert [key for key, value in whole["state"].items() if not torch.equal(value, resumed["state"][key])] == []
