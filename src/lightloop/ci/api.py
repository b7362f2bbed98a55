"""GitHub's REST interface: the few calls that the loop needs, with a sentence for what may go wrong."""

import os
import time
from typing import Any, Self

import httpx

from lightloop.ci.git import token
from lightloop.errors import LightloopError, UsageError

TRIES = 4
LONGEST_WAIT = 60.0  # seconds; a limit that lasts longer is said instead of waited for
SECONDS = 30.0
PULL_REQUESTS_OFF = "not permitted to create or approve pull requests"


class ApiError(LightloopError):
    """GitHub said no.

    Attributes:
        status: HTTP's.
        reason: GitHub's own words.
    """

    def __init__(self, sentence: str, status: int, reason: str) -> None:
        super().__init__(sentence)
        self.status, self.reason = status, reason

    @property
    def pull_requests_off(self) -> bool:
        """Whether the repository lets no workflow open pull requests."""
        return PULL_REQUESTS_OFF in self.reason


class Api:
    """A repository on GitHub, as GITHUB_API_URL, GITHUB_REPOSITORY and GH_TOKEN say.

    Use it as a context: `with Api.of_environment() as api: api.get("/pulls")`.
    """

    def __init__(self, address: str, repository: str, secret: str) -> None:
        self.repository = repository
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {secret}",
            "X-GitHub-Api-Version": "2022-11-28",
            "User-Agent": "lightloop",
        }
        self._client = httpx.Client(base_url=address, headers=headers, timeout=SECONDS, follow_redirects=True)

    @classmethod
    def of_environment(cls) -> Self:
        """The repository that a workflow runs in, or one that a person names by the same variables.

        Raises:
            UsageError: the repository or the token is missing.
        """
        repository, secret = os.environ.get("GITHUB_REPOSITORY"), token()
        if not repository:
            raise UsageError("GITHUB_REPOSITORY is not set: name the repository, such as owner/name")
        if not secret:
            raise UsageError(
                "GH_TOKEN is not set: give the step `GH_TOKEN: ${{ github.token }}`; on a laptop "
                "`gh auth token` prints one"
            )
        return cls(os.environ.get("GITHUB_API_URL", "https://api.github.com"), repository, secret)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, **query: str | int) -> Any:
        """What lies at a path below the repository's."""
        return self._call("GET", path, None, "read it", query)

    def download(self, path: str) -> bytes:
        """The bytes that lie at a path below the repository's."""
        response = self._reach(self._client.build_request("GET", f"/repos/{self.repository}{path}"))
        if not response.is_success:
            self._answer(response, f"GET {path}", "actions: read")
        return response.content

    def send(self, method: str, path: str, content: dict[str, Any], *, needs: str) -> Any:
        """Change something.

        Args:
            method: POST, PATCH or PUT.
            path: below the repository's.
            content: becomes JSON.
            needs: the permission that the job must have, such as "pull-requests: write".

        Raises:
            ApiError: GitHub said no.
            LightloopError: it can't be reached.
        """
        return self._call(method, path, content, needs, {})

    def upload(self, address: str, name: str, content: bytes, kind: str) -> Any:
        """Attach a file to a release: `address` is the `upload_url` that the release has."""
        url = address.partition("{")[0]
        request = self._client.build_request(
            "POST", url, params={"name": name}, content=content, headers={"Content-Type": kind}, timeout=300.0
        )
        return self._answer(self._reach(request), f"upload {name}", "contents: write")

    def _reach(self, request: httpx.Request) -> httpx.Response:
        """Ask once."""
        try:
            return self._client.send(request)
        except httpx.HTTPError as error:
            raise self._lost(error) from None

    def _lost(self, error: httpx.HTTPError) -> LightloopError:
        return LightloopError(f"GitHub can't be reached at {self._client.base_url} ({error})")

    def _call(self, method: str, path: str, content: Any, needs: str, query: dict[str, str | int]) -> Any:
        url = f"/repos/{self.repository}{path}"
        for attempt in range(1, TRIES + 1):
            try:
                response = self._client.request(method, url, json=content, params=query or None)
            except httpx.HTTPError as error:
                # What was sent may have been done: only reading is safe to repeat, and what never arrived.
                if attempt == TRIES or not (method == "GET" or isinstance(error, httpx.ConnectError)):
                    raise self._lost(error) from None
                time.sleep(2.0 ** (attempt - 2))
                continue
            wait = _wait(response, method, attempt)
            if wait is None or attempt == TRIES:
                return self._answer(response, f"{method} {url}", needs)
            time.sleep(wait)
        raise AssertionError("unreachable")

    def _answer(self, response: httpx.Response, what: str, needs: str) -> Any:
        if response.is_success:
            return response.json() if response.content else None
        reason = _reason(response)
        raise ApiError(_sentence(self.repository, response, what, needs, reason), response.status_code, reason)


def _wait(response: httpx.Response, method: str, attempt: int) -> float | None:
    """Seconds until it is worth asking again, or None."""
    limited = response.status_code == httpx.codes.TOO_MANY_REQUESTS or (
        response.status_code == httpx.codes.FORBIDDEN
        and ("retry-after" in response.headers or response.headers.get("x-ratelimit-remaining") == "0")
    )
    if limited:
        after = response.headers.get("retry-after")
        reset = response.headers.get("x-ratelimit-reset")
        seconds = float(after) if after else float(reset) - time.time() if reset else 2.0**attempt
        return max(0.0, seconds) if seconds <= LONGEST_WAIT else None
    if response.is_server_error and method == "GET":
        return float(2.0 ** (attempt - 2))
    return None


def _reason(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return response.text[:200]
    if not isinstance(body, dict):
        return str(body)[:200]
    details = body.get("errors") or []
    said = [str(one.get("message", one) if isinstance(one, dict) else one) for one in details]
    return "; ".join([str(body.get("message", "")), *said])


def _sentence(repository: str, response: httpx.Response, what: str, needs: str, reason: str) -> str:
    """What happened and what to do."""
    status = response.status_code
    if PULL_REQUESTS_OFF in reason:
        return (
            "this repository lets no workflow open pull requests: switch it on with "
            f"`gh api -X PUT repos/{repository}/actions/permissions/workflow -F can_approve_pull_request_reviews=true`"
        )
    if status == httpx.codes.UNAUTHORIZED:
        return f"GitHub does not know the token ({reason}): GH_TOKEN must be one that is valid still"
    if status == httpx.codes.TOO_MANY_REQUESTS or response.headers.get("x-ratelimit-remaining") == "0":
        return f"GitHub's limit of requests is reached ({reason}): run the job again later"
    if status in (httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND) and not what.startswith("GET "):
        return (
            f"{what} was refused with {status} ({reason}): the job needs `permissions: {needs}`, and the repository "
            "must allow it in Settings, Actions, General"
        )
    return f"{what} was answered with {status} ({reason})"
