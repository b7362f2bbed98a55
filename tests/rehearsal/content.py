"""What people see on the forge: issues, pull requests, comments, releases. Sizes and forms are those of GitHub."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

LONGEST_BODY = 65_536  # characters of an issue, a pull request or a comment
LONGEST_TITLE = 256


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Comment:
    id: int
    by: str
    body: str

    def json(self, url: str) -> dict[str, Any]:
        return {"id": self.id, "body": self.body, "user": user(self.by), "html_url": f"{url}#issuecomment-{self.id}"}


@dataclass
class Issue:
    """An issue; a pull request is one too.

    Attributes:
        state: open or closed.
        history: what was done to it, a word each, oldest first: "opened", "edited", "closed", "reopened".
    """

    number: int
    by: str
    title: str
    body: str
    labels: list[str] = field(default_factory=list)
    assignees: list[str] = field(default_factory=list)
    state: str = "open"
    comments: list[Comment] = field(default_factory=list)
    history: list[str] = field(default_factory=lambda: ["opened"])
    created: str = field(default_factory=now)
    updated: str = field(default_factory=now)

    def json(self, url: str) -> dict[str, Any]:
        return {
            "id": 10_000 + self.number,
            "number": self.number,
            "title": self.title,
            "body": self.body,
            "state": self.state,
            "user": user(self.by),
            "labels": [{"name": name} for name in self.labels],
            "assignees": [user(name) for name in self.assignees],
            "comments": len(self.comments),
            "created_at": self.created,
            "updated_at": self.updated,
            "html_url": f"{url}/issues/{self.number}",
            "url": f"{url}/issues/{self.number}",
        }

    def edit(self, given: dict[str, Any]) -> None:
        """Change what is given, as PATCH does."""
        for name in ("title", "body"):
            if given.get(name) is not None:
                setattr(self, name, given[name])
                self.history.append("edited")
        if "labels" in given:
            self.labels = [one if isinstance(one, str) else one["name"] for one in given["labels"]]
        if given.get("state") in ("open", "closed") and given["state"] != self.state:
            self.state = given["state"]
            self.history.append("closed" if self.state == "closed" else "reopened")
        self.updated = now()


@dataclass
class Pull(Issue):
    """A pull request.

    Attributes:
        head: its branch.
        base: into which it is to go.
        merged: the commit that it became.
    """

    head: str = ""
    base: str = "main"
    draft: bool = False
    merged: str | None = None

    def pull_json(self, url: str, sha: str) -> dict[str, Any]:
        owner = url.rsplit("/", 2)[1]
        return self.json(url) | {
            "html_url": f"{url}/pull/{self.number}",
            "node_id": f"PR_{self.number}",
            "draft": self.draft,
            "merged": self.merged is not None,
            "merged_at": self.updated if self.merged else None,
            "merge_commit_sha": self.merged,
            "head": {"ref": self.head, "sha": sha, "label": f"{owner}:{self.head}"},
            "base": {"ref": self.base},
        }


@dataclass
class Asset:
    id: int
    name: str
    content: bytes

    def json(self, api: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "size": len(self.content),
            "state": "uploaded",
            "digest": "sha256:" + hashlib.sha256(self.content).hexdigest(),
            "url": f"{api}/releases/assets/{self.id}",
            "browser_download_url": f"{api}/releases/assets/{self.id}",
        }


@dataclass
class Release:
    id: int
    tag: str
    by: str
    name: str
    body: str
    draft: bool = False
    prerelease: bool = False
    assets: list[Asset] = field(default_factory=list)

    def json(self, url: str, api: str, uploads: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "tag_name": self.tag,
            "name": self.name,
            "body": self.body,
            "draft": self.draft,
            "prerelease": self.prerelease,
            "author": user(self.by),
            "assets": [asset.json(api) for asset in self.assets],
            "html_url": f"{url}/releases/tag/{self.tag}",
            "url": f"{api}/releases/{self.id}",
            "upload_url": f"{uploads}/releases/{self.id}/assets{{?name,label}}",
        }


def user(name: str) -> dict[str, Any]:
    return {"login": name, "type": "Bot" if name.endswith("[bot]") else "User"}
