"""`lightloop ci propose`: the branch and the pull request, in a job that may write and trains nothing."""

from typing import Any

from lightloop.ci.api import Api, ApiError
from lightloop.ci.git import introduce, push, server
from lightloop.ci.outputs import BODY, clip, put, summarise, warn
from lightloop.ci.text import describe, title_of
from lightloop.ci.training import BRANCHES, Proposal, commit_path, read_proposal
from lightloop.errors import UsageError
from lightloop.project import Project
from lightloop.release.publication import OWN
from lightloop.release.repository import git, git_or_none, require_commit, require_repository, some

NEEDS = "pull-requests: write"


def propose(*, base: str) -> None:
    """Push the branch of the candidate that `ci train` made, and open its pull request or bring that up to date.

    What the gate refused becomes a draft. Where the repository lets no workflow open pull requests, the branch is
    pushed and the summary has the link by which a person opens it.

    Outputs: `branch`, `commit`, and the `number` of the pull request, empty where there is none.

    Args:
        base: the branch to merge into.

    Raises:
        UsageError: no candidate, or one that was trained from another commit than the one that is checked out.
        LightloopError: the remote refuses it.
    """
    project = Project.find()
    require_repository(project.root)
    introduce(project.root)
    told = read_proposal(project)
    _take(project, told)
    body = clip(describe(project, told), BODY)
    push(project.root, f"refs/heads/{told.branch}", force=True)
    with Api.of_environment() as api:
        number = _pull_request(api, told, base, body)
        if number is not None:
            _supersede(api, told, number)
    summarise(body)
    put(branch=told.branch, commit=told.commit, number=number)


def _take(project: Project, told: Proposal) -> None:
    """Check the candidate's commit out: one commit on top of the one that is here."""
    here = require_commit(project.root)
    if here not in (told.base, told.commit):
        raise UsageError(f"the candidate was trained from {told.base[:7]}, but {here[:7]} is checked out")
    if here != told.commit:
        git(project.root, "fetch", "--quiet", str(commit_path(project)), f"+{told.branch}:refs/heads/{told.branch}")
        git(project.root, "switch", "--quiet", told.branch)
    parents = (git_or_none(project.root, "rev-list", "--parents", "-n1", "HEAD") or "").split()
    if not told.branch.startswith(BRANCHES) or parents != [told.commit, told.base]:
        raise UsageError("ci/candidate.bundle holds another commit than ci/proposal.json says: train again")
    changed = git(project.root, "diff", "--name-only", "-z", told.base, told.commit).split("\0")
    foreign = [name for name in changed if name and not OWN.fullmatch(name)]
    if foreign:
        raise UsageError(f"the candidate changes {some(foreign)}, which the loop does not write: it is not pushed")


def _pull_request(api: Api, told: Proposal, base: str, body: str) -> int | None:
    """Open the pull request of a branch, or bring it up to date; its number."""
    owner = api.repository.partition("/")[0]
    found: list[dict[str, Any]] = api.get("/pulls", head=f"{owner}:{told.branch}", state="all")
    there = next((one for one in found if one["state"] == "open"), None)
    if there is not None:
        api.send("PATCH", f"/pulls/{there['number']}", {"title": title_of(told), "body": body}, needs=NEEDS)
        print(f"pull request {there['number']} is up to date")
        return int(there["number"])
    if found:
        # The very same model: who closed it has decided.
        warn(f"pull request {found[0]['number']} with this very model was closed: it is not opened again")
        return None
    content = {
        "title": title_of(told),
        "head": told.branch,
        "base": base,
        "body": body,
        "draft": told.verdict != "accepted",
    }
    try:
        opened = api.send("POST", "/pulls", content, needs=NEEDS)
    except ApiError as error:
        if not error.pull_requests_off:
            raise
        link = f"{server()}/{api.repository}/compare/{base}...{told.branch}?expand=1"
        warn(f"{error}. The branch {told.branch} is pushed; open the pull request by hand: {link}")
        summarise(f"### Open the pull request by hand\n\n{error}.\n\n[Open it]({link})")
        return None
    print(f"pull request {opened['number']} is open: {opened.get('html_url', '')}")
    return int(opened["number"])


def _supersede(api: Api, told: Proposal, number: int) -> None:
    """Close older retrain pull requests: only one candidate is compared with the champion of today."""
    for one in api.get("/pulls", state="open", per_page=100):
        branch = one["head"]["ref"]
        if branch.startswith(BRANCHES) and branch != told.branch:
            note = {"body": f"Superseded by #{number}."}
            api.send("POST", f"/issues/{one['number']}/comments", note, needs=NEEDS)
            api.send("PATCH", f"/pulls/{one['number']}", {"state": "closed"}, needs=NEEDS)
            print(f"pull request {one['number']} is superseded, and closed")
