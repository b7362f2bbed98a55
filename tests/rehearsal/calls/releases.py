"""Releases and what hangs on them."""

import re
from typing import TYPE_CHECKING, Any

from rehearsal.content import Asset, Release
from rehearsal.rest import Answer, RefusedError, Request, endpoint
from rehearsal.workflows import TAGS

if TYPE_CHECKING:
    from rehearsal.forge import Forge


def _release(request: Request) -> Release:
    found = request.forge.releases.get(int(request.names[0]))
    if found is None:
        raise RefusedError(404, "Not Found")
    return found


def _release_json(forge: "Forge", release: Release) -> dict[str, Any]:
    return release.json(forge.page, f"{forge.api}/repos/{forge.slug}", f"{forge.url}/api/uploads/repos/{forge.slug}")


@endpoint("POST", "/releases", "contents:write")
def make_release(request: Request) -> Answer:
    forge, given = request.forge, request.given
    tag = given["tag_name"]
    if any(one.tag == tag and not one.draft for one in forge.releases.values()):
        raise RefusedError(422, "Validation Failed: tag_name already_exists")
    if TAGS + tag not in forge.repository.refs() and not given.get("draft"):
        # GitHub would make a lightweight tag here, which the registry does not see.
        commit = forge.repository.commit(given.get("target_commitish") or "main")
        if commit is None:
            raise RefusedError(422, "Validation Failed: target_commitish is invalid")
        forge.repository.put(TAGS + tag, commit)
    name, body = str(given.get("name") or tag), str(given.get("body") or "")
    if len(body) > 125_000:
        raise RefusedError(422, "Validation Failed: body is too long (maximum is 125000 characters)")
    release = Release(
        forge.next_id(), tag, request.token.actor, name, body, bool(given.get("draft")), bool(given.get("prerelease"))
    )
    forge.releases[release.id] = release
    return 201, _release_json(forge, release)


@endpoint("GET", "/releases", "contents:read")
def list_releases(request: Request) -> Answer:
    return 200, request.page([_release_json(request.forge, one) for one in list(request.forge.releases.values())[::-1]])


@endpoint("GET", "/releases/tags/{tag}", "contents:read")
def release_of(request: Request) -> Answer:
    for one in request.forge.releases.values():
        if one.tag == request.names[0] and not one.draft:
            return 200, _release_json(request.forge, one)
    raise RefusedError(404, "Not Found")


@endpoint("PATCH", "/releases/{id}", "contents:write")
def edit_release(request: Request) -> Answer:
    release = _release(request)
    for name in ("name", "body", "draft", "prerelease"):
        if name in request.given:
            setattr(release, name, request.given[name])
    return 200, _release_json(request.forge, release)


@endpoint("POST", "/releases/{id}/assets", "contents:write")
def upload(request: Request) -> Answer:
    release = _release(request)
    # Names are changed to what an address may hold.
    name = re.sub(r"[^\w.@+-]+", ".", request.query.get("name", ""))
    if not name or not request.raw:
        raise RefusedError(400, "Bad Request: a name and a body are expected")
    if any(one.name == name for one in release.assets):
        raise RefusedError(422, "Validation Failed: already_exists")
    release.assets.append(Asset(request.forge.next_id(), name, request.raw))
    return 201, release.assets[-1].json(f"{request.forge.api}/repos/{request.forge.slug}")


@endpoint("GET", "/releases/{id}/assets", "contents:read")
def list_assets(request: Request) -> Answer:
    api = f"{request.forge.api}/repos/{request.forge.slug}"
    return 200, request.page([one.json(api) for one in _release(request).assets])


@endpoint("GET", "/releases/assets/{id}", "contents:read")
def get_asset(request: Request) -> Answer:
    for release in request.forge.releases.values():
        for one in release.assets:
            if one.id == int(request.names[0]):
                raw = request.headers.get("accept") == "application/octet-stream"
                return 200, one.content if raw else one.json(f"{request.forge.api}/repos/{request.forge.slug}")
    raise RefusedError(404, "Not Found")


@endpoint("DELETE", "/releases/assets/{id}", "contents:write")
def remove_asset(request: Request) -> Answer:
    for release in request.forge.releases.values():
        kept = [one for one in release.assets if one.id != int(request.names[0])]
        if len(kept) < len(release.assets):
            release.assets = kept
            return 204, None
    raise RefusedError(404, "Not Found")
