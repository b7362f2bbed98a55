"""Runs, attestations, the repository itself."""

from rehearsal.content import user
from rehearsal.rest import Answer, RefusedError, Request, endpoint
from rehearsal.workflows import BRANCHES, InvalidError, inputs, parse


@endpoint("POST", "/actions/workflows/{file}/dispatches", "actions:write")
def dispatch(request: Request) -> Answer:
    forge, file = request.forge, request.names[0]
    ref = forge.repository.full(str(request.given.get("ref", "")))
    if ref is None:
        raise RefusedError(422, f"No ref found for: {request.given.get('ref')}")
    commit = forge.repository.commit(ref)
    assert commit is not None
    # GitHub knows the files of the default branch alone; what runs is the file at the ref.
    if forge.repository.file("main", f".github/workflows/{file}") is None:
        raise RefusedError(404, "Not Found")
    text = forge.repository.file(commit, f".github/workflows/{file}")
    if text is None:
        raise RefusedError(422, f"Workflow {file} does not exist on {ref}")
    try:
        given = inputs(parse(text), request.given.get("inputs") or {})
    except InvalidError as error:
        raise RefusedError(422, str(error)) from None
    payload = {"ref": ref, "inputs": given, "after": commit, "deleted": False, "workflow": f".github/workflows/{file}"}
    further = {"only": file, "origin": request.token.run}
    forge.emit(forge.event("workflow_dispatch", payload, ref=ref, sha=commit, actor=request.token.actor, **further))
    return 204, None


@endpoint("POST", "/dispatches", "contents:write")
def dispatch_outside(request: Request) -> Answer:
    payload = request.given.get("client_payload") or {}
    if len(payload) > 10:
        raise RefusedError(422, "No more than 10 properties are allowed; client_payload")
    request.forge.dispatch_outside(request.given["event_type"], payload, request.token)
    return 204, None


@endpoint("GET", "/actions/workflows/{file}/runs", "actions:read")
def list_runs(request: Request) -> Answer:
    found = [run.json(request.forge.page) for run in request.forge.runs if run.workflow == request.names[0]]
    return 200, {"total_count": len(found), "workflow_runs": request.page(found[::-1])}


@endpoint("POST", "/attestations", "attestations:write")
def attest(request: Request) -> Answer:
    forge = request.forge
    about = {"by": request.token.name, "workflow": f"{forge.slug}/.github/workflows/{forge.running}"}
    forge.attested.append(request.given | about)
    return 201, {"id": len(forge.attested)}


@endpoint("GET", "/attestations/{digest}", "attestations:read")
def attestations(request: Request) -> Answer:
    found = [one for one in request.forge.attested if one["digest"] == request.names[0]]
    if not found:
        raise RefusedError(404, "Not Found")
    return 200, {"attestations": found}


@endpoint("POST", "/packages", "packages:write")
def push_image(request: Request) -> Answer:
    """Not GitHub's: what the stand-in that builds images pushes to its registry."""
    request.forge.images.append(request.given | {"by": request.token.name})
    return 201, None


@endpoint("GET", "/packages", "packages:read")
def list_images(request: Request) -> Answer:
    """Likewise, of the stand-in that logs in."""
    return 200, request.forge.images


@endpoint("GET", "/oidc", "id-token:write")
def identity(request: Request) -> Answer:
    """Not GitHub's: what the stand-in of the step that asks the cloud for credentials hands on."""
    return 200, request.forge.settings.cloud


@endpoint("GET", "", "metadata:read")
def about(request: Request) -> Answer:
    forge = request.forge
    owner = forge.slug.split("/")[0]
    return 200, {
        "full_name": forge.slug,
        "default_branch": "main",
        "private": True,
        "html_url": forge.page,
        "owner": user(owner),
    }


@endpoint("GET", "/commits/{ref}", "contents:read")
def get_commit(request: Request) -> Answer:
    found = request.forge.repository.commit(request.names[0])
    if found is None:
        raise RefusedError(422, f"No commit found for SHA: {request.names[0]}")
    return 200, {"sha": found}


@endpoint("POST", "/statuses/{sha}", "statuses:write")
def set_status(request: Request) -> Answer:
    request.forge.statuses.append(request.given | {"sha": request.names[0], "by": request.token.name})
    return 201, request.given


@endpoint("DELETE", "/git/refs/heads/{branch}", "contents:write")
def remove_branch(request: Request) -> Answer:
    ref = BRANCHES + request.names[0]
    if ref not in request.forge.repository.refs():
        raise RefusedError(422, "Reference does not exist")
    request.forge.repository.git("update-ref", "-d", ref)
    return 204, None
