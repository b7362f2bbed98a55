"""The workflow files: rights, pins, limits, and that every command which they call exists."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_project import REPOSITORY

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
SETUP = REPOSITORY / ".github" / "actions" / "setup" / "action.yml"
NAMES = {"ci", "deploy", "monitor", "nightly", "promote", "retrain", "security"}
# What each job may do beyond reading the code; a change here is a decision.
RIGHTS = {
    "ci": {"test": {}, "loop": {}, "rehearsal": {}, "docs": {}, "pages": {"pages": "write", "id-token": "write"}},
    "retrain": {
        "train": {"id-token": "write"},
        "propose": {"contents": "write", "pull-requests": "write", "actions": "write"},
        "promote": {"contents": "write", "actions": "write", "id-token": "write"},
    },
    "promote": {"promote": {"contents": "write", "actions": "write", "id-token": "write"}},
    "deploy": {
        "resolve": {},
        "image": {"packages": "write", "id-token": "write", "attestations": "write"},
        "verify": {"packages": "read", "attestations": "read"},
        "deploy": {"id-token": "write"},
        "give-back": {"contents": "write"},
    },
    "monitor": {
        "look": {"issues": "write", "id-token": "write"},
        "retrain": {"contents": "write", "actions": "write"},
        "rollback": {"contents": "write", "actions": "write"},
    },
    "nightly": {"newest": {}, "rehearsal": {}, "benchmarks": {"actions": "read"}, "tell": {"issues": "write"}},
    "security": {
        "packages": {},
        "codeql": {"security-events": "write"},
        "scorecard": {
            "security-events": "write",
            "actions": "read",
            "issues": "read",
            "pull-requests": "read",
            "checks": "read",
        },
    },
}


def content(path: Path) -> dict[str, Any]:
    # YAML 1.1 reads a bare `on` as true.
    return {"on" if key is True else key: value for key, value in yaml.safe_load(path.read_text("utf-8")).items()}


def steps(path: Path) -> list[dict[str, Any]]:
    found = content(path)
    if "runs" in found:
        return list(found["runs"]["steps"])
    return [step for job in found["jobs"].values() for step in job.get("steps", [])]


def test_all_are_here() -> None:
    assert {path.stem for path in WORKFLOWS} == NAMES
    assert all(content(path)["name"] == path.stem for path in WORKFLOWS)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_each_job_has_just_the_rights_that_it_needs_and_a_limit(path: Path) -> None:
    found = content(path)
    assert found["permissions"] == {}
    assert found["concurrency"]["group"]
    given = {name: dict(job["permissions"]) for name, job in found["jobs"].items()}
    for rights in given.values():
        if rights.get("contents") == "read":
            del rights["contents"]
    assert given == RIGHTS[path.stem]
    for name, job in found["jobs"].items():
        assert "uses" in job or 0 < job["timeout-minutes"] <= 360, name


@pytest.mark.parametrize("path", [*WORKFLOWS, SETUP], ids=lambda path: path.stem)
def test_actions_are_pinned_and_no_expression_reaches_a_shell(path: Path) -> None:
    for step in steps(path):
        if "uses" in step and not step["uses"].startswith("./"):
            assert re.fullmatch(r"[\w.-]+(/[\w.-]+)+@[0-9a-f]{40}", step["uses"])
        assert "${{" not in step.get("run", "")
    text = path.read_text(encoding="utf-8")
    for line in re.findall(r"uses: \S+@[0-9a-f]{40}.*", text):
        assert re.search(r" # v\d+\.\d+\.\d+$", line), f"which version is it: {line}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_checkouts_keep_no_token_and_toolchains_are_installed_in_one_place(path: Path) -> None:
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        assert not step.get("uses", "").startswith(("astral-sh/", "actions/setup-"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_trigger_runs_with_rights_for_what_a_stranger_sent(path: Path) -> None:
    assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(content(path)["on"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_who_asks_the_registry_has_the_whole_history(path: Path) -> None:
    """A shallow clone has no tags: the gate would compare with nothing."""
    registry = {"train", "propose", "promote", "resolve", "image", "deploy", "give-back", "monitor"}
    for name, job in content(path)["jobs"].items():
        own = job.get("steps", [])
        if any(set(shlex.split(step.get("run", ""))[2:3]) & registry for step in own):
            checkout = next(step for step in own if step.get("uses", "").startswith("actions/checkout@"))
            assert checkout["with"]["fetch-depth"] == 0, name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_each_command_is_one_of_ours(path: Path) -> None:
    from lightloop.cli.ci import ci

    commands = {(one.name or one.callback.__name__.replace("_", "-")) for one in ci.registered_commands if one.callback}
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
    runs = [step["run"] for step in steps(path) if "run" in step]
    for run in runs:
        words = shlex.split(run)
        match words[0]:
            case "lightloop":
                assert words[1] == "ci"
                assert words[2] in commands
            case "make":
                assert set(words[1:]) <= targets
            case other:
                assert other == "cat"  # the model card of ci.yml


def test_outputs_that_are_read_are_written() -> None:
    """GitHub takes a misspelt output for an empty one."""
    sources = "\n".join(path.read_text("utf-8") for path in (REPOSITORY / "src/lightloop/ci").glob("*.py"))
    written = {
        name.replace("_", "-")
        for call in re.findall(r"put\(([^()]*(?:\([^()]*\)[^()]*)*)\)", sources)
        for name in re.findall(r"(\w+)=", call)
    }
    for path in WORKFLOWS:
        found = content(path)
        for job in found["jobs"].values():
            ids = {step["id"]: step for step in job.get("steps", []) if "id" in step}
            for key, output in re.findall(r"steps\.([\w-]+)\.outputs\.([\w-]+)", yaml.safe_dump(job)):
                assert key in ids, f"{path.stem}: no step {key}"
                assert output in written or "uses" in ids[key], f"{path.stem}: {output}"
        text = path.read_text("utf-8")
        for job_name, output in re.findall(r"needs\.([\w-]+)\.outputs\.([\w-]+)", text):
            assert output in found["jobs"][job_name]["outputs"], f"{path.stem}: {job_name} has no {output}"


def test_dispatched_workflows_take_the_inputs_that_they_are_given() -> None:
    for path in WORKFLOWS:
        for step in steps(path):
            words = shlex.split(step.get("run", ""))
            if words[:3] != ["lightloop", "ci", "dispatch"]:
                continue
            on = content(path.parent / words[3])["on"]
            assert "workflow_dispatch" in on
            known = set((on["workflow_dispatch"] or {}).get("inputs", {}))
            given = {words[n + 1].partition("=")[0] for n, word in enumerate(words) if word == "--input"}
            assert given <= known


def test_the_loop_does_not_feed_itself() -> None:
    retrain, promote = (content(REPOSITORY / f".github/workflows/{name}.yml")["on"] for name in ("retrain", "promote"))
    assert not set(retrain["push"]["paths"]) & set(promote["push"]["paths"])
    assert all(one["push"]["branches"] == ["main"] for one in (retrain, promote))
