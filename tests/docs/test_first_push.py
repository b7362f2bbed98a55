"""The commands for GitHub that first-push.md and remote.md show, before a `gh` that writes down what it is told."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pages import blocks, commands, pages, words
from small_project import REPOSITORY

RECORDER = """\
#!{python}
import json, pathlib, sys
body = sys.stdin.read() if "--input" in sys.argv else ""
with pathlib.Path({log!r}).open("a") as log:
    print(json.dumps({{"words": sys.argv[1:], "body": body}}), file=log)
"""
WORKFLOWS = REPOSITORY / ".github/workflows"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What `gh` was told when the pages' blocks were run as they stand, without what talks to git or to a release."""
    folder = tmp_path_factory.mktemp("first-push")
    programs = folder / "bin"
    programs.mkdir()
    for name in ("gh", "git", "lightloop"):
        (programs / name).write_text(RECORDER.format(python=sys.executable, log=str(folder / name)))
        (programs / name).chmod(0o755)
    shell = [block.text for block in blocks("docs/first-push.md") if block.language == "sh"]
    shell += [line for line in commands("docs/remote.md") if line.startswith("gh ")]
    for text in shell:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=folder,
            env=os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stderr}"
    return [json.loads(line) for line in (folder / "gh").read_text(encoding="utf-8").splitlines()]


def bodies(told: list[dict[str, Any]], address: str) -> list[Any]:
    return [json.loads(call["body"]) for call in told if address in " ".join(call["words"]) and call["body"]]


def test_every_call_is_one_that_gh_knows(told: list[dict[str, Any]]) -> None:
    assert len(told) >= 18
    assert {call["words"][0] for call in told} == {"repo", "api", "variable", "workflow"}
    for call in told:
        if call["words"][0] == "api":
            method, address = call["words"][2:4]
            assert method in ("PUT", "POST")
            assert address.startswith("repos/{owner}/{repo}/"), "the braces are gh's own and must reach it"


def test_required_checks_are_names_of_jobs(told: list[dict[str, Any]]) -> None:
    rules = [rule for body in bodies(told, "rulesets") for rule in body["rules"]]
    required = [
        check["context"]
        for rule in rules
        if rule["type"] == "required_status_checks"
        for check in rule["parameters"]["required_status_checks"]
    ]
    jobs = yaml.safe_load((WORKFLOWS / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    names = set()
    for job in jobs.values():
        matrix = job.get("strategy", {}).get("matrix", {})
        for python in matrix.get("python", [""]):
            for system in matrix.get("system", [""]):
                name = job["name"].replace("${{ matrix.python }}", python)
                names.add(name.replace("${{ matrix.system }}", system))
    assert len(required) >= 2
    assert set(required) <= names


def test_the_environment_takes_main_and_the_tags_of_the_registry(told: list[dict[str, Any]]) -> None:
    policies = [
        dict(word.split("=", 1) for word in call["words"] if "=" in word)
        for call in told
        if "deployment-branch-policies" in " ".join(call["words"])
    ]
    assert policies == [
        {"name": "main", "type": "branch"},
        {"name": "model#*", "type": "tag"},
        {"name": "model@v*", "type": "tag"},
    ]


def test_every_variable_that_is_set_is_read_by_a_workflow(told: list[dict[str, Any]]) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / ".github").rglob("*.yml"))
    page = (REPOSITORY / "docs/first-push.md").read_text(encoding="utf-8")
    table = re.findall(r"`([A-Z_]+)`", "".join(re.findall(r"^\| (`[A-Z_`, ]+) \|", page, re.MULTILINE)))
    given = [call["words"][2] for call in told if call["words"][:2] == ["variable", "set"]]
    assert len(table) >= 8
    assert [name for name in {*table, *given} if f"vars.{name}" not in text] == []


def test_every_workflow_of_the_first_table_is_there() -> None:
    page = (REPOSITORY / "docs/first-push.md").read_text(encoding="utf-8").split("## Settings")[0]
    names = re.findall(r"^\| `([a-z]+)` \|", page, re.MULTILINE)
    assert {path.stem for path in Path(WORKFLOWS).glob("*.yml")} == set(names)


def test_every_workflow_that_a_page_starts_takes_those_inputs() -> None:
    """`gh workflow run NAME -f input=value`."""
    found = 0
    for page in pages():
        for line in commands(page):
            for call in words(line, "gh"):
                if call[:2] != ["workflow", "run"]:
                    continue
                text = (WORKFLOWS / call[2]).read_text(encoding="utf-8")
                inputs = (yaml.safe_load(text)[True]["workflow_dispatch"] or {}).get("inputs", {})
                given = {call[place + 1].split("=")[0] for place, word in enumerate(call) if word == "-f"}
                assert given <= set(inputs), line
                found += 1
    assert found >= 3
