"""A small repository with a candidate as `ci train` leaves it: one commit on main, written into ci/."""

import subprocess
from pathlib import Path

from lightloop.ci.training import Proposal, commit_path, proposal_path
from lightloop.files import write_json
from lightloop.project import Project
from lightloop.release.repository import git

METRICS = {
    "n": 398,
    "confidence": 0.95,
    "baseline": {"accuracy": {"value": 0.8693, "low": None, "high": None}},
    "metrics": {
        "accuracy": {"value": 0.8869, "low": 0.8543, "high": 0.9171},
        "auroc": {"value": None, "low": None, "high": None},
    },
}


def make_candidate(
    root: Path,
    origin: str,
    *,
    verdict: str = "accepted",
    digest: str = "ab" * 32,
    reason: str = "drift",
    champion: str | None = None,
) -> Project:
    """A clone of `origin`, which is filled where it is empty, with a candidate in ci/ that is not checked out."""
    subprocess.run(["git", "clone", "-q", origin, str(root)], check=True, capture_output=True)
    project = Project(root)
    if not (root / "dvc.yaml").exists():
        (root / "configs").mkdir()
        (root / "configs" / "config.yaml").write_text("defaults: []\n")
        (root / "dvc.yaml").write_text("stages: {}\n")
        (root / "data.dvc").write_text("outs: []\n")
        git(root, "switch", "-q", "-C", "main")
        git(root, "add", "-A")
        git(root, "commit", "-qm", "start")
        git(root, "push", "-q", "origin", "main")
    base = git(root, "rev-parse", "HEAD").strip()
    branch = f"retrain/{digest[:12]}"
    git(root, "switch", "-q", "-C", branch)
    write_evidence(project, verdict, digest, champion)
    git(root, "add", "-A")
    git(root, "commit", "-qm", f"Retrain ({reason}): gate {verdict}")
    commit = git(root, "rev-parse", "HEAD").strip()
    (root / "ci").mkdir()
    (root / "ci" / ".gitignore").write_text("*\n")
    git(root, "bundle", "create", "-q", str(commit_path(project)), f"{base}..{branch}")
    told = Proposal(
        branch=branch, commit=commit, base=base, verdict=verdict, digest=digest, reason=reason, champion=champion
    )
    write_json(proposal_path(project), told.model_dump())
    # As the next job finds it: the branch is known to the bundle alone.
    git(root, "switch", "-q", "main")
    git(root, "branch", "-qD", branch)
    return project


def write_evidence(project: Project, verdict: str, digest: str, champion: str | None) -> None:
    accepted = verdict == "accepted"
    write_json(project.metrics, METRICS)
    write_json(
        project.gate,
        {
            "verdict": verdict,
            "champion": {"version": champion} if champion else None,
            "bundle_digest": digest,
            "checks": [
                {"name": "baseline", "passed": accepted, "figures": {}, "message": "Accuracy is 0.02 | @all `better`"},
                {"name": "protected", "passed": False, "warning": True, "figures": {}, "message": "groups differ"},
            ],
        },
    )
    write_json(project.history, [{"train_loss": 1 / (n + 1), "validation_loss": 1 / (n + 2)} for n in range(100)])


def again(project: Project) -> None:
    """As a job finds it that is run a second time."""
    git(project.root, "switch", "-q", "main")
    for branch in git(project.root, "branch", "--format=%(refname:short)").split():
        if branch != "main":
            git(project.root, "branch", "-qD", branch)
