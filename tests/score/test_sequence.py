"""docs/ml-test-score.md: after its commands, in a fresh clone, all 28 tests hold."""

import json
from pathlib import Path

import pytest
from loop_world import must, to_serve, whole_clone
from pages import blocks, lines

from lightloop.deploy.local import running

PAGE = "docs/ml-test-score.md"
ADDRESS = "127.0.0.1:8000"


def sequence() -> list[str]:
    return [line for block in blocks(PAGE) if block.language == "sh" for line in lines(block.text)]


def test_the_commands_end_with_the_score_and_leave_nothing_running() -> None:
    assert sequence()[0] == "lightloop run experiment=loans-fast"
    assert sequence()[-2:] == ["lightloop score", "lightloop stop"]


@pytest.mark.long
@pytest.mark.timeout(2400)  # two whole loops
def test_all_28_hold_after_them(tmp_path: Path) -> None:
    project = whole_clone(tmp_path / "lightloop")
    port, environment = to_serve()

    def typed(line: str) -> str:
        here = line.replace(ADDRESS, f"127.0.0.1:{port}")
        return must(project.root, "bash", "-euo", "pipefail", "-c", here, **environment)

    try:
        said = {line: typed(line) for line in sequence()[:-1]}
        found = json.loads(typed("lightloop score --json"))
    finally:
        typed("lightloop stop")
        left = running(project)
    assert left is None
    assert {one["id"]: one["why"] for one in found["tests"] if one["state"] != "holds"} == {}
    assert (found["held"], found["score"]) == (28, 7.0)
    assert "28 of 28 hold by themselves" in said["lightloop score"]
