"""GitHub's rules about which files an event starts, and with which rights."""

from typing import Any

import pytest
from rehearsal.workflows import Event, InvalidError, inputs, jobs, parse, selected, wants


def push(ref: str, *files: str) -> Event:
    return Event("push", {"ref": ref}, "0" * 40, "alice", ref, files)


@pytest.mark.parametrize(
    ("on", "event", "wanted"),
    [
        ("push", push("refs/heads/main"), True),
        ("[push, pull_request]", push("refs/heads/x"), True),
        ("{push: {branches: [main]}}", push("refs/heads/main"), True),
        ("{push: {branches: [main]}}", push("refs/heads/retrain/1"), False),
        ("{push: {branches: ['retrain/**']}}", push("refs/heads/retrain/a/b"), True),
        ("{push: {branches: ['retrain/*']}}", push("refs/heads/retrain/a/b"), False),
        # A file that names branches alone is not started by tags, and the other way round.
        ("{push: {branches: [main]}}", push("refs/tags/model@v1.0.0"), False),
        ("{push: {tags: ['model@v*', 'model#*']}}", push("refs/tags/model#production#3"), True),
        ("{push: {tags: ['model@v*']}}", push("refs/heads/main"), False),
        ("{push: {paths: [data.dvc, 'configs/**']}}", push("refs/heads/main", "configs/a/b.yaml"), True),
        ("{push: {paths: [data.dvc]}}", push("refs/heads/main", "data/data.dvc"), False),
        ("{push: {paths: ['**/data.dvc']}}", push("refs/heads/main", "data.dvc"), True),
        ("{push: {paths: ['**', '!docs/**']}}", push("refs/heads/main", "docs/a.md"), False),
        ("{push: {paths-ignore: ['docs/**']}}", push("refs/heads/main", "docs/a.md", "README.md"), True),
        ("{push: {paths-ignore: ['docs/**']}}", push("refs/heads/main", "docs/a.md"), False),
        ("{push: {branches-ignore: [main]}}", push("refs/heads/main"), False),
        ("workflow_dispatch", push("refs/heads/main"), False),
    ],
)
def test_which_pushes_start_a_file(on: str, event: Event, wanted: bool) -> None:
    assert wants(parse(f"on: {on}\njobs: {{}}"), event) is wanted


@pytest.mark.parametrize(
    ("on", "name", "payload", "wanted"),
    [
        ("{schedule: [{cron: '1 2 * * *'}]}", "schedule", {"schedule": "1 2 * * *"}, True),
        ("{schedule: [{cron: '1 2 * * *'}]}", "schedule", {"schedule": "1 3 * * *"}, False),
        ("{repository_dispatch: {types: [retrain]}}", "repository_dispatch", {"action": "retrain"}, True),
        ("{repository_dispatch: {types: [retrain]}}", "repository_dispatch", {"action": "drift"}, False),
        ("{issues: {types: [opened]}}", "issues", {"action": "closed"}, False),
        (
            "{workflow_run: {workflows: [ci], types: [completed]}}",
            "workflow_run",
            {"action": "completed", "workflow_run": {"name": "ci"}},
            True,
        ),
        (
            "{workflow_run: {workflows: [ci]}}",
            "workflow_run",
            {"action": "completed", "workflow_run": {"name": "deploy"}},
            False,
        ),
        (
            "pull_request",
            "pull_request",
            {"action": "closed", "pull_request": {"base": {"ref": "main"}}},
            False,
        ),
        (
            "{pull_request: {branches: [release]}}",
            "pull_request",
            {"action": "opened", "pull_request": {"base": {"ref": "main"}}},
            False,
        ),
    ],
)
def test_which_events_start_a_file(on: str, name: str, payload: dict[str, Any], wanted: bool) -> None:
    event = Event(name, payload, "0" * 40, "alice", "refs/heads/main")
    assert wants(parse(f"on: {on}\njobs: {{}}"), event) is wanted


def test_a_later_pattern_takes_back_an_earlier_one() -> None:
    assert selected("a/b", ["**", "!a/**", "a/b"])


HAND = """
on:
  workflow_dispatch:
    inputs:
      tag: {required: true}
      force: {type: boolean, default: false}
      kind: {type: choice, options: [a, b], default: a}
jobs: {}
"""


def test_inputs_have_defaults_and_are_words() -> None:
    assert inputs(parse(HAND), {"tag": "x", "force": True}) == {"tag": "x", "force": "true", "kind": "a"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tag": "x", "tags": "y"}, 'Unexpected inputs provided: \\["tags"\\]'),
        ({}, "Required input 'tag' not provided"),
        ({"tag": "x", "force": "yes"}, "'yes' for input 'force' not in the list"),
        ({"tag": "x", "kind": "c"}, "'c' for input 'kind' not in the list"),
    ],
)
def test_inputs_that_do_not_fit(given: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidError, match=said):
        inputs(parse(HAND), given)


def test_no_start_by_hand_where_the_file_has_none() -> None:
    with pytest.raises(InvalidError, match="does not have 'workflow_dispatch'"):
        inputs(parse("on: push\njobs: {}"), {})


def never(path: str) -> str:
    raise AssertionError(path)


def test_a_job_has_its_own_rights_or_those_of_the_file() -> None:
    file = """
    permissions: {}
    jobs:
      a: {}
      b: {permissions: {contents: write, issues: none}}
      c: {permissions: read-all, needs: a}
    """
    a, b, c = jobs(parse(file), never)
    assert (a.rights, b.rights, c.needs) == ({}, {"contents": "write"}, ("a",))
    assert c.rights["actions"] == "read"


def test_a_file_that_says_nothing_may_read() -> None:
    (job,) = jobs(parse("jobs: {a: {}}"), never)
    assert job.rights == {"contents": "read", "packages": "read"}


def caller(rights: str, given: str = "commit: x") -> str:
    return f"permissions: {{}}\njobs: {{a: {{uses: ./x.yml, permissions: {rights}, with: {{{given}}}}}}}"


INNER = """
on: {workflow_call: {inputs: {commit: {required: true}}}}
jobs: {b: {permissions: {contents: write}}}
"""


def test_a_called_file_may_not_ask_for_more_than_its_caller_has() -> None:
    (job,) = jobs(parse(caller("{contents: write}")), lambda path: INNER)
    assert (job.path, job.rights) == (("a", "b"), {"contents": "write"})
    with pytest.raises(InvalidError, match="'b' is requesting 'contents: write', but is only allowed 'contents: read'"):
        jobs(parse(caller("{contents: read}")), lambda path: INNER)


@pytest.mark.parametrize(("given", "said"), [("", "Input commit is required"), ("commit: x, rev: y", "rev is not def")])
def test_a_called_file_is_given_what_it_takes(given: str, said: str) -> None:
    with pytest.raises(InvalidError, match=said):
        jobs(parse(caller("{contents: write}", given)), lambda path: INNER)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("jobs: {a: {needs: b}}", "depends on unknown job 'b'"),
        ("jobs: {a: {permissions: {content: write}}}", "unknown permission: content"),
        ("on: push", "it has no jobs"),
        ("jobs: {a: {uses: other/repository/.github/workflows/x.yml@v1}}", "of the same repository alone"),
    ],
)
def test_files_that_are_refused(file: str, said: str) -> None:
    with pytest.raises(InvalidError, match=said):
        jobs(parse(file), never)
