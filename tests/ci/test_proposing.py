"""The pull request as people see it on a forge, and that a second run changes nothing more."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ci_candidates import again, make_candidate
from rehearsal.forge import Forge

from lightloop.ci.proposing import propose
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project

Grant = Callable[..., None]


@pytest.fixture
def make(
    forge: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: Any, grant: Grant
) -> Callable[..., Project]:
    """A candidate, in the current folder, in a job that may write."""

    def candidate(name: str = "job", **about: Any) -> Project:
        project = make_candidate(tmp_path / name, forge.address_for("of-alice"), **about)
        # A job's clone knows no password.
        from lightloop.release.repository import git

        git(project.root, "remote", "set-url", "origin", forge.page)
        monkeypatch.chdir(project.root)
        grant(contents="write", pull_requests="write")
        return project

    return candidate


def test_what_people_read(make: Callable[..., Project], forge: Forge, step: Any) -> None:
    make(reason="drift of income|price, says @everyone")
    propose(base="main")
    (pull,) = forge.pulls
    assert pull.title == "Retrain (drift of income|price, says @everyone): accepted by the gate"
    assert not pull.draft
    assert (pull.head, pull.base) == ("retrain/abababababab", "main")
    assert "| Accuracy | 0.8693 | 0.8869 [0.8543, 0.9171] |" in pull.body
    assert "| AUROC | - | undefined |" in pull.body
    assert "### Gate: 1 of 2 checks passed" in pull.body
    assert "| protected | warning | groups differ |" in pull.body
    # Nothing that came from data or outside starts markup or calls on anybody.
    assert "Accuracy is 0.02 \\| @\u200ball \\`better\\`" in pull.body
    assert "@everyone" not in pull.body
    assert "```mermaid" in pull.body
    assert step.summary.strip() in pull.body
    assert step.outputs == {
        "branch": "retrain/abababababab",
        "commit": forge.repository.commit("retrain/abababababab"),
        "number": "1",
    }


def test_a_refused_model_becomes_a_draft_that_says_so(make: Callable[..., Project], forge: Forge) -> None:
    make(verdict="refused")
    propose(base="main")
    (pull,) = forge.pulls
    assert pull.draft
    assert pull.title.endswith("refused by the gate")
    assert "| baseline | **no** |" in pull.body
    assert "A refused model is not promoted, also when this is merged" in pull.body


def test_a_second_run_opens_no_second_one(make: Callable[..., Project], forge: Forge) -> None:
    project = make()
    propose(base="main")
    propose(base="main")
    again(project)
    propose(base="main")
    (pull,) = forge.pulls
    assert pull.state == "open"
    assert pull.history.count("opened") == 1


def test_what_somebody_closed_is_not_opened_again(
    make: Callable[..., Project], forge: Forge, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make()
    propose(base="main")
    forge.pulls[0].state = "closed"
    again(project)
    propose(base="main")
    assert len(forge.pulls) == 1
    assert forge.pulls[0].state == "closed"
    assert "pull request 1 with this very model was closed" in capsys.readouterr().out


def test_a_newer_candidate_closes_the_older_and_leaves_others(make: Callable[..., Project], forge: Forge) -> None:
    make()
    propose(base="main")
    make("next", digest="cd" * 32)
    propose(base="main")
    old, new = forge.pulls
    assert (old.state, new.state) == ("closed", "open")
    assert [comment.body for comment in old.comments] == [f"Superseded by #{new.number}."]


def test_a_repository_that_lets_no_workflow_open_pull_requests(
    make: Callable[..., Project], forge: Forge, step: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    make()
    forge.settings.actions_may_open_pulls = False
    propose(base="main")
    assert forge.pulls == []
    assert forge.repository.commit("retrain/abababababab")
    said = capsys.readouterr().out
    assert "::warning::this repository lets no workflow open pull requests" in said
    assert f"{forge.page}/compare/main...retrain/abababababab?expand=1" in said
    assert "### Open the pull request by hand" in step.summary
    assert step.outputs["number"] == ""


def test_a_job_that_may_not_push(make: Callable[..., Project], forge: Forge, grant: Grant) -> None:
    make()
    grant(contents="read", pull_requests="write")
    with pytest.raises(LightloopError, match=r"needs `permissions: contents: write`") as caught:
        propose(base="main")
    assert "ghs_step" not in str(caught.value)
    assert forge.pulls == []


def test_a_job_that_may_not_open_pull_requests(make: Callable[..., Project], forge: Forge, grant: Grant) -> None:
    make()
    grant(contents="write")
    with pytest.raises(LightloopError, match=r"answered with 403"):
        propose(base="main")


def test_a_candidate_of_another_commit_is_refused(make: Callable[..., Project], forge: Forge) -> None:
    from lightloop.release.repository import git

    project = make()
    git(project.root, "commit", "-q", "--allow-empty", "-m", "another one")
    with pytest.raises(UsageError, match=r"the candidate was trained from [0-9a-f]{7}, but [0-9a-f]{7} is checked out"):
        propose(base="main")


def test_a_candidate_that_holds_more_than_it_says_is_refused(make: Callable[..., Project], forge: Forge) -> None:
    """The training job can't hand further commits to the one that may write."""
    from lightloop.ci.training import commit_path, read_proposal
    from lightloop.release.repository import git

    project = make()
    told = read_proposal(project)
    git(project.root, "switch", "-q", "-C", told.branch)
    for name in ("one", "two"):
        git(project.root, "commit", "-q", "--allow-empty", "-m", name)
    git(project.root, "bundle", "create", "-q", str(commit_path(project)), f"{told.base}..{told.branch}")
    again(project)
    with pytest.raises(UsageError, match=r"ci/candidate.bundle holds another commit than ci/proposal.json says"):
        propose(base="main")
    assert forge.repository.commit(told.branch) is None


def test_a_candidate_that_changes_code_is_refused(make: Callable[..., Project], forge: Forge) -> None:
    """Whoever got hold of the training job must not get code onto a branch."""
    from lightloop.ci.training import commit_path, proposal_path, read_proposal
    from lightloop.files import write_json
    from lightloop.release.repository import git

    project = make()
    told = read_proposal(project)
    git(project.root, "switch", "-q", "-C", told.branch)
    (project.root / "dvc.yaml").write_text("stages: {train: {cmd: evil}}\n")
    git(project.root, "commit", "-qam", "one")
    git(project.root, "bundle", "create", "-q", str(commit_path(project)), f"{told.base}..{told.branch}")
    commit = git(project.root, "rev-parse", "HEAD").strip()
    write_json(proposal_path(project), told.model_copy(update={"commit": commit}).model_dump())
    again(project)
    with pytest.raises(UsageError, match=r"the candidate changes dvc.yaml, which the loop does not write"):
        propose(base="main")
    assert forge.repository.commit(told.branch) is None


def test_nothing_was_handed_on(make: Callable[..., Project], forge: Forge) -> None:
    from lightloop.ci.training import proposal_path

    proposal_path(make()).unlink()
    with pytest.raises(UsageError, match=r"ci/proposal.json is missing"):
        propose(base="main")


def test_beside_the_champion(make: Callable[..., Project], forge: Forge) -> None:
    """Its figures are those of its tag, and what else changed is said."""
    from lightloop.files import write_json
    from lightloop.release.repository import git

    project = make()
    write_json(project.metrics, {"metrics": {"accuracy": {"value": 0.75, "low": 0.7, "high": 0.8}}})
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "v0.1.0")
    git(project.root, "tag", "-a", "-m", "first", "model@v0.1.0")
    git(project.root, "remote", "set-url", "origin", forge.address_for("of-alice"))
    git(project.root, "push", "-q", "origin", "main", "model@v0.1.0")
    make("next", digest="cd" * 32, champion="v0.1.0")
    propose(base="main")
    (pull,) = forge.pulls
    assert "judged against **v0.1.0**" in pull.body
    assert "| Accuracy | 0.8693 | 0.7500 [0.7000, 0.8000] | 0.8869 [0.8543, 0.9171] |" in pull.body
    assert "Against v0.1.0: data as before" in pull.body
