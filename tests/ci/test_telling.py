"""One issue about the nightly workflow, whatever happens how often."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from rehearsal.forge import Forge

from lightloop.ci.telling import tell
from lightloop.errors import UsageError


def results(monkeypatch: pytest.MonkeyPatch, **jobs: str) -> None:
    monkeypatch.setenv(
        "RESULTS", json.dumps({name: {"result": result, "outputs": {}} for name, result in jobs.items()})
    )


def test_an_issue_is_opened_once_and_closed_again(
    forge: Forge, grant: Callable[..., None], step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant(issues="write")
    monkeypatch.setenv("GITHUB_RUN_ID", "77")
    results(monkeypatch, newest="success", rehearsal="skipped")
    tell()
    assert forge.issues == {}
    results(monkeypatch, newest="failure", rehearsal="success")
    tell()
    (issue,) = forge.issues.values()
    assert f"failed in newest: {forge.page}/actions/runs/77" in issue.body
    results(monkeypatch, newest="failure", rehearsal="cancelled")
    tell()
    (issue,) = forge.issues.values()
    assert "failed in newest, rehearsal" in issue.comments[0].body
    results(monkeypatch, newest="success", rehearsal="success")
    tell()
    assert issue.state == "closed"
    assert issue.comments[-1].body.startswith("All is well again")
    results(monkeypatch, newest="failure")
    tell()
    assert len(forge.issues) == 2


@pytest.mark.parametrize("text", ["", "nothing", "[]", '{"newest": 3}'])
def test_results_that_are_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("RESULTS", text)
    with pytest.raises(UsageError, match=r"RESULTS is no list of jobs: give the step `RESULTS: \$\{\{ toJSON"):
        tell()
