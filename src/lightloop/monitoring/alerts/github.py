"""The issue on GitHub: one is open while something is to be done, and a marker in it says what it is about."""

import hashlib
import re
from typing import Any, Final

import httpx

from lightloop.errors import LightloopError
from lightloop.monitoring.alerts.channel import Done, request
from lightloop.monitoring.alerts.message import Message

MARKER: Final = re.compile(r"<!-- lightloop-monitoring: ([^ ]*) ([0-9a-z]*) -->")
LAST_PAGE: Final = 10
RIGHTS: Final = "give the job `permissions: issues: write`, and switch issues on in the repository's settings"


class GitHubIssue:
    """Opens, updates and closes one issue a model.

    Args:
        token: that may write issues.
        repository: such as `acme/loans`.
        api: address of the REST API.
        model: whose issue it is: a repository may hold several.
        label: of the issue.
        close: whether to close it when all is well.
        seconds: of each request.
    """

    remembers = True

    def __init__(
        self, token: str, repository: str, api: str, *, model: str, label: str, close: bool, seconds: float
    ) -> None:
        self._client = httpx.Client(
            base_url=f"{api.rstrip('/')}/repos/{repository}",
            headers={
                "Authorization": f"Bearer {token}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
            timeout=seconds,
        )
        self._model = model.replace(" ", "-")
        self._label = label
        self._close = close

    def tell(self, message: Message) -> Done | None:
        with self._client:
            try:
                return self._tell(message)
            except LightloopError as error:
                if re.search(r"says (403|404|410)", str(error)):
                    raise LightloopError(f"{error}: {RIGHTS}") from None
                raise

    def _tell(self, message: Message) -> Done | None:
        issue, known = self._open_issue()
        if message.well:
            if issue is None or known == "well":
                return None
            self._ask("POST", f"/issues/{issue['number']}/comments", {"body": f"Well again.\n\n{message.markdown()}"})
            if self._close:
                self._ask("PATCH", f"/issues/{issue['number']}", {"state": "closed", "state_reason": "completed"})
            else:
                body = MARKER.sub(f"<!-- lightloop-monitoring: {self._model} well -->", issue["body"])
                self._ask("PATCH", f"/issues/{issue['number']}", {"body": body})
            return "well"
        # The marker is read again: what a fingerprint is made of may not end it.
        mark = hashlib.sha256(message.fingerprint.encode()).hexdigest()[:16]
        body = f"{message.markdown()}\n\n<!-- lightloop-monitoring: {self._model} {mark} -->\n"
        title = message.title[:250]
        if issue is None:
            self._ask("POST", "/issues", {"title": title, "body": body, "labels": [self._label]})
            return "sent"
        # The figures of the newest window stand in the issue; a comment, which calls people, only where it is new.
        if issue["body"] != body or issue["title"] != title:
            self._ask("PATCH", f"/issues/{issue['number']}", {"title": title, "body": body})
        if known == mark:
            return None
        comment = f"Something else is found now: {message.title}\n\n{message.markdown()}"
        self._ask("POST", f"/issues/{issue['number']}/comments", {"body": comment})
        return "updated"

    def _open_issue(self) -> tuple[dict[str, Any] | None, str]:
        """The open issue of this model, the oldest where there are several, and the fingerprint in its marker."""
        found: list[tuple[int, dict[str, Any], str]] = []
        for page in range(1, LAST_PAGE + 1):
            query = {"state": "open", "labels": self._label, "per_page": "100", "page": str(page)}
            listed = self._ask("GET", "/issues", query=query)
            if not isinstance(listed, list):
                raise LightloopError("GitHub's API answers no list of issues: check GITHUB_API_URL")
            for issue in listed:
                mark = MARKER.search(issue.get("body") or "")
                if mark and mark[1] == self._model and "pull_request" not in issue:
                    found.append((issue["number"], issue, mark[2]))
            if len(listed) < 100:
                break
        if not found:
            return None, ""
        _, issue, known = min(found, key=lambda one: one[0])
        return issue, known

    def _ask(self, method: str, path: str, content: Any = None, query: dict[str, str] | None = None) -> Any:
        return request(self._client, method, path, "GitHub's API", content=content, query=query)
