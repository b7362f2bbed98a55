"""Pull requests."""

from typing import Any

from rehearsal.content import LONGEST_TITLE, Pull
from rehearsal.rest import Answer, RefusedError, Request, endpoint
from rehearsal.workflows import BRANCHES


@endpoint("POST", "/pulls", "pull-requests:write")
def open_pull(request: Request) -> Answer:
    forge, given = request.forge, request.given
    if request.token.bot and not forge.settings.actions_may_open_pulls:
        raise RefusedError(403, "GitHub Actions is not permitted to create or approve pull requests.")
    head = str(given["head"]).removeprefix(forge.slug.split("/")[0] + ":")
    at, base = forge.repository.commit(BRANCHES + head), forge.repository.commit(BRANCHES + given["base"])
    if at is None or base is None:
        raise RefusedError(422, f"Validation Failed: {'head' if at is None else 'base'} is invalid")
    if at == base:
        raise RefusedError(422, f"Validation Failed: No commits between {given['base']} and {head}")
    if any(one.head == head and one.base == given["base"] and one.state == "open" for one in forge.pulls):
        owner = forge.slug.split("/")[0]
        raise RefusedError(422, f"Validation Failed: A pull request already exists for {owner}:{head}.")
    if not given.get("title"):
        raise RefusedError(422, "Validation Failed: title can't be blank")
    pull = Pull(
        forge.next_number(),
        request.token.actor,
        request.text("title", LONGEST_TITLE),
        request.text("body"),
        head=head,
        base=given["base"],
        draft=bool(given.get("draft")),
    )
    forge.issues[pull.number] = pull
    forge.about_pull(pull, "opened", request.token)
    return 201, pull.pull_json(forge.page, at)


@endpoint("GET", "/pulls", "pull-requests:read")
def list_pulls(request: Request) -> Answer:
    forge, query = request.forge, request.query
    found = forge.pulls
    if (state := query.get("state", "open")) != "all":
        found = [one for one in found if one.state == state]
    if head := query.get("head"):
        owner = forge.slug.split("/")[0]
        found = [one for one in found if f"{owner}:{one.head}" == head]
    if base := query.get("base"):
        found = [one for one in found if one.base == base]
    return 200, request.page([_pull_json(request, one) for one in found[::-1]])


@endpoint("GET", "/pulls/{number}", "pull-requests:read")
def get_pull(request: Request) -> Answer:
    return 200, _pull_json(request, request.pull())


@endpoint("PATCH", "/pulls/{number}", "pull-requests:write")
def edit_pull(request: Request) -> Answer:
    pull = request.pull()
    request.text("title", LONGEST_TITLE)
    request.text("body")
    # A draft stays one: the REST interface can't change that.
    pull.edit({name: value for name, value in request.given.items() if name in ("title", "body", "state")})
    return 200, _pull_json(request, pull)


@endpoint("PUT", "/pulls/{number}/merge", "contents:write")
def merge(request: Request) -> Answer:
    forge, pull = request.forge, request.pull()
    if pull.state != "open":
        raise RefusedError(405, "Pull Request is not mergeable")
    if pull.draft:
        raise RefusedError(405, "Pull Request is still a draft")
    head, base = forge.repository.commit(BRANCHES + pull.head), forge.repository.commit(BRANCHES + pull.base)
    assert head is not None
    assert base is not None
    slug = f"{forge.slug.split('/')[0]}/{pull.head}"
    message = f"Merge pull request #{pull.number} from {slug}\n\n{pull.title}"
    merged = forge.repository.merge(head, base, message, request.token.actor)
    if merged is None:
        raise RefusedError(405, "Pull Request has merge conflicts")
    before = forge.repository.refs()
    forge.repository.put(BRANCHES + pull.base, merged)
    pull.merged = merged
    pull.edit({"state": "closed"})
    forge.pushed(before, forge.repository.refs(), request.token)
    return 200, {"merged": True, "sha": merged}


def _pull_json(request: Request, pull: Pull) -> dict[str, Any]:
    forge = request.forge
    return pull.pull_json(forge.page, forge.repository.commit(BRANCHES + pull.head) or "")
