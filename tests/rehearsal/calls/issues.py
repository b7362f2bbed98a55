"""Issues, comments, labels."""

from typing import TYPE_CHECKING, Any

from rehearsal.content import LONGEST_TITLE, Comment, Issue, Pull
from rehearsal.rest import Answer, RefusedError, Request, endpoint

if TYPE_CHECKING:
    from rehearsal.forge import Forge


@endpoint("GET", "/issues", "issues:read")
def list_issues(request: Request) -> Answer:
    forge, query = request.forge, request.query
    found = list(forge.issues.values())
    if (state := query.get("state", "open")) != "all":
        found = [one for one in found if one.state == state]
    if labels := query.get("labels"):
        found = [one for one in found if set(labels.split(",")) <= set(one.labels)]
    if creator := query.get("creator"):
        found = [one for one in found if one.by == creator]
    return 200, request.page([_issue_json(forge, one) for one in found[::-1]])


@endpoint("POST", "/issues", "issues:write")
def open_issue(request: Request) -> Answer:
    forge = request.forge
    if not request.given.get("title"):
        raise RefusedError(422, "Validation Failed: title can't be blank")
    labels = [one if isinstance(one, str) else one["name"] for one in request.given.get("labels", [])]
    title, body = request.text("title", LONGEST_TITLE), request.text("body")
    issue = Issue(forge.next_number(), request.token.actor, title, body, labels, request.given.get("assignees", []))
    forge.issues[issue.number] = issue
    for name in labels:
        forge.labels.setdefault(name, {"name": name})
    return 201, _issue_json(forge, issue)


@endpoint("GET", "/issues/{number}", "talk:read")
def get_issue(request: Request) -> Answer:
    return 200, _issue_json(request.forge, request.issue())


@endpoint("PATCH", "/issues/{number}", "talk:write")
def edit_issue(request: Request) -> Answer:
    issue = request.issue()
    request.text("title", LONGEST_TITLE)
    request.text("body")
    issue.edit(request.given)
    return 200, _issue_json(request.forge, issue)


@endpoint("GET", "/issues/{number}/comments", "talk:read")
def list_comments(request: Request) -> Answer:
    issue = request.issue()
    return 200, request.page([one.json(_address(request.forge, issue)) for one in issue.comments])


@endpoint("POST", "/issues/{number}/comments", "talk:write")
def comment(request: Request) -> Answer:
    issue = request.issue()
    body = request.text("body")
    if not body:
        raise RefusedError(422, "Validation Failed: body can't be blank")
    issue.comments.append(Comment(request.forge.next_id(), request.token.actor, body))
    return 201, issue.comments[-1].json(_address(request.forge, issue))


@endpoint("PATCH", "/issues/comments/{id}", "issues:write")
def edit_comment(request: Request) -> Answer:
    for issue in request.forge.issues.values():
        for one in issue.comments:
            if one.id == int(request.names[0]):
                one.body = request.text("body")
                return 200, one.json(_address(request.forge, issue))
    raise RefusedError(404, "Not Found")


@endpoint("POST", "/issues/{number}/labels", "talk:write")
def label(request: Request) -> Answer:
    issue = request.issue()
    for name in request.given["labels"]:
        request.forge.labels.setdefault(name, {"name": name})
        if name not in issue.labels:
            issue.labels.append(name)
    return 200, [request.forge.labels[name] for name in issue.labels]


@endpoint("GET", "/labels/{name}", "issues:read")
def get_label(request: Request) -> Answer:
    if request.names[0] not in request.forge.labels:
        raise RefusedError(404, "Not Found")
    return 200, request.forge.labels[request.names[0]]


@endpoint("POST", "/labels", "issues:write")
def make_label(request: Request) -> Answer:
    name = request.given["name"]
    if name in request.forge.labels:
        raise RefusedError(422, "Validation Failed: already_exists")
    request.forge.labels[name] = dict(request.given)
    return 201, request.given


def _issue_json(forge: "Forge", issue: Issue) -> dict[str, Any]:
    found = issue.json(forge.page)
    if isinstance(issue, Pull):
        found["pull_request"] = {"html_url": f"{forge.page}/pull/{issue.number}"}
    return found


def _address(forge: "Forge", issue: Issue) -> str:
    return f"{forge.page}/{'pull' if isinstance(issue, Pull) else 'issues'}/{issue.number}"
