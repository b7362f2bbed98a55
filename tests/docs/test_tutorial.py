"""The tutorial, from its first command to its last, in a whole clone that borrows this environment."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from loop_world import PROGRAMS, must
from pages import blocks, commands, lines
from small_project import REPOSITORY

from lightloop.deploy.local import running
from lightloop.files import read_json
from lightloop.project import Project

PORT = "localhost:8000"
PAGE = "docs/tutorial.md"
# The clone is made before; the environment is this one's.
SETUP = {"git clone <url> lightloop && cd lightloop", ". .venv/bin/activate"}


def test_the_tutorial_is_short() -> None:
    told = commands(PAGE)
    assert set(told) > SETUP
    assert len(told) < 20
    assert {block.language for block in blocks(PAGE)} == {"sh", "python"}


def whole_clone(root: Path) -> Project:
    """This repository as it stands, committed or not, without what runs left behind."""
    must(root.parent, "git", "clone", "-q", str(REPOSITORY), str(root))
    for changed in must(REPOSITORY, "git", "ls-files", "--modified", "--others", "--exclude-standard").split("\n"):
        results = changed.startswith("artifacts/") or changed in ("dvc.lock", "params.yaml")
        if changed and not results and (REPOSITORY / changed).is_file():
            (root / changed).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / changed, root / changed)
    if must(root, "git", "status", "--porcelain"):
        must(root, "git", "add", "-A")
        must(root, "git", "commit", "-qm", "what is not committed yet")
    must(root, "ln", "-s", str(REPOSITORY / ".venv"), ".venv")
    (root / ".git" / "info" / "exclude").write_text(".venv\n")
    return Project(root)


def steps(port: str) -> list[list[str]]:
    """What is run, in the order of the page: each line of a shell block, each Python block as a whole."""
    found = []
    for block in blocks(PAGE):
        if block.language == "python":
            found.append(["python", "-c", block.text])
        for line in lines(block.text) if block.language == "sh" else ():
            # The environment is there; make would look whether it is up to date.
            run = line.replace("make run", "make --old-file=.venv/.ready run").replace(PORT, f"127.0.0.1:{port}")
            found += [] if line in SETUP else [["bash", "-euo", "pipefail", "-c", run]]
    return found


@pytest.mark.long
@pytest.mark.timeout(2400)  # two whole loops and a fit
def test_the_tutorial_from_top_to_bottom(tmp_path: Path) -> None:
    project = whole_clone(tmp_path / "lightloop")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    environment = os.environ | {
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "LIGHTLOOP_SERVE_PORT": port,
        "LIGHTLOOP_SERVE_WORKERS": "1",
    }
    said = {}
    try:
        for words in steps(port):
            done = subprocess.run(
                words,
                cwd=project.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=900,
            )
            assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
            said[words[-1]] = done.stdout + done.stderr
    finally:
        subprocess.run(["lightloop", "stop"], cwd=project.root, env=environment, capture_output=True, check=False)
        left = running(project)
    assert left is None
    assert "none: everything was up to date" in said["lightloop run"]
    assert read_json(project.gate)["verdict"] == "accepted"
    assert '"label"' in said[f"curl -s --json @record.json 127.0.0.1:{port}/v1/predict"]
    assert (project.reports / "monitoring.html").is_file()
