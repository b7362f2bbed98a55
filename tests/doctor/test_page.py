"""The page on what is wrong names messages that the code really says, and its commands are run."""

import ast
import re

import pytest
from loop_world import command
from small_project import REPOSITORY

from lightloop.project import Project

PAGE = (REPOSITORY / "docs/troubleshooting.md").read_text(encoding="utf-8")


def spoken() -> list[str]:
    """Every text of the code, what is filled in left as a gap."""
    found = []
    for path in (REPOSITORY / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (str(one.value) if isinstance(one, ast.Constant) else "\0" for one in node.values)
                found.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def test_every_message_of_the_table_is_said_by_the_code():
    table = PAGE.partition("## Messages")[2]
    messages = re.findall(r"^\| `([^`]+)`( \(DVC\))? \|", table, flags=re.MULTILINE)
    assert len(messages) > 10
    texts = spoken()
    for message, elsewhere in messages:
        chunks = [chunk.strip(" '") for chunk in message.split("...") if len(chunk.strip(" '")) > 3]
        assert chunks, message
        if not elsewhere:
            for chunk in chunks:
                assert any(chunk in text for text in texts), f"nobody says {chunk!r}"


@pytest.mark.slow
def test_the_commands_of_the_page(fresh: Project):
    block = PAGE.partition("```sh\n")[2].partition("```")[0]
    assert block.splitlines() == ["lightloop doctor", "lightloop doctor --json", "lightloop doctor --online"]
    for line in block.splitlines():
        done = command(fresh.root, *line.split())
        assert done.returncode == 0, done.stdout + done.stderr
        assert "origin answers" in done.stdout or "--online" not in line
