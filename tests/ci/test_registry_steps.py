"""Promotion, the way back and deployment where they must do nothing or undo something, on a real registry."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from registry_world import clone, dvc, git, make_model, make_world

from lightloop.ci.deploying import deploy, resolve
from lightloop.ci.promoting import give_back, promote
from lightloop.ci.watching import watch
from lightloop.errors import UsageError
from lightloop.files import read_json, write_json
from lightloop.project import Project
from lightloop.release.history import production, releases
from lightloop.release.publication import outdated
from lightloop.release.registry import promote as put_into
from lightloop.release.registry import register, rollback

pytestmark = pytest.mark.slow
# What the gate reads beside the bundle, and what a promotion fetches for it.
JUDGED = """\
  judged:
    cmd: >-
      mkdir -p artifacts/compressed artifacts/evaluation &&
      echo a > artifacts/compressed/a && echo b > artifacts/evaluation/predictions.parquet
    outs: [artifacts/compressed, artifacts/evaluation/predictions.parquet]
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """v0.1.0, then v0.2.0 in production, with a bare remote. Not to be changed."""
    root = tmp_path_factory.mktemp("two") / "world"
    project = make_world(root)
    (root / "configs").mkdir()
    (root / "configs" / "config.yaml").write_text("defaults: []\n")
    with (root / "dvc.yaml").open("a") as pipeline:
        pipeline.write(JUDGED)
    dvc(root, "repro", "--quiet", "judged")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "configs, and what the gate reads")
    register(project, commit=True)
    put_into(project, stage="production")
    make_model(project, 2, champion={"version": "v0.1.0"})
    register(project, commit=True)
    put_into(project, stage="production")
    git(root, "clone", "-q", "--bare", str(root), str(root.parent / "origin.git"))
    git(root, "remote", "add", "origin", "../origin.git")
    return project


@pytest.fixture
def job(two: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: Any) -> Project:
    """The same as a job has it, to be changed at will."""
    shutil.copytree(two.root, tmp_path / "world")
    shutil.copytree(two.root.parent / "origin.git", tmp_path / "origin.git")
    monkeypatch.chdir(tmp_path / "world")
    return Project(tmp_path / "world")


def pushed(job: Project) -> list[str]:
    return git(job.root.parent / "origin.git", "tag", "--list", "model#*").split()


def test_what_stands_there_is_not_promoted_again(job: Project, step: Any) -> None:
    assert promote(stage="production") is None
    assert step.outputs == {"tag": "", "version": ""}
    assert "Its model is v0.2.0, which stands in production already" in step.summary


def test_a_run_that_is_run_again_has_deployed_what_its_first_attempt_promoted(
    job: Project, step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_RUN_ATTEMPT", "2")
    assert promote(stage="production") is not None
    assert step.outputs == {"tag": "model#production#2", "version": "v0.2.0"}
    assert pushed(job) == ["model#production#1", "model#production#2"]
    git(job.root, "commit", "-q", "--allow-empty", "-m", "a later commit, which promoted nothing")
    assert promote(stage="production") is None
    assert step.outputs == {"tag": "", "version": ""}


def test_what_was_rolled_back_is_not_promoted_by_a_later_commit(job: Project, step: Any) -> None:
    rollback(job)
    git(job.root, "commit", "-q", "--allow-empty", "-m", "a later commit")
    assert promote(stage="production") is None
    assert "which stood in production before: promote it by hand" in step.summary
    standing = production(job)
    assert standing is not None
    assert standing.version == "v0.1.0"


def test_a_commit_without_a_model(job: Project, step: Any) -> None:
    git(job.root, "rm", "-q", "artifacts/gate.json")
    git(job.root, "commit", "-qm", "a project that begins")
    assert promote(stage="production") is None
    assert step.outputs == {"tag": "", "version": ""}


def test_a_shallow_clone_is_refused(job: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: Any) -> None:
    monkeypatch.chdir(clone(job, tmp_path / "shallow", "--depth", "1").root)
    for do in (lambda: promote(stage="production"), lambda: resolve("model#production#1")):
        with pytest.raises(UsageError, match="this is a shallow clone"):
            do()


def test_the_stage_is_given_back_once(job: Project, step: Any) -> None:
    give_back(tag="model#production#2", stage="production")
    assert step.outputs == {"tag": "model#production#3", "version": "v0.1.0"}
    assert pushed(job) == ["model#production#1", "model#production#2", "model#production#3"]
    # The same job run again, or one that waited: another tag stands there now.
    give_back(tag="model#production#2", stage="production")
    assert step.outputs == {"tag": "", "version": ""}
    assert len(pushed(job)) == 3


def test_where_nothing_stood_before_nothing_is_given_back(
    job: Project, step: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    git(job.root, "tag", "-d", "model#production#2", "model@v0.2.0")
    give_back(tag="model#production#1", stage="production")
    assert step.outputs == {"tag": "", "version": ""}
    assert "::warning::the stage could not be given back" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("tag", "version", "stage", "current"),
    [
        ("model#production#2", "v0.2.0", "production", "true"),
        ("model#production#1", "v0.1.0", "production", "false"),
        ("model@v0.1.0", "v0.1.0", "", "false"),
    ],
)
def test_what_a_tag_names(job: Project, step: Any, tag: str, version: str, stage: str, current: str) -> None:
    resolve(tag)
    commit = next(release.commit for release in releases(job) if release.version == version)
    assert step.outputs == {"tag": tag, "version": version, "commit": commit, "stage": stage, "current": current}


@pytest.mark.parametrize(
    ("tag", "sentence"),
    [
        ("model#production#2; rm -rf /", "is no tag of the registry"),
        ("$(id)", "is no tag of the registry"),
        ("model#production", "is no tag of the registry"),
        ("model@v9.0.0", "there is no annotated tag model@v9.0.0 in this clone"),
    ],
)
def test_what_is_no_tag(job: Project, tag: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        resolve(tag)


def test_a_lightweight_tag_is_none(job: Project) -> None:
    git(job.root, "tag", "model#production#9")
    with pytest.raises(UsageError, match="there is no annotated tag model#production#9"):
        resolve("model#production#9")


def test_a_tag_that_is_superseded_is_not_deployed(job: Project, step: Any) -> None:
    deploy(tag="model#production#1", canary=None)
    assert step.outputs == {"deployed": "false", "address": ""}
    with pytest.raises(UsageError, match="puts nothing into production"):
        deploy(tag="model@v0.1.0", canary=None)


def test_a_fresh_clone_is_not_out_of_date_and_a_changed_one_is(job: Project, tmp_path: Path) -> None:
    fresh = clone(job, tmp_path / "fresh")
    assert outdated(fresh) == []
    dvc(fresh.root, "pull", "--quiet", "artifacts/bundle", "data.dvc")
    assert outdated(fresh) == []
    (fresh.root / "source" / "bundle.json").write_text("{}")
    assert outdated(fresh) == ["export"]
    assert outdated(fresh, without=("source",)) == []
    write_json(fresh.root / "verdict.json", read_json(fresh.root / "verdict.json") | {"verdict": "refused"})
    assert outdated(fresh, without=("source",)) == ["gate"]


def test_a_look_where_nothing_stands_in_production(job: Project, step: Any) -> None:
    tags = git(job.root, "tag", "--list", "model#*").split()
    git(job.root, "tag", "-d", *tags)
    watch(window=None, collected=timedelta(days=30))
    assert step.outputs == {"act": "nothing", "reason": "nothing stands in production", "branch": ""}


def test_a_look_where_there_is_no_log_yet(
    job: Project, step: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHTLOOP_DEPLOY_ROOT", str(tmp_path / "deployed"))
    watch(window=None, collected=timedelta(days=30))
    assert step.outputs == {"act": "nothing", "reason": "the log holds nothing yet", "branch": ""}
    assert git(job.root, "status", "--short") == ""
