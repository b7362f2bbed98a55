"""`lightloop ci train`: the loop in a job that may read alone; its result is a commit in a git bundle."""

import os
import shlex
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from lightloop.ci.git import introduce
from lightloop.ci.outputs import put, summarise
from lightloop.errors import LightloopError, RefusedError, UsageError
from lightloop.files import read_json, write_json
from lightloop.project import Project
from lightloop.release.history import PRODUCTION, Release, in_stage, json_at, releases
from lightloop.release.publication import outdated, publish_candidate
from lightloop.release.repository import git, require_commit, require_repository

BRANCHES = "retrain/"
FOLDER = "ci"  # not hidden: actions/upload-artifact leaves hidden files out
OVERRIDES = "LIGHTLOOP_OVERRIDES"
# What the registry says now, which every promotion changes: no reason to train.
CHAMPION = "artifacts/champion/champion.json"


class Proposal(BaseModel):
    """`ci/proposal.json`: what the job that may write is told by the one that trained.

    Attributes:
        branch: of the commit.
        commit: with the candidate.
        base: its parent, that was trained from.
        verdict: of the gate.
        digest: of the bundle.
        reason: why there was a training.
        champion: the version that it was judged against, or None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    branch: str
    commit: str
    base: str
    verdict: str
    digest: str
    reason: str
    champion: str | None


def proposal_path(project: Project) -> Path:
    return project.root / FOLDER / "proposal.json"


def commit_path(project: Project) -> Path:
    """The commit as a git bundle."""
    return project.root / FOLDER / "candidate.bundle"


def train(*, reason: str, force: bool = False) -> None:
    """Run the loop where there is something to learn, and hand on what came of it.

    Writes `ci/proposal.json` and `ci/candidate.bundle`, with one commit on the branch `retrain/DIGEST`: everything that
    registering it needs. Nothing is pushed to git; bundle and data go to the DVC remote, which may lie in git.

    Outputs: `changed`, whether there is a candidate; `verdict` of the gate; `branch`.

    Args:
        reason: for the commit's message.
        force: train although nothing changed.

    Raises:
        UsageError: a clone that lacks tags, or files that are not committed.
        RefusedError: the data check said no: there is no candidate.
        LightloopError: a stage failed.
    """
    from lightloop.loop import run_loop

    project = Project.find()
    require_repository(project.root)
    base = require_commit(project.root)
    introduce(project.root)
    overrides = shlex.split(os.environ.get(OVERRIDES, ""))
    known = releases(project)
    why = "it was asked for" if force else _why(project, known, overrides)
    if why is None:
        return _nothing("data, config and code are those of the model that was trained last")
    print(f"training ({reason}): {why}", flush=True)
    try:
        run_loop(overrides, until="report")
    except RefusedError as error:
        summarise(f"### Not trained\n\nThe data check refused the data: {error}.")
        put(changed=False, verdict="refused", branch=None)
        raise
    gate = read_json(project.gate)
    same = [release.version for release in known if release.digest == gate["bundle_digest"]]
    if same:
        return _nothing(f"the training made the very bundle that {same[0]} is")
    return _hand_on(project, gate, base, reason)


def _why(project: Project, known: list[Release], overrides: list[str]) -> str | None:
    """Why there is something to train, or None."""
    from lightloop.config.compose import compose_config, write_params
    from lightloop.loop import pull_data
    from lightloop.release.champion import write_champion

    standing = in_stage(known, PRODUCTION) is not None
    if not standing and json_at(project.root, "HEAD", project.relative(project.gate)) is None:
        return "no model was trained yet"
    config = compose_config(project, overrides)
    write_params(project, config)
    pull_data(project, config.data.path)
    write_champion(project)
    changed = outdated(project, without=(CHAMPION,))
    return f"{', '.join(changed)} {'is' if len(changed) == 1 else 'are'} not up to date" if changed else None


def _hand_on(project: Project, gate: dict[str, Any], base: str, reason: str) -> None:
    """Commit what the loop wrote, and write it down for the next job."""
    verdict, digest = gate["verdict"], gate["bundle_digest"]
    branch = f"{BRANCHES}{digest[:12]}"
    folder = project.root / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    git(project.root, "switch", "--quiet", "--force-create", branch)
    publish_candidate(project, digest, title=f"Retrain ({_one_line(reason)}): gate {verdict}")
    commit = require_commit(project.root)
    if commit == base:
        raise LightloopError("the loop made a new bundle, but nothing that git holds changed: is artifacts/ ignored?")
    git(project.root, "bundle", "create", "--quiet", str(commit_path(project)), f"{base}..{branch}")
    champion = (gate["champion"] or {}).get("version")
    told = Proposal(
        branch=branch, commit=commit, base=base, verdict=verdict, digest=digest, reason=reason, champion=champion
    )
    write_json(proposal_path(project), told.model_dump())
    from lightloop.ci.text import describe

    summarise(describe(project, told))
    put(changed=True, verdict=verdict, branch=branch)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:100]


def _nothing(why: str) -> None:
    summarise(f"### Nothing to propose\n\nNo pull request: {why}.")
    print(f"nothing to propose: {why}")
    put(changed=False, verdict=None, branch=None)


def read_proposal(project: Project) -> Proposal:
    """What the training job handed on.

    Raises:
        UsageError: nothing was.
    """
    if not proposal_path(project).exists():
        raise UsageError(
            "ci/proposal.json is missing: `lightloop ci train` makes it where there is something to propose"
        )
    return Proposal.model_validate(read_json(proposal_path(project)))
