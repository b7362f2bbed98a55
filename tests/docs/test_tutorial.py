"""The tutorial, from its first command to its last, in a whole clone that borrows this environment."""

from pathlib import Path

import pytest
from loop_world import command, to_serve, whole_clone
from pages import blocks, commands, lines

from lightloop.deploy.local import running
from lightloop.files import read_json

PORT = "localhost:8000"
PAGE = "docs/tutorial.md"
# The clone is made before; the environment is this one's.
SETUP = {"git clone <url> lightloop && cd lightloop", ". .venv/bin/activate"}


def test_the_tutorial_is_short() -> None:
    told = commands(PAGE)
    assert set(told) > SETUP
    assert len(told) < 20
    assert {block.language for block in blocks(PAGE)} == {"sh", "python"}


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
    port, environment = to_serve()
    said = {}
    try:
        for words in steps(port):
            done = command(project.root, *words, **environment)
            assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
            said[words[-1]] = done.stdout + done.stderr
    finally:
        command(project.root, "lightloop", "stop", **environment)
        left = running(project)
    assert left is None
    assert "none: everything was up to date" in said["lightloop run"]
    assert read_json(project.gate)["verdict"] == "accepted"
    assert '"label"' in said[f"curl -s --json @record.json 127.0.0.1:{port}/v1/predict"]
    assert (project.reports / "monitoring.html").is_file()
