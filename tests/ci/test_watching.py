"""New data on their way from the job that looks to the job that may push."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rehearsal.forge import Forge

from lightloop.ci import variables
from lightloop.ci.watching import push_data
from lightloop.errors import LightloopError, UsageError
from lightloop.release.repository import git


@pytest.fixture
def job(forge: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of main, with a commit in ci/data.bundle that it does not have."""
    root = tmp_path / "job"
    (root / "configs").mkdir(parents=True)
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / "data.dvc").write_text("outs: [old]\n")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "start")
    git(root, "push", "-q", forge.address_for("of-alice"), "main")
    git(root, "switch", "-q", "-c", "data/123456789abc")
    (root / "data.dvc").write_text("outs: [new]\n")
    git(root, "commit", "-qam", "Labelled data from production")
    (root / "ci").mkdir()
    git(root, "bundle", "create", "-q", "ci/data.bundle", "main..data/123456789abc")
    git(root, "switch", "-q", "main")
    git(root, "branch", "-qD", "data/123456789abc")
    git(root, "remote", "add", "origin", forge.page)
    monkeypatch.chdir(root)
    return root


def test_the_branch_is_pushed_and_main_is_as_it_was(
    job: Path, forge: Forge, grant: Callable[..., None], step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant(contents="write")
    monkeypatch.setenv("GITHUB_RUN_ATTEMPT", "1")
    main = forge.repository.commit("main")
    push_data("data/123456789abc")
    assert step.outputs == {"new": "true"}
    # The next day: nobody has merged it yet.
    push_data("data/123456789abc")
    assert step.outputs == {"new": "false"}
    # The same job once more, since GitHub broke it off.
    monkeypatch.setenv("GITHUB_RUN_ATTEMPT", "2")
    push_data("data/123456789abc")
    assert step.outputs == {"new": "true"}
    assert forge.repository.file("data/123456789abc", "data.dvc") == "outs: [new]"
    assert forge.repository.commit("main") == main


@pytest.mark.parametrize("branch", ["main", "", "retrain/x"])
def test_no_other_branch_is_pushed(job: Path, forge: Forge, grant: Callable[..., None], branch: str) -> None:
    grant(contents="write")
    with pytest.raises(UsageError, match=r"there are no data to push as"):
        push_data(branch)


def test_a_branch_that_is_not_in_the_bundle(job: Path, forge: Forge, grant: Callable[..., None]) -> None:
    grant(contents="write")
    with pytest.raises(LightloopError, match="`git fetch` failed"):
        push_data("data/other")


def test_where_the_log_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (variables.LOG, variables.FEEDBACK):
        monkeypatch.setenv(name, "")  # a variable of the repository that is not set
    assert (variables.log(), variables.feedback(), variables.service_settings()) == (None, None, [])
    monkeypatch.setenv("LIGHTLOOP_DEPLOY_ROOT", "/srv/model")
    assert (variables.log(), variables.feedback()) == ("/srv/model/.lightloop/log", "/srv/model/.lightloop/feedback")
    monkeypatch.setenv(variables.LOG, "s3://bucket/log")
    assert variables.log() == "s3://bucket/log"
    assert variables.service_settings() == ["serve.log.folder=s3://bucket/log"]
